"""The one frame of all settings: what a form shows, which keys of the client's file it changes, what it says of calls.

Enters: nothing by itself; each form is a class of its own here beside (`hours.py`, `forwarding.py`, …) that answers the
questions of `Setting`. Leaves: fields of WTForms, and `Change`s. Trying, saving and taking back are the same for all:
`client.py`; addresses and pages: `web.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import FieldList, FormField, HiddenField, SelectChoice, ValidationError
from wtforms.validators import Length, StopValidation

from proto.tenant import Tenant
from proto.tenant.platform import Platform
from services.directory.settings.typed import is_line_of_text
from services.directory.tenants.problems import Path, Problem
from services.directory.tenants.route_tests import Explain, Failed
from services.directory.tenants.words import Lang

Fields = dict[str, Any]
"""Name -> field of WTForms."""
NUMERIC = {"inputmode": "numeric"}
"""The keyboard of a phone shows digits."""


class Change(NamedTuple):
    """A key of the file that shall have another value, and the field that says so."""

    field: str
    path: Path
    value: Any


class Group(NamedTuple):
    """Fields under one legend (empty: none), with a sentence about them."""

    fields: tuple[str, ...]
    legend: str = ""
    said: str = ""


class SettingForm(FlaskForm):  # type: ignore[misc]
    """What every form has: which text of the file the visitor saw."""

    stands = HiddenField()


class Setting:
    """One kind of form. `of` names the part of the address that says which (a line, a route); empty: one a client."""

    subject = ""
    """In the address, and in the audit log as the reason of a change."""
    of = ""
    title: Any = ""
    button: Any = lazy_gettext("保存")
    forwards = False
    """Whether it may send calls to other clients of the platform, and these back."""

    def names(self, tenant: Tenant) -> Iterable[str]:
        """Which of them the client has."""
        return ("",)

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """Whose or which it is, for people."""
        return name

    def said(self, tenant: Tenant, name: str, lang: Lang) -> list[str]:
        """What holds now and is not in the form itself, sentence by sentence."""
        return []

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """The fields, with what each allows."""
        raise NotImplementedError

    def groups(self, tenant: Tenant, name: str, lang: Lang) -> list[Group]:
        """How the fields stand on the page."""
        return [Group(tuple(self.fields(tenant, name)))]

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """Field -> what it holds as long as nobody has typed anything."""
        raise NotImplementedError

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """What of the file changes by what was typed into the fields."""
        raise NotImplementedError

    def becomes(self, name: str, typed: Mapping[str, Any]) -> str:
        """Which of them it is once it is saved: another than before for one that is new."""
        return name

    def page_after(self, name: str, typed: Mapping[str, Any]) -> str | None:
        """Where people go on once it is saved, below the client's address; None: where they are."""
        return None

    def pressed(self, tenant: Tenant, name: str, held: Mapping[str, Any], button: str) -> tuple[dict[str, Any], str]:
        """What the form holds after one of its own buttons, which saves nothing, and at which field people go on."""
        return dict(held), ""

    def differences(
        self, tenant: Tenant, name: str, after: Tenant, becomes: str, lang: Lang
    ) -> list[tuple[str, str, str]] | None:
        """What would be another, before and after, in words; None: the fields say it."""
        return None

    def minds(self, name: str, problem: Problem) -> bool:
        """Whether what the check only warns of keeps this form from being saved, unless it was so before."""
        return False

    def field_of(self, path: Path, changes: Iterable[Change]) -> str:
        """The field that says what stands at this key of the file; empty: none does."""
        for change in changes:
            depth = min(len(change.path), len(path))
            if change.path[:depth] == path[:depth]:
                return change.field
        return ""

    def numbers(self, tenant: Tenant, name: str) -> tuple[str, ...]:
        """The client's numbers of which the page says what a call would meet now."""
        return tuple(entry.number for entry in tenant.numbers)

    def noticed(
        self, tenant: Tenant, name: str, platform: Platform, explain: Explain, at_us: int, lang: Lang
    ) -> list[str]:
        """What holds for calls that do not come from outside; the page says what of it differs."""
        return []

    def follows(self, tenant: Tenant, name: str, changes: Iterable[Change], failed: Failed) -> dict[Path, Any]:
        """Keys of a test that speaks of the very value that changes, so that it goes on saying the same."""
        return {}


def form_of(
    setting: Setting, tenant: Tenant, name: str, stands: str, held: Mapping[str, Any] | None = None
) -> SettingForm:
    """The form: what was sent, or else what holds; or, whatever was sent, what it shall hold."""
    made: Callable[..., SettingForm] = type("Form", (SettingForm,), setting.fields(tenant, name))
    if held is not None:
        return made(formdata=None, data={**held, "stands": stands})
    return made(data={**setting.standing(tenant, name), "stands": stands})


def leaves(fields: Iterable[Any]) -> Iterator[Any]:
    """Every field that holds something itself, also within lists of fields."""
    for field in fields:
        if isinstance(field, FieldList | FormField):
            yield from leaves(field)
        else:
            yield field


def say_beside(form: SettingForm, name: str, sentences: Iterable[str]) -> bool:
    """Say what is wrong beside its field; False: there is no such field."""
    whole = [form[name]] if name in form else []
    for field in [*(one for one in leaves(form) if one.name == name), *whole][:1]:
        field.errors = [*field.errors, *sentences]
        around = form[name.partition("-")[0]]
        around.errors = around.errors or [{}]  # what is wrong within a list makes the form wrong
        return True
    return False


def differing(
    form: SettingForm, groups: Iterable[Group], before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    """The fields that would hold something else: label, what they hold, what they would hold, in words."""
    return [
        (
            f"{group.legend} {form[name].label.text}".strip(),
            in_field(form[name], before.get(name)),
            in_field(form[name], after.get(name)),
        )
        for group in groups
        for name in group.fields
        if in_field(form[name], before.get(name)) != in_field(form[name], after.get(name))
    ]


def in_field(field: Any, data: Any) -> str:
    """What a field holds, as it is read."""
    if isinstance(data, bool):
        return str(lazy_gettext("はい") if data else lazy_gettext("いいえ"))
    if (offered := getattr(field, "choices", None)) is not None:
        held = data if isinstance(data, list) else [data]
        data = str(lazy_gettext("、")).join(str(one.label) for one in offered if one.value in held)
    return str(lazy_gettext("、")).join(str(data or "").splitlines()) or str(lazy_gettext("なし"))


def choices(pairs: Iterable[tuple[str, Any]]) -> list[SelectChoice]:
    """What a field offers: values, and the words for them."""
    return [SelectChoice(value, words) for value, words in pairs]


def readable(read: Callable[[str], object], wrong: Any, may_be_empty: bool = True) -> Callable[[Any, Any], None]:
    """A validator: what was typed can be read."""

    def check(_form: Any, field: Any) -> None:
        text = (field.data or "").strip()
        if not text and may_be_empty:
            return
        try:
            read(text)
        except ValueError:
            raise StopValidation(wrong) from None

    return check


def one_line(most: int) -> list[Any]:
    """Validators of a text on one line."""

    def check(_form: Any, field: Any) -> None:
        if not is_line_of_text(field.data or ""):
            raise ValidationError(lazy_gettext("改行などの特殊な文字は使えません。"))

    too_long = lazy_gettext("%(most)s文字以内で入力してください。", most=most)
    return [Length(max=most, message=too_long), check]
