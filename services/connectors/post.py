"""One HTTP request to an address that was looked up once.

Enters: a URL, headers, a body. Leaves: an Outcome; nothing is raised. The name is resolved here and nowhere else, the
connection goes to that address, redirects are not followed, and no more of the answer is read than its head.
"""

from __future__ import annotations

import http.client
import socket
from urllib.parse import SplitResult, quote, urlsplit

import gevent

from services.connectors.decide import Answered, Outcome, Refused, Unreachable, choose
from services.runtime.tls import client_context

TIMEOUT_S = 15.0
_SAFE = "/%:@!$&'()*+,;=-._~?"


def post(
    url: str, headers: dict[str, str], body: bytes, *, allow_private: bool, timeout_s: float = TIMEOUT_S
) -> Outcome:
    """POST `body`; the whole of it, from the look-up to the answer's head, takes at most `timeout_s`."""
    try:
        parts = urlsplit(url)
        host, port = _host(parts), parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        return Refused(f"the address cannot be used: {error}")
    with gevent.Timeout(timeout_s, False):
        return _send(parts, host, port, headers, body, allow_private)
    return Unreachable(f"no answer within {timeout_s:g} s")


def _host(parts: SplitResult) -> str:
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("only http and https with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a user name")
    host = parts.hostname
    return host if ":" in host else host.encode("idna").decode("ascii")


def _send(
    parts: SplitResult, host: str, port: int, headers: dict[str, str], body: bytes, allow_private: bool
) -> Outcome:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        return Unreachable(f"look-up failed: {_plain(str(error))}")
    address = choose(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)), allow_private)
    if isinstance(address, Refused):
        return address
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    connection = _Connection(host, port, address, secure=parts.scheme == "https")
    try:
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        return Answered(answer.status, _seconds(answer.getheader("Retry-After")))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Unreachable(f"{type(error).__name__}: {_plain(str(error))}")
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """To `address`, whatever the name resolves to by now; certificate and Host are the name's."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        self.default_port = 443 if secure else 80
        self._address = address
        self._secure = secure

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = plain
        if self._secure:
            self.sock = client_context().wrap_socket(plain, server_hostname=self.host)


def _seconds(text: str | None) -> int:
    """Retry-After in seconds; a date is not read, the usual delay then holds (RFC 9110, 10.2.3)."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:120])
