"""Lines and devices: what people may do, what they show when they call, which device rings first, what it is called.

Enters: ticks, choices, names. Leaves: keys of `lines:` and `ids:`. What a device registers with belongs to directory's
credentials; whether a line may do something is decided by routing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, ValidationError

from proto.plan import Forward, Reject
from proto.tenant import Tenant
from proto.tenant.lines import Id
from proto.tenant.platform import Platform
from proto.values import Party
from services.directory.settings.forwarding import from_inside, line_called, line_of
from services.directory.settings.frame import NUMERIC, Change, Fields, Setting, choices, one_line, readable
from services.directory.settings.typed import read_seconds
from services.directory.tenants.edit import ABSENT
from services.directory.tenants.problems import Path
from services.directory.tenants.route_tests import Explain
from services.directory.tenants.words import Lang
from services.runtime.telephone import written
from services.runtime.web.forms import Boxes, plain

ALLOWED = {
    "receive": lazy_gettext("外からの電話を受ける"),
    "internal": lazy_gettext("社内の電話をかける・受ける"),
    "originate": lazy_gettext("外へ電話をかける"),
}
DEVICES = {"desk": lazy_gettext("机の電話機"), "app": lazy_gettext("スマートフォンのアプリ")}
SOMEBODY_OUTSIDE = "0300000000"
"""A number that is given to nobody (03-0…), to ask what a call to the outside would meet; no call is made."""
LATEST_S = 60
"""How long an app may wait for the desk phone."""


class Permissions(Setting):
    """What a line may do, when it takes calls, and the number that it shows."""

    subject, of, title = "permissions", "line", lazy_gettext("できること")

    def names(self, tenant: Tenant) -> Iterable[str]:
        """Every line."""
        return [line.line for line in tenant.lines]

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """Whose line it is."""
        return line_called(tenant, name)

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """Three ticks, hours, a number."""
        shown = [("", lazy_gettext("標準（最初の代表番号）"))]
        shown += [(number, written(number)) for number in presentable(tenant, name)]
        hours = [("", lazy_gettext("いつでも"))]
        hours += [(one, lazy_gettext("営業時間「%(hours)s」のあいだ", hours=one)) for one in tenant.hours]
        return {
            "allow": Boxes(lazy_gettext("できること"), choices=choices(ALLOWED.items())),
            "hours": SelectField(lazy_gettext("電話を受ける時間"), choices=choices(hours)),
            "present": SelectField(
                lazy_gettext("外へかけるときに相手に表示する番号"),
                choices=choices(shown),
                description=lazy_gettext("110・118・119 への電話は、ここの設定に左右されません。"),
            ),
        }

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        line = line_of(tenant, name)[1]
        return {"allow": list(line.allow), "hours": line.hours, "present": line.present or ""}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """What differs."""
        i, line = line_of(tenant, name)
        allow = [one for one in ALLOWED if one in (typed["allow"] or ())]
        found = []
        if set(allow) != set(line.allow):
            found.append(Change("allow", ("lines", i, "allow"), allow))
        if typed["hours"] != line.hours:
            found.append(Change("hours", ("lines", i, "hours"), typed["hours"] or ABSENT))
        if typed["present"] != (line.present or ""):
            found.append(Change("present", ("lines", i, "present"), written(typed["present"]) or ABSENT))
        return found

    def noticed(
        self, tenant: Tenant, name: str, platform: Platform, explain: Explain, at_us: int, lang: Lang
    ) -> list[str]:
        """What becomes of calls from each device, to the outside and to a colleague, and of a colleague's call here."""
        ids = line_of(tenant, name)[1].ids
        found = from_inside(tenant, name, platform, explain, at_us, lang)
        for own in tenant.ids:
            found += _calls_from(own, tenant, platform, explain, at_us) if own.id in ids else []
        return found


def _calls_from(own: Id, tenant: Tenant, platform: Platform, explain: Explain, at_us: int) -> list[str]:
    who = gettext("%(name)s（%(device)s）", name=own.name, device=DEVICES[own.device])
    plan, _ = explain(tenant, platform, SOMEBODY_OUTSIDE, Party(), at_us, own.id)
    step = plan[0] if plan else None
    if isinstance(step, Forward):
        shown = written(step.present)
        outside = gettext("%(who)sから外へかけられ、相手に %(shown)s が表示される", who=who, shown=shown)
    else:
        outside = gettext("%(who)sから外へはかけられない", who=who)
    found = [str(outside)]
    colleague = next((other for other in tenant.ids if other.id != own.id and other.name != own.name), None)
    if colleague is not None:
        plan, _ = explain(tenant, platform, colleague.id, Party(), at_us, own.id)
        inside = not any(isinstance(step, Reject) and step.cause == "CALL_REJECTED" for step in plan[:1])
        found.append(
            str(
                gettext("%(who)sから社内へかけられる", who=who)
                if inside
                else gettext("%(who)sから社内へはかけられない", who=who)
            )
        )
    return found


def presentable(tenant: Tenant, name: str) -> list[str]:
    """The client's numbers that a line can show: representative ones, its devices' own, and what it shows now."""
    line = line_of(tenant, name)[1]
    return [
        entry.number
        for entry in tenant.numbers
        if entry.kind == "representative"
        or (entry.kind == "direct" and entry.id in line.ids)
        or entry.number == line.present
    ]


