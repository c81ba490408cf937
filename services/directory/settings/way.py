"""The way of a call (電話の流れ): what happens step by step in and out of hours, for the numbers of one route.

Enters: steps as people chose, typed and arranged them. Leaves: the rules of the route in the client's file, and the
keys of tests that speak of a step that changed. Between rows of the form and the file: `steps.py`; what makes a loop
or is never reached, to `check.py` and `doubts.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from flask_babel import gettext, lazy_gettext
from wtforms import (
    BooleanField,
    Form,
    FormField,
    HiddenField,
    SelectChoice,
    SelectField,
    StringField,
    ValidationError,
)

from proto.tenant import Tenant
from proto.tenant.routes import Action
from services.directory.settings import steps
from services.directory.settings.forwarding import rules_in_words
from services.directory.settings.frame import NUMERIC, Change, Fields, Group, Setting, choices
from services.directory.settings.typed import read_number, read_seconds
from services.directory.tenants.problems import Path, Problem
from services.directory.tenants.route_tests import Failed, comes_out
from services.directory.tenants.words import Lang, action_in_words
from services.runtime.telephone import written
from services.runtime.web.forms import Rows
from services.runtime.web.language import current_language

_CHOOSE = lazy_gettext("この手順で何をするかを選んでください。")
_NEEDED = lazy_gettext("転送先の電話番号を入力してください。")
_NUMBER = lazy_gettext("電話番号を確かめてください。市外局番から、桁数どおりに入力します。例：090-1234-5678")
_SECONDS = lazy_gettext("1 から 600 までの秒数を入力してください。")
_NEVER_REACHED = ("ends the call's way", "always holds", "is never reached")
"""Warnings about a route that this form lets nobody save."""


class Way(Setting):
    """The rules of one route, which may belong to several numbers."""

    subject, of, title = "way", "route", lazy_gettext("電話の流れ")
    forwards = True

    def names(self, tenant: Tenant) -> Iterable[str]:
        """Routes that a number follows."""
        return [name for name in tenant.routes if any(entry.route == name for entry in tenant.numbers)]

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """The numbers that are called."""
        return ", ".join(map(written, self.numbers(tenant, name)))

    def said(self, tenant: Tenant, name: str, lang: Lang) -> list[str]:
        """What holds now, then how to read the form."""
        return [
            *rules_in_words(tenant.routes[name], tenant, lang),
            str(gettext("上から順に見て、時間の合う最初のものに従います。その中の手順は、上から一つずつ進みます。")),
        ]

    def numbers(self, tenant: Tenant, name: str) -> tuple[str, ...]:
        """Those that follow this route."""
        return tuple(entry.number for entry in tenant.numbers if entry.route == name)

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """A list of times, each with a list of steps."""
        times = [("", lazy_gettext("そのほかの時間（いつでも）"))]
        times += [(one, lazy_gettext("営業時間「%(hours)s」のあいだ", hours=one)) for one in tenant.hours]
        rule = {
            "was": HiddenField(),
            "when": SelectField(lazy_gettext("いつ"), choices=choices(times)),
            "steps": Rows(FormField(_step_form(tenant)), max_entries=steps.MOST),
        }
        return {"rules": Rows(FormField(type("Rule", (Form,), rule)), validators=[_whole], max_entries=steps.MOST)}

    def groups(self, tenant: Tenant, name: str, lang: Lang) -> list[Group]:
        """The list speaks for itself."""
        return [Group(("rules",))]

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        return {"rules": steps.as_rows(tenant.routes[name])}

    def pressed(self, tenant: Tenant, name: str, held: Mapping[str, Any], button: str) -> tuple[dict[str, Any], str]:
        """A step or a time moved, taken out or put in."""
        found = steps.pressed(held["rules"], button, list(tenant.hours))
        return ({"rules": found.rows}, found.at) if found is not None else super().pressed(tenant, name, held, button)

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """The rules as a whole, if anything differs."""
        wanted = steps.changed_rules(name, tenant.routes[name], typed["rules"])
        return [Change("rules", ("routes", name), wanted)] if wanted is not None else []

    def differences(
        self, tenant: Tenant, name: str, after: Tenant, becomes: str, lang: Lang
    ) -> list[tuple[str, str, str]] | None:
        """Rule by rule, in words."""
        before, then = (rules_in_words(one.routes[name], one, lang) for one in (tenant, after))
        none = str(gettext("なし"))
        pairs = enumerate(zip_longest(before, then, fillvalue=none), 1)
        return [(str(gettext("時間帯 %(n)s", n=n)), old, new) for n, (old, new) in pairs if old != new]

    def minds(self, name: str, problem: Problem) -> bool:
        """Steps that no call would ever come to."""
        return problem.path[:2] == ("routes", name) and problem.text.startswith(_NEVER_REACHED)

    def field_of(self, path: Path, changes: Iterable[Change]) -> str:
        """The step or the time of which the file's key speaks."""
        if path[:1] != ("routes",) or len(path) < 3:
            return super().field_of(path, changes)
        rule = f"rules-{path[2]}"
        if len(path) < 5 or path[3] != "do":
            return f"{rule}-when"
        shown = {"forward": "number", "for_s": "for_s", "confirm": "confirm", "present": "present"}
        return f"{rule}-steps-{path[4]}-{shown.get(str(path[5]) if len(path) > 5 else '', 'what')}"

    def follows(self, tenant: Tenant, name: str, changes: Iterable[Change], failed: Failed) -> dict[Path, Any]:
        """A test that expects a step expects it as it will be, if the call does come to it."""
        if failed.test.call not in self.numbers(tenant, name):
            return {}
        for change in changes:
            for old, keys in steps.changed_steps(tenant.routes[name], change.value):
                found = steps.followed(failed.test.expect, old, keys)
                if found and comes_out(steps.expecting(failed.test.expect, found), failed.plan, tenant):
                    return {("tests", failed.index, "expect", key): value for key, value in found.items()}
        return {}


