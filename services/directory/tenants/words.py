"""A plan in words, for whoever changes a client's file: what a caller would meet, one step after another.

Enters: routing's plan, the client whose people have names. Leaves: Japanese or English. Pure. What routing itself says
about its reasons comes from there; the story of a call that took place belongs to history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from proto.plan import AnyStep, Forward, HandOver, Play, Reject, Ring, TakeMessage, Wait
from proto.tenant import Tenant
from proto.tenant.routes import Action
from services.runtime.telephone import written

Lang = Literal["ja", "en"]

_NOWHERE = {"ja": "どこにもつながらない", "en": "go nowhere"}
_REFUSED = {
    "USER_BUSY": ("話中として断る", "busy"),
    "UNALLOCATED_NUMBER": ("使われていない番号として断る", "not in use"),
    "CALL_REJECTED": ("着信を断る", "refused"),
}


def in_words(plan: Sequence[AnyStep], tenant: Tenant | None, lang: Lang) -> str:
    """`ring 佐藤 花子 for 20 s → reach the voicemail sales`. How a plan ends by itself is left out: every one does."""
    names = {own.id: own.name for own in tenant.ids} if tenant is not None else {}
    said: list[str] = []
    for step in plan:
        ends = isinstance(step, HandOver) or (isinstance(step, Reject) and step.cause not in _REFUSED)
        if not ends and (text := step_in_words(step, lang, names)) not in said:
            said.append(text)
    return " → ".join(said) or _NOWHERE[lang]


def step_in_words(step: AnyStep, lang: Lang, names: dict[str, str]) -> str:
    """One step; `names` of devices where they are known."""
    ja = lang == "ja"
    match step:
        case Ring(phones=phones, for_s=for_s):
            who = list(dict.fromkeys(names.get(phone.id, phone.id) for phone in phones))
            return f"{'・'.join(who)}を{for_s}秒呼び出す" if ja else f"ring {', '.join(who)} for {for_s} s"
        case Forward(number=number, for_s=for_s, confirm=confirm):
            to = written(number)
            key = ("（1を押した人だけにつなぐ）" if ja else " (whoever presses 1)") if confirm else ""
            return f"{to}へ{for_s}秒転送する{key}" if ja else f"be forwarded to {to} for {for_s} s{key}"
        case Play(prompt=prompt):
            return f"案内「{prompt}」を聞く" if ja else f"hear the announcement {prompt}"
        case TakeMessage(mailbox=mailbox):
            return f"留守番電話「{mailbox}」" if ja else f"reach the voicemail {mailbox}"
        case Wait(queue=queue):
            return f"待ち行列「{queue}」で待つ" if ja else f"wait in the queue {queue}"
        case HandOver(to=to, queue=queue):
            return f"{to} {queue}に渡す".strip() if ja else f"be handed to {to} {queue}".rstrip()
        case Reject(cause=cause):
            japanese, english = _REFUSED.get(cause, (f"終話する（{cause}）", cause))
            return japanese if ja else f"be refused ({english})"


def action_in_words(action: Action, tenant: Tenant, lang: Lang) -> str:
    """A step as it stands in the file, before anybody knows who could take the call at that moment."""
    ja = lang == "ja"
    seconds = "" if action.for_s is None else f"{action.for_s}秒" if ja else f" for {action.for_s} s"
    if action.ring is not None:
        who = called(action.ring, tenant, lang)
        return f"{who}を{seconds}呼び出す" if ja else f"ring {who}{seconds}"
    if action.forward is not None:
        to = written(action.forward)
        key = "" if action.confirm is None else "（1を押した人だけにつなぐ）" if ja else " (whoever presses 1)"
        return f"{to}へ{seconds}転送する{key}" if ja else f"be forwarded to {to}{seconds}{key}"
    if action.voicemail is not None:
        return step_in_words(TakeMessage(action.voicemail), lang, {})
    if action.queue is not None:
        return f"待ち行列「{action.queue}」で待つ" if ja else f"wait in the queue {action.queue}"
    if action.play is not None:
        return step_in_words(Play(action.play), lang, {})
    return step_in_words(Reject(cause_of(action)), lang, {})


def cause_of(action: Action) -> Literal["USER_BUSY", "UNALLOCATED_NUMBER", "CALL_REJECTED"]:
    """How a plan names the way in which this step refuses."""
    if action.reject == "busy":
        return "USER_BUSY"
    return "UNALLOCATED_NUMBER" if action.reject == "not_in_use" else "CALL_REJECTED"


def called(name: str, tenant: Tenant, lang: Lang) -> str:
    """A line or a device by the name of its person, a group as a group."""
    names = {own.id: own.name for own in tenant.ids}
    if name in names:
        return f"{names[name]}（{name}）" if lang == "ja" else f"{names[name]} ({name})"
    for line in tenant.lines:
        if line.line == name:
            return "・".join(dict.fromkeys(names.get(own, own) for own in line.ids))
    return f"グループ「{name}」" if lang == "ja" else f"the group {name}"
