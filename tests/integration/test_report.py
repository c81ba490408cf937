"""The report of calls over HTTP: filters, days, earlier pages, and who sees whose calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from proto.events import CallAnswered, CallArrived, LegAnswered, PersonChanged
from proto.values import Party
from services.directory import people
from services.history import search
from tests import stories
from tests.pages_house import PagesHouse
from tests.stores import Database
from tests.visitor import Visitor

DAY_S = 24 * 3600


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[PagesHouse]:
    """Pages of two clients: what acme's people did on two days, and one call of another client."""
    house = PagesHouse(tmp_path, database)
    house.start()
    later = stories.FRIDAY_US + DAY_S * stories.SECOND
    for story in (
        stories.forwarded("c1"),
        stories.abandoned("c2", caller=Party(number="0661234567", name="大阪商事"), start_us=stories.FRIDAY_US + 7),
        stories.abandoned("c3", caller=Party(presentation="withheld"), start_us=later),
        outgoing("c4", later + 9),
        stories.forwarded("z1", tenant="zeta", start_us=later + 11),
        stories.queued("c5", start_us=later + 13),
    ):
        house.tell(story.facts)
    house.drained()
    yield house
    house.stop()


@pytest.fixture
def admin(house: PagesHouse) -> Visitor:
    """The platform operator, logged in."""
    visitor = Visitor(house.server.port)
    assert visitor.log_in("admin", house.password).status == 303
    return visitor


@pytest.fixture
def reader(house: PagesHouse) -> Visitor:
    """Somebody who may see acme's calls alone."""
    return person(house, "mori", "acme")


def person(house: PagesHouse, name: str, *tenants: str) -> Visitor:
    row = PersonChanged(person=name, name=name, role="read_only", tenants=tenants, session_version=1)
    people.add_person(house.directory, row, "correct horse")
    house.publish_people()
    house.until(lambda: house.person(name) is not None)
    visitor = Visitor(house.server.port)
    assert visitor.log_in(name, "correct horse").status == 303
    return visitor


def outgoing(call: str, start_us: int) -> stories.Story:
    """Phone 1001 calls a customer and talks for 50 seconds."""
    story = stories.Story(call, start_us=start_us, caller=Party(number="0312345678"), dialled="0451112222")
    story.say(
        0.0,
        CallArrived(
            switch="fs1",
            leg=story.leg,
            origin="phone",
            phone="1001",
            dialled=story.dialled,
            caller=story.caller,
            received_at_us=start_us,
        ),
    )
    story.ring(f"{call}-b", 0.1, story.dialled, "forward", "trunk")
    other = LegAnswered(
        switch="fs1",
        leg=f"{call}-b",
        kind="forward",
        direction="outbound",
        via="trunk",
        destination=story.dialled,
    )
    story.say(10.0, other)
    story.say(10.0, CallAnswered(switch="fs1", leg=story.leg, by=f"{call}-b"))
    story.end(f"{call}-b", 60.0, kind="forward", via="trunk", destination=story.dialled, started=0.1, answered=10.0)
    story.end(story.leg, 60.02, kind="inbound", via="phone", destination=story.dialled, answered=10.01)
    return story


def found(visitor: Visitor, **asked: str) -> list[str]:
    """The calls that the report shows, in its order."""
    page = visitor.get(f"/report.json?{urlencode(asked)}").json()
    return [line["call"] for day in page["days"] for line in day["lines"]]


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["c4", "c3", "c2", "c1"]),
    ({"from": "2026-11-22"}, ["c4", "c3"]),
    ({"to": "２０２６／１１／２１"}, ["c2", "c1"]),
    ({"direction": "outbound"}, ["c4"]),
    ({"direction": "inbound", "result": "missed"}, ["c3", "c2"]),
    ({"result": "answered"}, ["c4", "c1"]),
    ({"number": "０６−６１２３−４５６７"}, ["c2"]),
    ({"number": "4567"}, ["c2"]),
    ({"number": "03-1234-5678"}, ["c4", "c3", "c2", "c1"]),
    ({"employee": "1001"}, ["c4"]),
    ({"employee": "090-1234-5678"}, ["c1"]),
    ({"own": "03-1234-5678", "result": "answered"}, ["c4", "c1"]),
    ({"talk": "60"}, ["c1"]),
    ({"talk": "１０"}, ["c4", "c1"]),
    ({"employee": "1001", "direction": "inbound"}, []),
    ({"client": "zeta"}, []),
]


