"""Business hours of a client company (/settings): the form, what callers would notice, saving, taking back.

Enters: what people of the company typed. Leaves: an edit of the client's file that was checked before, is in force when
the page says so, and is taken back by one button; every change is an entry of the audit log. How a form becomes keys of
the file stands in `week.py`; where calls would go, in routing's `explain`, which the entry point hands in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, make_response, redirect, render_template, request
from flask_babel import format_datetime, get_locale, gettext, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import Length

from proto.tenant import Tenant
from proto.tenant.hours import Hours
from proto.tenant.platform import Platform
from proto.values import Party, to_datetime
from services.directory import staff, texts
from services.directory.changing import Refused, put, take_back
from services.directory.edit import ABSENT, CannotEdit, edited
from services.directory.effects import State, effects
from services.directory.plan_command import sentence
from services.directory.ranks import MANAGERS
from services.directory.route_tests import Explain
from services.directory.service import in_force
from services.directory.settings.week import (
    DAYS,
    as_week,
    read_days,
    read_ranges,
    read_special,
    special_line,
    week_changes,
)
from services.directory.words import Lang, in_words, written
from services.directory.yaml_files import parse
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Store, Tx
from services.runtime.web import Person, current_person, roles

log = get_logger("directory.settings")
DAY_NAMES = {
    "mon": lazy_gettext("月曜日"),
    "tue": lazy_gettext("火曜日"),
    "wed": lazy_gettext("水曜日"),
    "thu": lazy_gettext("木曜日"),
    "fri": lazy_gettext("金曜日"),
    "sat": lazy_gettext("土曜日"),
    "sun": lazy_gettext("日曜日"),
}
_managers = roles(*MANAGERS)


def _readable(read: Callable[[str], object], wrong: Any) -> Callable[[Any, Any], None]:
    def check(_form: Any, field: Any) -> None:
        try:
            read(field.data or "")
        except ValueError:
            raise ValidationError(wrong) from None

    return check


_TIMES = lazy_gettext("時刻は 9:00-12:00, 13:00-18:00 のように入力してください。休みの日は空のままにします。")
_DAYS = lazy_gettext("日付は一行に一つ、2026-12-29 または 2026-12-29/2027-01-03 のように入力してください。")
_SPECIAL = lazy_gettext("一行に一つ、2026-12-28 9:00-12:00 のように入力してください。")


class WeekForm(FlaskForm):  # type: ignore[misc]
    """Seven days, holidays, closed and special days; which text of the file the visitor saw."""

    mon, tue, wed, thu, fri, sat, sun = (
        StringField(DAY_NAMES[day], [Length(max=200), _readable(read_ranges, _TIMES)]) for day in DAYS
    )
    holidays = SelectField(lazy_gettext("祝日"))
    closed = TextAreaField(lazy_gettext("休業日"), [Length(max=5000), _readable(read_days, _DAYS)])
    special = TextAreaField(lazy_gettext("特別な日"), [Length(max=5000), _readable(read_special, _SPECIAL)])
    stands = HiddenField()

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.holidays.choices = [("closed", lazy_gettext("休み")), ("open", lazy_gettext("曜日の時間どおり"))]

    def fill(self, hours: Hours, stands: str) -> None:
        """As the file has it."""
        for day, ranges in as_week(hours).items():
            self._fields[day].data = ", ".join(ranges)
        self.holidays.data = hours.holidays
        self.closed.data = "\n".join(hours.closed)
        self.special.data = "\n".join(special_line(one.on, one.open) for one in hours.special)
        self.stands.data = stands

    def changes(self, name: str, hours: Hours) -> dict[tuple[str | int, ...], Any]:
        """Keys of the file and their new values."""
        week = {day: read_ranges(self._fields[day].data or "") for day in DAYS}
        found = week_changes(hours, week)
        closed, special = read_days(self.closed.data or ""), read_special(self.special.data or "")
        if closed != list(hours.closed):
            found["closed"] = closed
        if special != [{"on": one.on, "open": list(one.open)} for one in hours.special]:
            found["special"] = special
        if self.holidays.data != hours.holidays:
            found["holidays"] = self.holidays.data
        return {("hours", name, key): ABSENT if value is None else value for key, value in found.items()}


@dataclass(frozen=True)
class Client:
    """What stands of the client whose page it is."""

    tenant: Tenant
    platform: Platform
    last: texts.Entry
    text: bytes


@dataclass(frozen=True)
class Settings:
    """What the pages work with; `take` has the folder read at once."""

    store: Store
    folder: Path
    take: Callable[[], object]
    explain: Explain

    def client(self, name: str) -> Client:
        """The client, or 404: also where there is one that the visitor may not know of."""
        if not current_person().sees(name):
            abort(404)

        def read(tx: Tx) -> Client | None:
            now, last = in_force(tx, name), texts.latest(tx, name)
            if last is None or name not in now.tenants or now.platform is None:
                return None
            found = texts.text_of(tx, name, last.number)
            return Client(now.tenants[name].body, now.platform, last, found[1]) if found is not None else None

        found = self.store.run(read)
        return found if found is not None else abort(404)

    def taken(self) -> bool:
        """Have the folder read now; False: the watch of directory will, once store and bus are back."""
        try:
            self.take()
        except (OSError, Unavailable) as error:
            log.warning("a change takes effect later", reason=str(error))
            return False
        return True

    def noticed(self, client: Client, new: bytes) -> list[str]:
        """What callers would notice, and where the next call goes, in the visitor's language."""
        document, _ = parse(Tenant, new, client.last.file)
        if document is None:
            return []
        before, after = State(client.tenant, client.platform), State(document.body, client.platform)
        today = _now(client.tenant).date()
        return [sentence(one, _lang()) for one in effects(before, after, self.explain, today)]

    def next_calls(self, client: Client, new: bytes) -> list[tuple[str, str]]:
        """Number, and what whoever called it now would meet."""
        document, _ = parse(Tenant, new, client.last.file)
        tenant = document.body if document is not None else client.tenant
        found = []
        for entry in tenant.numbers:
            caller = Party(presentation="unavailable")
            plan, _why = self.explain(tenant, client.platform, entry.number, caller, clock.now_us())
            found.append((written(entry.number), in_words(plan, tenant, _lang())))
        return found


