"""PURE. One more fact about a call -> what is known of the call.

Enters: `Call` (or None) and an envelope. Leaves: the `Call` with the fact in it. Facts may come in any order, twice,
or from a second source under another id; every field is joined so that the outcome is the same (tests shuffle them).
What a row shows is worked out in `row.py`; the sentence of a step in `steps.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from proto import events as e
from proto.envelope import Envelope
from proto.plan import Reject
from services.history.model import Arrival, Call, Charge, Hold, Leg, RecordingState, Talk

V = TypeVar("V")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")


def fold(call: Call | None, envelope: Envelope) -> Call:
    """`call` with this fact in it. A fact that says nothing about the row (a command's result) only makes it exist."""
    at_us = envelope.occurred_at_us
    if call is None:
        call = Call(first_at_us=at_us)
    elif at_us < call.first_at_us:
        call = msgspec.structs.replace(call, first_at_us=at_us)
    take = _TAKE.get(type(envelope.body))
    return call if take is None else take(call, envelope, envelope.body)


# -- joining: each of these is commutative, associative and idempotent -----------------------------------------------


def _earliest(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)


def _word(a: str, b: str) -> str:
    """The word that is there; of two different ones always the same one."""
    return max(a, b) if a and b else a or b


def join_legs(a: Leg, b: Leg) -> Leg:
    """What both say of one leg. An end that was seen wins over an estimated one; otherwise the earlier time holds."""
    end = _end(a, b)
    return Leg(
        kind=_word(a.kind, b.kind),
        direction=_word(a.direction, b.direction),
        via=_word(a.via, b.via),
        destination=_word(a.destination, b.destination),
        switch=_word(a.switch, b.switch),
        payer=_word(a.payer, b.payer),
        started_at_us=_earliest(a.started_at_us, b.started_at_us),
        ringing_at_us=_earliest(a.ringing_at_us, b.ringing_at_us),
        answered_at_us=_earliest(a.answered_at_us, b.answered_at_us),
        ended_at_us=end.ended_at_us,
        cause=end.cause,
        sip_status=end.sip_status,
        hung_up_by=end.hung_up_by,
        decision=end.decision,
        inherited=a.inherited or b.inherited,
        estimated=end.estimated,
    )


def _end(a: Leg, b: Leg) -> Leg:
    if a.ended_at_us is None or b.ended_at_us is None:
        return b if a.ended_at_us is None else a
    return min(a, b, key=_end_order)


def _end_order(leg: Leg) -> tuple[Any, ...]:
    return leg.estimated, leg.ended_at_us, leg.cause, leg.sip_status or 0, leg.hung_up_by, leg.decision


def _put(known: dict[str, V], key: str, value: V, choose: Callable[[V, V], V]) -> dict[str, V]:
    return {**known, key: choose(known[key], value) if key in known else value}


def _leg(call: Call, leg: str, heard: Leg) -> Call:
    return msgspec.structs.replace(call, legs=_put(call.legs, leg, heard, join_legs)) if leg else call


# -- facts -----------------------------------------------------------------------------------------------------------


def _arrived(call: Call, envelope: Envelope, fact: e.CallArrived) -> Call:
    arrival = Arrival(
        leg=fact.leg,
        at_us=envelope.occurred_at_us,
        id=envelope.id,
        origin=fact.origin,
        dialled=fact.dialled,
        caller=fact.caller,
        phone=fact.phone,
        transferred=fact.transferred,
    )
    call = msgspec.structs.replace(
        call, arrivals=_put(call.arrivals, fact.key(), arrival, lambda a, b: min(a, b, key=lambda x: (x.at_us, x.id)))
    )
    started = None if fact.transferred else fact.received_at_us
    # The dialled number is not the leg's destination here: a transferred leg arrives again with another one.
    return _leg(call, fact.leg, Leg(direction="inbound", via=fact.origin, switch=fact.switch, started_at_us=started))


def _started(call: Call, envelope: Envelope, fact: e.LegStarted) -> Call:
    heard = Leg(
        kind=fact.kind,
        direction=fact.direction,
        via=fact.via,
        destination=fact.destination,
        switch=fact.switch,
        started_at_us=envelope.occurred_at_us,
        inherited=fact.joined == "inherited",
    )
    return _leg(call, fact.leg, heard)


def _ringing(call: Call, envelope: Envelope, fact: e.LegRinging) -> Call:
    return _leg(call, fact.leg, Leg(switch=fact.switch, ringing_at_us=envelope.occurred_at_us))


def _answered(call: Call, envelope: Envelope, fact: e.LegAnswered) -> Call:
    heard = Leg(
        kind=fact.kind,
        direction=fact.direction,
        via=fact.via,
        destination=fact.destination,
        switch=fact.switch,
        answered_at_us=envelope.occurred_at_us,
    )
    return _leg(call, fact.leg, heard)


def _ended(call: Call, envelope: Envelope, fact: e.LegEnded) -> Call:
    heard = Leg(
        kind=fact.kind,
        direction=fact.direction,
        via=fact.via,
        destination=fact.destination,
        switch=fact.switch,
        payer=fact.payer,
        started_at_us=fact.started_at_us,
        answered_at_us=fact.answered_at_us,
        ended_at_us=fact.ended_at_us,
        cause=fact.cause,
        sip_status=fact.sip_status,
        hung_up_by=fact.hung_up_by,
        decision=fact.decision,
        inherited=fact.joined == "inherited",
        estimated=envelope.estimated,
    )
    call = _leg(call, fact.leg, heard)
    if fact.direction == "inbound":
        # A call that never parked (emergency, or the agent came late): the leg's end tells who called whom.
        arrival = Arrival(
            leg=fact.leg,
            at_us=fact.started_at_us,
            id=envelope.id,
            origin=fact.via,
            dialled=fact.destination if _NUMBER.fullmatch(fact.destination) else "",
            caller=fact.caller,
            parked=False,
        )
        key = f"{fact.leg}:ended"
        call = msgspec.structs.replace(
            call, arrivals=_put(call.arrivals, key, arrival, lambda a, b: min(a, b, key=lambda x: (x.at_us, x.id)))
        )
    return call


def _talking(call: Call, envelope: Envelope, fact: e.CallAnswered) -> Call:
    talk = Talk(envelope.occurred_at_us, fact.leg, fact.by)
    return msgspec.structs.replace(
        call, talks=_put(call.talks, fact.leg, talk, lambda a, b: min(a, b, key=lambda x: (x.at_us, x.by)))
    )


def _waiting(call: Call, envelope: Envelope, fact: e.CallWaiting) -> Call:
    call = _leg(call, fact.leg, Leg(switch=fact.switch))
    return msgspec.structs.replace(call, waits=_put(call.waits, fact.key(), envelope.occurred_at_us, min))


def _held(call: Call, envelope: Envelope, fact: e.LegHeld | e.LegResumed) -> Call:
    hold = Hold(envelope.occurred_at_us, isinstance(fact, e.LegHeld))
    return msgspec.structs.replace(
        call, holds=_put(call.holds, fact.leg, hold, lambda a, b: max(a, b, key=lambda x: (x.at_us, not x.held)))
    )


_RECORDING: tuple[RecordingState, ...] = ("", "running", "discarded", "stored")
_DISCARDED = frozenset({"empty-file", "input-too-short"})
"""The switch removed the file again: nothing was said in it."""


def _recorded(call: Call, path: str, state: RecordingState, message: bool | None, length_ms: int = 0) -> Call:
    call = msgspec.structs.replace(
        call, recordings=_put(call.recordings, path, state, lambda a, b: max(a, b, key=_RECORDING.index))
    )
    if length_ms:
        call = msgspec.structs.replace(call, lengths=_put(call.lengths, path, length_ms, max))
    if message is None:
        return call
    return msgspec.structs.replace(call, messages=_put(call.messages, path, message, lambda a, b: a or b))


def _recording_started(call: Call, _envelope: Envelope, fact: e.RecordingStarted) -> Call:
    return _recorded(call, fact.path, "running", False if fact.stage == "voicemail" else None)


def _recording_stopped(call: Call, _envelope: Envelope, fact: e.RecordingStopped) -> Call:
    state: RecordingState = "discarded" if fact.completion in _DISCARDED else "running"
    message = fact.length_ms > 0 if fact.stage == "voicemail" else None
    return _recorded(call, fact.path, state, message, fact.length_ms)


def _recording_stored(call: Call, _envelope: Envelope, fact: e.RecordingStored) -> Call:
    message = fact.length_ms > 0 if fact.kind == "message" else None
    return _recorded(call, fact.path, "stored", message, fact.length_ms)


def _charged(call: Call, envelope: Envelope, fact: e.LegCharged) -> Call:
    charge = Charge(fact.charge.amount, fact.basis, fact.payer, envelope.id)
    return msgspec.structs.replace(
        call, charges=_put(call.charges, fact.leg, charge, lambda a, b: min(a, b, key=lambda x: x.id))
    )


def _routed(call: Call, _envelope: Envelope, fact: e.CallRouted) -> Call:
    refused = any(isinstance(step, Reject) and step.cause == "UNALLOCATED_NUMBER" for step in fact.plan)
    return msgspec.structs.replace(call, refused=True) if refused else call


_TAKE: dict[type[Any], Callable[[Call, Envelope, Any], Call]] = {
    e.CallArrived: _arrived,
    e.LegStarted: _started,
    e.LegRinging: _ringing,
    e.LegAnswered: _answered,
    e.LegEnded: _ended,
    e.CallAnswered: _talking,
    e.CallWaiting: _waiting,
    e.LegHeld: _held,
    e.LegResumed: _held,
    e.RecordingStarted: _recording_started,
    e.RecordingStopped: _recording_stopped,
    e.RecordingStored: _recording_stored,
    e.LegCharged: _charged,
    e.CallRouted: _routed,
}
