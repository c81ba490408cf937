"""Business hours: a week, public holidays, closed and special days.

Enters: what people of the company typed per day. Leaves: keys of `hours:` in the client's file, as few as say so
(`week.py`). Which routes and lines go by these hours is left as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import Length

from proto.tenant import Tenant
from proto.tenant.hours import Hours
from services.directory.settings.forwarding import line_called
from services.directory.settings.frame import Change, Fields, Setting, choices, readable
from services.directory.settings.week import (
    DAYS,
    as_week,
    changed_by,
    read_days,
    read_ranges,
    read_special,
    special_line,
    week_changes,
)
from services.directory.tenants.edit import ABSENT
from services.directory.tenants.plan_command import weekdays
from services.directory.tenants.words import Lang
from services.runtime.telephone import written

DAY_NAMES = {
    "mon": lazy_gettext("月曜日"),
    "tue": lazy_gettext("火曜日"),
    "wed": lazy_gettext("水曜日"),
    "thu": lazy_gettext("木曜日"),
    "fri": lazy_gettext("金曜日"),
    "sat": lazy_gettext("土曜日"),
    "sun": lazy_gettext("日曜日"),
}
_TIMES = lazy_gettext("時刻は 9:00-12:00, 13:00-18:00 のように入力してください。休みの日は空のままにします。")
_DAYS = lazy_gettext("日付は一行に一つ、2026-12-29 または 2026-12-29/2027-01-03 のように入力してください。")
_SPECIAL = lazy_gettext("一行に一つ、2026-12-28 9:00-12:00 のように入力してください。")


def hours_in_words(hours: Hours, lang: Lang) -> tuple[str, ...]:
    """The week, then the days that are no usual ones."""
    by_ranges: dict[tuple[str, ...], list[int]] = {}
    for i, day in enumerate(DAYS):
        by_ranges.setdefault(tuple(as_week(hours)[day]), []).append(i)
    shut = str(gettext("休み"))
    week = str(gettext("、")).join(
        f"{weekdays(days, lang)} {', '.join(ranges) or shut}" for ranges, days in by_ranges.items()
    )
    found = [week, str(gettext("祝日は休み") if hours.holidays == "closed" else gettext("祝日も曜日の時間どおり"))]
    if hours.closed:
        found.append(str(gettext("休業日：%(days)s", days=str(gettext("、")).join(hours.closed))))
    if hours.special:
        special = str(gettext("、")).join(special_line(one.on, one.open) for one in hours.special)
        found.append(str(gettext("特別な日：%(days)s", days=special)))
    return tuple(found)


class OpeningHours(Setting):
    """The hours of one name, for whatever routes and lines go by them."""

    subject, of, title = "hours", "hours", lazy_gettext("営業時間")

    def names(self, tenant: Tenant) -> Iterable[str]:
        """As the file calls them."""
        return tenant.hours

    def said(self, tenant: Tenant, name: str, lang: Lang) -> list[str]:
        """What goes by these hours, and how times are written."""
        routes = {
            route
            for route, rules in tenant.routes.items()
            if any(rule.when is not None and rule.when.hours == name for rule in rules)
        }
        numbers = [written(entry.number) for entry in tenant.numbers if entry.route in routes]
        comma = str(gettext("、"))
        users = [str(gettext("%(numbers)s への電話", numbers=comma.join(numbers)))] if numbers else []
        users += [line_called(tenant, line.line) for line in tenant.lines if line.hours == name]
        said = [str(gettext("これに従うもの：%(users)s", users=comma.join(users)))] if users else []
        return [*said, str(gettext("時刻は 9:00-12:00, 13:00-18:00 のように入力します。空の日は休みです。"))]

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """Seven days, then the days that are no usual ones."""
        week = {
            day: StringField(title, [Length(max=200), readable(read_ranges, _TIMES)])
            for day, title in DAY_NAMES.items()
        }
        holidays = [("closed", lazy_gettext("休み")), ("open", lazy_gettext("曜日の時間どおり"))]
        closed = lazy_gettext("年末年始やお盆など、一行に一つ。例：2026-12-29/2027-01-03")
        special = lazy_gettext("時間がいつもと違う日、一行に一つ。例：2026-12-28 9:00-12:00")
        checks = [Length(max=5000)]
        return {
            **week,
            "holidays": SelectField(lazy_gettext("祝日"), choices=choices(holidays)),
            "closed": TextAreaField(lazy_gettext("休業日"), [*checks, readable(read_days, _DAYS)], description=closed),
            "special": TextAreaField(
                lazy_gettext("特別な日"), [*checks, readable(read_special, _SPECIAL)], description=special
            ),
        }

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        hours = tenant.hours[name]
        return {
            **{day: ", ".join(ranges) for day, ranges in as_week(hours).items()},
            "holidays": hours.holidays,
            "closed": "\n".join(hours.closed),
            "special": "\n".join(special_line(one.on, one.open) for one in hours.special),
        }

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """Keys that change, so that five days alike stay one key."""
        hours = tenant.hours[name]
        week = {day: read_ranges(typed[day] or "") for day in DAYS}
        found = [
            Change(changed_by(key, hours, week), ("hours", name, key), ABSENT if value is None else value)
            for key, value in week_changes(hours, week).items()
        ]
        closed, special = read_days(typed["closed"] or ""), read_special(typed["special"] or "")
        if closed != list(hours.closed):
            found.append(Change("closed", ("hours", name, "closed"), closed))
        if special != [{"on": one.on, "open": list(one.open)} for one in hours.special]:
            found.append(Change("special", ("hours", name, "special"), special))
        if typed["holidays"] != hours.holidays:
            found.append(Change("holidays", ("hours", name, "holidays"), typed["holidays"]))
        return found
