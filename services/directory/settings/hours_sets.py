"""Sets of business hours: a new one, one that nobody needs any more, and who goes by which.

Enters: a name and a week, choices of hours for numbers and lines. Leaves: keys of `hours:`, and the hours that rules
and lines name. The times of a set that is there belong to `hours.py`; a time without hours, and a time more, to
`way.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flask_babel import gettext, lazy_gettext
from wtforms import SelectField, StringField, ValidationError
from wtforms.validators import DataRequired

from proto.tenant import Tenant
from services.directory.settings.forwarding import line_called
from services.directory.settings.frame import Change, Fields, Group, Setting, choices
from services.directory.settings.hours import OpeningHours, hours_in_words
from services.directory.settings.week import DAYS, read_days, read_ranges, read_special
from services.directory.tenants.edit import ABSENT
from services.directory.tenants.problems import Path, Problem
from services.directory.tenants.words import Lang
from services.runtime.telephone import written
from services.runtime.web.forms import plain

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
MOST_SETS = 50


class NewHours(OpeningHours):
    """One set of hours more, by a name that its routes and lines will call it."""

    subject, of, title = "new-hours", "", lazy_gettext("営業時間を増やす")

    def names(self, tenant: Tenant) -> Iterable[str]:
        """There is one such form."""
        return ("",)

    def said(self, tenant: Tenant, name: str, lang: Lang) -> list[str]:
        """What comes of it, and how times are written."""
        return [
            str(gettext("昼休みや夜間など、別の時間帯に名前を付けます。何に使うかは、保存したあとの画面で選びます。")),
            str(gettext("時刻は 9:00-12:00, 13:00-18:00 のように入力します。空の日は休みです。")),
        ]

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """A name, then as for hours that are there."""

        def is_free(_form: Any, field: Any) -> None:
            if not _NAME.fullmatch(field.data or ""):
                raise ValidationError(lazy_gettext("名前は英小文字と数字で入力してください。例：night"))
            if field.data in tenant.hours:
                raise ValidationError(lazy_gettext("この名前の営業時間はもうあります。"))
            if len(tenant.hours) >= MOST_SETS:
                raise ValidationError(lazy_gettext("営業時間は %(most)s 件までです。", most=MOST_SETS))

        called = StringField(
            lazy_gettext("名前"),
            [DataRequired(lazy_gettext("名前を入力してください。")), is_free],
            filters=[plain, lambda typed: typed.lower() if isinstance(typed, str) else typed],
            description=lazy_gettext("英小文字と数字で。例：night, lunch, saturday"),
        )
        return {"name": called, **super().fields(tenant, name)}

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """Nothing yet; behind its name what has become of it."""
        if name in tenant.hours:
            return {"name": name, **super().standing(tenant, name)}
        return {"name": "", **dict.fromkeys(DAYS, ""), "holidays": "closed", "closed": "", "special": ""}

    def becomes(self, name: str, typed: Mapping[str, Any]) -> str:
        """The name that was typed."""
        return str(typed["name"])

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """Days that are open, and what is no usual week; five days alike are one key."""
        new = str(typed["name"])
        week = {day: list(read_ranges(typed[day] or "")) for day in DAYS}
        held: dict[str, Any] = {}
        if len({tuple(week[day]) for day in DAYS[:5]}) == 1:
            held["mon-fri"] = week["mon"]
            rest: tuple[str, ...] = DAYS[5:]
        else:
            rest = DAYS
        held |= {day: week[day] for day in rest if week[day]}
        held["holidays"] = typed["holidays"]
        held |= {"closed": days} if (days := read_days(typed["closed"] or "")) else {}
        held |= {"special": special} if (special := read_special(typed["special"] or "")) else {}
        return [Change("mon" if key == "mon-fri" else key, ("hours", new, key), value) for key, value in held.items()]

    def numbers(self, tenant: Tenant, name: str) -> tuple[str, ...]:
        """No call goes by them yet."""
        return ()

    def page_after(self, name: str, typed: Mapping[str, Any]) -> str:
        """To where it is said who goes by them."""
        return HoursFollowers.subject


class UnusedHours(Setting):
    """Hours by which nothing goes may be deleted."""

    subject, of, title = "unused-hours", "hours", lazy_gettext("営業時間を削除する")
    button = lazy_gettext("削除")

    def names(self, tenant: Tenant) -> Iterable[str]:
        """Those that no route and no line names."""
        used = {rule.when.hours for rules in tenant.routes.values() for rule in rules if rule.when is not None}
        used |= {line.hours for line in tenant.lines}
        return [name for name in tenant.hours if name not in used]

    def said(self, tenant: Tenant, name: str, lang: Lang) -> list[str]:
        """What would be gone."""
        return [
            str(gettext("どの電話番号も回線も、この営業時間に従っていません。")),
            *hours_in_words(tenant.hours[name], lang),
        ]

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """Nothing to choose."""
        return {}

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """Nothing to choose."""
        return {}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """The whole entry."""
        return [Change("", ("hours", name), ABSENT)]

    def differences(
        self, tenant: Tenant, name: str, after: Tenant, becomes: str, lang: Lang
    ) -> list[tuple[str, str, str]] | None:
        """It is there, it is gone."""
        held = str(gettext("、")).join(hours_in_words(tenant.hours[name], lang))
        return [(f"{gettext('営業時間')} {name}", held, str(gettext("なし")))]

    def numbers(self, tenant: Tenant, name: str) -> tuple[str, ...]:
        """No call goes by them."""
        return ()

    def page_after(self, name: str, typed: Mapping[str, Any]) -> str:
        """This page is gone as well."""
        return ""


class Follower(NamedTuple):
    """Something that goes by hours: its field, the key of the file, what holds, what people call it."""

    field: str
    path: Path
    hours: str
    label: str


class HoursFollowers(Setting):
    """Which number and which line goes by which hours."""

    subject, title = "hours-followers", lazy_gettext("どの営業時間に従うか")

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """There is one list for the whole company."""
        return ""

    def said(self, tenant: Tenant, name: str, lang: Lang) -> list[str]:
        """What is not chosen here."""
        return [
            str(gettext("時間で分かれていない電話番号は、「電話の流れ」で時間帯を足すとここに現れます。")),
        ]

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """A choice of hours for each; lines may be reached at any time."""
        sets = [(one, lazy_gettext("営業時間「%(hours)s」", hours=one)) for one in tenant.hours]
        always = [("", lazy_gettext("いつでも"))]
        return {
            one.field: SelectField(one.label, choices=choices([*(always if one.path[0] == "lines" else []), *sets]))
            for one in followers(tenant)
        }

    def groups(self, tenant: Tenant, name: str, lang: Lang) -> list[Group]:
        """Numbers, then lines."""
        found = list(followers(tenant))
        numbers = tuple(one.field for one in found if one.path[0] == "routes")
        lines = tuple(one.field for one in found if one.path[0] == "lines")
        groups = [Group(numbers, str(gettext("電話番号"))), Group(lines, str(gettext("電話を受ける時間")))]
        return [group for group in groups if group.fields]

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        return {one.field: one.hours for one in followers(tenant)}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """What differs."""
        return [
            Change(one.field, one.path, typed[one.field] or ABSENT)
            for one in followers(tenant)
            if typed[one.field] != one.hours
        ]

    def minds(self, name: str, problem: Problem) -> bool:
        """Two times of a route by the same hours: the second would never come."""
        return problem.path[:1] == ("routes",) and problem.text.startswith("is never reached")


def followers(tenant: Tenant) -> Iterator[Follower]:
    """The times of routes that numbers follow, then the lines."""
    for i, (route, rules) in enumerate(tenant.routes.items()):
        numbers = str(gettext("、")).join(written(one.number) for one in tenant.numbers if one.route == route)
        named = [(j, rule.when.hours) for j, rule in enumerate(rules) if rule.when is not None and rule.when.hours]
        for j, hours in named if numbers else ():
            label = str(gettext("%(numbers)s への電話", numbers=numbers)) + (f" {j + 1}" if len(named) > 1 else "")
            yield Follower(f"route_{i}_{j}", ("routes", route, j, "when", "hours"), hours, label)
    for i, line in enumerate(tenant.lines):
        yield Follower(f"line_{i}", ("lines", i, "hours"), line.hours, line_called(tenant, line.line))
