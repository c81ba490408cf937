"""Business hours between a form and a client's file: seven days as people read them, the few keys that say so.

Enters: `Hours`, and what was typed per day. Leaves: texts for the fields, and the keys of the file that change, so that
`mon-fri` stays `mon-fri` where five days are alike. Pure. Whether a moment is open is worked out by routing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from proto.tenant.hours import Hours, Ranges

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_GROUPS = {
    **dict.fromkeys(DAYS[:5], ("mon_fri", "mon_sat", "daily")),
    "sat": ("sat_sun", "mon_sat", "daily"),
    "sun": ("sat_sun", "daily"),
}
"""Narrowest first, behind the day's own entry (routing/hours.py reads them so)."""
_RANGE = re.compile(r"([01]?[0-9]|2[0-9]):[0-5][0-9]-([01]?[0-9]|2[0-9]):[0-5][0-9]")
_DASHES = re.compile(r"\s*(?:[-‐‑–—―−ー~〜]|から)\s*")
_BETWEEN = re.compile(r"[\s,、;・]+")


def as_week(hours: Hours) -> dict[str, Ranges]:
    """Day -> its ranges; an empty one is closed."""
    return {day: _first(hours, (day, *_GROUPS[day])) for day in DAYS}


def _first(hours: Hours, entries: tuple[str, ...]) -> Ranges:
    found = (getattr(hours, entry) for entry in entries)
    return next((ranges for ranges in found if ranges is not None), ())


def week_changes(hours: Hours, week: Mapping[str, Ranges]) -> dict[str, Any]:
    """Key of the file -> its new value (None: it goes), such that `week` holds. What can stay as it is does."""
    groups: dict[str, list[str]] = {}
    for day in DAYS:
        said = [entry for entry in _GROUPS[day] if getattr(hours, entry) is not None]
        if said:
            groups.setdefault(said[0], []).append(day)
    usual: dict[str, Ranges] = {}
    changes: dict[str, Any] = {}
    for group, days in groups.items():
        is_now: Ranges = getattr(hours, group)
        counted = Counter(week[day] for day in days if getattr(hours, day) != week[day])
        most = max(counted.values(), default=0)
        usual_here = is_now if counted[is_now] == most else counted.most_common(1)[0][0]
        usual.update(dict.fromkeys(days, usual_here))
        if usual_here != is_now:
            changes[group.replace("_", "-")] = list(usual_here)
    for day in DAYS:
        own: Ranges | None = getattr(hours, day)
        if own == week[day]:
            continue
        if week[day] == usual.get(day, ()):
            changes |= {day: None} if own is not None else {}
        else:
            changes[day] = list(week[day])
    return changes


def changed_by(key: str, hours: Hours, week: Mapping[str, Ranges]) -> str:
    """The first day that has a key of the file change (`mon-fri` is changed by its Monday, or by its Tuesday …)."""
    days = [day for day in DAYS if key.replace("-", "_") in (day, *_GROUPS[day])]
    return next((day for day in days if week[day] != as_week(hours)[day]), days[0])


def read_ranges(typed: str) -> Ranges:
    """`9:00-12:00, 13:00〜18:00`, full-width too -> ranges; nothing means closed. Raises ValueError."""
    text = _DASHES.sub("-", unicodedata.normalize("NFKC", typed).strip())
    ranges = tuple(part for part in _BETWEEN.split(text) if part)
    if not all(_RANGE.fullmatch(part) for part in ranges):
        raise ValueError(typed)
    return ranges


def read_days(typed: str) -> list[str]:
    """One day or span per line: `2026-12-29`, `2026/12/29〜2027/1/3`. Raises ValueError."""
    return [_span(line) for line in unicodedata.normalize("NFKC", typed).splitlines() if line.strip()]


def read_special(typed: str) -> list[dict[str, Any]]:
    """One per line: the day or span, a space, its hours: `2026-12-28 9:00-12:00`. Raises ValueError."""
    found: list[dict[str, Any]] = []
    for line in unicodedata.normalize("NFKC", typed).splitlines():
        day, _, ranges = line.strip().partition(" ")
        if day:
            found.append({"on": _span(day), "open": list(read_ranges(ranges))})
    return found


def _span(typed: str) -> str:
    """ISO days, joined by a slash if they are two."""
    parts = re.findall(r"[0-9]{4}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}日?", typed)
    between = typed
    for part in parts:
        between = between.replace(part, "", 1)
    if not 1 <= len(parts) <= 2 or between.strip() not in ("", "/", "-", "~", "〜", "から"):
        raise ValueError(typed)
    return "/".join(date(*(int(n) for n in re.findall(r"[0-9]+", part))).isoformat() for part in parts)


def special_line(on: str, ranges: Ranges) -> str:
    """As `read_special` reads it."""
    return f"{on} {', '.join(ranges)}".strip()
