"""PURE. A fact -> the line it adds to the call's story.

Enters: an envelope. Leaves: a `Step` with the values that a sentence needs; `pages.py` makes the sentence in the
reader's language. Of two tellings of one thing `better` always keeps the same one.
"""

from __future__ import annotations

from typing import Any

from proto import events as e
from proto.envelope import Envelope
from proto.message import Message
from proto.plan import AnyStep, Forward, HandOver, Play, Reject, Ring, TakeMessage, Wait
from proto.values import Party
from services.history.model import PlanStep, Step

_FIELDS: dict[type[Message], tuple[str, ...]] = {
    e.CallHandedOver: ("to", "queue", "stage", "disposition"),
    e.CallWaiting: ("queue",),
    e.LegStarted: ("kind", "via", "destination"),
    e.LegRinging: ("early_media",),
    e.LegAnswered: ("kind", "direction", "via", "destination"),
    e.CallAnswered: ("by",),
    e.LegsBridged: ("other",),
    e.LegsUnbridged: ("other",),
    e.LegHeld: (),
    e.LegResumed: (),
    e.LegEnded: ("kind", "via", "destination", "cause", "sip_status", "hung_up_by", "decision"),
    e.RecordingStarted: ("stage", "recording"),
    e.RecordingStopped: ("stage", "length_ms"),
    e.CommandFinished: ("name", "decision_us"),
    e.CommandRefused: ("name", "reason", "by"),
    e.CommandUnknown: ("name",),
    e.RecordingStored: ("kind", "length_ms", "asked"),
    e.OperatorOffered: ("pool", "phone"),
}


def step_of(envelope: Envelope) -> Step | None:
    """The line of this fact, or None for a fact that is not about a call."""
    body = envelope.body
    values: dict[str, str]
    why: tuple[str, ...] = ()
    plan: tuple[PlanStep, ...] = ()
    if isinstance(body, e.CallArrived):
        values = {"dialled": body.dialled, "origin": body.origin, "phone": body.phone, **_party(body.caller)}
        if body.transferred:
            values["transferred"] = "yes"
        if body.diverted_from:
            values["diverted_from"] = body.diverted_from
    elif isinstance(body, e.CallRouted):
        values, why, plan = {}, body.why, tuple(_plan_step(step) for step in body.plan)
    elif isinstance(body, e.LegCharged):
        values = {"amount": str(body.charge.amount), "basis": body.basis, "price": body.price}
        why = (body.arithmetic,) if body.arithmetic else ()
    elif type(body) in _FIELDS:
        values = {name: _text(getattr(body, name)) for name in _FIELDS[type(body)]}
    else:
        return None
    return Step(
        key=envelope.key,
        id=envelope.id,
        at_us=envelope.occurred_at_us,
        what=body.NAME,
        leg=leg_of(body),
        values={name: value for name, value in values.items() if value},
        why=why,
        plan=plan,
        estimated=envelope.estimated,
    )


def leg_of(body: Any) -> str:
    """The leg that a fact is about, or nothing."""
    leg: str = getattr(body, "leg", "") or getattr(body, "caller_leg", "")
    return leg


def better(known: Step, heard: Step) -> Step:
    """Of two tellings of the same thing the seen one, then the earlier, then the one with the smaller id."""
    return min(known, heard, key=lambda step: (step.estimated, step.at_us, step.id))


def _plan_step(step: AnyStep) -> PlanStep:
    if isinstance(step, Ring):
        return PlanStep("ring", tuple(phone.id for phone in step.phones), step.for_s)
    if isinstance(step, Forward):
        return PlanStep("forward", (step.number,), step.for_s)
    if isinstance(step, Play):
        return PlanStep("play", (step.prompt,))
    if isinstance(step, TakeMessage):
        return PlanStep("take_message", (step.mailbox,))
    if isinstance(step, Wait):
        return PlanStep("wait", (step.queue,), step.for_s)
    if isinstance(step, HandOver):
        return PlanStep("hand_over", (step.to,))
    assert isinstance(step, Reject)
    return PlanStep("reject", (step.cause,))


def _party(caller: Party) -> dict[str, str]:
    return {"number": caller.number, "name": caller.name, "presentation": caller.presentation}


def _text(value: object) -> str:
    if value is None or value is False:
        return ""
    return "yes" if value is True else str(value)