def blueprint(store: Store, folder: Path, take: Callable[[], object], explain: Explain) -> Blueprint:
    """Routes under /settings."""
    room = Blueprint("settings", __name__, template_folder="templates")
    settings = Settings(store, folder, take, explain)

    @room.get("/settings")
    @_managers
    def clients_list() -> Response | str:
        person, known = current_person(), store.run(staff.clients)
        mine = {name: title for name, title in known.items() if person.sees(name)}
        if len(mine) == 1:
            return redirect(f"/settings/{next(iter(mine))}")
        return render_template("settings/clients.html", clients=mine)

    @room.get("/settings/<tenant>")
    @_managers
    def hours_list(tenant: str) -> Response | str:
        client = settings.client(tenant)
        if len(client.tenant.hours) == 1:
            return redirect(f"/settings/{tenant}/hours/{next(iter(client.tenant.hours))}")
        return render_template("settings/list.html", client=client.tenant)

    @room.get("/settings/<tenant>/hours/<name>")
    @_managers
    def hours_form(tenant: str, name: str) -> str:
        client = settings.client(tenant)
        form = WeekForm(formdata=None)
        form.fill(_hours(client, name), client.last.digest)
        return _page(settings, client, name, form)

    @room.post("/settings/<tenant>/hours/<name>")
    @_managers
    def hours_change(tenant: str, name: str) -> Response | str:
        client, form = settings.client(tenant), WeekForm()
        hours = _hours(client, name)
        if not form.validate():
            return make_response(_page(settings, client, name, form), 422)
        try:
            new = edited(client.text, form.changes(name, hours))
            if request.form.get("do") != "save":
                return _page(settings, client, name, form, new)
            _save(settings, client, form, new, name)
        except (CannotEdit, Refused) as refused:
            return make_response(_page(settings, client, name, form, failure=_why(refused)), 409)
        done = "saved" if settings.taken() else "later"
        return redirect(f"/settings/{tenant}/hours/{name}?done={done}", code=303)

    @room.post("/settings/<tenant>/undo")
    @_managers
    def undo(tenant: str) -> Response | str:
        client, person = settings.client(tenant), current_person()
        if not _may_undo(client, person) or request.form.get("number") != str(client.last.number):
            abort(409)
        try:
            take_back(store, folder, tenant, None, person.id, "", clock.now_us())
        except Refused:
            abort(409)
        done = "undone" if settings.taken() else "later"
        name = request.form.get("name", "")
        path = f"/settings/{tenant}/hours/{name}?done={done}" if name in client.tenant.hours else f"/settings/{tenant}"
        return redirect(path, code=303)

    return room


def _save(settings: Settings, client: Client, form: WeekForm, new: bytes, name: str) -> None:
    if form.stands.data != client.last.digest:
        raise Refused("changed meanwhile")
    expected = {client.last.file: client.last.digest}
    why = f"hours {name}"
    put(settings.store, settings.folder, {client.last.file: new}, current_person().id, why, clock.now_us(), expected)


def _hours(client: Client, name: str) -> Hours:
    return client.tenant.hours.get(name) or abort(404)


def _may_undo(client: Client, person: Person) -> bool:
    """Only one's own change, unless one runs the platform: an operator's may be about anything."""
    return client.last.number > 1 and (person.role == "platform_operator" or client.last.who == person.id)


def _why(refused: Exception) -> str:
    problems = getattr(refused, "problems", ())
    if problems:
        return str(gettext("この内容では設定できません：%(reason)s", reason=str(problems[0])))
    if isinstance(refused, CannotEdit):
        return str(gettext("この設定は書き方が特別なため、ここでは変えられません。運営者にお知らせください。"))
    return str(gettext("その間に設定が変わりました。ページを開き直して、もう一度入力してください。"))


def _page(
    settings: Settings, client: Client, name: str, form: WeekForm, new: bytes | None = None, failure: str = ""
) -> str:
    return render_template(
        "settings/hours.html",
        client=client.tenant,
        name=name,
        form=form,
        failure=failure,
        days=DAYS,
        preview=new is not None,
        noticed=settings.noticed(client, new) if new is not None else [],
        next_calls=settings.next_calls(client, new if new is not None else client.text),
        now=format_datetime(_now(client.tenant).replace(tzinfo=None), "yyyy-MM-dd HH:mm", rebase=False),
        done=request.args.get("done", "") if request.method == "GET" else "",
        last=client.last if _may_undo(client, current_person()) else None,
    )


def _now(tenant: Tenant) -> datetime:
    return to_datetime(clock.now_us()).astimezone(ZoneInfo(tenant.timezone))


def _lang() -> Lang:
    return "en" if str(get_locale()).startswith("en") else "ja"
