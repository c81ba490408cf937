"""Every form of the settings by API: which there are, what each holds and allows, and what a program writes into it.

Enters: values by the names of a form's fields, with the state that was seen (If-Match). Leaves: the same checks, edits
of the client's file and entries of the audit log as on the pages, since a `Setting` (`frame.py`) answers for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from flask import abort, request
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, FieldList, FormField, SelectFieldBase, SelectMultipleField

from proto.tenant import Tenant
from services.directory.people.ranks import MANAGERS
from services.directory.settings.client import Client, Settings, Tried
from services.directory.settings.frame import Change, Setting, SettingForm, form_of, leaves
from services.directory.settings.wording import expected
from services.directory.tenants import texts
from services.directory.tenants.changing import Refused as NotSaved
from services.directory.tenants.edit import CannotEdit
from services.directory.tenants.words import Lang
from services.runtime.store import Store
from services.runtime.web.api import Room
from services.runtime.web.api.room import as_json
from services.runtime.web.api.writes import Changed, expect
from services.runtime.web.language import current_language
from services.runtime.web.problems import LONGEST_NAME, MOST_ERRORS, FieldProblem, Refused, wrong_field

_READ, _WRITE = "clients:read", "settings:write"
DEEPEST = 6
"""Lists within lists: no form has more."""


class SettingsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """In which language."""

    lang: Literal["ja", "en"] = "ja"


class FormLine(msgspec.Struct, frozen=True):
    """One form: its address, and what people call it."""

    form: str
    which: str
    title: str
    about: str
    address: str


class FormsPage(msgspec.Struct, frozen=True):
    """Every form that this client has now."""

    forms: tuple[FormLine, ...]


class Offered(msgspec.Struct, frozen=True):
    """One of the values that a field takes."""

    value: str
    label: str


class FieldOfForm(msgspec.Struct, frozen=True):
    """A field. Of fields within a list each entry has all: `rules.steps.what`."""

    name: str
    kind: Literal["text", "yes_no", "one_of", "some_of", "list"]
    label: str
    required: bool
    hint: str
    offered: tuple[Offered, ...]


class FormValues(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the fields hold: text, true or false, a list of texts, or a list of entries with fields of their own."""

    values: dict[str, Any]


class FormShown(msgspec.Struct, frozen=True):
    """A form: what it is about, what its fields hold, and what each allows."""

    title: str
    about: str
    said: tuple[str, ...]
    values: dict[str, Any]
    fields: tuple[FieldOfForm, ...]


def add_forms(room: Room, store: Store, settings: Settings, forms: tuple[Setting, ...]) -> None:
    """Addresses below /api/v1/clients/<tenant>/settings."""
    by_subject = {one.subject: one for one in forms}

    def named(tenant: str, form: str, which: str) -> tuple[Client, Setting]:
        """The client and the form; 404 where there is none of this name."""
        client, setting = settings.client(tenant), by_subject.get(form)
        if setting is None or bool(setting.of) != bool(which) or which not in setting.names(client.tenant):
            abort(404)
        return client, setting

    @room.reads("/clients/<tenant>/settings", FormsPage, scope=_READ, who=MANAGERS, asked=SettingsAsked)
    def all_forms(asked: SettingsAsked, tenant: str) -> Any:
        """Every form of a client's settings."""
        client = settings.client(tenant)
        return as_json(FormsPage(tuple(_lines(client.tenant, forms))), client.last.digest)

    @room.reads("/clients/<tenant>/settings/<form>", FormShown, scope=_READ, who=MANAGERS, asked=SettingsAsked)
    def one_form(asked: SettingsAsked, tenant: str, form: str) -> Any:
        """A form that a client has once."""
        client, setting = named(tenant, form, "")
        return as_json(_shown(client.tenant, setting, ""), client.last.digest)

    @room.reads("/clients/<tenant>/settings/<form>/<which>", FormShown, scope=_READ, who=MANAGERS, asked=SettingsAsked)
    def one_form_of(asked: SettingsAsked, tenant: str, form: str, which: str) -> Any:
        """A form about one of several things: a line, a device, a route, hours."""
        client, setting = named(tenant, form, which)
        return as_json(_shown(client.tenant, setting, which), client.last.digest)

    said: dict[str, Any] = {"scope": _WRITE, "who": MANAGERS, "body": FormValues, "store": store, "matched": True}

    @room.writes("PUT", "/clients/<tenant>/settings/<form>", FormValues, **said)
    def change_form(wanted: FormValues, tenant: str, form: str) -> Changed:
        """Change what a form holds; fields that are left out stay as they are."""
        return _changed(settings, *named(tenant, form, ""), "", wanted.values)

    @room.writes("PUT", "/clients/<tenant>/settings/<form>/<which>", FormValues, **said)
    def change_form_of(wanted: FormValues, tenant: str, form: str, which: str) -> Changed:
        """Change what a form about one of several things holds; fields that are left out stay as they are."""
        return _changed(settings, *named(tenant, form, which), which, wanted.values)


