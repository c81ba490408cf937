"""What one event or record came to: envelopes with derived ids, or nothing and why. Pure.

Enters: an event and the facts that follow from it. Leaves: its `Stamp`, which is read once, and `Facts`. Which facts
follow is said in `normalise.py` and `concluded.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from proto.envelope import Envelope
from proto.message import Event as Fact
from services.eventsocket.frames import Event
from services.eventsocket.parties import count, text, token
from services.eventsocket.records import is_estimated, source_of

Alarm = Literal["", "tenant_mismatch", "unknown_number", "end_differs"]


class Facts(msgspec.Struct, frozen=True):
    """What one event came to; `skipped` says why it came to nothing, `alarm` what a person should look at."""

    envelopes: tuple[Envelope, ...] = ()
    skipped: str = ""
    alarm: Alarm = ""


class Stamp(msgspec.Struct, frozen=True):
    """What all that is told of one event has in common."""

    core: str
    sequence: str
    """Core and sequence are empty if they are no tokens: then nothing can be told."""
    at_us: int
    source: str
    """Where a record of ours comes from; empty for an event of the switch."""
    estimated: bool


def stamp_of(event: Event) -> Stamp:
    """The stamp of an event, or of a record in the form of one."""
    sequence = text(event, "Event-Sequence")
    return Stamp(
        token(text(event, "Core-UUID")),
        sequence if count(sequence) else token(sequence),  # a number that never comes again is not worth remembering
        count(text(event, "Event-Date-Timestamp")),
        source_of(event),
        is_estimated(event),
    )


def envelopes(switch: str, stamp: Stamp, tenant: str, call: str, facts: Sequence[Fact]) -> Facts:
    """One envelope for each fact of this event. The ids are the same from every agent on the switch."""
    source = f"switch/{switch}/{stamp.source}" if stamp.source else f"switch/{switch}"
    base = f"{stamp.core}-{stamp.sequence}"
    made = [
        Envelope(
            body=fact,
            id=f"{base}.{position}" if position else base,
            source=source,
            tenant=tenant,
            call=call,
            occurred_at_us=stamp.at_us,
            estimated=stamp.estimated,
        )
        for position, fact in enumerate(facts)
    ]
    return Facts(tuple(made))
