"""The web server as a part with start and stop: gevent's WSGI server on this machine's own address.

Enters: a WSGI application. Leaves: HTTP. Port 0 asks the system for a free one; `url` tells which. In front of other
machines stands a reverse proxy with TLS.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from gevent.pywsgi import WSGIServer

from services.runtime.log import get_logger
from services.runtime.web.live import feeds_of

log = get_logger("web")


class _ErrorLog:
    """pywsgi writes tracebacks as text; each becomes one line of our log."""

    def write(self, text: str) -> None:
        if text.strip():
            log.warning("web server", text=text.strip()[:2000])

    def flush(self) -> None:
        """Nothing is kept back."""


class WebServer:
    """Serves one application."""

    def __init__(self, app: Flask, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app, self._host, self._asked_port = app, host, port
        self._server: Any = None

    def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        self._server = WSGIServer((self._host, self._asked_port), self._app, log=None, error_log=_ErrorLog())
        self._server.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        """Where the first page is."""
        return f"http://{self._host}:{self.port}/"

    def stop(self, timeout_s: float = 1.0) -> None:
        """Take no more visitors, end live streams, let answers in hand finish for `timeout_s`."""
        if self._server is None:
            return
        self._server.close()
        for feed in feeds_of(self._app):
            feed.drop_all()
        self._server.stop(timeout=timeout_s)
        self._server = None
