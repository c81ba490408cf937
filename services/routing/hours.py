"""PURE. Whether somebody can be reached at a moment, and which entry of the file says so.

Enters: `Hours` of a client, its zone, a moment in epoch microseconds. Leaves: open or not, with the reason in Japanese.
What happens outside hours belongs to the route. Holidays: jpholiday (国民の祝日に関する法律), no file and no network.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import jpholiday

from proto.tenant.hours import Hours, Ranges
from proto.values import to_datetime

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_JA = "月火水木金土日"
_WEEK = {
    **{day: (day, "mon_fri", "mon_sat", "daily") for day in _DAYS[:5]},
    "sat": ("sat", "sat_sun", "mon_sat", "daily"),
    "sun": ("sun", "sat_sun", "daily"),
}
"""Narrowest entry first."""
_DAY_MIN = 24 * 60
_REACH = 2
"""A range may begin at 29:59 and end on the next day: the day before and the one before that still count."""


class Opening(NamedTuple):
    """The answer, and the entry it rests on."""

    open: bool
    why: str


class _Day(NamedTuple):
    ranges: Ranges
    why: str


def is_open(hours: Hours, zone: str, at_us: int) -> Opening:
    """Open or closed at `at_us` in `zone` (IANA name). Raises ZoneInfoNotFoundError for an unknown zone.

    Hours belong to the day on which they begin: 22:00-6:00 of a Friday still holds on Saturday at 5:00, also when the
    Saturday is closed.
    """
    here = to_datetime(at_us).astimezone(_zone(zone))
    today, minute = here.date(), here.hour * 60 + here.minute
    for back in range(_REACH + 1):
        day = _entry(hours, today - timedelta(days=back))
        for text in day.ranges:
            begins, ends = _minutes(text)
            if begins <= minute + back * _DAY_MIN < ends:
                return Opening(True, f"{day.why} {text}")
    return Opening(False, _closed_why(_entry(hours, today)))


def day_of(zone: str, at_us: int) -> date:
    """The day of the calendar in `zone`. Raises ZoneInfoNotFoundError for an unknown zone."""
    return to_datetime(at_us).astimezone(_zone(zone)).date()


def holiday_name(day: date) -> str | None:
    """元日, 成人の日, 振替休日 …, or None on a day that is none."""
    return _holiday(day)


def _closed_why(day: _Day) -> str:
    return f"{day.why} {'・'.join(day.ranges)} の時間外" if day.ranges else f"{day.why} 休み"


def _entry(hours: Hours, day: date) -> _Day:
    """Special day, closed day, public holiday, week: the first that says something about `day`."""
    for special in hours.special:
        if _covers(special.on, day):
            return _Day(special.open, f"特別営業日 {special.on}")
    for span in hours.closed:
        if _covers(span, day):
            return _Day((), f"休業日 {span}")
    name = _holiday(day)
    if name is not None and hours.holidays == "closed":
        return _Day((), f"祝日（{name}）")
    return _week(hours, day)


def _week(hours: Hours, day: date) -> _Day:
    weekday = day.weekday()
    label = f"{_JA[weekday]}曜日"
    for entry in _WEEK[_DAYS[weekday]]:
        ranges: Ranges | None = getattr(hours, entry)
        if ranges is not None:
            return _Day(ranges, f"{label}（{entry.replace('_', '-')}）")
    return _Day((), label)


def _covers(span: str, day: date) -> bool:
    first, _, last = span.partition("/")
    return first <= day.isoformat() <= (last or first)  # ISO dates sort as text


@lru_cache(maxsize=4096)
def _minutes(text: str) -> tuple[int, int]:
    """`9:00-18:00` -> (540, 1080); `22:00-6:00` and `22:00-30:00` both end on the next day; `0:00-0:00` is all day."""
    begins, ends = (int(hour) * 60 + int(minute) for hour, minute in (t.split(":") for t in text.split("-")))
    while ends <= begins:
        ends += _DAY_MIN
    return begins, ends


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=4096)
def _holiday(day: date) -> str | None:
    name: str | None = jpholiday.is_holiday_name(day)
    return name
