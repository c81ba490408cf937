"""Reception hours: weeks, nights, holidays, closed and special days, checked over three years."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.tenant.hours import Hours
from proto.values import to_epoch_us
from services.routing.hours import holiday_name, is_open
from tests.clients import at

TOKYO = "Asia/Tokyo"


def hours(**entries: Any) -> Hours:
    return msgspec.convert({name.replace("_", "-"): value for name, value in entries.items()}, Hours)


OFFICE = hours(mon_fri=["9:00-12:00", "13:00-18:00"], sat=["10:00-15:00"], closed=["2026-12-29/2027-01-03"])

MOMENTS = [
    ("2026-11-20 08:59", False),
    ("2026-11-20 09:00", True),
    ("2026-11-20 12:00", False),  # lunch: the end belongs to the closed time
    ("2026-11-20 13:00", True),
    ("2026-11-20 17:59", True),
    ("2026-11-20 18:00", False),
    ("2026-11-21 10:00", True),  # Saturday has hours of its own
    ("2026-11-22 10:00", False),  # Sunday
    ("2026-11-23 10:00", False),  # 勤労感謝の日, a Monday
    ("2026-12-28 10:00", True),
    ("2026-12-29 10:00", False),  # 年末年始, from the file
    ("2027-01-01 10:00", False),
    ("2027-01-04 10:00", True),
    ("2026-05-06 10:00", False),  # 振替休日: 3 May 2026 is a Sunday
    ("2026-09-22 10:00", False),  # 国民の休日, between two holidays
    ("2027-03-22 10:00", False),  # 振替休日 of 春分の日
    ("2028-02-29 10:00", True),  # leap day, a Tuesday
    ("2028-07-17 10:00", False),  # 海の日
    ("2028-07-18 10:00", True),
]


@pytest.mark.parametrize(("moment", "expected"), MOMENTS)
def test_an_office_with_holidays_and_a_new_years_break(moment: str, expected: bool) -> None:
    assert is_open(OFFICE, TOKYO, at(moment)).open is expected


@pytest.mark.parametrize("year", [2026, 2027, 2028])
def test_every_day_of_the_year_follows_week_holidays_and_closed_days(year: int) -> None:
    """An oracle in other words: weekday minus holiday minus the break, asked at 9:00 of each day."""
    day, closed = date(year, 1, 1), {date(2026, 12, 29) + timedelta(days=n) for n in range(6)}
    while day.year == year:
        working = day.weekday() < 5 and holiday_name(day) is None and day not in closed
        assert is_open(OFFICE, TOKYO, at(f"{day} 09:00")).open is working, day
        day += timedelta(days=1)


# 内閣府「国民の祝日」: dates as published for 2026 and 2027
PUBLISHED = {
    2026: "0101 0112 0211 0223 0320 0429 0503 0504 0505 0506 0720 0811 0921 0922 0923 1012 1103 1123",
    2027: "0101 0111 0211 0223 0321 0322 0429 0503 0504 0505 0719 0811 0920 0923 1011 1103 1123",
}


@pytest.mark.parametrize("year", sorted(PUBLISHED))
def test_public_holidays_are_those_the_cabinet_office_published(year: int) -> None:
    days = (date(year, 1, 1) + timedelta(days=n) for n in range(365))
    assert [f"{d:%m%d}" for d in days if holiday_name(d)] == PUBLISHED[year].split()


NIGHT = hours(fri=["22:00-6:00"], sat=["25:00-29:00"], holidays="open")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-20 21:59", False),
        ("2026-11-20 22:00", True),
        ("2026-11-21 05:59", True),  # still Friday night
        ("2026-11-21 06:00", False),
        ("2026-11-22 00:59", False),
        ("2026-11-22 01:00", True),  # 25:00 of Saturday
        ("2026-11-22 05:00", False),
    ],
)
def test_a_night_belongs_to_the_day_it_began(moment: str, expected: bool) -> None:
    assert is_open(NIGHT, TOKYO, at(moment)).open is expected


def test_a_night_shift_reaches_into_a_closed_day() -> None:
    shift = hours(daily=["22:00-6:00"], closed=["2026-11-21"])
    assert is_open(shift, TOKYO, at("2026-11-21 05:00")).open
    assert not is_open(shift, TOKYO, at("2026-11-21 23:00")).open
    assert not is_open(shift, TOKYO, at("2026-11-22 05:00")).open


def test_the_narrower_entry_wins() -> None:
    week = hours(daily=["0:00-24:00"], mon_sat=["8:00-20:00"], mon_fri=["9:00-18:00"], sat_sun=["10:00-16:00"], wed=[])
    open_at = {
        m: is_open(week, TOKYO, at(m)).open for m in ("2026-11-18 12:00", "2026-11-19 08:30", "2026-11-21 09:30")
    }
    assert open_at == {"2026-11-18 12:00": False, "2026-11-19 08:30": False, "2026-11-21 09:30": False}
    assert is_open(week, TOKYO, at("2026-11-21 10:00")).open


def test_a_special_day_beats_closed_days_and_holidays() -> None:
    sale = hours(mon_fri=["9:00-18:00"], closed=["2026-11-23"], special=[{"on": "2026-11-23", "open": ["12:00-13:00"]}])
    assert is_open(sale, TOKYO, at("2026-11-23 12:30")).open
    assert not is_open(sale, TOKYO, at("2026-11-23 10:00")).open


def test_the_reason_names_the_holiday_for_the_operator() -> None:
    assert "勤労感謝の日" in is_open(OFFICE, TOKYO, at("2026-11-23 10:00")).why


def test_the_clients_own_zone_counts() -> None:
    moment = to_epoch_us(datetime(2026, 11, 20, 0, 30, tzinfo=UTC))
    assert is_open(OFFICE, TOKYO, moment).open
    assert not is_open(OFFICE, "Europe/London", moment).open


@given(st.integers(0, 23), st.integers(0, 2 * 365 * 24 * 60))
def test_round_the_clock_is_always_open(start: int, minute: int) -> None:
    always = hours(daily=[f"{start}:00-{start}:00"], holidays="open")
    moment = datetime(2026, 1, 2, tzinfo=ZoneInfo(TOKYO)) + timedelta(minutes=minute)
    assert is_open(always, TOKYO, to_epoch_us(moment)).open
