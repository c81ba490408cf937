"""PURE. A call that one of the client's own phones makes: inside the house, to an own number, or to the outside.

Enters: a scene with `phone`, and a draft. Leaves: the draft, and the party to show. A leased number never originates
(R16), nor does a suspended one (R17), permissions of the line hold (R14), 184/186 as dialled (R28). Emergency calls are
the dialplan's; one that comes here all the same is dialled at once, past every rule.
"""

from __future__ import annotations

from proto.plan import Forward, Play, Reject
from proto.tenant.numbers import NumberEntry
from proto.values import Party, is_geographic
from services.routing.inbound import call_name, call_number, is_name
from services.routing.numbers import Dialled, kind, split_prefix
from services.routing.plan import NOT_IN_USE, OUTSIDE_RING_S
from services.routing.scene import Draft, Scene


def call_from_phone(scene: Scene, draft: Draft) -> Party:
    """Fill the draft for a call dialled on one of our phones; returns who is shown as the caller."""
    dialled = split_prefix(scene.dialled)
    if kind(dialled.number) == "emergency":
        return _emergency(scene, draft, dialled)
    caller = scene.id(scene.phone)
    if caller is None:
        draft.add(f"ID {scene.phone} は {scene.tenant.name} に登録がないので断る", Reject("CALL_REJECTED"))
        return scene.caller
    inside = Party(number=caller.id if caller.id.isdigit() else "", name=caller.name)
    entry = scene.number(dialled.number)
    if is_name(scene, dialled.number):
        if _may(scene, draft, "internal", "内線"):
            draft.note(f"{caller.name}（{caller.id}）から内線「{dialled.number}」")
            call_name(scene, draft, dialled.number, None, last=True)
        return inside
    if entry is not None:
        draft.note("自社の番号なので事業者を通さず社内でつなぐ")
        call_number(scene, draft, entry)
        return inside
    return _outside(scene, draft, dialled)


def _outside(scene: Scene, draft: Draft, dialled: Dialled) -> Party:
    what = kind(dialled.number)
    if what == "international":
        draft.add("国際発信は許可の設定がないので断る", Reject("CALL_REJECTED"))
    elif what == "other":
        draft.add(f"{dialled.number} という内線も番号もない", *NOT_IN_USE)
    elif _may(scene, draft, "originate", "外線発信"):
        shown = _shown_number(scene, draft)
        if shown is None:
            draft.add(
                "発信に使える番号がない（貸出番号と利用停止中の番号は発信できない）ので断る", Reject("CALL_REJECTED")
            )
        else:
            return _dial(scene, draft, dialled, shown)
    return scene.caller


def _dial(scene: Scene, draft: Draft, dialled: Dialled, shown: NumberEntry) -> Party:
    carrier, withhold = scene.carrier(None), dialled.prefix == "184"
    step = Forward(dialled.number, carrier, OUTSIDE_RING_S, present=shown.number, withhold=withhold)
    manner = "非通知（184）で" if withhold else f"{shown.number} を通知して"
    draft.add(f"{dialled.number} へ「{carrier.name}」経由、{manner}発信する", step)
    return Party(presentation="withheld") if withhold else Party(number=shown.number, name=scene.tenant.name)


def _may(scene: Scene, draft: Draft, permission: str, label: str) -> bool:
    line = scene.line_with(scene.phone)
    if line is None or permission in line.allow:
        return True
    draft.add(f"回線「{line.line}」は{label}の許可がないので断る", Reject("CALL_REJECTED"))
    return False


def _shown_number(scene: Scene, draft: Draft) -> NumberEntry | None:
    """The line's `present`, else the first 代表番号, else this device's own 直通番号; never a leased one."""
    line = scene.line_with(scene.phone)
    if line is not None and line.present is not None:
        chosen = scene.number(line.present)
        if chosen is not None and _usable(scene, chosen):
            return chosen
        draft.note(f"回線「{line.line}」の表示番号 {line.present} は発信に使えない")
    numbers = scene.tenant.numbers
    wanted = [n for n in numbers if n.kind == "representative"] + [n for n in numbers if n.kind == "direct"]
    return next((n for n in wanted if _usable(scene, n)), None)


def _usable(scene: Scene, entry: NumberEntry) -> bool:
    if entry.number in scene.suspended:
        return False
    # R2: only its own device originates from a direct number
    return entry.kind == "representative" or (entry.kind == "direct" and entry.id == scene.phone)


def _emergency(scene: Scene, draft: Draft, dialled: Dialled) -> Party:
    """Past permissions and hours, over a number of a place; without one, say at once to use a mobile phone.

    A suspended number is shown only where there is no other: nobody can ring it back.
    """
    placed = [n for n in scene.tenant.numbers if n.kind != "leased" and is_geographic(n.number)]
    shown = next((n for n in placed if n.number not in scene.suspended), placed[0] if placed else None)
    if shown is None:
        draft.add(
            f"緊急通報 {dialled.number}：0AB–J 番号がないので携帯電話からかけるよう案内する",
            Play("emergency_use_mobile", early=True),
            Reject("CALL_REJECTED"),
        )
        return scene.caller
    step = Forward(dialled.number, scene.carrier(None), OUTSIDE_RING_S, shown.number, withhold=dialled.prefix == "184")
    draft.add(f"緊急通報 {dialled.number} をただちに {shown.number} から発信する", step, Reject("NORMAL_CLEARING"))
    return Party(number=shown.number)
