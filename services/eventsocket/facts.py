"""What one event or record came to: envelopes with derived ids, or nothing and why. Pure.

Enters: an event and the facts that follow from it. Leaves: `Facts`. Which facts follow is said in `normalise.py` and
`concluded.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from proto.envelope import Envelope
from proto.message import Event as Fact
from services.eventsocket.frames import Event
from services.eventsocket.parties import count, text
from services.eventsocket.records import is_estimated, source_of

Alarm = Literal["", "tenant_mismatch", "unknown_number", "end_differs"]


class Facts(msgspec.Struct, frozen=True):
    """What one event came to; `skipped` says why it came to nothing, `alarm` what a person should look at."""

    envelopes: tuple[Envelope, ...] = ()
    skipped: str = ""
    alarm: Alarm = ""


def envelopes(switch: str, event: Event, tenant: str, call: str, facts: Sequence[Fact]) -> Facts:
    """One envelope for each fact of this event. The ids are the same from every agent on the switch."""
    base = f"{text(event, 'Core-UUID')}-{text(event, 'Event-Sequence')}"
    at_us = count(text(event, "Event-Date-Timestamp"))
    told_by, estimated = source_of(event), is_estimated(event)
    source = f"switch/{switch}/{told_by}" if told_by else f"switch/{switch}"
    return Facts(
        tuple(
            [
                Envelope(
                    body=fact,
                    id=f"{base}.{position}" if position else base,
                    source=source,
                    tenant=tenant,
                    call=call,
                    occurred_at_us=at_us,
                    estimated=estimated,
                )
                for position, fact in enumerate(facts)
            ]
        )
    )