def _step_form(tenant: Tenant) -> type[Form]:
    """Fields of one step; what it does not need is not shown (app.css) and not looked at."""
    shown = [("", lazy_gettext("かけてきた人の番号"))]
    shown += [(entry.number, written(entry.number)) for entry in tenant.numbers]
    offered = list(what_is_offered(tenant))
    known = {one.value for one in offered if one.value}

    def is_known(_form: Any, field: Any) -> None:
        if field.data not in known:
            raise ValidationError(_CHOOSE)

    fields = {
        "was": HiddenField(),
        "what": SelectField(lazy_gettext("何をするか"), [is_known], choices=offered, validate_choice=False),
        "number": StringField(
            lazy_gettext("転送先の電話番号"), [_target], render_kw={"inputmode": "tel", "autocomplete": "off"}
        ),
        "for_s": StringField(
            lazy_gettext("呼び出す秒数"),
            [_seconds],
            description=lazy_gettext("空のままなら標準の長さです。"),
            render_kw=NUMERIC,
        ),
        "confirm": BooleanField(
            lazy_gettext("出た人が 1 を押したときだけつなぐ（携帯電話の留守番電話に取られません）")
        ),
        "present": SelectField(lazy_gettext("転送先に表示する番号"), choices=choices(shown)),
    }
    return type("Step", (Form,), fields)


def _whole(_form: Any, field: Any) -> None:
    """Forms always send both lists; a program may leave one out."""
    if not field.entries or any(not rule.form.steps.entries for rule in field.entries):
        raise ValidationError(lazy_gettext("手順がありません。"))


def _target(form: Any, field: Any) -> None:
    if form.what.data != "forward":
        return
    if not (field.data or "").strip():
        raise ValidationError(_NEEDED)
    try:
        read_number(field.data)
    except ValueError:
        raise ValidationError(_NUMBER) from None


def _seconds(form: Any, field: Any) -> None:
    if str(form.what.data).partition(":")[0] in steps.RINGS and (field.data or "").strip():
        try:
            read_seconds(field.data, steps.LONGEST_S)
        except ValueError:
            raise ValidationError(_SECONDS) from None


def what_is_offered(tenant: Tenant) -> Iterable[SelectChoice]:
    """Everything that a step can do for this client, by kind.

    Operators (a pool of the platform) only where the client's file has them already: that is a matter of its contract.
    """
    lang: Lang = "en" if current_language() == "en" else "ja"
    actions = [action for rules in tenant.routes.values() for rule in rules for action in rule.do]
    inside = [line.line for line in tenant.lines] + [one.group for one in tenant.groups]
    boxes = [action.voicemail for action in actions if action.voicemail is not None]
    prompts = [action.play for action in actions if action.play is not None]
    found: dict[Any, list[Action]] = {
        lazy_gettext("社内の電話を鳴らす"): [Action(ring=one) for one in [*inside, *(own.id for own in tenant.ids)]],
        lazy_gettext("留守番電話"): [Action(voicemail=one) for one in dict.fromkeys([*boxes, *inside])],
        lazy_gettext("案内を流す"): [Action(play=one) for one in dict.fromkeys(["closed", *prompts])],
        lazy_gettext("オペレーター"): [
            Action(queue=one) for one in dict.fromkeys(a.queue for a in actions if a.queue is not None)
        ],
        lazy_gettext("電話を断る"): [Action(reject="busy"), Action(reject="refused"), Action(reject="not_in_use")],
    }
    yield SelectChoice("", lazy_gettext("選んでください"))
    yield SelectChoice("forward", lazy_gettext("外の電話番号へ転送する"), optgroup=str(lazy_gettext("転送")))
    for group, offered in found.items():
        for action in offered:
            yield SelectChoice(steps.what_of(action), action_in_words(action, tenant, lang), optgroup=str(group))