def saved(work: Any) -> None:
    """Where in the file something cannot be is told, not why: it may be because of another client. Raises Refused."""
    try:
        work()
    except NotSaved as refused:
        if not refused.problems:
            raise Refused(412) from None
        said = [FieldProblem(problem.key, "cannot be so") for problem in refused.problems[:MOST_ERRORS]]
        raise Refused(422, "The client's file cannot be so.", said) from None


def _lines(tenant: Tenant, forms: tuple[Setting, ...]) -> Iterator[FormLine]:
    for setting in forms:
        for name in setting.names(tenant):
            address = "/".join(filter(None, (request.path, setting.subject, name)))
            yield FormLine(setting.subject, name, str(setting.title), setting.about(tenant, name, _lang()), address)


def _shown(tenant: Tenant, setting: Setting, name: str) -> FormShown:
    held = setting.standing(tenant, name)
    form = form_of(setting, tenant, name, "", held)
    return FormShown(
        title=str(setting.title),
        about=setting.about(tenant, name, _lang()),
        said=tuple(setting.said(tenant, name, _lang())),
        values=held,
        fields=tuple(_fields((form[one] for one in held), "")),
    )


def _fields(fields: Any, before: str) -> Iterator[FieldOfForm]:
    """All fields; those within a list are told once, by a blank entry of it."""
    for field in fields:
        name = f"{before}{field.short_name}"
        kind: Any = "text"
        if isinstance(field, FieldList):
            kind = "list"
        elif isinstance(field, BooleanField):
            kind = "yes_no"
        elif isinstance(field, SelectFieldBase):
            kind = "some_of" if isinstance(field, SelectMultipleField) else "one_of"
        offered = tuple(Offered(str(one.value), str(one.label)) for one in getattr(field, "choices", None) or ())
        required = bool(field.flags.required)
        yield FieldOfForm(name, kind, str(field.label.text), required, str(field.description), offered)
        if isinstance(field, FieldList):
            blank = field.unbound_field.bind(form=None, name="x", _meta=field.meta, translations=None)
            blank.process(None)
            yield from _fields(blank if isinstance(blank, FormField) else (), f"{name}.")


def _changed(settings: Settings, client: Client, setting: Setting, name: str, given: Mapping[str, Any]) -> Changed:
    """What already is as it is wanted is a success, whatever was seen (RFC 9110, 13.1.1)."""
    tenant = client.tenant
    form = _typed(setting, tenant, name, given)
    if not form.validate():
        raise Refused(422, errors=list(_wrong(form))[:MOST_ERRORS])
    changes = setting.changes(tenant, name, form.data)
    if not changes:
        return Changed(FormValues(setting.standing(tenant, name)), client.last.digest)
    expect(client.last.digest)
    becomes = setting.becomes(name, form.data)
    try:
        tried = settings.tried(client, setting, name, changes)
    except CannotEdit:
        raise Refused(409, "The file is written in a way that only a person can change.") from None
    if tried.refused or tried.tenant is None:
        raise Refused(422, "The client's file cannot be so.", list(_refused(setting, changes, tried))[:MOST_ERRORS])
    saved(lambda: settings.save(client, tried.text, f"{setting.subject} {becomes}".strip()))
    now = FormValues(setting.standing(tried.tenant, becomes))
    return Changed(now, texts.digest_of(tried.text), 200 if settings.taken() else 202)


