"""The page of data use: what each phone spoke month by month, and what that takes, for whoever may see the client."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.events import CallAnswered, CallArrived, LegAnswered
from proto.tenant import Tenant
from proto.values import Party, to_epoch_us
from services.history.usage import BYTES_PER_MINUTE, cell, months_before, usage_page
from services.history.usage_web import talked_us
from services.runtime import clock
from tests import stories
from tests.clients import ACME
from tests.pages_house import PagesHouse
from tests.visitor import Visitor

TOKYO = ZoneInfo("Asia/Tokyo")
CLIENT = msgspec.convert(ACME, Tenant)


def at(year: int, month: int, day: int, hour: int = 12) -> int:
    """Microseconds, in Japan."""
    return to_epoch_us(datetime(year, month, day, hour, tzinfo=TOKYO))


def answered_by_desk(call: str, start_us: int, talk_s: float) -> stories.Story:
    """Somebody from outside talks with phone 1001."""
    story = stories.Story(call, start_us=start_us)
    story.arrive()
    story.ring(f"{call}-b", 0.1, "1001")
    story.answer(f"{call}-b", 5.0, "1001")
    story.end(f"{call}-b", 5.0 + talk_s, destination="1001", started=0.1, answered=5.0)
    story.end(story.leg, 5.1 + talk_s, kind="inbound", via="trunk", destination=story.dialled, answered=5.0)
    return story


def called_by_app(call: str, start_us: int, talk_s: float) -> stories.Story:
    """The app 1101 calls a customer."""
    story = stories.Story(call, start_us=start_us, caller=Party(number="0312345678"), dialled="0451112222")
    arrived = CallArrived(
        switch="fs1",
        leg=story.leg,
        origin="phone",
        phone="1101",
        dialled="0451112222",
        caller=story.caller,
        received_at_us=story.us(0),
    )
    story.say(0.0, arrived)
    other = f"{call}-b"
    story.ring(other, 0.1, "0451112222", "forward", "trunk")
    story.say(3.0, LegAnswered(switch="fs1", leg=story.leg, kind="inbound", direction="inbound", via="phone"))
    story.say(3.0, CallAnswered(switch="fs1", leg=story.leg, by=other))
    story.end(other, 3.0 + talk_s, kind="forward", via="trunk", destination="0451112222", started=0.1, answered=3.0)
    story.end(story.leg, 3.0 + talk_s, kind="inbound", via="phone", destination="0451112222", answered=3.0)
    return story


@pytest.mark.requirement("D6")
def test_a_minute_takes_654_kilobytes_each_way() -> None:
    assert BYTES_PER_MINUTE == 50 * 60 * (160 + 12 + 8 + 20 + 18), "160 of voice; RTP, UDP, IP, Ethernet"
    assert (cell(60_000_000).each_way_mb, cell(60_000_000).both_ways_mb) == (0.7, 1.3)
    assert (cell(600_000_000).each_way_mb, cell(600_000_000).both_ways_mb) == (6.5, 13.1)
    assert cell(0).talk_minutes == 0 and cell(1).talk_minutes == 1


@given(st.integers(at(2020, 1, 1), at(2040, 12, 31)))
def test_months_follow_each_other_without_a_gap_and_end_with_this_one(now_us: int) -> None:
    months = months_before(now_us, "Asia/Tokyo")
    assert months[0].from_us <= now_us < months[0].until_us
    for newer, older in pairwise(months):
        assert older.until_us == newer.from_us
    assert months_before(at(2027, 1, 1, 0), "Asia/Tokyo")[1].name == "2026-12"


def test_a_phone_that_is_gone_is_still_counted() -> None:
    page = usage_page(CLIENT, months_before(at(2026, 11, 22), "Asia/Tokyo"), ({"9999": 60_000_000}, {}, {}))
    assert [line.phone for line in page.lines] == ["1001", "1101", "1002", "1003", "9999"]
    assert page.lines[-1].device == "" and page.lines[-1].cells[0].talk_minutes == 1


@pytest.mark.requirement("D6")
def test_each_phone_has_its_minutes_of_each_month(house: PagesHouse) -> None:
    november, october, _ = months = months_before(at(2026, 11, 22), "Asia/Tokyo")
    for story in (
        answered_by_desk("c1", at(2026, 11, 20), 125.0),
        answered_by_desk("c2", at(2026, 11, 1, 0), 60.0),
        answered_by_desk("c3", at(2026, 10, 31, 23), 30.0),
        called_by_app("c4", at(2026, 11, 21), 90.0),
        stories.abandoned("c5", start_us=at(2026, 11, 21)),
    ):
        house.tell(story.facts)
    house.drained()
    found = house.history.run(lambda tx: [talked_us(tx, "acme", month) for month in months])
    assert found[0] == {"1001": 185_000_000, "1101": 90_000_000}
    assert found[1] == {"1001": 30_000_000} and found[2] == {}
    assert (november.name, october.name) == ("2026-11", "2026-10")
    assert house.history.run(lambda tx: talked_us(tx, "zeta", november)) == {}


@pytest.mark.requirement("D6")
def test_the_page_shows_this_month_to_those_who_may_see_the_client(house: PagesHouse) -> None:
    house.tell(answered_by_desk("c1", clock.now_us() - 400_000_000, 300.0).facts)
    house.drained()
    mori = house.visitor("mori", "read_only", "acme")
    assert mori.get("/usage").headers["Location"] == "/usage/acme"
    page = mori.get("/usage/acme")
    assert page.status == 200 and "654kB" in page.text
    assert "佐藤 花子" in page.text
    others: Visitor = house.visitor("other", "tenant_administrator", "zeta")
    assert others.get("/usage/acme").status == 404
    assert house.visitor("desk", "answering_operator", "acme").get("/usage/acme").status == 403
