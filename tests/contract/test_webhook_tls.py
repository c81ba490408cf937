"""What a client's web server must show before an ended call is told to it by https."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from services.connectors.decide import Answered, Outcome, Unreachable
from services.connectors.post import post


@pytest.fixture
def heard() -> list[bytes]:
    return []


@contextmanager
def receiver(certificate: trustme.LeafCert, heard: list[bytes]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(port: int, host: str = "localhost") -> Outcome:
    return post(f"https://{host}:{port}/calls", {}, b"an ended call", allow_private=True, timeout_s=30)


def test_a_receiver_whom_the_system_trusts_is_told(
    heard: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))  # where OpenSSL looks for what this system trusts
    with receiver(ca.issue_cert("localhost"), heard) as port:
        assert isinstance(told(port), Answered)
        assert heard == [b"an ended call"]
        elsewhere = told(port, "127.0.0.1")
    assert isinstance(elsewhere, Unreachable)
    assert "IP address mismatch" in elsewhere.reason
    assert len(heard) == 1


def test_a_receiver_whom_nobody_trusts_is_told_nothing(heard: list[bytes]) -> None:
    with receiver(trustme.CA().issue_cert("localhost"), heard) as port:
        outcome = told(port)
    assert isinstance(outcome, Unreachable)
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.reason
    assert not heard
