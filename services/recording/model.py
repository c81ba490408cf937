"""What recording knows of one file, and what each event means in each state.

Enters: nothing. Leaves: the states, the catalogue's row as a value, and the total table from which `decide` picks its
move. How rows are kept belongs to `catalogue.py`; moving files to a store is a later part of this room.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from proto.events import CallAnswered, CommandRefused, RecordingStarted, RecordingStopped, TimerFired
from proto.message import Event
from proto.table import total


class RecordingState(StrEnum):
    """Where a recording stands."""

    NEW = "new"
    """Never heard of."""
    ASKED = "asked"
    """We told the switch to record; only RECORD_START proves that it does (FREESWITCH.md, e)."""
    RUNNING = "running"
    STORED = "stored"
    FAILED = "failed"
    """The visible mark of a conversation that should have been recorded and was not (C2)."""


class Move(StrEnum):
    """What is done."""

    ASK = "ask"
    RUN = "run"
    STORE = "store"
    FAIL = "fail"
    IGNORE = "ignore"


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue."""

    recording: str
    tenant: str
    call: str
    leg: str
    switch: str
    state: RecordingState = RecordingState.NEW
    path: str | None = None
    """Known once the switch has begun to write."""
    asked: bool = False
    kind: Literal["conversation", "message"] = "conversation"
    command: str = ""
    """Id of our StartRecording."""
    asked_at_us: int | None = None
    started_at_us: int | None = None
    stopped_at_us: int | None = None
    length_ms: int = 0
    size_bytes: int = 0
    completion: str = ""
    reason: str = ""
    """Why it failed, as the switch or the agent said."""


EVENTS: tuple[type[Event], ...] = (CallAnswered, RecordingStarted, RecordingStopped, CommandRefused, TimerFired)

_S = RecordingState

TABLE = total(
    RecordingState,
    EVENTS,
    {
        (_S.NEW, CallAnswered): Move.ASK,
        (_S.NEW, RecordingStarted): Move.RUN,
        (_S.NEW, RecordingStopped): Move.STORE,  # the start was lost with a connection
        (_S.NEW, CommandRefused): Move.IGNORE,
        (_S.NEW, TimerFired): Move.IGNORE,
        (_S.ASKED, CallAnswered): Move.IGNORE,
        (_S.ASKED, RecordingStarted): Move.RUN,
        (_S.ASKED, RecordingStopped): Move.STORE,
        (_S.ASKED, CommandRefused): Move.FAIL,
        (_S.ASKED, TimerFired): Move.FAIL,
        (_S.RUNNING, CallAnswered): Move.IGNORE,
        (_S.RUNNING, RecordingStarted): Move.IGNORE,
        (_S.RUNNING, RecordingStopped): Move.STORE,
        (_S.RUNNING, CommandRefused): Move.IGNORE,
        (_S.RUNNING, TimerFired): Move.IGNORE,
        (_S.STORED, CallAnswered): Move.IGNORE,
        (_S.STORED, RecordingStarted): Move.IGNORE,
        (_S.STORED, RecordingStopped): Move.IGNORE,
        (_S.STORED, CommandRefused): Move.IGNORE,
        (_S.STORED, TimerFired): Move.IGNORE,
        (_S.FAILED, CallAnswered): Move.IGNORE,
        (_S.FAILED, RecordingStarted): Move.RUN,  # it began after all, later than we waited
        (_S.FAILED, RecordingStopped): Move.STORE,
        (_S.FAILED, CommandRefused): Move.IGNORE,
        (_S.FAILED, TimerFired): Move.IGNORE,
    },
)
