"""Whatever a program sends: no answer is our fault, and each is as the document says (schemathesis, and bytes by hand).

Every operation of the document is asked as several roles, by what the document allows and by what it does not, about
things that are there and things that are not. On SQLite alone: what reaches a store was read by a schema before, and
the answers of both stores are compared in the other files beside this one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests import stories
from tests.pages_house import PagesHouse
from tests.stores import Files
from tests.visitor import Visitor

ROLES = {"boss": "tenant_administrator", "reader": "read_only"}
THERE = {
    "tenant": "acme",
    "call": "c1",
    "hours": "office",
    "form": "permissions",
    "which": "sato",
    "revision": 1,
    "number": "0312345678",
    "entry": "b00c",
    "phone": "1001",
}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesHouse]:
    """A house that lets a program ask as fast as it can."""
    folder: Path = tmp_path_factory.mktemp("house")
    house = PagesHouse(folder, Files(folder), per_minute=60_000_000)
    house.start()
    house.tell([*stories.forwarded("c1").facts, *stories.queued("c2").facts])
    card = {"tenant": "acme", "id": THERE["entry"], "found_by": "", "changed_at_us": 1, "changed_by": "admin"}
    row = {**card, "name": "山田", "reading": "", "company": "", "numbers": "0661234567", "note": ""}
    house.directory.run(lambda tx: tx.insert_once(tx.tables["phone_book"], row))
    for name, role in ROLES.items():
        house.visitor(name, role, "acme")
    yield house
    house.stop()


@pytest.fixture(scope="module")
def program(house: PagesHouse) -> Visitor:
    """A program of the platform's operator."""
    return house.program()


@pytest.mark.requirement("D10")
@pytest.mark.timeout(300)
def test_no_request_is_our_fault_and_every_answer_is_as_the_document_says(house: PagesHouse, program: Visitor) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", house.app)
    tokens = {"admin": program.token, **{person: house.program(person).token for person in ROLES}}
    answered: dict[str, set[int]] = {person: set() for person in tokens}

    for found in schema.get_all_operations():
        operation = found.ok()
        known = {one.name: THERE[one.name] for one in operation.path_parameters}
        there = operation.as_strategy(path_parameters=known, headers={"If-Match": "*"})
        wrong = operation.as_strategy(GenerationMode.NEGATIVE)

        @settings(
            max_examples=6, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
        )
        @given(st.one_of(there, operation.as_strategy(), wrong))
        def ask(case: Case) -> None:
            for person, token in tokens.items():
                answer = case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)
                answered[person].add(answer.status_code)

        ask()
    assert answered["admin"] >= {200, 404, 422}
    assert all(found >= {200, 403, 404} for found in answered.values() if found is not answered["admin"])


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"note": "\xff\xfe"}',
    "NUL": b'{"note": "\\u0000"}',
    "half a character": b'{"note": "\\ud800"}',
    "lines": b'{"note": "a\\r\\nX-Y: z"}',
    "long": b'{"note": "' + b"a" * 2_000 + b'"}',
    "deep": b"[" * 50_000 + b"]" * 50_000,
    "wide": b"{" + b",".join(b'"k%d": 1' % n for n in range(20_000)) + b"}",
    "a large number": b'{"to": ' + b"9" * 4_000 + b"}",
    "ten megabytes": b'{"note": "' + b"a" * 10_000_000 + b'"}',
    "no mapping": b"[]",
    "null": b"null",
    "the same key twice": b'{"to": 1, "to": "x"}',
    "markup": '{"note": "<b>&{{7*7}}${jndi:x}‮"}'.encode(),
}
WRITES = {
    "PUT": (
        "/api/v1/clients/acme/hours/office",
        "/api/v1/clients/acme/settings/greeting",
        "/api/v1/clients/acme/settings/way/main",
    ),
    "POST": (
        "/api/v1/clients/acme/undo",
        "/api/v1/clients/acme/phone-book",
        "/api/v1/numbers/0312345678/suspend",
        "/api/v1/numbers/0312345678/resume",
    ),
}


def answer_to(house: PagesHouse, request: bytes) -> tuple[int, str]:
    """What the server says to bytes: status and the whole text. It may stop reading, and cut the line, of what is too
    large."""
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=20) as line:
        with suppress(ConnectionError):
            line.sendall(request)
        said = b""
        try:
            while piece := line.recv(65536):
                said += piece
        except ConnectionError:
            assert said
    return int(said.split()[1]), said.decode()


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_body_changes_nothing_and_is_refused_as_a_problem(
    house: PagesHouse, program: Visitor, what: str
) -> None:
    body, before = HOSTILE[what], program.get("/api/v1/clients/acme/revisions").text
    for method, paths in WRITES.items():
        for path in paths:
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {program.token}\r\nIdempotency-Key: k\r\nIf-Match: *\r\n"
            )
            status, said = answer_to(house, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert status in (400, 404, 409, 413, 422), (what, path, said[:500])
            assert "application/problem+json" in said
            assert "jndi" not in said and "aaaa" not in said
    assert program.get("/api/v1/clients/acme/revisions").text == before


@pytest.mark.parametrize(
    "head",
    [
        b"Authorization: Bearer \xff\xfe.\x01",
        b"Authorization: Bearer " + b"a" * 5_000,
        b"Authorization: Basic eDp5",
        b"Authorization: Bearer %s\r\nIdempotency-Key: " + b"k" * 2_000,
        b"Authorization: Bearer %s\r\nIdempotency-Key: \xe3\x81\x82",
        b'Authorization: Bearer %s\r\nIf-Match: "\xff", W/"x", *',
        b"Authorization: Bearer %s\r\nContent-Type: application/json; charset=utf-16",
        b"Authorization: Bearer %s\r\nContent-Type: text/html",
        b"Authorization: Bearer %s\r\nTransfer-Encoding: chunked",
        b"Authorization: Bearer %s\r\nCookie: toritsugi=" + b"\xff" * 100,
    ],
)
def test_a_hostile_head_is_refused_as_a_problem(house: PagesHouse, program: Visitor, head: bytes) -> None:
    told = head.replace(b"%s", program.token.encode())
    for path in (b"/api/v1/clients/acme/undo", b"/api/v1/clients/%ff%00/undo", b"/api/v1/%0d%0aX:y?" + b"a=b&" * 500):
        request = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + told
        length = b"" if b"chunked" in head else b"\r\nContent-Length: 2"
        body = b"2\r\n{}\r\n0\r\n\r\n" if b"chunked" in head else b"{}"
        status, said = answer_to(house, request + length + b"\r\n\r\n" + body)
        assert 400 <= status < 500, said[:300]


def test_an_address_with_bytes_that_are_no_text_is_refused(house: PagesHouse, program: Visitor) -> None:
    for query in (
        b"number=%ff",
        b"number=%00",
        b"number=%0d%0a",
        b"number=" + b"a" * 2_000,
        b"%ff=%ff",
        b"x=%f0%9f%98%80",
    ):
        request = b"GET /api/v1/calls?" + query + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        status, said = answer_to(house, request + program.token.encode() + b"\r\n\r\n")
        assert status < 500, said[:300]
        assert "application/problem+json" in said or status == 200