@pytest.mark.requirement("D1")
def test_calls_are_found_by_what_is_known_of_them(reader: Visitor) -> None:
    """The call in progress (c5) is not among them."""
    for asked, calls in FILTERS:
        assert found(reader, **asked) == calls, asked


def test_the_page_says_in_both_languages_who_called_whom_and_how_each_day_went(reader: Visitor) -> None:
    page = reader.get("/report").text
    assert '<html lang="ja"' in page
    for text in (
        "2026年11月22日(日)",
        "全2件(応答 1、不在 1)",
        "06-6123-4567",
        "大阪商事",
        "非通知",
        "2分05秒",
        "045-111-2222",
    ):
        assert text in page
    assert "契約者</label>" not in page, "there is nobody else to choose"
    english = reader.get("/report?lang=en&result=missed").text
    for text in ("Call history", "Missed", "Sun 22 Nov 2026", "Ended calls, newest first", "Withheld"):
        assert text in english
    assert "2 calls" not in english, "how many a day had says nothing about some of them"


def test_whoever_sees_several_clients_chooses_one_or_sees_them_in_one_order(house: PagesHouse, admin: Visitor) -> None:
    assert found(admin) == ["z1", "c4", "c3", "c2", "c1"]
    assert found(admin, client="zeta") == ["z1"]
    both = person(house, "reseller", "acme", "zeta")
    assert found(both) == ["z1", "c4", "c3", "c2", "c1"]
    assert found(both, number="09011112222") == ["z1", "c1"]
    assert '<option value="zeta"' in both.get("/report").text


@pytest.mark.requirement("D10")
def test_nobody_finds_calls_of_other_clients_by_any_address(house: PagesHouse, reader: Visitor) -> None:
    for asked in ({"client": "zeta"}, {"before": f"{10**17}~zeta~z1"}, {"number": "09011112222", "client": "zeta"}):
        assert "z1" not in found(reader, **asked)
    assert "zeta" not in reader.get("/report").text
    assert Visitor(house.server.port).get("/report.json").status == 401


def test_page_by_page_every_call_comes_once(reader: Visitor, admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ["c4", "c3", "c2", "c1"]
    for visitor, calls, size in (
        (reader, own, 1),
        (reader, own, 3),
        (admin, ["z1", *own], 2),
        (admin, ["z1", *own], 5),
    ):
        monkeypatch.setattr(search.find, "__defaults__", (size,))
        seen, address = [], "/report"
        while address:
            page = visitor.get(address.replace("/report", "/report.json", 1)).json()
            here = [line["call"] for day in page["days"] for line in day["lines"]]
            assert len(here) <= size
            seen += here
            address = page["older"]
            assert (page["newest"] == "") == (len(seen) == len(here))
        assert seen == calls


def test_a_page_that_has_looked_far_enough_says_so_and_goes_on_from_there(
    reader: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "EXAMINED", 2)
    first = reader.get("/report.json?talk=60").json()
    assert first["days"] == []
    assert first["searched_to"] == "2026年11月22日(日) 14:05"
    assert "さらに前を探す" in reader.get("/report?talk=60").text
    second = reader.get(first["older"].replace("/report", "/report.json")).json()
    assert [line["call"] for line in second["days"][0]["lines"]] == ["c1"]


def test_what_cannot_be_read_is_said_beside_its_field_and_the_rest_is_shown(reader: Visitor) -> None:
    answer = reader.get("/report?number=%E5%B1%B1%E7%94%B0%22%3E%3Cb%3E&result=missed")
    assert answer.status == 422
    assert "電話番号は数字で入力してください。" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text
    assert "06-6123-4567" in answer.text


def test_a_look_at_the_report_is_written_down_once_a_visit(house: PagesHouse, reader: Visitor, admin: Visitor) -> None:
    for visitor in (reader, reader, admin):
        visitor.get("/report")
    rows = house.history.run(
        lambda tx: tx.sql.execute(
            select(tx.tables["access_log"].c["person", "what", "tenant"]).order_by(tx.tables["access_log"].c.seq)
        ).all()
    )
    assert [tuple(row) for row in rows] == [("mori", "report", "acme"), ("admin", "report", "*")]
