"""The web server as a part with start and stop: gevent's WSGI server on this machine's own address.

Enters: a WSGI application, and what it shows of itself if it speaks TLS. Leaves: HTTP or HTTPS. Port 0 asks the system
for a free one; `url` tells which. Without a certificate a web server with TLS stands between it and other machines.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import gevent
from flask import Flask
from gevent.pywsgi import WSGIHandler, WSGIServer

from services.runtime.log import get_logger, mask
from services.runtime.tls import server_context
from services.runtime.web.live import feeds_of

HANDSHAKE_S = 10.0
SILENT_S = 60.0
"""A visitor who neither sends the rest of a request, nor takes the rest of an answer, for so long is gone."""

log = get_logger("web")


class _ErrorLog:
    """pywsgi writes tracebacks as text; each becomes one line of our log."""

    def write(self, text: str) -> None:
        if text.strip():
            log.warning("web server", text=mask(text.strip())[:2000])

    def flush(self) -> None:
        """Nothing is kept back."""


class _Handler(WSGIHandler):  # type: ignore[misc]
    """A request that is none is a line of the log; pywsgi prints a traceback of its own for some of them."""

    def read_request(self, raw_requestline: str) -> bool:
        try:
            return bool(super().read_request(raw_requestline))
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


class _Server(WSGIServer):  # type: ignore[misc]
    """Visitors who speak no TLS, or nothing at all, end without a traceback and hold nothing for long."""

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        try:
            with gevent.Timeout(HANDSHAKE_S, TimeoutError("no handshake")):
                secure = self.wrap_socket(client_socket, **self.ssl_args)
        except OSError as error:  # also what goes wrong in TLS, and the time that is over
            log.info(
                "no TLS with a visitor", address=str(address[0]), reason=getattr(error, "reason", None) or str(error)
            )
            client_socket.close()
            return
        with closing(secure):
            self.handle(secure, address)

    def handle(self, client_socket: Any, address: Any) -> None:
        client_socket.settimeout(SILENT_S)
        super().handle(client_socket, address)


class WebServer:
    """Serves one application."""

    def __init__(
        self,
        app: Flask,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        certificate_file: Path | None = None,
        key_file: Path | None = None,
    ) -> None:
        """With `certificate_file` it speaks TLS and nothing else."""
        self._app, self._host, self._asked_port = app, host, port
        self._certificate_file, self._key_file = certificate_file, key_file
        self._server: Any = None

    def start(self) -> None:
        """Listen. Raises OSError if the port is taken, UnusableCertificate."""
        tls = {}
        if self._certificate_file is not None:
            tls["ssl_context"] = server_context(self._certificate_file, self._key_file)
        place = (self._host, self._asked_port)
        self._server = _Server(place, self._app, log=None, error_log=_ErrorLog(), handler_class=_Handler, **tls)
        self._server.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        """Where the first page is."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._certificate_file is None else 'https'}://{host}:{self.port}/"

    def stop(self, timeout_s: float = 1.0) -> None:
        """Take no more visitors, end live streams, let answers in hand finish for `timeout_s`."""
        if self._server is None:
            return
        self._server.close()
        for feed in feeds_of(self._app):
            feed.drop_all()
        self._server.stop(timeout=timeout_s)
        self._server = None
