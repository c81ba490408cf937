"""PURE. A step of a call's story -> one sentence in the reader's language.

Enters: a `Step`, and the names of the call's legs. Leaves: text, never HTML. What callers sent stands in it only
shortened and stripped of control characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from services.history.model import PlanStep, Step
from services.history.words import CAUSES, KINDS, Lang, Pair, money, number, party, shown, span, word

Names = Mapping[str, str]

_PLAIN: dict[str, Pair] = {
    "call.waiting": ("待ち行列「{queue}」で待機", "Waits in queue {queue}"),
    "leg.started": ("{leg}を呼び出し", "Dials {leg}"),
    "leg.ringing": ("{leg}が鳴動", "{leg} rings"),
    "call.answered": ("{by}と通話開始", "Conversation with {by} begins"),
    "legs.bridged": ("{leg}と{other}を接続", "{leg} and {other} are connected"),
    "legs.unbridged": ("{leg}の接続を解除", "{leg} is disconnected from the other side"),
    "leg.held": ("{leg}が保留", "{leg} holds"),
    "leg.resumed": ("{leg}が保留を解除", "{leg} resumes"),
    "recording.started": ("録音開始", "Recording begins"),
    "command.unknown": ("{name}: 結果不明", "{name}: outcome unknown"),
    "operator.offered": ("受付者 {phone}({pool})に取り次ぎ", "Offered to operator {phone} ({pool})"),
}
_PLANNED: dict[str, Pair] = {
    "ring": ("{what} を呼び出し", "ring {what}"),
    "forward": ("{what} へ転送", "forward to {what}"),
    "play": ("案内「{what}」", "play {what}"),
    "take_message": ("伝言を録音({what})", "take a message ({what})"),
    "wait": ("待ち行列「{what}」", "queue {what}"),
    "hand_over": ("{what} に引き継ぎ", "hand over to {what}"),
    "reject": ("切断({what})", "refuse ({what})"),
}
_COMMANDS: dict[str, Pair] = {
    "command.route_call": ("振り分けの指示", "Plan"),
    "command.originate_call": ("呼び出しの指示", "Dialling order"),
    "command.bridge_legs": ("接続の指示", "Connect order"),
    "command.start_recording": ("録音開始の指示", "Start-recording order"),
    "command.stop_recording": ("録音終了の指示", "Stop-recording order"),
    "command.hang_up": ("切断の指示", "Hang-up order"),
}


def sentence(step: Step, legs: Names, lang: Lang) -> str:
    """What happened."""
    special = _SPECIAL.get(step.what)
    if special is not None:
        return special(step, legs, lang)
    pair = _PLAIN.get(step.what)
    if pair is None:
        return shown(step.what)
    values = {name: shown(value) for name, value in step.values.items()}
    values["name"] = word(_COMMANDS, step.values.get("name", ""), lang)
    for role in ("by", "other"):
        values[role] = _leg(values.get(role, ""), legs, lang)
    fields = {"queue": "", "phone": "", "pool": "", **values, "leg": _leg(step.leg, legs, lang)}
    return pair[lang == "en"].format(**fields)


def _leg(leg: str, legs: Names, lang: Lang) -> str:
    return legs.get(leg) or ("相手" if lang == "ja" else "the other side")


def _arrived(step: Step, _legs: Names, lang: Lang) -> str:
    values = step.values
    dialled = number(values.get("dialled", ""))
    caller = party(values.get("number", ""), values.get("presentation", "shown"), lang)
    if values.get("origin") == "phone":
        caller = shown(values.get("phone", "")) or caller
    if values.get("transferred"):
        return f"転送されて {dialled} に到着" if lang == "ja" else f"Transferred, arrives at {dialled}"
    return f"{caller} から {dialled} に着信" if lang == "ja" else f"{caller} calls {dialled}"


def _routed(step: Step, _legs: Names, lang: Lang) -> str:
    plan = " → ".join(_planned(one, lang) for one in step.plan)
    return f"振り分け: {plan}" if lang == "ja" else f"Plan: {plan}"


def _planned(step: PlanStep, lang: Lang) -> str:
    names = tuple(number(name) if step.do in ("ring", "forward") else shown(name) for name in step.what)
    if step.do == "reject":
        names = tuple(word(CAUSES, name, lang) for name in step.what)
    what = ("・" if lang == "ja" else ", ").join(names)
    pair = _PLANNED.get(step.do)
    text = shown(step.do) if pair is None else pair[lang == "en"].format(what=what)
    return f"{text} {span(step.for_s * 1_000_000, lang)}" if step.for_s else text


def _handed_over(step: Step, _legs: Names, lang: Lang) -> str:
    to, why = shown(step.values.get("to", "")), word(CAUSES, step.values.get("disposition", ""), lang)
    if lang == "ja":
        return f"{to} に引き継ぎ" + (f"({why})" if why else "")
    return f"Handed over to {to}" + (f" ({why})" if why else "")


def _ended(step: Step, legs: Names, lang: Lang) -> str:
    cause = word(CAUSES, step.values.get("cause", ""), lang)
    sip = step.values.get("sip_status", "")
    detail = f"{cause}, SIP {sip}" if sip else cause
    leg = _leg(step.leg, legs, lang)
    return f"{leg}が終了({detail})" if lang == "ja" else f"{leg} ends ({detail})"


def _leg_answered(step: Step, legs: Names, lang: Lang) -> str:
    if step.values.get("direction") == "inbound":
        return "発信者の回線に応答" if lang == "ja" else "The caller's line is answered"
    return f"{_leg(step.leg, legs, lang)}が応答" if lang == "ja" else f"{_leg(step.leg, legs, lang)} answers"


def _stopped(step: Step, _legs: Names, lang: Lang) -> str:
    length = span(_int(step.values.get("length_ms", "")) * 1000, lang)
    stored = step.what == "recording.stored"
    if lang == "ja":
        return f"録音を保存({length})" if stored else f"録音終了({length})"
    return f"Recording stored ({length})" if stored else f"Recording ends ({length})"


def _finished(step: Step, _legs: Names, lang: Lang) -> str:
    name = word(_COMMANDS, step.values.get("name", ""), lang)
    took = step.values.get("decision_us", "")
    took = f"({_int(took) / 1000:.1f} ms)" if took else ""
    return f"{name}を実行{took}" if lang == "ja" else f"{name} carried out {took}".rstrip()


def _refused(step: Step, _legs: Names, lang: Lang) -> str:
    name, reason = word(_COMMANDS, step.values.get("name", ""), lang), shown(step.values.get("reason", ""), 120)
    return f"{name}は実行されず({reason})" if lang == "ja" else f"{name} not carried out ({reason})"


def _charged(step: Step, legs: Names, lang: Lang) -> str:
    try:
        amount = Decimal(step.values.get("amount", "0"))
    except InvalidOperation:
        amount = Decimal(0)
    incl = step.values.get("basis") == "incl"
    text = money(amount if incl else Decimal(0), Decimal(0) if incl else amount, 1, lang)
    leg = _leg(step.leg, legs, lang)
    return f"{leg}の料金 {text}" if lang == "ja" else f"{leg} charged {text}"


def _int(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


_SPECIAL: dict[str, Callable[[Step, Names, Lang], str]] = {
    "call.arrived": _arrived,
    "call.routed": _routed,
    "call.handed_over": _handed_over,
    "leg.answered": _leg_answered,
    "leg.ended": _ended,
    "recording.stopped": _stopped,
    "recording.stored": _stopped,
    "command.finished": _finished,
    "command.refused": _refused,
    "leg.charged": _charged,
}


def leg_name(kind: str, direction: str, destination: str, lang: Lang) -> str:
    """A leg as people call it: `転送先 090-1234-5678`."""
    if direction == "inbound":
        return word(KINDS, "inbound", lang)
    name = word(KINDS, kind, lang) if kind else ("相手" if lang == "ja" else "Far side")
    return f"{name} {number(destination)}".strip()
