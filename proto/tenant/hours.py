"""When somebody can be reached: a week, public holidays, closed and special days.

Enters: nothing. Leaves: frozen structs with times as text. Whether a moment lies within is worked out by
`services/routing/hours.py`; which days are holidays comes from a dated table.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from proto.tenant.fields import DateRange, TimeRange

Ranges = tuple[TimeRange, ...]


class Special(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A day or span with hours of its own, whatever the week says."""

    on: DateRange
    open: Ranges


class Hours(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename="kebab"):
    """Open times. A narrower entry wins: `sat` over `mon-sat` over `daily`; special, closed, holidays, week in turn."""

    daily: Ranges | None = None
    mon_fri: Ranges | None = None
    mon_sat: Ranges | None = None
    sat_sun: Ranges | None = None
    mon: Ranges | None = None
    tue: Ranges | None = None
    wed: Ranges | None = None
    thu: Ranges | None = None
    fri: Ranges | None = None
    sat: Ranges | None = None
    sun: Ranges | None = None
    holidays: Literal["closed", "open"] = "closed"
    """祝日 / public holidays of Japan."""
    closed: tuple[DateRange, ...] = ()
    """休業日 / days and spans that are closed: 年末年始, お盆."""
    special: tuple[Special, ...] = ()
    """特別営業日 / days with hours of their own, whatever else is said."""
