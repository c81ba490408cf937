"""Changes by API: each is done once however often it is asked for, never over what somebody else changed meanwhile."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import gevent
import msgspec
import pytest

from services.directory.audit.rows import oldest_first
from services.directory.people import rows as people
from services.directory.phone_book import entries
from services.directory.phone_book.model import Card
from services.directory.phones import issuing
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.store import Tx
from services.runtime.web.api import once
from tests.pages_house import PagesHouse
from tests.visitor import Answer, Visitor

HOURS = "/api/v1/clients/acme/hours/office"
UNDO = "/api/v1/clients/acme/undo"
NUMBER = "/api/v1/numbers/0312345678"
EARLY = {"mon-fri": ["8:00-18:00"], "closed": ["2026-12-29/2027-01-03"]}
MINUTE_US = 60_000_000


@pytest.fixture
def program(house: PagesHouse) -> Visitor:
    """A program of the platform's operator."""
    return house.program()


def send(program: Visitor, path: str, body: Any, key: str = "", match: str = "", method: str = "POST") -> Answer:
    """One write."""
    headers = {"Authorization": f"Bearer {program.token}", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": key} if key else {}
    headers |= {"If-Match": match} if match else {}
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=20)
    connection.request(method, path, json.dumps(body), headers)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


def put_hours(program: Visitor, body: Any, key: str, match: str = "") -> Answer:
    """Change the hours, as last seen unless something else is named."""
    return send(program, HOURS, body, key, match or program.get(HOURS).headers["ETag"], "PUT")


def revisions(program: Visitor) -> list[tuple[int, str, str]]:
    """What the client's file was: number, who, why."""
    found = program.get("/api/v1/clients/acme/revisions").json()["revisions"]
    return [(one["number"], one["who"], one["why"]) for one in found]


@pytest.mark.requirement("D10")
def test_hours_are_changed_in_force_at_once_and_taken_back(house: PagesHouse, program: Visitor) -> None:
    answer = put_hours(program, EARLY, "k1")
    assert (answer.status, answer.json()) == (200, EARLY)
    stands = program.get(HOURS)
    assert (stands.json(), stands.headers["ETag"]) == (EARLY, answer.headers["ETag"])
    assert program.get("/api/v1/clients/acme/hours").json() == {"hours": {"office": EARLY}}
    assert revisions(program)[0] == (2, "admin", "hours office")
    back = send(program, UNDO, {"to": 1}, "k2", answer.headers["ETag"])
    assert (back.status, back.json()) == (200, {"to": 1})
    assert program.get(HOURS).json()["mon-fri"] == ["9:00-18:00"]
    assert send(program, UNDO, {"to": 99}, "k3", back.headers["ETag"]).status == 422
    entries = [(entry.what, entry.who) for entry in oldest_first(house.directory)]
    assert entries.count(("tenant_file.changed", "admin")) == 2


@pytest.mark.requirement("D10")
def test_whoever_sends_a_change_again_gets_the_same_answer_and_nothing_is_done_twice(program: Visitor) -> None:
    match = program.get(HOURS).headers["ETag"]
    first, *others = [put_hours(program, EARLY, "k", match) for _ in range(3)]
    assert first.status == 200
    assert [(one.status, one.body, one.headers["ETag"]) for one in others] == [
        (200, first.body, first.headers["ETag"])
    ] * 2
    assert len(revisions(program)) == 2
    stop = [send(program, f"{NUMBER}/suspend", {"reason": "arrears"}, "n") for _ in range(2)]
    assert [one.status for one in stop] == [200, 200]
    assert stop[0].body == stop[1].body
    assert stop[0].json()["state"] == "suspended"
    assert send(program, f"{NUMBER}/suspend", {"reason": "arrears"}, "other").status == 409, "it is stopped already"
    assert send(program, f"{NUMBER}/resume", {}, "o").json()["state"] == "in_use"


