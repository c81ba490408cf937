"""What one event or record came to: envelopes with derived ids, or nothing and why. Pure.

Enters: an event and the facts that follow from it. Leaves: its `Stamp`, which is read once, and `Facts`. Which facts
follow is said in `normalise.py` and `concluded.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from proto.envelope import Envelope
from proto.message import Event as Fact
from services.eventsocket.frames import Event
from services.eventsocket.parties import count, text, token
from services.eventsocket.records import ESTIMATED, SOURCE, is_estimated, source_of

Microseconds = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]
STAMPED = {
    "name": "Event-Name",
    "core": "Core-UUID",
    "sequence": "Event-Sequence",
    "at_us": "Event-Date-Timestamp",
    "leg": "Unique-ID",
    "created_us": "Caller-Channel-Created-Time",
    "answered_us": "Caller-Channel-Answered-Time",
    "decision": "variable_tt_decision",
    "source": SOURCE,
    "estimated": ESTIMATED,
}
"""Field of a `Stamp` -> header."""
Alarm = Literal["", "tenant_mismatch", "unknown_number", "end_differs"]


class Facts(msgspec.Struct, frozen=True):
    """What one event came to; `skipped` says why it came to nothing, `alarm` what a person should look at."""

    envelopes: tuple[Envelope, ...] = ()
    skipped: str = ""
    alarm: Alarm = ""


class Stamp(msgspec.Struct, frozen=True, gc=False, rename=STAMPED.get):
    """What every event of a leg says, and every record in the form of one, as it came."""

    name: str = ""
    core: str = ""
    sequence: str = ""
    at_us: Microseconds = 0
    leg: str = ""
    created_us: Microseconds = 0
    answered_us: Microseconds = 0
    """0: not answered."""
    decision: str = ""
    source: str = ""
    """Where a record of ours comes from; empty for an event of the switch."""
    estimated: bool = False

    @property
    def tells(self) -> bool:
        """Whether facts can be named after it."""
        # A number that never comes again is not worth remembering.
        return bool(token(self.core) and (count(self.sequence) or token(self.sequence)))


def stamp_of(event: Event) -> Stamp:
    """The stamp of an event that is decoded, or of a record in the form of one."""
    return Stamp(
        name=text(event, "Event-Name"),
        core=text(event, "Core-UUID"),
        sequence=text(event, "Event-Sequence"),
        at_us=count(text(event, "Event-Date-Timestamp")),
        leg=text(event, "Unique-ID"),
        created_us=count(text(event, "Caller-Channel-Created-Time")),
        answered_us=count(text(event, "Caller-Channel-Answered-Time")),
        decision=text(event, "variable_tt_decision"),
        source=source_of(event),
        estimated=is_estimated(event),
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
