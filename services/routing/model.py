"""What routing remembers of a leg, and what each event means in each state.

Enters: nothing. Leaves: the states, the one row kept per leg, and the total table from which `decide` picks its move.
Whether somebody talks or what it costs belongs to history and billing.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from proto.events import CallArrived, CallHandedOver, LegEnded
from proto.message import Event
from proto.table import total


class CallState(StrEnum):
    """Where a leg stands with us."""

    NEW = "new"
    """Nothing decided (also: never seen)."""
    ROUTED = "routed"
    """A plan is on its way or running inside the switch."""
    CLOSING = "closing"
    """The plan ran out; the call was told to end."""


class Move(StrEnum):
    """What is done."""

    ROUTE = "route"
    CLOSE = "close"
    FORGET = "forget"
    IGNORE = "ignore"


class Routed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The row of one leg: its state and the park that was last decided (Caller-Profile-Index, rises with transfers)."""

    state: CallState = CallState.NEW
    park: int = 0


EVENTS: tuple[type[Event], ...] = (CallArrived, CallHandedOver, LegEnded)

TABLE = total(
    CallState,
    EVENTS,
    {
        (CallState.NEW, CallArrived): Move.ROUTE,
        (CallState.NEW, CallHandedOver): Move.CLOSE,
        (CallState.NEW, LegEnded): Move.IGNORE,  # a leg that was dialled, not one that arrived
        (CallState.ROUTED, CallArrived): Move.ROUTE,  # a blind transfer parks the same leg again
        (CallState.ROUTED, CallHandedOver): Move.CLOSE,
        (CallState.ROUTED, LegEnded): Move.FORGET,
        (CallState.CLOSING, CallArrived): Move.ROUTE,  # transferred in the moment of closing: the new park counts
        (CallState.CLOSING, CallHandedOver): Move.IGNORE,
        (CallState.CLOSING, LegEnded): Move.FORGET,
    },
)
