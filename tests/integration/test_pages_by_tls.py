"""The pages served by https without a web server in front: what a browser is shown, promised and refused."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from services.runtime.tls import UnusableCertificate, client_context
from services.runtime.web import server
from services.runtime.web.server import WebServer
from tests.pages_house import PagesHouse
from tests.stores import KINDS, stores_of
from tests.visitor import Visitor


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module", params=KINDS)
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ca: trustme.CA
) -> Iterator[PagesHouse]:
    folder = tmp_path_factory.mktemp("pages")
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "pages.pem")
    with stores_of(request.param, request, folder) as database:
        one = PagesHouse(folder, database, certificate=folder / "pages.pem")
        one.start()
        yield one
        one.stop()


@pytest.fixture
def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = client_context()
    ca.configure_trust(context)
    return context


def test_a_person_logs_in_by_https_and_the_cookie_never_leaves_it(house: PagesHouse, trusting: ssl.SSLContext) -> None:
    visitor = Visitor(house.server.port, tls=trusting)
    answer = visitor.log_in("admin", house.password)
    assert answer.status == 303
    cookies = [line for line in answer.headers.get_all("Set-Cookie") or () if line.startswith("toritsugi=")]
    assert cookies
    assert all("Secure;" in line and "HttpOnly;" in line and "SameSite=Lax" in line for line in cookies)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert visitor.get("/").status == 200
    assert house.server.url.startswith("https://")


def test_a_browser_that_does_not_trust_it_says_nothing(house: PagesHouse) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        Visitor(house.server.port, tls=client_context()).get("/login")


def test_neither_old_tls_nor_plain_http_gets_an_answer(
    house: PagesHouse, trusting: ssl.SSLContext, capfd: pytest.CaptureFixture[str]
) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Visitor(house.server.port, tls=old).get("/login")
    with socket.create_connection(("127.0.0.1", house.server.port), 10) as plain:
        plain.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n")
        with suppress(ConnectionResetError):  # as good
            assert not plain.recv(1000).startswith(b"HTTP")
    assert Visitor(house.server.port, tls=trusting).get("/login").status == 200, "others are served as before"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("first_words", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half a hello"])
def test_who_never_shakes_hands_is_sent_away(
    house: PagesHouse, monkeypatch: pytest.MonkeyPatch, first_words: bytes
) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_S", 0.1)
    with socket.create_connection(("127.0.0.1", house.server.port), 10) as idle:
        idle.sendall(first_words)
        assert idle.recv(100) == b""


@pytest.mark.parametrize("words", [b"", b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Slow:"], ids=["silent", "half"])
def test_who_never_ends_a_request_is_sent_away(
    house: PagesHouse, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    monkeypatch.setattr(server, "SILENT_S", 0.1)
    plain = socket.create_connection(("127.0.0.1", house.server.port), 10)
    with trusting.wrap_socket(plain, server_hostname="localhost") as slow:
        slow.sendall(words)
        while slow.recv(100):  # a 400 may come before the end
            continue


def test_a_certificate_that_is_none_is_named(house: PagesHouse, tmp_path: Path) -> None:
    (tmp_path / "junk").write_text("junk", encoding="utf-8")
    with pytest.raises(UnusableCertificate, match="junk: cannot be used for TLS"):
        WebServer(house.server._app, certificate_file=tmp_path / "junk").start()
