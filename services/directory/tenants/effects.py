"""What a changed file does to calls: the same calls before and after, at every time at which anything could differ.

Enters: a client as it is and as it would be, routing's `explain`, a day. Leaves: which calls go elsewhere, when and
how, and which keys differ. Pure. Times are not guessed: rules depend on hours alone, so between two times that stand in
either file nothing changes; days are one of each weekday, the next public holiday, and every closed or special day.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import jpholiday
import msgspec

from proto.plan import Plan, Play
from proto.tenant import Tenant
from proto.tenant.hours import Hours
from proto.tenant.numbers import NumberEntry
from proto.tenant.platform import Platform
from proto.tenant.routes import Action, Rule, When
from proto.values import Party, to_epoch_us
from services.directory.tenants.problems import Path, key_of
from services.directory.tenants.route_tests import Explain
from services.directory.tenants.words import in_words

DAYS_AHEAD = 400
"""How far closed and special days are looked at."""
_USUAL_WITHIN = 70
"""Within so many days each weekday comes once without being a holiday, closed or special, or it never does."""
_DAY_MIN = 24 * 60
_NIGHTS = 2
"""So many days before may reach into a day: hours may begin at 29:59 and end on the next."""
_CALLER = Party(presentation="unavailable")
_OPEN = Play("open")


class State(msgspec.Struct, frozen=True):
    """The client and the platform at one time; None where there is no such client."""

    tenant: Tenant | None
    platform: Platform


class Told(msgspec.Struct, frozen=True):
    """A plan in both languages."""

    ja: str
    en: str


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """Calls to one number that go elsewhere."""

    number: str
    days: tuple[date, ...]
    """The days looked at of which this is true; each stands for its weekday, unless `only` they are meant."""
    only: bool
    begins_min: int
    ends_min: int
    """Minutes of the day; the end is the first that is not meant."""
    before: Told
    after: Told


Ask = Callable[[str, date, int], Told]
"""(number, day, minute of the day) -> what a call meets."""


class KeyChange(msgspec.Struct, frozen=True):
    """A key whose value differs; `before` or `after` is empty where it is not there."""

    key: str
    before: str
    after: str


class _Span(msgspec.Struct, frozen=True):
    begins_min: int
    ends_min: int
    before: Told
    after: Told


def effects(before: State, after: State, explain: Explain, today: date) -> list[Effect]:
    """Every call that goes elsewhere: by number, the usual week first, then single days."""
    found: list[Effect] = []
    both = [state.tenant for state in (before, after) if state.tenant is not None]
    hours = [one for tenant in both for one in tenant.hours.values()]
    marks, special = _marks(hours), _special_days(hours, today)
    week = list(_usual_days(special, today))
    kinds = _kinds([*week, *special], hours, [tenant.contract.until for tenant in both if tenant.contract.until])
    asks = (_asking(before, explain), _asking(after, explain))
    for number in dict.fromkeys(entry.number for tenant in both for entry in tenant.numbers):
        of_kind = {
            kind: _differences(*asks, number, day, marks) for kind, day in {kinds[day]: day for day in kinds}.items()
        }
        usual = [(day, of_kind[kinds[day]]) for day in week]
        as_usual = {day.weekday(): spans for day, spans in usual}
        single = [(day, of_kind[kinds[day]]) for day in special]
        found += _joined(number, usual, only=False)
        found += _joined(number, [(day, s) for day, s in single if s != as_usual.get(day.weekday())], only=True)
    return found


def _joined(number: str, days: Iterable[tuple[date, list[_Span]]], only: bool) -> Iterator[Effect]:
    """Days on which the same changes at the same time are one effect."""
    on: dict[_Span, list[date]] = {}
    for day, spans in days:
        for span in spans:
            on.setdefault(span, []).append(day)
    for span, found in on.items():
        yield Effect(number=number, days=tuple(found), only=only, **msgspec.structs.asdict(span))


def _differences(before: Ask, after: Ask, number: str, day: date, marks: Sequence[int]) -> list[_Span]:
    found: list[_Span] = []
    for begins, ends in pairwise(marks):
        old, new = before(number, day, begins), after(number, day, begins)
        if old == new:
            continue
        last = found[-1] if found else None
        if last is not None and (last.ends_min, last.before, last.after) == (begins, old, new):
            found[-1] = msgspec.structs.replace(last, ends_min=ends)
        else:
            found.append(_Span(begins, ends, old, new))
    return found


def _asking(state: State, explain: Explain) -> Ask:
    """What a call meets in this state: decided once for each number and all moments at which the same hours hold."""
    tenants = {entry.number: state.tenant for entry in state.tenant.numbers} if state.tenant is not None else {}
    words: dict[Plan, Told] = {}
    met: dict[tuple[str, Hashable], Told] = {}
    holding = _holding(state, explain)

    def ask(number: str, day: date, minute: int) -> Told:
        here = number, holding(day, minute)
        if here not in met:
            plan = _plan(tenants.get(number), state.platform, explain, number, day, minute)
            if plan not in words:
                words[plan] = Told(in_words(plan, state.tenant, "ja"), in_words(plan, state.tenant, "en"))
            met[here] = words[plan]
        return met[here]

    return ask


def _plan(tenant: Tenant | None, platform: Platform, explain: Explain, number: str, day: date, minute: int) -> Plan:
    zone = ZoneInfo(tenant.timezone if tenant is not None else platform.timezone)
    at_us = to_epoch_us(datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone))
    return tuple(explain(tenant, platform, number, _CALLER, at_us)[0])


def _holding(state: State, explain: Explain) -> Callable[[date, int], Hashable]:
    """Which hours hold at a moment; whatever is called, it meets the same at all moments that are alike in this.

    Routing itself says it, of a client that has nothing but these hours: a number for each set of them, and one that is
    always answered, as long as the contract lasts.
    """
    if state.tenant is None:
        return lambda _day, _minute: ()
    rules = {f"0{n:09}": When(hours=name) if name else None for n, name in enumerate((None, *state.tenant.hours))}
    bare = msgspec.structs.replace(
        state.tenant,
        numbers=tuple(NumberEntry(number=number, route=number) for number in rules),
        routes={number: (Rule(do=(Action(play="open"),), when=when),) for number, when in rules.items()},
        ids=(),
        lines=(),
        groups=(),
    )

    @cache
    def holding(day: date, minute: int) -> Hashable:
        plans = (_plan(bare, state.platform, explain, number, day, minute) for number in rules)
        return tuple(any(step == _OPEN for step in plan) for plan in plans)

    return holding


def _marks(hours: Iterable[Hours]) -> list[int]:
    """Every minute of a day at which something opens or closes, with both ends of the day."""
    marks = {0, _DAY_MIN}
    for one in hours:
        ranges = [r for name in Hours.__struct_fields__ if name not in _NO_DAYS for r in getattr(one, name) or ()]
        for text in [*ranges, *(r for special in one.special for r in special.open)]:
            for clock in text.split("-"):
                hour, _, minute = clock.partition(":")
                marks.add((int(hour) * 60 + int(minute)) % _DAY_MIN)
    return sorted(marks)


_NO_DAYS = ("holidays", "closed", "special")


def _special_days(hours: Iterable[Hours], today: date) -> list[date]:
    """Closed and special days with the day after (a night may reach into it), and the next holiday that is neither."""
    last = today + timedelta(DAYS_AHEAD)
    days: set[date] = set()
    for span in {span for one in hours for span in (*one.closed, *(special.on for special in one.special))}:
        first, _, end = span.partition("/")
        ends = date.fromisoformat(end or first)
        until = ends + timedelta(1) if ends < last else last
        day = max(date.fromisoformat(first), today)
        while day <= until:
            days.add(day)
            day += timedelta(1)
    ahead = (today + timedelta(n) for n in range(DAYS_AHEAD))
    holiday = next((day for day in ahead if jpholiday.is_holiday(day) and day not in days), None)
    return sorted(days | ({holiday} if holiday else set()))


def _kinds(days: Iterable[date], hours: Iterable[Hours], last_days: Iterable[str]) -> dict[date, Hashable]:
    """Days of one kind are alike in all that hours know of: weekday, and of the nights before too, holiday and spans.

    So they are in which contracts are over (`last_days`). A span may be a year long, and each day that is asked for
    costs every set of hours a decision at each minute at which any of them changes.
    """
    texts = {span for one in hours for span in (*one.closed, *(special.on for special in one.special))}
    spans = [(date.fromisoformat(text[:10]), date.fromisoformat(text[-10:])) for text in sorted(texts)]

    @cache
    def of(day: date) -> Hashable:
        return jpholiday.is_holiday(day), tuple(first <= day <= end for first, end in spans)

    def nights(day: date) -> tuple[Hashable, ...]:
        return tuple(of(day - timedelta(back)) for back in range(_NIGHTS + 1))

    lasts = list(last_days)
    return {day: (day.weekday(), *nights(day), *(day.isoformat() > last for last in lasts)) for day in days}


def _usual_days(special: Sequence[date], today: date) -> Iterator[date]:
    """The next day of each weekday, from Monday on, that is nothing special and does not follow a holiday."""
    days = [today + timedelta(n) for n in range(_USUAL_WITHIN)]
    usual = [
        d
        for d in days
        if d not in special and not jpholiday.is_holiday(d) and not jpholiday.is_holiday(d - timedelta(1))
    ]
    for weekday in range(7):
        yield from [day for day in usual if day.weekday() == weekday][:1]


def key_changes(before: Tenant | Platform | None, after: Tenant | Platform | None) -> list[KeyChange]:
    """Which keys differ, in the order of the file; values as short texts. Entries of lists go by their place."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    paths = [path for path in dict.fromkeys([*old, *new]) if old.get(path) != new.get(path)]
    return [KeyChange(key_of(path), old.get(path, ""), new.get(path, "")) for path in paths]


def _leaves(body: Tenant | Platform | None) -> Iterator[tuple[Path, str]]:
    def below(node: object, path: Path) -> Iterator[tuple[Path, str]]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield from below(value, (*path, key))
        elif isinstance(node, list) and any(isinstance(entry, dict | list) for entry in node):
            for i, value in enumerate(node):
                yield from below(value, (*path, i))
        else:
            yield path, ", ".join(map(str, node)) or "[]" if isinstance(node, list) else str(node)

    return below(msgspec.json.decode(msgspec.json.encode(body)) if body is not None else {}, ())
