"""PURE. What is known of a call -> its line in the history, and whether it is over.

Enters: `Call`. Leaves: `Row`, and the CallEnded fact once every known leg has ended. Nothing here depends on the order
in which the facts were heard.
"""

from __future__ import annotations

from decimal import Decimal

from proto.events import CallEnded
from proto.values import UNKNOWN_TENANT, Party
from services.history.model import Arrival, Call, CallState, Direction, Leg, RecordingState, Result, Row, Talk

_CANCELLED = frozenset({"ORIGINATOR_CANCEL", "NORMAL_CLEARING", "NO_ANSWER", "NO_USER_RESPONSE", "ALLOTTED_TIMEOUT"})
"""Causes of a caller's leg that nobody had answered: the caller gave up, or nobody came (JAPAN: hangup causes)."""


def row(call: Call, tenant: str) -> Row:
    """The line of the call."""
    arrival, talk = first_arrival(call), first_talk(call)
    caller = arrival.caller if arrival else Party(presentation="unavailable")
    ended_at_us = _ended_at_us(call) if is_over(call) else None
    by = call.legs.get(talk.by, Leg()) if talk else Leg()
    recordings = call.recordings.values()
    recording: RecordingState = "stored" if "stored" in recordings else "running" if "running" in recordings else ""
    if ended_at_us is None and "running" in recordings:
        recording = "running"
    dialled = arrival.dialled if arrival else _outbound_destination(call)
    own, other = _numbers(direction(call), dialled, caller)
    return Row(
        started_at_us=_started_at_us(call),
        answered_at_us=talk.at_us if talk else None,
        ended_at_us=ended_at_us,
        dialled=dialled,
        caller_number=caller.number,
        caller_name=caller.name,
        caller_presentation=caller.presentation,
        direction=direction(call),
        state=state(call),
        result=result(call, tenant) if ended_at_us is not None else "",
        answered_by=by.destination,
        answered_by_via=by.via,
        talk_ms=talk_ms(call),
        charge_incl=sum((c.amount for c in call.charges.values() if c.basis == "incl"), Decimal(0)),
        charge_excl=sum((c.amount for c in call.charges.values() if c.basis == "excl"), Decimal(0)),
        charges=len(call.charges),
        recording=recording,
        recorded_ms=sum(call.lengths.get(path, 0) for path, kept in call.recordings.items() if kept == "stored"),
        placed_by=arrival.phone if arrival else "",
        own_number=own,
        other_number=other,
        legs=len(call.legs),
        estimated=any(leg.estimated for leg in call.legs.values()),
    )


def ended(call: Call, tenant: str) -> CallEnded | None:
    """The fact that the call is over, once it is."""
    if not is_over(call):
        return None
    line = row(call, tenant)
    assert line.ended_at_us is not None
    assert line.result != ""
    arrival = first_arrival(call)
    return CallEnded(
        dialled=line.dialled,
        caller=arrival.caller if arrival else Party(presentation="unavailable"),
        direction=line.direction,
        result=line.result,
        answered_by=line.answered_by,
        started_at_us=line.started_at_us,
        answered_at_us=line.answered_at_us,
        ended_at_us=line.ended_at_us,
        talk_ms=line.talk_ms,
        legs=line.legs,
    )


def is_over(call: Call) -> bool:
    """Every known leg has ended.

    An emergency call is first heard of by the leg that it dials: it is not over before its caller's leg was heard of.
    """
    legs = call.legs.values()
    if not legs or any(leg.ended_at_us is None for leg in legs):
        return False
    caller_missing = not any(leg.direction == "inbound" for leg in legs)
    return not (caller_missing and any(leg.kind == "emergency" for leg in legs))


def first_arrival(call: Call) -> Arrival | None:
    """How the call came to us; what a parked leg said wins over what its end said."""
    return min(call.arrivals.values(), key=lambda a: (not a.parked, a.at_us, a.id), default=None)


def first_talk(call: Call) -> Talk | None:
    """When caller and somebody first talked."""
    return min(call.talks.values(), key=lambda t: (t.at_us, t.leg), default=None)


def direction(call: Call) -> Direction:
    """From outside, to outside, among our own phones, or to 110, 118, 119."""
    legs = call.legs.values()
    if any(leg.kind == "emergency" for leg in legs):
        return "emergency"
    arrival = first_arrival(call)
    if arrival is not None and arrival.origin == "trunk":
        return "inbound"
    if any(leg.via == "trunk" and leg.direction == "inbound" for leg in legs):
        return "inbound"
    if any(leg.via == "trunk" for leg in legs) or not any(leg.direction == "inbound" for leg in legs):
        return "outbound"
    return "internal"


def state(call: Call) -> CallState:
    """What goes on now, as far as heard."""
    if is_over(call):
        return "ended"
    up = {name: leg for name, leg in call.legs.items() if leg.ended_at_us is None}
    if call.talks:
        return "held" if any(h.held and name in up for name, h in call.holds.items()) else "talking"
    if any(leg.direction == "outbound" for leg in up.values()):
        return "ringing"
    return "waiting" if call.waits else "arrived"


def result(call: Call, tenant: str) -> Result:
    """How an ended call went, in one word."""
    if call.talks:
        return "answered"
    if any(call.messages.values()):
        return "message"
    if call.refused or tenant == UNKNOWN_TENANT:
        return "not_in_use"
    callers = [leg for leg in call.legs.values() if leg.direction == "inbound"] or list(call.legs.values())
    if any(leg.decision == "fallback" for leg in callers):
        return "fallback"
    causes = {leg.cause for leg in callers}
    if "USER_BUSY" in causes:
        return "busy"
    return "missed" if causes & _CANCELLED else "failed"


def _numbers(direction: Direction, dialled: str, caller: Party) -> tuple[str, str]:
    """(the client's own number, the other side's); a number that may not be shown is neither."""
    shown = caller.number if caller.presentation == "shown" else ""
    if direction == "internal":
        return "", ""
    return (dialled, shown) if direction == "inbound" else (shown, dialled)


def talk_ms(call: Call) -> int:
    """From the first talk to the end of the caller's leg, as far as it has ended."""
    talk = first_talk(call)
    if talk is None:
        return 0
    caller = call.legs.get(talk.leg)
    if caller is None or caller.ended_at_us is None:
        return 0
    return max(0, caller.ended_at_us - talk.at_us) // 1000


def _started_at_us(call: Call) -> int:
    known = [leg.started_at_us for leg in call.legs.values() if leg.started_at_us is not None]
    return min((call.first_at_us, *known))


def _ended_at_us(call: Call) -> int:
    return max(leg.ended_at_us for leg in call.legs.values() if leg.ended_at_us is not None)


def _outbound_destination(call: Call) -> str:
    """A call that we began (click-to-call): the number dialled through a carrier, if any."""
    legs = sorted(call.legs.items(), key=lambda item: (item[1].via != "trunk", item[1].started_at_us or 0, item[0]))
    digits = [leg.destination for _, leg in legs if leg.destination.lstrip("+").isdigit()]
    return digits[0][:32] if digits else ""