class Ringing(Setting):
    """Which of a line's devices rings first."""

    subject, of, title = "ringing", "line", lazy_gettext("鳴らし方")

    def names(self, tenant: Tenant) -> Iterable[str]:
        """Lines with a desk phone and an app: all others have nothing to choose."""
        kinds = {own.id: own.device for own in tenant.ids}
        return [line.line for line in tenant.lines if {kinds.get(own) for own in line.ids} >= {"desk", "app"}]

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """Whose line it is."""
        return line_called(tenant, name)

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """The order, and how long the app waits."""
        order = [
            ("all", lazy_gettext("机の電話機とアプリを同時に鳴らす")),
            ("desk_first", lazy_gettext("机の電話機を先に鳴らす")),
        ]
        return {
            "ring": SelectField(lazy_gettext("鳴らし方"), choices=choices(order)),
            "app_after_s": StringField(
                lazy_gettext("アプリが鳴り始めるまでの秒数"),
                [
                    readable(
                        lambda text: read_seconds(text, LATEST_S, 0),
                        lazy_gettext("0 から 60 までの秒数を入力してください。"),
                        may_be_empty=False,
                    )
                ],
                description=lazy_gettext("机の電話機を先に鳴らすときだけ使います。"),
                render_kw=NUMERIC,
            ),
        }

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        line = line_of(tenant, name)[1]
        return {"ring": line.ring, "app_after_s": str(line.app_after_s)}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """What differs."""
        i, line = line_of(tenant, name)
        app_after_s, found = read_seconds(typed["app_after_s"], LATEST_S, 0), []
        if typed["ring"] != line.ring:
            found.append(Change("ring", ("lines", i, "ring"), typed["ring"]))
        if app_after_s != line.app_after_s:
            found.append(Change("app_after_s", ("lines", i, "app_after_s"), app_after_s))
        return found

    def noticed(
        self, tenant: Tenant, name: str, platform: Platform, explain: Explain, at_us: int, lang: Lang
    ) -> list[str]:
        """When the app begins to ring, which a caller does not hear."""
        line = line_of(tenant, name)[1]
        if line.ring == "all":
            return [str(gettext("机の電話機とアプリが同時に鳴る"))]
        return [str(gettext("机の電話機が先に鳴り、アプリは %(s)s 秒後に鳴る", s=line.app_after_s))]


class Device(Setting):
    """A device's name, its kind, and the line to which it belongs."""

    subject, of, title = "devices", "id", lazy_gettext("端末")

    def names(self, tenant: Tenant) -> Iterable[str]:
        """By their ids."""
        return [own.id for own in tenant.ids]

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """Its name and id."""
        return f"{_device(tenant, name)[1].name} {name}"

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """Name, kind, line."""
        standing = _line_with(tenant, name)
        lines = [("", lazy_gettext("どの回線にも入れない"))] if len(_ids_of(tenant, standing)) != 1 else []
        lines += [
            (line.line, line_called(tenant, line.line))
            for line in tenant.lines
            if line.line == standing or len(line.ids) == 1
        ]

        def may_leave(_form: Any, field: Any) -> None:
            if field.data != standing and len(_ids_of(tenant, standing)) == 1:
                raise ValidationError(lazy_gettext("この回線には端末が一つしかないため、ほかの回線へ移せません。"))

        return {
            "title": StringField(
                lazy_gettext("名前"),
                [DataRequired(lazy_gettext("名前を入力してください。")), *one_line(200)],
                filters=[plain],
                description=lazy_gettext("使う人か場所の名前。社内の電話や通話履歴に表示されます。"),
            ),
            "device": SelectField(lazy_gettext("種類"), choices=choices(DEVICES.items())),
            "line": SelectField(lazy_gettext("回線"), [may_leave], choices=choices(lines)),
        }

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        own = _device(tenant, name)[1]
        return {"title": own.name, "device": own.device, "line": _line_with(tenant, name)}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """What differs; a device that moves leaves one line and enters the other."""
        i, own = _device(tenant, name)
        found = []
        if typed["title"] != own.name:
            found.append(Change("title", ("ids", i, "name"), typed["title"]))
        if typed["device"] != own.device:
            found.append(Change("device", ("ids", i, "device"), typed["device"]))
        was, becomes = _line_with(tenant, name), typed["line"]
        if becomes != was:
            if was:
                found.append(_ids(tenant, was, [one for one in _ids_of(tenant, was) if one != name]))
            if becomes:
                found.append(_ids(tenant, becomes, [*_ids_of(tenant, becomes), name]))
        return found


def _device(tenant: Tenant, name: str) -> tuple[int, Id]:
    return next((i, own) for i, own in enumerate(tenant.ids) if own.id == name)


def _line_with(tenant: Tenant, own: str) -> str:
    return next((line.line for line in tenant.lines if own in line.ids), "")


def _ids_of(tenant: Tenant, name: str) -> tuple[str, ...]:
    return line_of(tenant, name)[1].ids if name else ()


def _ids(tenant: Tenant, name: str, ids: list[str]) -> Change:
    path: Path = ("lines", line_of(tenant, name)[0], "ids")
    return Change("line", path, ids)