def test_a_key_that_came_with_something_else_is_refused(program: Visitor) -> None:
    match = program.get(HOURS).headers["ETag"]
    assert put_hours(program, EARLY, "k", match).status == 200
    for again in (
        put_hours(program, {"mon": ["9:00-10:00"]}, "k", match),
        put_hours(program, EARLY, "k", '"another state"'),
        send(program, f"{NUMBER}/suspend", {"reason": "other"}, "k"),
    ):
        assert (again.status, again.headers["Content-Type"]) == (422, "application/problem+json")
    assert len(revisions(program)) == 2


def test_a_change_without_a_key_or_without_the_state_that_was_seen_is_refused(program: Visitor) -> None:
    assert send(program, HOURS, EARLY, "", "*", "PUT").status == 400
    assert send(program, HOURS, EARLY, "k e y", "*", "PUT").status == 400
    assert send(program, HOURS, EARLY, "k", "", "PUT").status == 428
    assert send(program, f"{NUMBER}/suspend", {"reason": "other"}).status == 400
    assert send(program, f"{NUMBER}/suspend?x=1", {"reason": "other"}, "k").status == 422
    assert len(revisions(program)) == 1


def test_a_change_of_what_somebody_changed_meanwhile_is_refused_and_its_key_may_come_again(program: Visitor) -> None:
    seen = program.get(HOURS).headers["ETag"]
    assert put_hours(program, {"mon-fri": ["10:00-18:00"]}, "another").status == 200
    assert put_hours(program, EARLY, "k", seen).status == 412
    assert put_hours(program, EARLY, "k").status == 200
    assert put_hours(program, EARLY, "new", seen).status == 200, "it is so already"
    assert len(revisions(program)) == 3


def test_hours_that_cannot_be_are_refused_by_field(program: Visitor) -> None:
    answer = put_hours(program, {"mon": ["25-26"], "tue": None, "noon": []}, "k")
    assert answer.status == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"mon.0", "noon"}
    closed = put_hours(program, {"mon-fri": ["9:00-18:00"], "closed": ["2026-02-31"]}, "k")
    assert closed.status == 422
    assert closed.json()["errors"][0]["field"].startswith("hours.office.closed")
    assert len(revisions(program)) == 1


@pytest.mark.requirement("D10")
def test_an_administrator_changes_the_own_client_alone_and_takes_back_the_own_change(house: PagesHouse) -> None:
    house.visitor("boss", "tenant_administrator", "acme")
    house.visitor("other", "tenant_administrator", "zeta")
    house.visitor("reader", "read_only", "acme")
    boss, root = house.program("boss"), house.program()
    match = root.get(HOURS).headers["ETag"]
    assert put_hours(house.program("other"), EARLY, "k", match).status == 404
    assert put_hours(house.program("reader"), EARLY, "k", match).status == 403
    assert put_hours(house.program("boss", "clients:read"), EARLY, "k", match).status == 403
    assert send(boss, f"{NUMBER}/suspend", {"reason": "other"}, "k").status == 403
    changed = put_hours(boss, EARLY, "k")
    assert send(boss, UNDO, {"to": 1}, "u", changed.headers["ETag"]).status == 200
    assert put_hours(root, EARLY, "k").status == 200
    assert send(boss, UNDO, {"to": 3}, "v", boss.get(HOURS).headers["ETag"]).status == 403, "the operator's"


