"""Records of our own in the spool: what the agent learned of a leg otherwise than from an event of the switch. Pure.

Enters: what the link, a snapshot or a CDR file says. Leaves: a record shaped like an event (`event json`), with headers
that say where it comes from. It stands in the spool among the events, in order, and becomes facts in `normalise.py`, as
they do. Which records there are is decided in `snapshot.py` and `cdr.py`; no caller can write a header of this name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from services.eventsocket.frames import Event, Record
from services.eventsocket.parties import text

SOURCE = "Toritsugi-Source"
"""`link`, `snapshot` or `cdr`; an event of the switch has no such header."""
ESTIMATED = "Toritsugi-Estimated"
"""`true`: the time is the last at which the leg was known to be up; the fact is marked so."""
MISSING_SINCE = "Toritsugi-Missing-Since"
"""When the first snapshot without the leg was asked for, µs of the switch: an event after it speaks for itself."""
LEGS = "Toritsugi-Legs"

LINK_FOUND, LINK_ALIVE, LINK_LOST = "LINK_FOUND", "LINK_ALIVE", "LINK_LOST"
LEGS_UP, LEG_GONE = "LEGS_UP", "LEG_GONE"
LEG_SEEN = "CHANNEL_DATA"
"""The name that `uuid_dump … json` itself gives (mod_commands.c)."""

LEG_RECORDED = "LEG_RECORDED"
"""A leg as its call record tells it, before its CHANNEL_HANGUP_COMPLETE (`cdr/record.py`)."""

RECORDED_UNTIL = "Toritsugi-Recorded-Until"
"""On a LEG_RECORDED with Record-File-Path: when the message in that file ended, µs."""

Source = Literal["link", "snapshot", "cdr"]
_encode = msgspec.json.Encoder().encode


def source_of(event: Event) -> str:
    """Where a record comes from; empty for an event of the switch."""
    return text(event, SOURCE)


def raw_of(record: Event) -> bytes:
    """The record as the spool holds it."""
    return _encode(record)


def _record(name: str, source: Source, core: str, sequence: str, at_us: int) -> Record:
    return {
        "Event-Name": name,
        SOURCE: source,
        "Core-UUID": core,
        "Event-Sequence": sequence,
        "Event-Date-Timestamp": str(at_us),
    }


def link_record(name: str, core: str, at_us: int) -> Record:
    """LINK_FOUND, LINK_ALIVE (all that happened until `at_us` was delivered) or LINK_LOST."""
    return _record(name, "link", core, f"{name.lower()}.{at_us}", at_us)


def legs_up(core: str, asked_us: int, legs: Iterable[str]) -> Record:
    """A snapshot asked for at this time lists these legs."""
    return _record(LEGS_UP, "snapshot", core, f"up.{asked_us}", asked_us) | {LEGS: sorted(legs)}


def leg_gone(leg: str, core: str, since_us: int) -> Record:
    """The switch no longer has this leg, and no event told its end."""
    return _record(LEG_GONE, "snapshot", core, f"gone.{leg}", since_us) | {
        "Unique-ID": leg,
        MISSING_SINCE: str(since_us),
    }


def leg_seen(dump: Event) -> Record:
    """What `uuid_dump` says of a leg."""
    return {**dump, SOURCE: "snapshot"}
