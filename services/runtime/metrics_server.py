"""The page /metrics of a process, for a Prometheus on this machine.

Enters: the figures of `metrics.py`. Leaves: text over HTTP, on 127.0.0.1 alone: a scraper cannot fill in a log-in form,
so the page is not among those of `web/`. It names services, types and switches, never a number or a client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIServer
from prometheus_client import make_wsgi_app

LOOPBACK = "127.0.0.1"
_figures = make_wsgi_app()


class MetricsServer:
    """A part: `start()` and `stop()`."""

    def __init__(self, port: int = 0) -> None:
        """Port 0 asks the system for a free one."""
        self._asked_port = port
        self._server: Any = None

    def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        self._server = WSGIServer((LOOPBACK, self._asked_port), _only_metrics, log=None, error_log=None)
        self._server.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_port)

    def stop(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.stop(timeout=1)
            self._server = None


def _only_metrics(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/metrics" or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics\n"]
    page: Iterable[bytes] = _figures(environ, start_response)
    return page
