"""PURE Days and minutes in Japan, by which operators count: files, pages and rows hold moments alone.

Enters: moments in microseconds since 1970, days as people type them. Leaves: days, texts, moments. A client's own clock
(`timezone` in its file) decides about its calls; that belongs to routing and history.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from proto.values import to_datetime, to_epoch_us

JAPAN = ZoneInfo("Asia/Tokyo")


def day_of(at_us: int) -> date:
    """The day of a moment."""
    return in_japan(at_us).date()


def minute_of(at_us: int) -> str:
    """`2026-11-22 14:05`."""
    return f"{in_japan(at_us):%Y-%m-%d %H:%M}"


def in_japan(at_us: int) -> datetime:
    """The moment as a clock on the wall shows it."""
    return to_datetime(at_us).astimezone(JAPAN)


def begins_us(day: date) -> int:
    """When the day begins."""
    return to_epoch_us(datetime.combine(day, time(), JAPAN))


def day_us(text: str, later: int = 0) -> int | None:
    """When a day (or one so many days later) begins; None for no text. Raises ValueError, OverflowError."""
    return begins_us(date.fromisoformat(text) + timedelta(days=later)) if text else None
