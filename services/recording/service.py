"""The shell of recording: which facts it hears, how it finds the row they are about, what it says.

Enters: CallAnswered, RecordingStarted/Stopped, CommandRefused, its own timer, revisions of clients. Leaves:
StartRecording and RecordingStored. Every rule belongs to `decide.py`.
"""

from __future__ import annotations

from proto.commands import StartRecording
from proto.envelope import Envelope
from proto.events import (
    CallAnswered,
    CommandRefused,
    PlatformRevised,
    RecordingStarted,
    RecordingStopped,
    TenantRevised,
    TimerFired,
)
from proto.message import Event
from services.recording import catalogue
from services.recording.decide import NAME, START_OVERDUE, Decision, decide, id_for_leg, meant
from services.recording.model import Recording
from services.runtime import clock, projections
from services.runtime.store import Tx, of_room
from services.runtime.worker import Cause, Emit, Handler, Service


def build() -> Service:
    """Recording as the shell runs it."""
    metadata = of_room(__package__)
    catalogue.add_catalogue_table(metadata)
    handlers: dict[type[Event], Handler] = {
        CallAnswered: handle,
        RecordingStarted: handle,
        RecordingStopped: handle,
        CommandRefused: handle,
        TimerFired: handle,
        TenantRevised: projections.keep_tenant,
        PlatformRevised: projections.keep_platform,
    }
    return Service(NAME, handlers, metadata)


def handle(tx: Tx, event: Envelope, cause: Cause) -> list[Emit]:
    """Find the row that the fact is about, decide, keep it, say so."""
    if isinstance(event.body, CommandRefused) and event.body.name != StartRecording.NAME:
        return []
    before = _find(tx, event)
    decision = decide(before, event, projections.tenant(tx, event.tenant), cause.id_of(0))
    if decision.row is None:
        return []
    catalogue.keep(tx, before, decision.row)
    _set_timer(tx, before, decision, decision.row)
    return [] if decision.say is None else [Emit(decision.say, not_after_us=decision.not_after_us)]


def _find(tx: Tx, event: Envelope) -> Recording | None:
    fact = event.body
    if isinstance(fact, CallAnswered):
        return catalogue.by_id(tx, event.tenant, id_for_leg(event.tenant, fact.leg))
    if isinstance(fact, RecordingStarted | RecordingStopped):
        return meant(catalogue.of_leg(tx, event.tenant, fact.switch, fact.leg), event)
    if isinstance(fact, CommandRefused):
        return catalogue.by_command(tx, fact.command)
    assert isinstance(fact, TimerFired)
    return catalogue.by_id(tx, event.tenant, fact.subject)


def _set_timer(tx: Tx, before: Recording | None, decision: Decision, row: Recording) -> None:
    if decision.look_again_in_us is not None:
        # counted on our own clock: the switch's may be another
        due_at_us = clock.now_us() + decision.look_again_in_us
        tx.set_timer(START_OVERDUE, row.recording, due_at_us, row.tenant, row.call)
    elif before is not None:
        tx.cancel_timer(START_OVERDUE, row.recording)
