"""PURE. How many channels and people a client needs: from figures typed in, or from its own busiest hours (R22).

Enters: when each channel was taken and calls were spoken, or calls an hour and their length. Leaves: page values and a
picture (SVG). The formulas stand in `erlang.py`, what is asked of the tables in `capacity_web.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import msgspec

from proto.values import to_datetime, to_epoch_us
from services.history.erlang import answered_within, blocked, carries, channels_for, people_for

DAYS = 30
"""So many days back the busiest hour is looked for (ITU-T E.500: a month)."""
_HOUR_US = 3_600_000_000
_LONGEST_US = 24 * _HOUR_US
"""A channel that was up for longer is no talk but a fault: it counts for a day."""


class Asked(msgspec.Struct, frozen=True):
    """What is planned with."""

    calls: float
    """Calls an hour, in the busy hour."""
    talk_s: float
    """How long one takes a channel, or a person, with what is written afterwards."""
    blocking: float = 0.01
    """The share of calls that may find all channels busy."""
    within_s: float = 20.0
    share: float = 0.8
    """So many callers shall be answered within `within_s`."""

    @property
    def erlangs(self) -> float:
        """The traffic."""
        return self.calls * self.talk_s / 3600


DEFAULTS = Asked(calls=20, talk_s=180)
"""Where nothing is typed and nothing was measured."""


class Lines(msgspec.Struct, frozen=True):
    """The channels that so much traffic needs. Shares are 0 to 1."""

    erlangs: float
    channels: int
    blocked: float
    carries: float
    """So many erlangs these channels carry at the share of blocked calls that is allowed."""


class People(msgspec.Struct, frozen=True):
    """The people that so much traffic needs."""

    erlangs: float
    people: int
    in_time: float


class Hour(msgspec.Struct, frozen=True):
    """An hour by the clock in which channels were taken."""

    begins: str
    """`2026-11-20 10:00`, where the client is."""
    erlangs: float
    calls: int
    """Channels that were taken in it anew."""
    most: int
    """Channels that were up at once at its height."""


class CapacityPage(msgspec.Struct, frozen=True):
    """The busiest hours, the day's course, and what is needed."""

    busiest: tuple[Hour, ...]
    """Of the channels to the outside, one per day, the busiest first."""
    spoken: Hour | None
    """The hour in which the client's phones spoke most."""
    course: tuple[float, ...]
    """For each hour of the day, 0 to 23, the most erlangs of any day."""
    asked: Asked
    measured: bool
    """Whether what is planned with comes from the busiest hours."""
    lines: Lines
    people: People


def lines_for(asked: Asked) -> Lines:
    """Raises ValueError for more than anybody plans with here."""
    channels = channels_for(asked.erlangs, asked.blocking)
    return Lines(asked.erlangs, channels, blocked(channels, asked.erlangs), carries(channels, asked.blocking))


def people_needed(asked: Asked) -> People:
    """Raises ValueError for more than anybody plans with here."""
    people = people_for(asked.erlangs, asked.talk_s, asked.within_s, asked.share)
    in_time = answered_within(people, asked.erlangs, asked.talk_s, asked.within_s) if people else 1.0
    return People(asked.erlangs, people, in_time)


