"""Which number goes which way: the same as others, or a way of its own that begins as the one it had.

Enters: a choice for each number that has a route or could have one. Leaves: `route` of numbers, and new routes. The
steps of a way belong to `way.py`; a direct number rings its device and has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from flask_babel import gettext, lazy_gettext
from wtforms import SelectField

from proto.tenant import Tenant
from proto.tenant.numbers import NumberEntry
from services.directory.settings.frame import Change, Fields, Setting, choices
from services.directory.tenants.edit import ABSENT, Stands
from services.directory.tenants.words import Lang
from services.runtime.telephone import written

OWN, EVERYBODY = "+", ""
"""Choices beside the names of routes; neither can be a name."""


class NumberWays(Setting):
    """One list for the whole company."""

    subject, title = "number-ways", lazy_gettext("どの番号がどの流れか")

    def names(self, tenant: Tenant) -> Iterable[str]:
        """There is one, if there is anything to choose."""
        return ("",) if any(True for _ in _numbers(tenant)) else ()

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """All of them."""
        return ""

    def said(self, tenant: Tenant, name: str, lang: Lang) -> list[str]:
        """What a way of its own is."""
        return [
            str(gettext("「この番号だけの流れ」は、今と同じ流れから始まります。保存したあとで手順を変えてください。"))
        ]

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """A choice for each number."""
        ways = [(route, _called(tenant, route)) for route in tenant.routes]
        found: Fields = {}
        for field, entry in _numbers(tenant):
            offered = [(EVERYBODY, lazy_gettext("全員を呼び出す"))] if tenant.lines or not entry.route else []
            alone = entry.route and sum(other.route == entry.route for other in tenant.numbers) == 1
            own = [] if alone or not _beginning(tenant, entry) else [(OWN, lazy_gettext("この番号だけの流れ"))]
            found[field] = SelectField(written(entry.number), choices=choices([*offered, *ways, *own]))
        return found

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        return {field: entry.route for field, entry in _numbers(tenant)}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """The route of each number that goes another way, and before it the routes that are new."""
        made: list[Change] = []
        chosen: list[Change] = []
        taken = set(tenant.routes)
        for field, entry in _numbers(tenant):
            route = typed[field]
            if route == entry.route:
                continue
            if route == OWN:
                route = next(
                    one for n in count(1) if (one := f"way-{entry.number}-{n}".removesuffix("-1")) not in taken
                )
                taken.add(route)
                made.append(Change(field, ("routes", route), _beginning(tenant, entry)))
            path = ("numbers", tenant.numbers.index(entry), "route")
            chosen.append(Change(field, path, ABSENT if route == EVERYBODY else route))
        return made + chosen

    def differences(
        self, tenant: Tenant, name: str, after: Tenant, becomes: str, lang: Lang
    ) -> list[tuple[str, str, str]] | None:
        """Number by number; a new way by the number that has it."""

        def way(of: Tenant, entry: NumberEntry) -> str:
            return _called(of, entry.route) if entry.route else str(gettext("全員を呼び出す"))

        return [
            (written(old.number), way(tenant, old), way(after, new))
            for old, new in zip(tenant.numbers, after.numbers, strict=True)
            if old.route != new.route
        ]


def _numbers(tenant: Tenant) -> Iterator[tuple[str, NumberEntry]]:
    """Numbers that follow a route, or ring everybody for want of one."""
    for i, entry in enumerate(tenant.numbers):
        if entry.kind != "direct":
            yield f"number_{i}", entry


def _called(tenant: Tenant, route: str) -> str:
    """By the numbers that go this way."""
    numbers = str(gettext("、")).join(written(entry.number) for entry in tenant.numbers if entry.route == route)
    if not numbers:
        return str(gettext("今は使われていない流れ「%(route)s」", route=route))
    return str(gettext("%(numbers)s の流れ", numbers=numbers))


def _beginning(tenant: Tenant, entry: NumberEntry) -> Any:
    """What a way of its own begins with: as the number's way now, else a group or a line; None: nothing is there."""
    if entry.route:
        return Stands(("routes", entry.route))
    inside = [one.group for one in tenant.groups] + [line.line for line in tenant.lines]
    return [{"do": [{"ring": inside[0]}]}] if inside else None
