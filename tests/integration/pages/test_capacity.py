"""How many channels and people a client needs (R22): Erlang's figures, and its own busiest hour on the page."""

from __future__ import annotations

import html
import json
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from proto.events import Via
from proto.values import to_datetime, to_epoch_us
from services.cli import main
from services.history.capacity import DEFAULTS, Asked, capacity, hours, picture
from services.history.erlang import answered_within, blocked, carries, channels_for, people_for, waits
from services.runtime import clock
from tests import stories
from tests.pages_house import PagesHouse
from tests.visitor import Visitor

TOKYO = ZoneInfo("Asia/Tokyo")
MINUTE = 60_000_000
TRAFFIC = st.floats(0.01, 200)


# -- Erlang's figures ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R22")
def test_twenty_three_channels_carry_15_76_erlangs_at_two_percent() -> None:
    assert round(carries(23, 0.02), 2) == 15.76
    assert channels_for(15.76, 0.02) == 23 and channels_for(15.77, 0.02) == 24


@pytest.mark.parametrize(
    ("channels", "erlangs", "share"),  # printed tables of Erlang B
    [(1, 0.0101, 0.01), (5, 1.3608, 0.01), (10, 4.4612, 0.01), (10, 5.0840, 0.02), (50, 37.901, 0.01)],
)
def test_as_the_printed_tables_say(channels: int, erlangs: float, share: float) -> None:
    assert carries(channels, share) == pytest.approx(erlangs, rel=2e-3)


@pytest.mark.requirement("R22")
def test_people_for_eighty_percent_in_twenty_seconds() -> None:
    """100 calls of three minutes in half an hour (10 erlangs): 14 people, the example of call centre handbooks."""
    assert people_for(10, 180, 20, 0.8) == 14
    assert round(waits(14, 10), 3) == 0.174 and round(answered_within(14, 10, 180, 20), 3) == 0.888


@given(TRAFFIC, st.floats(0.001, 0.5))
def test_the_fewest_channels_that_suffice(erlangs: float, blocking: float) -> None:
    channels = channels_for(erlangs, blocking)
    assert blocked(channels, erlangs) <= blocking < blocked(channels - 1, erlangs)
    assert carries(channels, blocking) >= erlangs * 0.999999


@given(TRAFFIC, st.floats(5, 3600), st.floats(0, 120), st.floats(0.05, 0.99))
def test_the_fewest_people_who_suffice(erlangs: float, talk_s: float, within_s: float, share: float) -> None:
    people = people_for(erlangs, talk_s, within_s, share)
    assert answered_within(people, erlangs, talk_s, within_s) >= share
    assert people - 1 <= erlangs or answered_within(people - 1, erlangs, talk_s, within_s) < share


# -- measured --------------------------------------------------------------------------------------------------------


SPANS = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 300)).map(lambda one: (one[0], one[0] + one[1])))


@given(SPANS)
def test_every_minute_of_a_channel_stands_in_one_hour(minutes: list[tuple[int, int]]) -> None:
    spans = [(begin * MINUTE, end * MINUTE) for begin, end in minutes]
    found = hours(spans, "Asia/Tokyo")
    assert sum(one.erlangs for one in found) * 60 == pytest.approx(sum(end - begin for begin, end in minutes))
    assert sum(one.calls for one in found) == sum(end > begin for begin, end in minutes)
    for one in found:
        begins = to_epoch_us(datetime.fromisoformat(one.begins).replace(tzinfo=TOKYO)) // MINUTE
        up = [sum(begin <= m < end for begin, end in minutes) for m in range(begins, begins + 60)]
        assert one.most == max(up), one
    page = capacity(found, found, None, DEFAULTS)
    assert not found or page.busiest[0].erlangs == max(one.erlangs for one in found)
    assert picture(page, "<a>", "&", "x").count("<svg") == 1


def test_typed_figures_are_planned_with_whatever_was_measured() -> None:
    busy = hours([(0, 30 * MINUTE)] * 4, "Asia/Tokyo")
    page = capacity(busy, busy, Asked(calls=315.2, talk_s=180, blocking=0.02), DEFAULTS)
    assert (page.lines.channels, page.measured) == (23, False)
    assert capacity(busy, busy, None, DEFAULTS).lines.erlangs == pytest.approx(2)


# -- on the page, and typed ------------------------------------------------------------------------------------------


def an_hour_of_yesterday() -> int:
    now = to_datetime(clock.now_us()).astimezone(TOKYO)
    return to_epoch_us(now.replace(hour=10, minute=0, second=0, microsecond=0)) - 24 * 3600 * 1_000_000


def told(house: PagesHouse) -> None:
    """Three calls at once from ten o'clock, each for half an hour, of which one goes on to a mobile phone."""
    begin = an_hour_of_yesterday()
    for call in range(3):
        story = stories.Story(f"call-{call}", start_us=begin + call * 1_000_000)
        story.arrive()
        via: Via = "trunk" if call == 2 else "phone"
        kind, to = ("forward", "09087654321") if via == "trunk" else ("ring", "1001")
        story.ring(f"{call}-b", 0.1, to, kind, via)
        story.answer(f"{call}-b", 5.0, to)
        story.end(f"{call}-b", 1800.0, via=via, destination=to, started=0.1, answered=5.0)
        story.end(story.leg, 1800.0, kind="inbound", via="trunk", destination=story.dialled, answered=5.0)
        house.tell(story.facts)
    house.drained()


@pytest.mark.requirement("R22")
def test_the_page_tells_the_busiest_hour_and_what_it_needs(house: PagesHouse, admin: Visitor) -> None:
    nothing_yet = admin.get("/capacity/acme")
    assert nothing_yet.status == 200 and "仮の数字" in nothing_yet.text
    told(house)
    page = html.unescape(admin.get("/capacity/acme").text)
    assert to_datetime(an_hour_of_yesterday()).astimezone(TOKYO).strftime("%Y-%m-%d 10:00") in page
    assert "2.00 アーランのとき" in page, "three callers' channels and the forwarded one's, for half an hour each"
    assert f"<strong>{channels_for(2.0, 0.01)}</strong>" in page and '<svg xmlns="http://www.w3.org/2000/svg"' in page
    figures = {"calls": "315.2", "talk_s": "180", "blocking": "2", "within_s": "20", "share": "80"}
    assert "<strong>23</strong>" in admin.get("/capacity/acme?" + urlencode(figures)).text
    wrong = admin.get("/capacity/acme?" + urlencode({"calls": "<b>1", "talk_s": "-1", "blocking": "nan"}))
    assert wrong.status == 200 and "<b>1" not in wrong.text and "error-summary" in wrong.text
    many = admin.get("/capacity/acme?" + urlencode({"calls": "100000", "talk_s": "86400"}))
    assert many.status == 200 and "計算できません" in many.text
    assert admin.get("/capacity/nobody").status == 404


def test_typed_at_a_shell() -> None:
    asked = ("capacity", "--calls", "315.2", "--length", "180", "--blocking", "2", "--json")
    page = json.loads(CliRunner().invoke(main, asked).stdout)
    assert (page["lines"]["channels"], page["people"]["people"]) == (23, 20)
    neither = CliRunner().invoke(main, ["capacity"])
    assert neither.exit_code == 2 and "name a CLIENT, or say --calls" in neither.stderr
