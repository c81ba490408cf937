"""Records of our own in the spool: what the agent learned of a leg otherwise than from an event of the switch. Pure.

Enters: what a snapshot or a CDR file says. Leaves: a record shaped like an event (`event json`), with headers that say
where it comes from. It stands in the spool among the events, in order, and becomes facts in `normalise.py`, as they do.
Which records there are is decided in `snapshot.py` and `cdr.py`; no caller can write a header of this name.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from services.eventsocket.frames import Event
from services.eventsocket.parties import text

SOURCE = "Toritsugi-Source"
"""`snapshot` or `cdr`; an event of the switch has no such header."""
ESTIMATED = "Toritsugi-Estimated"
"""`true`: the time is the last at which the leg was known to be up; the fact is marked so."""

Source = Literal["", "snapshot", "cdr"]
_encode = msgspec.json.Encoder().encode


def source_of(event: Event) -> str:
    """Where a record comes from; empty for an event of the switch."""
    return text(event, SOURCE)


def is_estimated(event: Event) -> bool:
    """Whether what it says was concluded, not seen."""
    return text(event, ESTIMATED) == "true"


def raw_of(record: Event) -> bytes:
    """The record as the spool holds it."""
    return _encode(record)
