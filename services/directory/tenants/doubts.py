"""What a client's file allows but hardly means: hours with holes, things that nothing reaches, holidays not set.

Enters: one tenant that is right, the day on which it is looked at; or all of them, for calls that go round between
clients. Leaves: warnings with the path of the key. Pure. What keeps a file from taking effect belongs to `check.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise

from proto.tenant import Tenant
from proto.tenant.hours import Hours, Ranges
from proto.tenant.routes import Rule
from services.directory.tenants.problems import Path, Problem

SHORTEST_BREAK_MIN = 15
"""A shorter pause between two ranges of a day is rather `9:00-11:59, 12:00-18:00` than a lunch."""
HOLIDAYS_ARE_SET_FROM_MONTH = 10
"""From October on, the year's end and the next year's closed days should stand in the file."""
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
_WEEK = (*_WEEKDAYS, "sat", "sun")
_SPEAKS_OF = {
    "daily": _WEEK,
    "mon_fri": _WEEKDAYS,
    "mon_sat": _WEEK[:6],
    "sat_sun": _WEEK[5:],
    **{day: (day,) for day in _WEEK},
}


def doubts(tenant: Tenant, today: date) -> list[Problem]:
    """Everything doubtful in one client's file."""
    found: list[Problem] = []
    for name, hours in tenant.hours.items():
        found += _week(hours, ("hours", name))
        for entry in _SPEAKS_OF:
            found += _pauses(getattr(hours, entry) or (), ("hours", name, entry.replace("_", "-")))
        for i, special in enumerate(hours.special):
            found += _pauses(special.open, ("hours", name, "special", i, "open"))
        found += _next_holidays(hours, today, ("hours", name))
    for name, rules in tenant.routes.items():
        found += _repeated(rules, ("routes", name))
    found += _reached_by_nothing(tenant)
    return found


def _doubt(text: str, path: Path, value: object = None, hint: str = "") -> Problem:
    return Problem(text=text, path=path, value=value, hint=hint, level="warning")


def _week(hours: Hours, path: Path) -> Iterator[Problem]:
    said = [entry for entry in _SPEAKS_OF if getattr(hours, entry) is not None]
    spoken_of = {day for entry in said for day in _SPEAKS_OF[entry]}
    if not any(getattr(hours, entry) for entry in said) and not any(special.open for special in hours.special):
        yield _doubt("is never open", path, path[-1], "hours are written per day, for example mon-fri: [9:00-18:00]")
        return
    for day in _WEEKDAYS:
        if day not in spoken_of and spoken_of & set(_WEEKDAYS):
            yield _doubt(f"says nothing of {day}: closed", path, path[-1], f"write {day}: [] if that is meant")


def _pauses(ranges: Ranges, path: Path) -> Iterator[Problem]:
    minutes = sorted((*_minutes(text), i) for i, text in enumerate(ranges))
    for (_, ends, before), (begins, _, i) in pairwise(minutes):
        here: Path = (*path, i)
        if begins < ends:
            yield _doubt(f"overlaps {ranges[before]}", here, ranges[i])
        elif 0 < begins - ends < SHORTEST_BREAK_MIN:
            text = f"leaves a gap of {begins - ends} min after {ranges[before]}"
            yield _doubt(text, here, ranges[i], "an end is the first minute that is closed: 9:00-12:00, 12:00-18:00")


def _minutes(text: str) -> tuple[int, int]:
    begins, ends = (int(hour) * 60 + int(minute) for hour, minute in (t.split(":") for t in text.split("-")))
    return begins, ends + (24 * 60 if ends <= begins else 0)


def _next_holidays(hours: Hours, today: date, path: Path) -> Iterator[Problem]:
    """Hours that name closed days at all, but none for the time to come: 年末年始 is forgotten every year."""
    spans = [*hours.closed, *(special.on for special in hours.special)]
    if not spans:
        return
    last = max(int((span.partition("/")[2] or span)[:4]) for span in spans)
    expected = today.year + (today.month >= HOLIDAYS_ARE_SET_FROM_MONTH)
    if last < expected:
        text = f"names no closed or special day in {expected}"
        yield _doubt(text, (*path, "closed"), path[-1], "public holidays come by themselves; 年末年始 and お盆 do not")


def _repeated(rules: Sequence[Rule], path: Path) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, rule in enumerate(rules):
        hours = rule.when.hours if rule.when is not None else None
        if hours is None:
            return  # what follows an unconditional rule is told already
        if hours in seen:
            yield _doubt(f"is never reached: rule {seen[hours] + 1} has the same hours", (*path, i), hours)
        seen.setdefault(hours, i)


def _reached_by_nothing(tenant: Tenant) -> Iterator[Problem]:
    actions = [action for rules in tenant.routes.values() for rule in rules for action in rule.do]
    when = {rule.when.hours for rules in tenant.routes.values() for rule in rules if rule.when is not None}
    rung = {action.ring for action in actions} | {line.no_answer.to for line in tenant.lines if line.no_answer}
    direct = {entry.id for entry in tenant.numbers if entry.kind == "direct"}
    used_hours = when | {line.hours for line in tenant.lines}
    for name in tenant.hours:
        if name not in used_hours:
            yield _doubt("is used by no route and no line", ("hours", name), name)
    for i, group in enumerate(tenant.groups):
        if group.group not in rung:
            yield _doubt("is rung by no route", ("groups", i), group.group)
    in_lines = {own for line in tenant.lines for own in line.ids}
    for i, own in enumerate(tenant.ids):
        if own.id not in in_lines | direct and own.id not in rung:
            text = "is in no line and has no direct number: only colleagues reach it"
            yield _doubt(text, ("ids", i), own.id, "add it to the ids of a line")


def rounds(tenants: Iterable[Tenant]) -> list[tuple[str, Problem]]:
    """Calls that would go from client to client and come back, as (tenant, warning) of the key that sends them off."""
    owner: dict[str, tuple[Tenant, int]] = {}
    for tenant in tenants:
        owner.update({entry.number: (tenant, i) for i, entry in enumerate(tenant.numbers)})
    sends = {number: [(to, key) for to, key in _forwards(*where) if to in owner] for number, where in owner.items()}
    leads_to = {number: [to for to, _ in found] for number, found in sends.items()}
    found: list[tuple[str, Problem]] = []
    for number, (tenant, _) in owner.items():
        way = _way_back(number, leads_to)
        if way:
            text = f"sends a call round in a circle: {' → '.join(way)}"
            hint = "give one of them a last step that stays: voicemail, queue"
            path = next(key for to, key in sends[number] if to == way[1])
            found.append((tenant.tenant, _doubt(text, path, way[1], hint)))
    return found


def _forwards(tenant: Tenant, i: int) -> Iterator[tuple[str, Path]]:
    entry = tenant.numbers[i]
    for j, rule in enumerate(tenant.routes.get(entry.route, ())):
        for k, action in enumerate(rule.do):
            if action.forward is not None:
                yield action.forward, ("routes", entry.route, j, "do", k, "forward")
    for j, line in enumerate(tenant.lines):
        if entry.id in line.ids and line.no_answer is not None:
            yield line.no_answer.to, ("lines", j, "no_answer", "to")


def _way_back(start: str, leads_to: Mapping[str, Sequence[str]]) -> list[str]:
    """The shortest way from `start` to itself; empty if there is none."""
    ways, seen = [[start]], set[str]()
    for way in ways:
        for to in leads_to.get(way[-1], ()):
            if to == start:
                return [*way, to]
            if to not in seen:
                seen.add(to)
                ways.append([*way, to])
    return []
