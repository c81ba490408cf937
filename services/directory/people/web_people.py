"""Pages of people: who may log in, with which role, for which clients; new passwords, shown once.

Enters: forms of those who manage people. Leaves: pages, and changes by `staff.py`. Who may do what stands in
`ranks.py`: a person of whom the visitor may not know is answered like one who does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, abort, make_response, redirect, render_template, request
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired

from proto.events import PersonChanged
from services.directory.people import pages, ranks, second_factor, staff
from services.directory.people.ranks import Actor
from services.directory.people.staff import Refused
from services.runtime.store import Store
from services.runtime.web import current_person, roles
from services.runtime.web.forms import Boxes, plain

ROLES = {
    "platform_operator": lazy_gettext("運営者"),
    "reseller": lazy_gettext("販売店"),
    "tenant_administrator": lazy_gettext("会社の管理者"),
    "answering_operator": lazy_gettext("電話代行オペレーター"),
    "employee": lazy_gettext("社員"),
    "read_only": lazy_gettext("閲覧のみ"),
}
REFUSALS: dict[ranks.Refusal, tuple[str, Any]] = {
    "id": ("person", lazy_gettext("利用者名は、小文字の英字か数字で始まる64文字以内で入力してください。")),
    "taken": ("person", lazy_gettext("この利用者名はすでに使われています。")),
    "name": ("name", lazy_gettext("名前は80文字以内で入力してください。")),
    "role_above": ("role", lazy_gettext("自分より上の権限は与えられません。")),
    "clients_needed": ("tenants", lazy_gettext("担当する会社を選んでください。")),
    "client_unknown": ("tenants", lazy_gettext("選べない会社が含まれています。")),
    "last_operator": ("role", lazy_gettext("最後の運営者です。先に別の運営者を追加してください。")),
}
_managers = roles(*ranks.MANAGERS)


class Edit(FlaskForm):  # type: ignore[misc]
    """User name (only of somebody new), name, role and clients."""

    person = StringField(
        lazy_gettext("利用者名"), [DataRequired(lazy_gettext("利用者名を入力してください。"))], filters=[plain]
    )
    name = StringField(lazy_gettext("名前"), [DataRequired(lazy_gettext("名前を入力してください。"))], filters=[plain])
    role = SelectField(lazy_gettext("権限"), validate_choice=False)
    tenants = Boxes(lazy_gettext("担当する会社"))

    def offer(self, actor: Actor, clients: dict[str, str], known: PersonChanged | None) -> None:
        """What the visitor may choose; a user name stays what it is."""
        if known is not None:
            del self.person
        offered = {name: title for name, title in clients.items() if actor.all_clients or name in actor.tenants}
        gone = {name: name for name in (known.tenants if known else ()) if name not in offered}
        self.role.choices = [(role, ROLES[role]) for role in reversed(ranks.roles_of(actor))]
        self.tenants.choices = list({**offered, **gone}.items())
        if known is None and not self.is_submitted() and len(offered) == 1:
            self.tenants.data = list(offered)

    def refused(self, reason: ranks.Refusal) -> None:
        """Say beside its field what is wrong. A person of whom the visitor may not know is not found."""
        if reason == "not_yours":
            abort(404)
        name, sentence = REFUSALS[reason]
        field = self._fields[name]
        field.errors = [*field.errors, sentence]


def acting() -> Actor:
    """The visitor, as the rules of people see them."""
    person = current_person()
    return Actor(person.id, person.role, person.tenants)


def add_people_pages(room: Blueprint, store: Store, tell: Callable[[], None]) -> None:
    """Routes under /people. `tell` sends what a change left in the outbox."""

    @room.get("/people")
    @_managers
    def people_list() -> str:
        actor = acting()
        found, names, second = store.run(
            lambda tx: (staff.listed(tx, actor), staff.clients(tx), second_factor.in_effect(tx))
        )
        lines = pages.person_lines(found, names, second)
        return render_template("people/list.html", lines=lines, roles=ROLES)

    @room.get("/people/add")
    @_managers
    def people_new() -> str:
        form = Edit(formdata=None)
        form.offer(acting(), store.run(staff.clients), None)
        return _edit(form, None)

    @room.post("/people/add")
    @_managers
    def people_add() -> Response:
        form, actor = Edit(), acting()
        form.offer(actor, store.run(staff.clients), None)
        if not form.validate():
            return make_response(_edit(form, None), 422)
        wanted = PersonChanged(
            person=form.person.data,
            name=form.name.data,
            role=form.role.data,
            tenants=tuple(form.tenants.data or ()),
            session_version=1,
        )
        try:
            password = staff.add(store, actor, wanted)
        except Refused as error:
            form.refused(error.reason)
            return make_response(_edit(form, None), 422)
        tell()
        return _password(wanted.person, password)

    @room.get("/people/<person>")
    @_managers
    def people_one(person: str) -> str:
        known, form = _known(store, person), Edit(formdata=None)
        form.name.data, form.role.data, form.tenants.data = known.name, known.role, list(known.tenants)
        form.offer(acting(), store.run(staff.clients), known)
        second = person in store.run(second_factor.in_effect)
        return _edit(form, known, second)

    @room.post("/people/<person>")
    @_managers
    def people_change(person: str) -> Response:
        known, form, actor = _known(store, person), Edit(), acting()
        form.offer(actor, store.run(staff.clients), known)
        if not form.validate():
            return make_response(_edit(form, known), 422)
        name, role, tenants = form.name.data, form.role.data, tuple(form.tenants.data or ())

        def alter(now: PersonChanged) -> PersonChanged:
            return msgspec.structs.replace(now, name=name, role=role, tenants=tenants)

        return _changed(lambda: staff.change(store, actor, person, alter), known, form, tell)

    @room.post("/people/<person>/password")
    @_managers
    def people_password(person: str) -> Response:
        actor, known = acting(), _known(store, person)
        if known.person == actor.id:  # whoever found this browser open has not the old password
            return redirect("/account/password", code=303)
        try:
            password = staff.reset_password(store, actor, known.person)
        except Refused:
            abort(404)
        tell()
        return _password(known.person, password)

    @room.post("/people/<person>/active")
    @_managers
    def people_active(person: str) -> Response:
        actor, known = acting(), _known(store, person)
        form, active = Edit(formdata=None), request.form.get("active") == "yes"
        form.name.data, form.role.data, form.tenants.data = known.name, known.role, list(known.tenants)
        form.offer(actor, store.run(staff.clients), known)
        return _changed(lambda: staff.set_active(store, actor, person, active), known, form, tell)


def _known(store: Store, person: str) -> PersonChanged:
    actor = acting()
    known = store.run(lambda tx: staff.one(tx, actor, person))
    if known is None:
        abort(404)
    return known


def _changed(
    change: Callable[[], PersonChanged], known: PersonChanged, form: Edit, tell: Callable[[], None]
) -> Response:
    try:
        change()
    except Refused as error:
        form.refused(error.reason)
        return make_response(_edit(form, known), 422)
    tell()
    return redirect(f"/people/{known.person}?saved=1", code=303)


def _edit(form: Edit, known: PersonChanged | None, second: bool = False) -> str:
    saved = "saved" in request.args and not form.errors
    return render_template(
        "people/edit.html",
        form=form,
        known=known,
        saved=saved,
        failure="",
        all_clients=acting().all_clients,
        second_factor=second,
    )


def _password(person: str, password: str) -> Response:
    return make_response(render_template("people/password.html", person_id=person, password=password))
