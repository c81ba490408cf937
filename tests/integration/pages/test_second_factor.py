"""The second step of a log-in, over HTTP: a phone's codes, recovery codes, and whoever tries to guess them."""

from __future__ import annotations

import re

import gevent
import pyotp
import pytest
from sqlalchemy import select

from services.directory.audit.rows import oldest_first
from services.directory.people import second_factor, tries
from services.runtime import clock
from tests.pages_house import PagesHouse
from tests.visitor import Answer, Visitor

STEP_US = 30_000_000


@pytest.fixture(autouse=True)
def a_step_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes change every 30 s: each test begins with a step, so that no code grows too old between two lines of it."""
    now_us = clock.now_us
    ahead_us = -now_us() % STEP_US
    monkeypatch.setattr(clock, "now_us", lambda: now_us() + ahead_us)


class Phone:
    """An authenticator that has read the square code; its clock may be wrong."""

    def __init__(self, page: Answer) -> None:
        found = re.search(r'class="secret[^>]*>([A-Z2-7 ]+)<', page.text)
        assert found is not None, page.text
        self._totp = pyotp.TOTP(found.group(1).replace(" ", ""))

    def code(self, steps: int = 0) -> str:
        """What it shows, `steps` of 30 s from now."""
        return self._totp.generate_otp(clock.now_us() // STEP_US + steps)


def turn_on(house: PagesHouse, visitor: Visitor) -> tuple[Phone, list[str]]:
    """The phone and the recovery codes."""
    phone = Phone(visitor.post("/account/second-factor/begin", {"old": house.password}))
    done = visitor.post("/account/second-factor/confirm", {"code": phone.code(-1)})
    assert done.status == 200
    return phone, re.findall(r"<li>([a-z0-9-]+)</li>", done.text)


def second_step(house: PagesHouse, code: str) -> tuple[Visitor, Answer]:
    """A new browser after the right password and this code."""
    visitor = Visitor(house.server.port)
    asked = visitor.log_in("admin", house.password, then="/people")
    assert (asked.status, asked.headers["Location"]) == (303, "/login/code")
    assert visitor.get("/people").status == 302, "the password alone opens nothing"
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', visitor.get("/login/code").text)
    assert token is not None
    return visitor, visitor.post("/login/code", {"code": code, "csrf_token": token.group(1)}, token=False)


@pytest.mark.requirement("D10")
def test_after_the_password_a_code_of_the_phone_is_asked_and_none_is_taken_twice(
    house: PagesHouse, admin: Visitor
) -> None:
    elsewhere = Visitor(house.server.port)
    elsewhere.log_in("admin", house.password)
    page = admin.post("/account/second-factor/begin", {"old": house.password})
    assert "<svg" in page.text and "style=" not in page.text, "drawn here, by attributes"
    phone = Phone(page)
    assert admin.post("/account/second-factor/confirm", {"code": "000000"}).status == 422
    assert Visitor(house.server.port).log_in("admin", house.password).headers["Location"] == "/", "not yet"
    assert admin.post("/account/second-factor/confirm", {"code": phone.code(-1)}).status == 200
    assert admin.get("/account").status == 200, "this browser stays logged in"
    assert elsewhere.get("/account").status == 302, "the others do not"
    visitor, answer = second_step(house, phone.code())
    assert (answer.status, answer.headers["Location"]) == (303, "/people")
    assert visitor.get("/people").status == 200
    assert second_step(house, phone.code())[1].status == 422, "taken already"
    assert second_step(house, phone.code(-1))[1].status == 422, "older than one that was taken"
    assert second_step(house, phone.code(9))[1].status == 422, "not yet valid"
    assert [one.what for one in oldest_first(house.directory)] == ["person.added", "second_factor.on"]


@pytest.mark.requirement("D10")
def test_each_recovery_code_works_once_and_stands_nowhere_as_it_is(house: PagesHouse, admin: Visitor) -> None:
    _, codes = turn_on(house, admin)
    assert len(set(codes)) == 10
    digests = house.directory.run(lambda tx: tx.sql.execute(select(tx.tables["recovery_codes"])).all())
    assert not [code for code in codes if code in repr(digests) or code.replace("-", "") in repr(digests)]
    assert second_step(house, codes[0].upper().replace("-", " "))[1].status == 303
    assert second_step(house, codes[0])[1].status == 422
    assert second_step(house, codes[1])[1].status == 303
    assert "8 個" in admin.get("/account/second-factor").text
    fresh = re.findall(
        r"<li>([a-z0-9-]+)</li>", admin.post("/account/second-factor/codes", {"old": house.password}).text
    )
    assert second_step(house, codes[2])[1].status == 422, "replaced"
    assert second_step(house, fresh[2])[1].status == 303
    whats = [one.what for one in oldest_first(house.directory)]
    assert whats.count("second_factor.recovered") == 3
    assert whats.count("second_factor.codes") == 1


def test_wrong_codes_are_slowed_also_from_many_addresses_and_all_at_once(house: PagesHouse, admin: Visitor) -> None:
    phone, _ = turn_on(house, admin)
    now_us = clock.now_us()

    def guess(number: int) -> object:
        return second_factor.log_in(house.directory, "admin", f"{number:06}", f"192.0.2.{number}", now_us)

    guesses = [gevent.spawn(guess, number) for number in range(40)]
    gevent.joinall(guesses, timeout=30)
    assert [one.value for one in guesses].count(False) <= tries.FREE_TRIES["code"] + 1
    waits = second_factor.log_in(house.directory, "admin", phone.code(), "198.51.100.1", now_us)
    assert isinstance(waits, tries.Wait), "the right one waits, too"


def test_the_second_step_is_changed_only_by_whoever_knows_the_password(house: PagesHouse, admin: Visitor) -> None:
    assert admin.post("/account/second-factor/begin", {"old": "guess"}).status == 422
    phone, _ = turn_on(house, admin)
    for action in ("codes", "off"):
        assert admin.post(f"/account/second-factor/{action}", {"old": "guess"}).status == 422
    assert admin.post("/account/second-factor/begin", {"old": house.password}).status == 303, "it is on already"
    assert second_step(house, phone.code())[1].status == 303
    off = admin.post("/account/second-factor/off", {"old": house.password})
    assert (off.status, off.headers["Location"]) == (303, "/account?saved=second-factor-off")
    assert Visitor(house.server.port).log_in("admin", house.password).headers["Location"] == "/"


def test_a_platform_operator_takes_it_off_for_whoever_lost_the_phone(house: PagesHouse, admin: Visitor) -> None:
    turn_on(house, admin)
    mori = house.visitor("mori", "platform_operator")
    assert "二段階認証を解除" not in admin.get("/people/admin").text
    assert admin.post("/people/admin/second-factor", {}).headers["Location"] == "/account/second-factor", "one's own"
    assert Visitor(house.server.port).log_in("admin", house.password).headers["Location"] == "/login/code"
    assert "二段階認証を解除" in mori.get("/people/admin").text
    assert mori.post("/people/admin/second-factor", {}).status == 303
    house.drained()
    assert Visitor(house.server.port).log_in("admin", house.password).headers["Location"] == "/"
    last = list(oldest_first(house.directory))[-1]
    assert (last.who, last.what, last.about) == ("mori", "second_factor.off", "admin")


def test_whoever_has_not_given_the_password_is_not_asked_for_a_code(house: PagesHouse) -> None:
    visitor = Visitor(house.server.port)
    assert visitor.get("/login/code").headers["Location"] == "/login"
    assert visitor.post("/login/code", {"code": "000000"}).headers["Location"] == "/login"


def test_the_code_is_not_waited_for_without_end(
    house: PagesHouse, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn_on(house, admin)
    visitor = Visitor(house.server.port)
    visitor.log_in("admin", house.password)
    assert visitor.get("/login/code").status == 200
    late_us = clock.now_us() + 301_000_000
    monkeypatch.setattr(clock, "now_us", lambda: late_us)
    assert visitor.get("/login/code").headers["Location"] == "/login"