def hours(spans: Iterable[tuple[int, int]], zone: str) -> list[Hour]:
    """Each hour in which a channel was up, in order. `spans`: begin and end of each, microseconds."""
    taken: dict[int, int] = defaultdict(int)
    begun: dict[int, int] = defaultdict(int)
    changes: list[tuple[int, int]] = []
    for begin, end in spans:
        end = min(end, begin + _LONGEST_US)
        if end <= begin:
            continue
        changes += [(begin, 1), (end, -1)]
        begun[begin // _HOUR_US] += 1
        for hour in _touched(begin, end):
            taken[hour] += min(end, (hour + 1) * _HOUR_US) - max(begin, hour * _HOUR_US)
    most = _heights(changes)
    return [
        Hour(_begins(hour, zone).strftime("%Y-%m-%d %H:%M"), us / _HOUR_US, begun[hour], most[hour])
        for hour, us in sorted(taken.items())
    ]


def _touched(begin_us: int, end_us: int) -> range:
    return range(begin_us // _HOUR_US, (end_us - 1) // _HOUR_US + 1)


def _heights(changes: list[tuple[int, int]]) -> dict[int, int]:
    """Hour -> the most channels at once; at one moment the ended go before the new come."""
    found: dict[int, int] = defaultdict(int)
    up, last_us = 0, 0
    for at_us, change in sorted(changes):
        if up and at_us > last_us:
            for hour in _touched(last_us, at_us):
                found[hour] = max(found[hour], up)
        up, last_us = up + change, at_us
    return found


def _begins(hour: int, zone: str) -> datetime:
    return to_datetime(hour * _HOUR_US).astimezone(ZoneInfo(zone))


def capacity(channels: list[Hour], spoken: list[Hour], typed: Asked | None, defaults: Asked) -> CapacityPage:
    """`typed` figures are planned with; without them the busiest hours are, or `defaults` where there was none.

    Raises ValueError for more than anybody plans with here.
    """
    by_day: dict[str, Hour] = {}
    course = [0.0] * 24
    for one in channels:
        day, clock = one.begins[:10], int(one.begins[11:13])
        course[clock] = max(course[clock], one.erlangs)
        if day not in by_day or one.erlangs > by_day[day].erlangs:
            by_day[day] = one
    busiest = tuple(sorted(by_day.values(), key=lambda one: (-one.erlangs, one.begins)))
    talk = max(spoken, key=lambda one: one.erlangs, default=None)
    measured = typed is None and bool(busiest)
    for_lines = _as_measured(busiest[0], defaults) if measured else typed or defaults
    for_people = _as_measured(talk, defaults) if measured and talk is not None else for_lines
    return CapacityPage(
        busiest, talk, tuple(course), for_lines, measured, lines_for(for_lines), people_needed(for_people)
    )


def _as_measured(hour: Hour, defaults: Asked) -> Asked:
    calls = max(hour.calls, 1)
    return msgspec.structs.replace(defaults, calls=float(calls), talk_s=max(1.0, hour.erlangs * 3600 / calls))


def since(now_us: int, zone: str) -> int:
    """The first moment that counts: midnight of DAYS ago, where the client is."""
    today = to_datetime(now_us).astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return to_epoch_us(today - timedelta(DAYS))


# -- the picture -------------------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT, _LEFT, _BASE, _TOP = 760, 240, 44, 200, 20


def picture(page: CapacityPage, title: str, says: str, line: str) -> str:
    """The day's course as bars, and the channels that are needed as a line. The texts are the page's own."""
    most = max(*page.course, page.lines.channels, 1)
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
            f'height="{_HEIGHT}" role="img" aria-labelledby="course-title course-says" font-size="12" '
            f'fill="currentColor" class="drawing"><title id="course-title">{escape(title)}</title>'
            f'<desc id="course-says">{escape(says)}</desc>',
            *_bars(page.course, most),
            *_needed_line(page.lines.channels, most, line),
            f'<line x1="{_LEFT}" y1="{_BASE}" x2="{_WIDTH - 10}" y2="{_BASE}" stroke="currentColor"/></svg>',
        )
    )


def _y(value: float, most: float) -> float:
    return round(_BASE - (_BASE - _TOP) * value / most, 1)


def _bars(course: tuple[float, ...], most: float) -> Iterator[str]:
    step = (_WIDTH - 10 - _LEFT) / 24
    for hour, erlangs in enumerate(course):
        x, y = round(_LEFT + hour * step + 3, 1), _y(erlangs, most)
        yield f'<rect x="{x}" y="{y}" width="{round(step - 6, 1)}" height="{round(_BASE - y, 1)}" fill="#15803d"/>'
        yield f'<text x="{round(x + step / 2 - 3, 1)}" y="{_BASE + 16}" text-anchor="middle">{hour}</text>'


def _needed_line(channels: int, most: float, line: str) -> Iterator[str]:
    y = _y(channels, most)
    yield f'<line x1="{_LEFT}" y1="{y}" x2="{_WIDTH - 10}" y2="{y}" stroke="#b91c1c" stroke-dasharray="6 4"/>'
    yield f'<text x="{_LEFT + 4}" y="{y - 5}">{escape(line)}</text>'
    yield f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{channels}</text>'
    yield f'<text x="{_LEFT - 6}" y="{_BASE + 4}" text-anchor="end">0</text>'
