"""PURE. One event about one recording -> its row as it becomes, and what is said.

Enters: the catalogue's row (or none), the fact, the client. Leaves: a `Decision`. Whether everything is recorded is the
client's `recording.calls`; plans never record conversations. Quotas, masks and storage come into this module later.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from proto.commands import StartRecording
from proto.envelope import Envelope
from proto.events import (
    CallAnswered,
    CommandRefused,
    RecordingStarted,
    RecordingStopped,
    RecordingStored,
    TimerFired,
)
from proto.message import Message
from proto.tenant import Tenant
from proto.values import command_id
from services.recording.model import TABLE, Move, Recording, RecordingState

NAME = "recording"
START_WITHIN_US = 30_000_000
"""A conversation recorded from its middle is better than one not recorded; after that the command is worthless."""
PROVE_WITHIN_US = 10_000_000
"""So long after asking, a recording that has not begun is marked as failed."""
START_OVERDUE = "start_overdue"
DISCARDED = frozenset({"empty-file", "input-too-short"})
"""Completions after which the switch has removed the file again (switch_ivr_async.c, record_callback)."""

Fact = CallAnswered | RecordingStarted | RecordingStopped | CommandRefused | TimerFired


class Decision(msgspec.Struct, frozen=True):
    """The row to keep (None: nothing changes), what to send and until when, and when to look again."""

    row: Recording | None = None
    say: Message | None = None
    not_after_us: int | None = None
    look_again_in_us: int | None = None


NOTHING = Decision()


def id_for_leg(tenant: str, leg: str) -> str:
    """The recording of a caller's leg: one per leg, the same on every redelivery and after a transfer."""
    return command_id(f"recording/{tenant}/{leg}", 0)


def id_for_file(event: Envelope, fact: RecordingStarted | RecordingStopped) -> str:
    """A recording that nobody asked for is known by what wrote it, where, and from when (or until when) on."""
    return command_id(f"recording-file/{event.tenant}/{fact.switch}/{fact.leg}/{fact.path}", event.occurred_at_us)


def meant(rows: Sequence[Recording], event: Envelope) -> Recording | None:
    """Which of the leg's recordings the beginning or end of a file is about; None: one that we have not heard of.

    A file of the same name may be written again: the switch's time tells its recordings apart, so that an end closes
    the one that began before it, and a beginning told late belongs to the end that is known already.
    """
    fact, at_us = event.body, event.occurred_at_us
    assert isinstance(fact, RecordingStarted | RecordingStopped)
    found = [
        row
        for row in rows
        if row.path == fact.path
        and (_began(row, at_us) if isinstance(fact, RecordingStarted) else _ended(row, at_us, fact.length_ms * 1000))
    ]
    asked = [row for row in rows if row.path is None and row.recording == fact.recording]
    return max(found, key=lambda row: row.started_at_us or 0) if found else asked[0] if asked else None


def _began(row: Recording, at_us: int) -> bool:
    if row.started_at_us is not None:
        return row.started_at_us == at_us
    return row.stopped_at_us is not None and at_us <= row.stopped_at_us


def _ended(row: Recording, at_us: int, length_us: int) -> bool:
    """An end of what is over already is told again, unless so short a recording must have begun after it."""
    if row.stopped_at_us is not None:
        return at_us - length_us <= row.stopped_at_us
    return row.started_at_us is not None and row.started_at_us <= at_us


def decide(row: Recording | None, event: Envelope, tenant: Tenant | None, command: str) -> Decision:
    """The decision for `event`; `command` is the id that a command sent now would have."""
    fact = event.body
    assert isinstance(fact, Fact)
    move = TABLE[row.state if row else RecordingState.NEW, type(fact)]
    if move is Move.ASK and isinstance(fact, CallAnswered):
        return _ask(event, fact, tenant, command)
    if move is Move.RUN and isinstance(fact, RecordingStarted):
        if row is not None and row.stopped_at_us is not None:
            return NOTHING  # told late: it is over, and the switch removed the file
        return Decision(_run(row or _unasked(event, fact), event, fact))
    if move is Move.STORE and isinstance(fact, RecordingStopped):
        return _store(row or _unasked(event, fact), event, fact)
    if move is Move.FAIL and row is not None:
        reason = fact.reason if isinstance(fact, CommandRefused) else "the switch never began to write"
        return Decision(msgspec.structs.replace(row, state=RecordingState.FAILED, reason=reason))
    return NOTHING


def _ask(event: Envelope, fact: CallAnswered, tenant: Tenant | None, command: str) -> Decision:
    if tenant is None or tenant.recording.calls != "all":
        return NOTHING
    row = Recording(
        recording=id_for_leg(event.tenant, fact.leg),
        tenant=event.tenant,
        call=event.call,
        leg=fact.leg,
        switch=fact.switch,
        state=RecordingState.ASKED,
        asked=True,
        command=command,
        asked_at_us=event.occurred_at_us,
    )
    return Decision(
        row,
        StartRecording(switch=fact.switch, leg=fact.leg, recording=row.recording),
        not_after_us=event.occurred_at_us + START_WITHIN_US,
        look_again_in_us=PROVE_WITHIN_US,
    )


def _unasked(event: Envelope, fact: RecordingStarted | RecordingStopped) -> Recording:
    return Recording(
        recording=id_for_file(event, fact), tenant=event.tenant, call=event.call, leg=fact.leg, switch=fact.switch
    )


def _run(row: Recording, event: Envelope, fact: RecordingStarted | RecordingStopped) -> Recording:
    started = event.occurred_at_us if isinstance(fact, RecordingStarted) else row.started_at_us
    kind = "message" if fact.stage == "voicemail" else row.kind
    return msgspec.structs.replace(
        row, state=RecordingState.RUNNING, path=fact.path, kind=kind, started_at_us=started, reason=""
    )


def _store(row: Recording, event: Envelope, fact: RecordingStopped) -> Decision:
    stored = msgspec.structs.replace(
        _run(row, event, fact),
        state=RecordingState.STORED,
        stopped_at_us=event.occurred_at_us,
        length_ms=fact.length_ms,
        size_bytes=fact.size_bytes,
        completion=fact.completion,
    )
    if fact.completion in DISCARDED:
        reason = f"the switch removed the file: {fact.completion}"
        return Decision(msgspec.structs.replace(stored, state=RecordingState.FAILED, size_bytes=0, reason=reason))
    fact_out = RecordingStored(
        recording=stored.recording,
        leg=stored.leg,
        path=fact.path,
        length_ms=stored.length_ms,
        size_bytes=stored.size_bytes,
        asked=stored.asked,
        kind=stored.kind,
    )
    return Decision(stored, fact_out)
