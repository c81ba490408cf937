"""Pages on which a client company changes its own settings (/settings): all at a glance, and one form for each.

Enters: what people of the company typed. Leaves: an edit of the client's file that was checked before, is in force when
the page says so, and is taken back by one button; every change is an entry of the audit log. What a form holds stands
in its `Setting` (`frame.py`); how a change is tried and saved, in `client.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, make_response, redirect, render_template, request
from flask_babel import format_datetime, get_locale, gettext
from werkzeug.wrappers import Response

from proto.tenant import Tenant
from proto.values import to_datetime
from services.directory.people import staff
from services.directory.people.ranks import MANAGERS
from services.directory.settings.client import Client, Settings, Tried, now
from services.directory.settings.company import Greeting, Notices
from services.directory.settings.forwarding import Forwarding, Unanswered
from services.directory.settings.frame import Setting, SettingForm, differing, form_of, leaves, say_beside
from services.directory.settings.hours import OpeningHours
from services.directory.settings.hours_sets import HoursFollowers, NewHours, UnusedHours
from services.directory.settings.lines import Device, Permissions, Ringing
from services.directory.settings.number_ways import NumberWays
from services.directory.settings.overview import sections
from services.directory.settings.way import Way
from services.directory.settings.wording import by_field
from services.directory.tenants.changing import Refused
from services.directory.tenants.edit import CannotEdit
from services.directory.tenants.route_tests import Explain
from services.directory.tenants.words import Lang
from services.runtime.store import Store
from services.runtime.web import current_person, roles

SETTINGS: tuple[Setting, ...] = (
    OpeningHours(),
    NewHours(),
    UnusedHours(),
    HoursFollowers(),
    Way(),
    NumberWays(),
    Forwarding(),
    Unanswered(),
    Permissions(),
    Ringing(),
    Device(),
    Greeting(),
    Notices(),
)
_managers = roles(*MANAGERS)


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
    def overview(tenant: str) -> str:
        client = settings.client(tenant)
        return render_template(
            "settings/overview.html",
            client=client.tenant,
            sections=sections(settings, client, _lang()),
            **_frame(settings, client),
        )

    @room.post("/settings/<tenant>/undo")
    @_managers
    def undo(tenant: str) -> Response:
        client = settings.client(tenant)
        if not settings.may_take_back(client) or request.form.get("number") != str(client.last.number):
            abort(409)
        try:
            settings.taken_back(client)
        except Refused:
            abort(409)
        done = "undone" if settings.taken() else "later"
        return redirect(f"/settings/{tenant}{_page_named(client.tenant)}?done={done}", code=303)

    for setting in SETTINGS:
        _add_form(room, settings, setting)
    return room


def _add_form(room: Blueprint, settings: Settings, setting: Setting) -> None:
    """Two routes: the form, and what was typed into it."""
    path = f"/settings/<tenant>/{setting.subject}" + (f"/<{setting.of}>" if setting.of else "")

    @_managers
    def show(tenant: str, **which: str) -> str:
        client, name = _client(settings, setting, tenant, which)
        form = form_of(setting, client.tenant, name, client.last.digest)
        return _page(settings, client, setting, name, form)

    @_managers
    def change(tenant: str, **which: str) -> Response | str:
        client, name = _client(settings, setting, tenant, which)
        form = form_of(setting, client.tenant, name, client.last.digest)
        answer = _change(settings, client, setting, name, form)
        if isinstance(answer, Response | str):
            return answer
        done, page = "saved" if settings.taken() else "later", setting.page_after(name, form.data)
        there = request.path if page is None else f"/settings/{tenant}/{page}".rstrip("/")
        return redirect(f"{there}?done={done}", code=303)

    room.add_url_rule(path, f"{setting.subject}_form", show)
    room.add_url_rule(path, f"{setting.subject}_change", change, methods=["POST"])


def _client(settings: Settings, setting: Setting, tenant: str, which: dict[str, str]) -> tuple[Client, str]:
    client, name = settings.client(tenant), which.get(setting.of, "")
    if name not in setting.names(client.tenant):
        abort(404)
    return client, name


def _change(
    settings: Settings, client: Client, setting: Setting, name: str, form: SettingForm
) -> Response | str | None:
    """None: it is saved. Otherwise the page that says why not yet, or why not."""
    if form.stands.data != client.last.digest:
        return _refused(settings, client, setting, name, form, Refused("changed meanwhile"))
    if (button := request.form.get("do", "preview")) not in ("save", "preview"):
        return _rearranged(settings, client, setting, name, form, button)
    if not form.validate():
        return make_response(_page(settings, client, setting, name, form), 422)
    changes = setting.changes(client.tenant, name, form.data)
    try:
        tried = settings.tried(client, setting, name, changes)
        if tried.refused:
            failures = []
            for field, sentences in by_field(tried, setting, changes, _lang()).items():
                if not say_beside(form, field, sentences):
                    failures += sentences
            return make_response(_page(settings, client, setting, name, form, failures=failures), 422)
        if request.form.get("do") != "save":
            return _page(settings, client, setting, name, form, tried)
        settings.save(client, tried.text, f"{setting.subject} {setting.becomes(name, form.data)}".strip())
    except (CannotEdit, Refused) as refused:
        return _refused(settings, client, setting, name, form, refused)
    return None


def _rearranged(settings: Settings, client: Client, setting: Setting, name: str, form: SettingForm, button: str) -> str:
    """The form after one of its own buttons, with the visitor at the field that was moved or came in."""
    held, at = setting.pressed(client.tenant, name, form.data, button)
    again = form_of(setting, client.tenant, name, client.last.digest, held)
    for field in leaves(again):
        if field.name == at:
            field.render_kw = {**(field.render_kw or {}), "autofocus": True}
    return _page(settings, client, setting, name, again)


def _refused(
    settings: Settings, client: Client, setting: Setting, name: str, form: SettingForm, refused: Exception
) -> Response:
    problems = getattr(refused, "problems", ())
    if problems:
        why = gettext("この内容では設定できません：%(reason)s", reason=str(problems[0]))
    elif isinstance(refused, CannotEdit):
        why = gettext("この設定は書き方が特別なため、ここでは変えられません。運営者にお知らせください。")
    else:
        why = gettext("その間に設定が変わりました。ページを開き直して、もう一度入力してください。")
    return make_response(_page(settings, client, setting, name, form, failures=[str(why)]), 409)


def _page(
    settings: Settings,
    client: Client,
    setting: Setting,
    name: str,
    form: SettingForm,
    tried: Tried | None = None,
    failures: list[str] | None = None,
) -> str:
    lang, tenant = _lang(), client.tenant
    after = tried.tenant if tried is not None else None
    groups, differences = setting.groups(tenant, name, lang), []
    if after is not None:
        then = setting.becomes(name, form.data)
        said = setting.differences(tenant, name, after, then, lang)
        differences = (
            said
            if said is not None
            else differing(form, groups, setting.standing(tenant, name), setting.standing(after, then))
        )
    return render_template(
        "settings/form.html",
        client=tenant,
        form=form,
        title=setting.title,
        about=setting.about(tenant, name, lang),
        said=setting.said(tenant, name, lang),
        groups=groups,
        failures=failures or [],
        preview=after is not None,
        differing=differences,
        button=setting.button,
        noticed=settings.noticed(client, setting, name, after, lang) if after is not None else [],
        followed=len(tried.followed) if tried is not None else 0,
        next_calls=settings.next_calls(client, after or tenant, setting.numbers(tenant, name), lang),
        page="/".join(filter(None, (setting.subject, name))),
        **_frame(settings, client),
    )


def _frame(settings: Settings, client: Client) -> dict[str, Any]:
    """What every page of a client says: the time there, what was just done, what can be taken back."""
    last = client.last if settings.may_take_back(client) else None
    subject, _, name = client.last.why.partition(" ")
    setting = next((one for one in SETTINGS if one.subject == subject), None)
    if setting is not None:
        what = f"{setting.title} {name}".strip()
    else:
        what = str(gettext("元に戻した")) if subject == "back" else ""
    return {
        "now": format_datetime(now(client.tenant).replace(tzinfo=None), "yyyy-MM-dd HH:mm", rebase=False),
        "done": request.args.get("done", "") if request.method == "GET" else "",
        "last": last,
        "last_at": format_datetime(
            to_datetime(client.last.at_us).astimezone(now(client.tenant).tzinfo).replace(tzinfo=None),
            "yyyy-MM-dd HH:mm",
            rebase=False,
        ),
        "last_what": what,
    }


def _page_named(tenant: Tenant) -> str:
    """The form from which somebody took a change back, if it is still there."""
    page = request.form.get("page", "")
    subject, _, name = page.partition("/")
    known = any(one.subject == subject and name in one.names(tenant) for one in SETTINGS)
    return f"/{page}" if known else ""


def _lang() -> Lang:
    return "en" if str(get_locale()).startswith("en") else "ja"
