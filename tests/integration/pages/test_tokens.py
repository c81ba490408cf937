"""Tokens of programs over HTTP: what they open is what their scopes and their person may see together."""

from __future__ import annotations

import re

import msgspec
import pytest

from proto.events import PersonChanged
from services.directory.audit.rows import oldest_first
from services.directory.people import rows as people
from services.directory.people import staff
from services.directory.people.ranks import Actor
from services.runtime import clock
from tests import stories
from tests.pages_house import PagesHouse
from tests.visitor import Visitor

ROOT = Actor("admin", "platform_operator")


@pytest.fixture
def house(house: PagesHouse) -> PagesHouse:
    """Pages with a call of acme and one of another client."""
    house.tell([*stories.forwarded("c1").facts, *stories.forwarded("c2", tenant="other").facts])
    boss = PersonChanged(person="boss", name="boss", role="tenant_administrator", tenants=("acme",), session_version=1)
    people.add_person(house.directory, boss, "correct horse battery")
    house.publish_people()
    house.drained()
    return house


def make(house: PagesHouse, scope: str = "calls:read", days: str = "30") -> Visitor:
    """A program with a token that the administrator of acme made on the page."""
    boss = Visitor(house.server.port)
    assert boss.log_in("boss", "correct horse battery", then="/account").status == 303
    form = {"name": "CRM", "scopes": scope, "days": days, "old": "correct horse battery"}
    answer = boss.post("/account/tokens", form)
    found = re.search(r'class="secret"[^>]*>([^<]+)<', answer.text)
    assert found is not None, answer.text
    house.drained()
    return Visitor(house.server.port, token=found.group(1))


@pytest.mark.requirement("D10")
def test_a_program_sees_what_its_scope_and_its_person_may_see_together(house: PagesHouse) -> None:
    program = make(house)
    assert [line["tenant"] for line in program.get("/api/v1/calls").json()["calls"]] == ["acme"]
    assert program.get("/api/v1/calls/acme/c1").status == 200
    assert program.get("/api/v1/calls/other/c2").status == 404
    assert program.get("/api/v1/token").json()["scopes"] == ["calls:read"]
    for path in (
        "/api/v1/audit",
        "/api/v1/health",
        "/api/v1/clients",
        "/audit.jsonl",
        "/",
        "/people",
        "/account",
        "/calls/acme/c1",
    ):
        assert program.get(path).status == 403, path
    assert program.get("/login").status == 403, "no page at all"
    assert program.post("/account/tokens", {}, token=False).status == 403
    auditor = make(house, "audit:read")
    assert auditor.get("/api/v1/audit").status == 200
    assert auditor.get("/api/v1/calls").status == 403


@pytest.mark.requirement("D10")
def test_of_a_token_only_a_hash_is_kept(house: PagesHouse) -> None:
    secret = make(house).token.partition(".")[2]
    stored = house.directory.run(lambda tx: tx.sql.exec_driver_sql("SELECT * FROM tokens").all())
    assert secret not in repr(stored)
    assert secret not in repr(house.person("boss"))
    assert secret not in repr(list(oldest_first(house.directory)))
    entry = list(oldest_first(house.directory))[-1]
    assert (entry.who, entry.what, entry.tenant) == ("boss", "program.added", "acme")
    assert msgspec.json.decode(entry.after or "") == {"name": "CRM", "scopes": ["calls:read"], "days": 30}


@pytest.mark.requirement("D10")
def test_a_token_ends_with_its_person_by_itself_and_by_hand(house: PagesHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make(house), make(house, days="90")
    now_us = clock.now_us()
    with monkeypatch.context() as later:
        later.setattr(clock, "now_us", lambda: now_us + 31 * 86_400_000_000)
        assert (first.get("/api/v1/calls").status, second.get("/api/v1/calls").status) == (401, 200)
    boss = Visitor(house.server.port)
    boss.log_in("boss", "correct horse battery", then="/account")
    first_id = re.findall(r"/account/tokens/([0-9a-f]+)/end", boss.get("/account/tokens").text)[-1]
    assert boss.post(f"/account/tokens/{first_id}/end", {}).status == 303
    assert boss.post(f"/account/tokens/{first_id}/end", {}).status == 404
    house.drained()
    assert (first.get("/api/v1/calls").status, second.get("/api/v1/calls").status) == (401, 200)
    staff.reset_password(house.directory, ROOT, "boss")
    house.publish_people()
    house.drained()
    assert second.get("/api/v1/calls").status == 200, "a program is not a browser"
    for active in (False, True):
        staff.set_active(house.directory, ROOT, "boss", active)
        house.publish_people()
        house.drained()
        assert second.get("/api/v1/calls").status == 401


def test_the_rights_of_a_token_shrink_with_those_of_its_person(house: PagesHouse) -> None:
    program = make(house)
    staff.change(house.directory, ROOT, "boss", lambda known: msgspec.structs.replace(known, role="employee"))
    house.publish_people()
    house.drained()
    assert program.get("/api/v1/calls").status == 403


def test_whatever_is_no_token_is_refused_and_no_cookie_helps(house: PagesHouse) -> None:
    visitor = Visitor(house.server.port)
    visitor.log_in("boss", "correct horse battery")
    assert visitor.get("/api/v1/calls").status == 401, "nor does one alone"
    for token in ("x", "Ym9zcw.guess", "Ym9zcw.", ".", "é.x", "bm9ib2R5.x", "_____.x", "AA.x", "a" * 5000):
        visitor.token = token
        answer = visitor.get("/api/v1/calls")
        assert answer.status == 401, token
        assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")


def test_a_token_is_made_only_by_whoever_knows_the_password_and_for_what_there_is(house: PagesHouse) -> None:
    boss = Visitor(house.server.port)
    boss.log_in("boss", "correct horse battery")
    good = {"name": "CRM", "scopes": "calls:read", "days": "30", "old": "correct horse battery"}
    for wrong in ({"old": "guess"}, {"scopes": "everything"}, {"scopes": ""}, {"days": "99999"}, {"name": ""}):
        assert boss.post("/account/tokens", {**good, **wrong}).status == 422, wrong
