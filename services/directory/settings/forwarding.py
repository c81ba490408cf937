"""Forwarding: the targets that stand in a route, and where a call goes that nobody of a line takes (無応答転送).

Enters: numbers, seconds and ticks as people typed them. Leaves: values of the steps that are there; steps are neither
added nor moved, since a route may hold more than these pages show. Whether a target may be dialled is checked by
`check.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired

from proto.plan import Forward
from proto.tenant import Tenant
from proto.tenant.lines import Line, NoAnswer
from proto.tenant.platform import Platform
from proto.tenant.routes import Action, Rule
from proto.values import Party, digits_of
from services.directory.settings.frame import NUMERIC, Change, Fields, Group, Setting, choices, readable
from services.directory.settings.typed import read_number, read_seconds
from services.directory.tenants.edit import ABSENT
from services.directory.tenants.problems import Path
from services.directory.tenants.route_tests import Explain, Failed
from services.directory.tenants.words import Lang, action_in_words, in_words
from services.runtime.telephone import written

LONGEST_S = 600
_TEL = {"inputmode": "tel", "autocomplete": "off"}
_NUMBER = lazy_gettext("電話番号を確かめてください。市外局番から、桁数どおりに入力します。例：090-1234-5678")
_SECONDS = lazy_gettext("1 から 600 までの秒数を入力してください。")
_NEEDED = lazy_gettext("転送先の電話番号を入力してください。")


class Target(NamedTuple):
    """A forwarding step of a route, by its places."""

    rule: int
    place: int
    action: Action

    def field(self, what: str) -> str:
        """The name of one of its fields."""
        return f"{what}_{self.rule}_{self.place}"


def targets(rules: Iterable[Rule]) -> Iterator[Target]:
    """The steps of a route that forward."""
    for i, rule in enumerate(rules):
        for j, action in enumerate(rule.do):
            if action.forward is not None:
                yield Target(i, j, action)


def rules_in_words(rules: Sequence[Rule], tenant: Tenant, lang: Lang) -> list[str]:
    """Each rule: when, and which step after which."""
    found = []
    for i, rule in enumerate(rules):
        steps = " → ".join(action_in_words(action, tenant, lang) for action in rule.do)
        found.append(str(gettext("%(when)s：%(steps)s", when=when(rules, i), steps=steps)))
    return found


def when(rules: Sequence[Rule], i: int) -> str:
    """The condition of a rule."""
    condition = rules[i].when
    if condition is None or condition.hours is None:
        return str(gettext("そのほかの時間") if i else gettext("いつでも"))
    return str(gettext("営業時間「%(hours)s」のあいだ", hours=condition.hours))


class Forwarding(Setting):
    """The targets of one route, which may belong to several numbers."""

    subject, of, title = "forwarding", "route", lazy_gettext("転送先")
    forwards = True

    def names(self, tenant: Tenant) -> Iterable[str]:
        """Routes that forward at all."""
        return [name for name, rules in tenant.routes.items() if any(targets(rules))]

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """The numbers that are called."""
        numbers = self.numbers(tenant, name)
        return ", ".join(map(written, numbers)) if numbers else name

    def said(self, tenant: Tenant, name: str, lang: Lang) -> list[str]:
        """The whole way of a call, rule by rule."""
        return rules_in_words(tenant.routes[name], tenant, lang)

    def numbers(self, tenant: Tenant, name: str) -> tuple[str, ...]:
        """Those that follow this route."""
        return tuple(entry.number for entry in tenant.numbers if entry.route == name)

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """Number, seconds and confirmation of each target."""
        found: Fields = {}
        confirm = lazy_gettext("出た人が 1 を押したときだけつなぐ（携帯電話の留守番電話に取られません）")
        for target in targets(tenant.routes[name]):
            found[target.field("number")] = StringField(
                lazy_gettext("転送先の電話番号"),
                [DataRequired(_NEEDED), readable(read_number, _NUMBER)],
                render_kw=_TEL,
            )
            found[target.field("for_s")] = StringField(
                lazy_gettext("呼び出す秒数"),
                [readable(lambda text: read_seconds(text, LONGEST_S), _SECONDS)],
                description="" if target.action.for_s else lazy_gettext("空のままなら標準の長さです。"),
                render_kw=NUMERIC,
            )
            found[target.field("confirm")] = BooleanField(confirm)
        return found

    def groups(self, tenant: Tenant, name: str, lang: Lang) -> list[Group]:
        """Each target under its rule and its place in it."""
        rules, found = tenant.routes[name], []
        for target in targets(rules):
            fields = tuple(target.field(what) for what in ("number", "for_s", "confirm"))
            before = [action_in_words(action, tenant, lang) for action in rules[target.rule].do[: target.place]]
            legend = when(rules, target.rule)
            said = str(gettext("%(steps)s、そのあと", steps=" → ".join(before))) if before else ""
            found.append(Group(fields, legend, said))
        return found

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        found: dict[str, Any] = {}
        for target in targets(tenant.routes[name]):
            found[target.field("number")] = written(target.action.forward or "")
            found[target.field("for_s")] = str(target.action.for_s or "")
            found[target.field("confirm")] = target.action.confirm == "key"
        return found

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """What differs of each step."""
        found = []
        for target in targets(tenant.routes[name]):
            here: Path = ("routes", name, target.rule, "do", target.place)
            number, seconds, confirm = (target.field(what) for what in ("number", "for_s", "confirm"))
            to = read_number(typed[number])
            if digits_of(to) != target.action.forward:
                found.append(Change(number, (*here, "forward"), to))
            for_s = read_seconds(typed[seconds], LONGEST_S) if (typed[seconds] or "").strip() else None
            if for_s != target.action.for_s:
                found.append(Change(seconds, (*here, "for_s"), ABSENT if for_s is None else for_s))
            if typed[confirm] != (target.action.confirm == "key"):
                found.append(Change(confirm, (*here, "confirm"), "key" if typed[confirm] else ABSENT))
        return found

    def follows(self, tenant: Tenant, name: str, changes: Iterable[Change], failed: Failed) -> dict[Path, Any]:
        """A test that expects the old target expects the new one, if the call does go there."""
        expect, step = failed.test.expect, failed.plan[0] if failed.plan else None
        changed = {change.path[:5] for change in changes}
        new = [t for t in targets(tenant.routes[name]) if ("routes", name, t.rule, "do", t.place) in changed]
        if failed.test.call not in self.numbers(tenant, name) or not isinstance(step, Forward):
            return {}
        if expect.forward not in {target.action.forward for target in new}:
            return {}
        here: Path = ("tests", failed.index, "expect")
        found: dict[Path, Any] = {}
        if expect.forward != step.number:
            found[(*here, "forward")] = written(step.number)
        if expect.for_s not in (None, step.for_s):
            found[(*here, "for_s")] = step.for_s
        if expect.confirm is not None and not step.confirm:
            found[(*here, "confirm")] = ABSENT
        return found


NOWHERE, OUTSIDE = "", "+"
"""Choices of where a call goes on to, beside the names of lines and groups; neither can be a name."""


class Unanswered(Setting):
    """無応答転送 of one line."""

    subject, of, title = "no-answer", "line", lazy_gettext("応答がないときの転送")
    forwards = True

    def names(self, tenant: Tenant) -> Iterable[str]:
        """Every line."""
        return [line.line for line in tenant.lines]

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """Whose line it is."""
        return line_called(tenant, name)

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """Where to, an outside number, after how long."""
        to = [
            (NOWHERE, lazy_gettext("転送しない")),
            ("voicemail", lazy_gettext("留守番電話")),
            (OUTSIDE, lazy_gettext("外の電話番号（下に入力）")),
            *((line.line, line_called(tenant, line.line)) for line in tenant.lines if line.line != name),
            *((one.group, lazy_gettext("グループ %(group)s", group=one.group)) for one in tenant.groups),
        ]

        def check(form: Any, field: Any) -> None:
            if form.to.data == OUTSIDE:
                if not (field.data or "").strip():
                    raise ValidationError(_NEEDED)
                readable(read_number, _NUMBER)(form, field)

        return {
            "to": SelectField(lazy_gettext("転送先"), choices=choices(to)),
            "number": StringField(lazy_gettext("外の電話番号"), [check], render_kw=_TEL),
            "after_s": StringField(
                lazy_gettext("呼び出す秒数"),
                [readable(lambda text: read_seconds(text, LONGEST_S), _SECONDS)],
                description=lazy_gettext("この秒数のあいだ誰も出なければ転送します。空のままなら20秒です。"),
                render_kw=NUMERIC,
            ),
        }

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        held = line_of(tenant, name)[1].no_answer
        if held is None:
            return {"to": NOWHERE, "number": "", "after_s": ""}
        inside = held.to == "voicemail" or held.to in _inside(tenant)
        number = "" if inside else written(held.to)
        return {"to": held.to if inside else OUTSIDE, "number": number, "after_s": str(held.after_s)}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """The whole entry where there was none; else what differs."""
        i, line = line_of(tenant, name)
        here: Path = ("lines", i, "no_answer")
        held = line.no_answer
        if typed["to"] == NOWHERE:
            return [Change("to", here, ABSENT)] if held is not None else []
        to = read_number(typed["number"]) if typed["to"] == OUTSIDE else typed["to"]
        after_s = read_seconds(typed["after_s"], LONGEST_S) if (typed["after_s"] or "").strip() else NoAnswer().after_s
        field = "number" if typed["to"] == OUTSIDE else "to"
        if held is None:
            return [Change(field, here, {"after_s": after_s, "to": to})]
        found = []
        if after_s != held.after_s:
            found.append(Change("after_s", (*here, "after_s"), after_s))
        if (digits_of(to) if typed["to"] == OUTSIDE else to) != held.to:
            found.append(Change(field, (*here, "to"), to))
        return found

    def noticed(
        self, tenant: Tenant, name: str, platform: Platform, explain: Explain, at_us: int, lang: Lang
    ) -> list[str]:
        """What a colleague meets who calls this line."""
        return from_inside(tenant, name, platform, explain, at_us, lang)


def from_inside(tenant: Tenant, name: str, platform: Platform, explain: Explain, at_us: int, lang: Lang) -> list[str]:
    """What a call to this line meets that a colleague makes now; nothing where there is no colleague."""
    ids = line_of(tenant, name)[1].ids
    phone = next((own.id for own in tenant.ids if own.id not in ids), None)
    if phone is None:
        return []
    plan, _ = explain(tenant, platform, name, Party(), at_us, phone)
    words, who = in_words(plan, tenant, lang), line_called(tenant, name)
    return [str(gettext("社内から %(who)s へ今かけた電話：%(plan)s", who=who, plan=words))]


def line_of(tenant: Tenant, name: str) -> tuple[int, Line]:
    """The line of this name, and its place in the file."""
    return next((i, line) for i, line in enumerate(tenant.lines) if line.line == name)


def line_called(tenant: Tenant, name: str) -> str:
    """By the people who sit there, with the line's own name."""
    names = {own.id: own.name for own in tenant.ids}
    people = "・".join(dict.fromkeys(names.get(own, own) for own in line_of(tenant, name)[1].ids))
    return str(gettext("%(people)s（回線 %(line)s）", people=people, line=name))


def _inside(tenant: Tenant) -> set[str]:
    return {line.line for line in tenant.lines} | {group.group for group in tenant.groups}