def test_a_change_that_is_still_under_way_is_not_begun_again(
    house: PagesHouse, program: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on = gevent.event.Event(), gevent.event.Event()
    reload = house._files.reload

    def slow() -> object:
        reading.set()
        assert go_on.wait(20)
        return reload()

    match = program.get(HOURS).headers["ETag"]
    monkeypatch.setattr(house, "taking", slow)
    first = gevent.spawn(put_hours, program, EARLY, "k", match)
    assert reading.wait(20)
    second = put_hours(program, EARLY, "k", match)
    assert (second.status, second.headers["Retry-After"]) == (409, "1")
    go_on.set()
    assert first.get(timeout=20).status == 200
    assert put_hours(program, EARLY, "k", match).status == 200
    assert len(revisions(program)) == 2


def dies(house: PagesHouse, write: Callable[[], Answer], monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """The process ends at this moment of the write: nothing after it is done."""

    def end(*_: object) -> None:
        raise Unavailable("gone")

    with monkeypatch.context() as moment:
        moment.setattr(once, at, end)
        moment.setattr(once, "forget", end)
        assert write().status == 503


@pytest.mark.requirement("D10")
def test_a_process_that_dies_between_effect_and_answer_does_nothing_twice(
    house: PagesHouse, program: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written, the row of the number is not: it is one transaction with the answer."""
    match = program.get(HOURS).headers["ETag"]

    def change() -> Answer:
        return put_hours(program, EARLY, "k", match)

    def stop() -> Answer:
        return send(program, f"{NUMBER}/suspend", {"reason": "other"}, "n")

    dies(house, change, monkeypatch, "finish")
    dies(house, stop, monkeypatch, "finish")
    assert program.get(HOURS).json() == EARLY
    assert program.get(NUMBER).json()["state"] == "in_use"
    assert [change().status, stop().status] == [409, 409], "for all that is known they are under way"
    now_us = clock.now_us()
    monkeypatch.setattr(clock, "now_us", lambda: now_us + MINUTE_US + 1)
    assert [change().status, stop().status] == [200, 200]
    assert (len(revisions(program)), program.get(NUMBER).json()["state"]) == (2, "suspended")


@pytest.mark.parametrize("asked", [f"after={'0' * 16}", "q=0&limit=500", "q=0&limit=1"])
def test_nobody_takes_a_phone_book_unseen(house: PagesHouse, program: Visitor, asked: str) -> None:
    """By beginning behind nobody, or by looking for what stands in every number."""
    book = "/api/v1/clients/acme/phone-book"
    cards = [Card(name=f"客{n}", numbers=(f"0312345{n:03}",)) for n in range(25)]
    house.directory.run(lambda tx: entries.add_many(tx, "acme", cards, "root", 1))
    answer = program.get(f"{book}?{asked}").json()
    if "limit=1" in asked:
        program.get(answer["next"])
    assert [e.who for e in oldest_first(house.directory) if e.what == "phone_book.exported"] == ["admin"]


def test_whoever_looks_for_a_number_takes_no_book(house: PagesHouse, program: Visitor) -> None:
    house.directory.run(lambda tx: entries.add(tx, "acme", Card(name="客", numbers=("0312345678",)), "root", 1))
    assert program.get("/api/v1/clients/acme/phone-book?q=0312345678").json()["entries"]
    assert [e.who for e in oldest_first(house.directory) if e.what == "phone_book.exported"] == []


@pytest.mark.requirement("D5")
def test_a_phone_book_is_kept_by_a_program(house: PagesHouse, program: Visitor) -> None:
    book, card = "/api/v1/clients/acme/phone-book", {"name": "山田 太郎", "numbers": ["+81 90-1111-2222"]}
    made, again = (send(program, book, card, "a") for _ in range(2))
    assert (made.status, again.body) == (200, made.body)
    entry = f"{book}/{made.json()['id']}"
    assert made.json()["card"]["numbers"] == ["09011112222"]
    other = send(program, book, {"company": "大阪商事", "numbers": ["0661234567"]}, "b")
    page = program.get(f"{book}?limit=1").json()
    ids = [page["entries"][0]["id"], program.get(page["next"]).json()["entries"][0]["id"]]
    assert ids == sorted([made.json()["id"], other.json()["id"]])
    assert [one["id"] for one in program.get(f"{book}?q=1111").json()["entries"]] == [made.json()["id"]]
    taken = [(e.who, e.after) for e in oldest_first(house.directory) if e.what == "phone_book.exported"]
    assert [(who, '"as":"api"' in (after or "")) for who, after in taken] == [("admin", True)], "as on the page"

    changed = send(program, entry, {**card, "note": "元の担当"}, "c", made.headers["ETag"], "PUT")
    assert (changed.status, changed.json()["card"]["note"]) == (200, "元の担当")
    assert send(program, entry, card, "d", made.headers["ETag"], "PUT").status == 412
    assert send(program, entry, None, "e", made.headers["ETag"], "DELETE").status == 412
    gone, once_more = (send(program, entry, None, "f", changed.headers["ETag"], "DELETE") for _ in range(2))
    assert (gone.status, once_more.body) == (200, changed.body)
    assert program.get(entry).status == 404

    for wrong, field in (
        ({"numbers": ["03-1234-5678"]}, "name"),
        ({"name": "x"}, "numbers"),
        ({"name": "x", "numbers": ["山田太郎"]}, "numbers"),
        ({"name": "x" * 81, "numbers": ["0312345678"]}, "name"),
        ({"name": "a\r\nb", "numbers": ["0312345678"]}, "name"),
        ({"name": "x", "numbers": ["0312345678"], "id": "1"}, "id"),
    ):
        answer = send(program, book, wrong, "w")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (422, field), wrong
    house.visitor("other", "tenant_administrator", "zeta")
    assert send(house.program("other"), book, card, "x").status == 404
    assert house.program("other").get(book).status == 404


def test_no_kept_answer_is_told_to_whom_the_client_was_taken_from(house: PagesHouse) -> None:
    house.visitor("boss", "tenant_administrator", "acme")
    boss, match = house.program("boss"), house.program().get(HOURS).headers["ETag"]
    book, card = "/api/v1/clients/acme/phone-book", {"name": "山田 太郎", "numbers": ["09011112222"]}
    assert put_hours(boss, EARLY, "k", match).status == send(boss, book, card, "c").status == 200

    def take(tx: Tx) -> None:
        before = people.find(tx, "boss")
        assert before is not None
        people.replace(tx, before, msgspec.structs.replace(before, tenants=("zeta",)), clock.now_us())

    house.directory.run(take)
    house.publish_people()
    house.drained()
    assert put_hours(boss, EARLY, "k", match).status == send(boss, book, card, "c").status == 404


def test_a_stolen_phone_is_cut_off_once(house: PagesHouse, program: Visitor) -> None:
    phones, path = "/api/v1/clients/acme/phones", "/api/v1/clients/acme/phones/1001/revoke"
    assert send(program, path, {}, "a").status == 409, "it has no password yet"
    secret = issuing.issue(house.directory, "acme", "1001", "admin").password
    (before,) = [one for one in program.get(phones).json()["phones"] if one["id"] == "1001"]
    assert (before["revoked"], secret in program.get(phones).text) == (False, False)
    cut, again = send(program, path, {}, "b"), send(program, path, {}, "b")
    assert (cut.status, cut.json()["revoked"], again.body) == (200, True, cut.body)
    assert send(program, "/api/v1/clients/acme/phones/9999/revoke", {}, "c").status == 404


def test_answers_are_kept_for_a_day_and_not_more_than_so_many(
    house: PagesHouse, program: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "MOST", 2)
    assert send(program, f"{NUMBER}/suspend", {"reason": "other"}, "1").status == 200
    assert send(program, f"{NUMBER}/resume", {}, "2").status == 200
    refused = send(program, f"{NUMBER}/suspend", {"reason": "other"}, "3")
    assert refused.status == 429
    assert 86_000 < int(refused.headers["Retry-After"]) <= 86_400
    now_us = clock.now_us()
    monkeypatch.setattr(clock, "now_us", lambda: now_us + once.KEPT_US + MINUTE_US)
    assert send(program, f"{NUMBER}/suspend", {"reason": "other"}, "1").json()["state"] == "suspended"
    assert house.directory.run(lambda tx: tx.count("api_writes")) == 1


def test_a_change_waits_for_a_bus_that_is_away_and_says_so(
    house: PagesHouse, program: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("bus: gone")

    monkeypatch.setattr(house, "taking", away)
    assert put_hours(program, EARLY, "k").status == 202