def _typed(setting: Setting, tenant: Tenant, name: str, given: Mapping[str, Any]) -> SettingForm:
    """The form as if a person had typed this. Raises Refused for what is no field, or no value of one."""
    held = setting.standing(tenant, name)
    for key in given:
        if key not in held:
            raise wrong_field(_dotted(key), f"is no field of this form; there are {', '.join(held) or 'none'}")
    flat = dict(_flat({**held, **given}, "", 0))
    typed = MultiDict([("stands", "")])
    for key, value in flat.items():
        texts_ = value if isinstance(value, list) else [] if value is False else ["y" if value is True else value]
        typed.setlist(key, [one if isinstance(one, str) else "" for one in texts_])
    made: Any = type("Form", (SettingForm,), setting.fields(tenant, name))
    form: SettingForm = made(formdata=typed, meta={"csrf": False})  # below /api no cookie counts
    found = {field.name: field for field in leaves(form) if field.name != "stands"}
    for key, value in flat.items():
        if key not in found and not (value == [] and isinstance(_list_named(form, key), FieldList)):
            raise wrong_field(_dotted(key), "is no field of this form")
        if key in found and (wanted := _kind_of(found[key], value)):
            raise wrong_field(_dotted(key), f"is not allowed; allowed: {wanted}")
    for key in found.keys() - flat.keys():
        raise wrong_field(_dotted(key), "is missing")
    return form


def _flat(values: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    """As a browser names them: `rules-0-steps-1-what`."""
    if depth > DEEPEST:
        raise wrong_field(_dotted(before), "is nested too deeply")
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}-", depth + 1)
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            yield from _flat({str(i): one for i, one in enumerate(value)}, f"{before}{key}-", depth + 1)
        else:
            yield f"{before}{key}", value


def _list_named(form: SettingForm, name: str) -> Any:
    """The list of this name, also one within another."""
    around: Any = form
    for part in name.split("-"):
        if isinstance(around, FieldList):
            around = around.entries[int(part)] if part.isdigit() and int(part) < len(around.entries) else None
        elif isinstance(around, FormField | SettingForm):
            around = (around.form if isinstance(around, FormField) else around)._fields.get(part)
        else:
            return None
    return around


def _kind_of(field: Any, value: Any) -> str:
    """What this field takes, if it does not take the value."""
    if isinstance(field, BooleanField):
        return "" if isinstance(value, bool) else "true, false"
    if isinstance(field, SelectMultipleField):
        fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return "" if fits else "a list of texts"
    return "" if isinstance(value, str) else "text"


def _wrong(form: SettingForm) -> Iterator[FieldProblem]:
    """What is wrong, field by field; of a list as a whole only where all in it is right."""
    beside = [FieldProblem(_dotted(one.name), str(why)) for one in leaves(form) for why in one.errors]
    yield from beside
    if not beside:
        for one in form:
            yield from (FieldProblem(one.name, str(why)) for why in one.errors if not isinstance(why, dict))


def _refused(setting: Setting, changes: list[Change], tried: Tried) -> Iterator[FieldProblem]:
    for problem in tried.problems:
        yield FieldProblem(_dotted(setting.field_of(problem.path, changes)) or problem.key, problem.text)
    if tried.tenant is not None:
        for failed in tried.failed:
            yield FieldProblem(f"tests.{failed.index}", expected(failed, tried.tenant, _lang()))


def _dotted(name: str) -> str:
    """`rules-0-steps-1-what` -> `rules.0.steps.1.what`; whatever a program sent is cut, and can be printed."""
    return "".join(c if c.isprintable() else "?" for c in name.rstrip("-")[:LONGEST_NAME]).replace("-", ".")


def _lang() -> Lang:
    return "en" if current_language() == "en" else "ja"
