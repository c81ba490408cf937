"""PURE How much data each phone of a client took, month by month: an estimate from the minutes that it spoke.

Enters: minutes per phone and month, the client's file. Leaves: page values. G.711 sends 50 packets of 20 ms a second,
218 bytes each with RTP, UDP, IP and Ethernet: 654 kB a minute each way. Who counts the minutes is `usage_web.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from proto.tenant import Tenant
from proto.values import to_datetime, to_epoch_us

BYTES_PER_MINUTE = 654_000
"""In one direction; a conversation goes in both."""
MONTHS = 3
_MINUTE_US = 60_000_000


class Month(msgspec.Struct, frozen=True):
    """A calendar month in the client's zone, up to but without its end."""

    name: str
    """`2026-11`"""
    from_us: int
    until_us: int


class Cell(msgspec.Struct, frozen=True):
    """What one phone did in one month."""

    talk_minutes: int
    """Begun ones count as whole."""
    each_way_mb: float
    both_ways_mb: float


class UsageLine(msgspec.Struct, frozen=True):
    """One phone, a cell for each month."""

    phone: str
    name: str
    device: Literal["desk", "app", ""]
    """Empty: it no longer stands in the client's file."""
    cells: tuple[Cell, ...]


class UsagePage(msgspec.Struct, frozen=True):
    """Newest month first."""

    tenant: str
    client: str
    months: tuple[str, ...]
    lines: tuple[UsageLine, ...]


def months_before(now_us: int, zone: str) -> tuple[Month, ...]:
    """The month of `now_us` and those before it, newest first."""
    here = ZoneInfo(zone)
    today = to_datetime(now_us).astimezone(here)
    year, month, found = today.year, today.month, []
    for _ in range(MONTHS):
        next_year, next_month = (year + 1, 1) if month == 12 else (year, month + 1)
        begin, end = datetime(year, month, 1, tzinfo=here), datetime(next_year, next_month, 1, tzinfo=here)
        found.append(Month(f"{year}-{month:02}", to_epoch_us(begin), to_epoch_us(end)))
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    return tuple(found)


def cell(talk_us: int) -> Cell:
    """The estimate for so much talking."""
    each_way = talk_us * BYTES_PER_MINUTE / _MINUTE_US / 1_000_000
    return Cell(-(-talk_us // _MINUTE_US), round(each_way, 1), round(2 * each_way, 1))


def usage_page(tenant: Tenant, months: tuple[Month, ...], talked_us: tuple[Mapping[str, int], ...]) -> UsagePage:
    """`talked_us`: for each month, phone -> microseconds. Phones in the file's order, then those that are gone."""
    listed = {one.id: one for one in tenant.ids}
    gone = sorted({phone for month in talked_us for phone in month if phone and phone not in listed})
    lines = [
        UsageLine(
            phone=phone,
            name=listed[phone].name if phone in listed else "",
            device=listed[phone].device if phone in listed else "",
            cells=tuple(cell(month.get(phone, 0)) for month in talked_us),
        )
        for phone in [*listed, *gone]
    ]
    return UsagePage(tenant.tenant, tenant.name, tuple(month.name for month in months), tuple(lines))
