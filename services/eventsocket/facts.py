"""What one event or record came to: envelopes with derived ids, or nothing and why. Pure.

Enters: an event's stamp and the facts that follow from it. Leaves: `Facts`. Which facts follow is said in
`normalise.py` and `concluded.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from proto.envelope import Envelope
from proto.message import Event as Fact
from services.eventsocket.said import Stamp

Alarm = Literal["", "tenant_mismatch", "unknown_number", "end_differs"]


class Facts(msgspec.Struct, frozen=True):
    """What one event came to; `skipped` says why it came to nothing, `alarm` what a person should look at."""

    envelopes: tuple[Envelope, ...] = ()
    skipped: str = ""
    alarm: Alarm = ""


def envelopes(switch: str, stamp: Stamp, tenant: str, call: str, facts: Sequence[Fact]) -> Facts:
    """One envelope for each fact of this event. The ids are the same from every agent on the switch."""
    source = f"switch/{switch}/{stamp.source}" if stamp.source else f"switch/{switch}"
    base = f"{stamp.core}-{stamp.sequence}"
    made: tuple[Envelope, ...] = ()
    for fact in facts:
        envelope = Envelope(
            body=fact,
            id=f"{base}.{len(made)}" if made else base,
            source=source,
            tenant=tenant,
            call=call,
            occurred_at_us=stamp.at_us,
            estimated=stamp.estimated,
        )
        made = (*made, envelope)
    return Facts(made)
