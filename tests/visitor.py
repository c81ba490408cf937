"""A browser without eyes, for tests: keeps cookies, fills the log-in form, reads live updates; follows no redirect.

Enters: the address of a web server. Leaves: status, headers and text of each answer.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

TIMEOUT_S = 10


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass
class Visitor:
    """One browser."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    """What this browser trusts; None: plain http."""
    token: str = ""
    """A program's, shown in place of cookies."""

    def get(self, path: str, accept: str = "text/html") -> Answer:
        """GET."""
        return self._ask("GET", path, None, accept)

    def post(self, path: str, form: dict[str, str], token: bool = True) -> Answer:
        """POST a form, with the token that the log-in page gives."""
        if token:
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get("/login").text)
            assert found is not None
            form = {**form, "csrf_token": found.group(1)}
        return self._ask("POST", path, urlencode(form), "text/html")

    def send(self, path: str, files: dict[str, list[tuple[str, bytes]]]) -> Answer:
        """POST files, as a form's field with each name and bytes."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get("/login").text)
        assert found is not None
        parts = [f'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{found.group(1)}\r\n'.encode()]
        for field_name, sent in files.items():
            for name, data in sent:
                head = f'Content-Disposition: form-data; name="{field_name}"; filename="{name}"'
                parts.append(f"--b\r\n{head}\r\nContent-Type: text/plain\r\n\r\n".encode() + data + b"\r\n")
        body = b"".join(parts) + b"--b--\r\n"
        return self._ask("POST", path, body, "text/html", "multipart/form-data; boundary=b")

    def log_in(self, name: str, password: str, then: str = "/") -> Answer:
        """Through the form."""
        return self.post("/login?" + urlencode({"next": then}), {"name": name, "password": password})

    def open_stream(self, path: str = "/live", last: str = "") -> Stream:
        """Live updates."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {"Cookie": self._cookie(), "Accept": "text/event-stream"}
        if last:
            headers["Last-Event-ID"] = last
        connection.request("GET", path, headers=headers)
        return Stream(connection, connection.getresponse())

    def _ask(
        self,
        method: str,
        path: str,
        body: str | bytes | None,
        accept: str,
        kind: str = "application/x-www-form-urlencoded",
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {"Cookie": self._cookie(), "Accept": accept}
        if self.tls is not None:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=TIMEOUT_S, context=self.tls)
            headers["Referer"] = f"https://localhost:{self.port}{path}"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = kind
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            for line in response.headers.get_all("Set-Cookie") or ():
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


@dataclass
class Stream:
    """An open stream of server-sent events."""

    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse

    def next(self) -> dict[str, str]:
        """The next event (or comment) as its fields; {} when the server ended the stream. Raises TimeoutError."""
        fields: dict[str, str] = {}
        while line := self.response.readline().decode():
            if line == "\n":
                return fields
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name.rstrip(":") or "comment"] = value
        return fields

    def next_event(self) -> dict[str, str]:
        """The next thing that is neither comment nor the opening line."""
        while True:
            fields = self.next()
            if "event" in fields or not fields:
                return fields

    def close(self) -> None:
        """Leave."""
        self.response.close()
        self.connection.close()
