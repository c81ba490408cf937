"""What the rules read of an event, under names of ours. Pure.

Enters: an event that is decoded, or a record in the form of one. Leaves: a struct of the headers that belong to its
kind, as they came; whatever else a rule reads, it reads by name. Each list is short on purpose: `heard.py` takes these
headers out of the bytes, and compares each of an event's 200 with each name here. What they mean: `normalise.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from services.eventsocket.frames import Event
from services.eventsocket.parties import count, text, token
from services.eventsocket.records import ESTIMATED, SOURCE

Number = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]


def _text(header: str) -> str:
    """Empty where an event has none."""
    said: str = msgspec.field(name=header, default="")
    return said


def _number(header: str) -> int:
    """0 where an event has none, or something else stands there (in bytes `7.0`, which nobody writes, is 7)."""
    said: int = msgspec.field(name=header, default=0)
    return said


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """What every event of a leg says."""

    name: str = _text("Event-Name")
    core: str = _text("Core-UUID")
    sequence: str = _text("Event-Sequence")
    at_us: Number = _number("Event-Date-Timestamp")
    leg: str = _text("Unique-ID")
    created_us: Number = _number("Caller-Channel-Created-Time")
    answered_us: Number = _number("Caller-Channel-Answered-Time")
    decision: str = _text("variable_tt_decision")
    source: str = _text(SOURCE)
    """Where a record of ours comes from; empty for an event of the switch."""
    estimated: bool = msgspec.field(name=ESTIMATED, default=False)

    @property
    def tells(self) -> bool:
        """Whether facts can be named after it."""
        number = self.sequence.isascii() and self.sequence.isdigit() and len(self.sequence) <= 18
        return bool(token(self.core) and (number or token(self.sequence)))  # a number is not worth remembering


class Joined(Stamp, frozen=True, gc=False):
    """Which leg it was joined with, or parted from."""

    answer_state: str = _text("Answer-State")
    bridge_a: str = _text("Bridge-A-Unique-ID")
    bridge_b: str = _text("Bridge-B-Unique-ID")
    other: str = _text("Other-Leg-Unique-ID")


class Ended(Stamp, frozen=True, gc=False):
    """How it ended."""

    ended_us: Number = _number("Caller-Channel-Hangup-Time")
    cause: str = _text("Hangup-Cause")
    sip_status: Number = _number("variable_sip_term_status")
    hung_up_by: str = _text("variable_sip_hangup_disposition")


class Whose(Stamp, frozen=True, gc=False):
    """Which call and client a leg may belong to."""

    dialled: str = _text("Caller-Destination-Number")
    redirected_from: str = _text("Caller-RDNIS")
    profile: str = _text("variable_sofia_profile_name")
    call: str = _text("variable_tt_call")
    tenant: str = _text("variable_tt_tenant")
    did: str = _text("variable_tt_did")
    phone: str = _text("variable_user_name")
    phone_domain: str = _text("variable_domain_name")
    phone_proved: str = _text("variable_sip_authorized")


class Begun(Whose, frozen=True, gc=False):
    """A leg as its first event tells it."""

    direction: str = _text("Call-Direction")
    caller_name: str = _text("Caller-Orig-Caller-ID-Name")
    caller_number: str = _text("Caller-Orig-Caller-ID-Number")
    hide_number: str = _text("Caller-Privacy-Hide-Number")
    privacy: str = _text("variable_sip_Privacy")
    from_user: str = _text("variable_sip_from_user")
    from_host: str = _text("variable_sip_from_host")
    other: str = _text("Other-Leg-Unique-ID")
    dialled_by: str = _text("variable_originating_leg_uuid")
    kind: str = _text("variable_tt_leg")
    payer: str = _text("variable_tt_payer")


class Parked(Whose, frozen=True, gc=False):
    """Why it stands parked."""

    dialplan: str = _text("Caller-Dialplan")
    profile_index: Number = _number("Caller-Profile-Index")
    diversion: str = _text("variable_sip_h_Diversion")
    history: str = _text("variable_sip_history_info")


KINDS: dict[str, type[Stamp]] = {
    "CHANNEL_CREATE": Begun,
    "CHANNEL_PARK": Parked,
    "CHANNEL_PROGRESS": Stamp,
    "CHANNEL_PROGRESS_MEDIA": Stamp,
    "CHANNEL_ANSWER": Joined,
    "CHANNEL_BRIDGE": Joined,
    "CHANNEL_UNBRIDGE": Joined,
    "CHANNEL_HOLD": Stamp,
    "CHANNEL_UNHOLD": Stamp,
    "PLAYBACK_START": Stamp,
    "RECORD_START": Stamp,
    "RECORD_STOP": Stamp,
    "CHANNEL_HANGUP_COMPLETE": Ended,
}
"""By an event's name; of any other only the stamp, and it is decoded as a whole."""

Kind = TypeVar("Kind", bound=Stamp)


def said_of(event: Event) -> Stamp:
    """Of the kind that belongs to its name."""
    return as_kind(KINDS.get(text(event, "Event-Name"), Stamp), event)


def as_kind(kind: type[Kind], event: Event) -> Kind:
    """As if it were an event of this kind."""
    return kind(**{field: read(text(event, header)) for field, header, read in _fields(kind)})


@cache
def _fields(kind: type[Stamp]) -> list[tuple[str, str, Callable[[str], Any]]]:
    readers: dict[type, Callable[[str], Any]] = {str: str, int: count, bool: "true".__eq__}
    return [(f.name, f.encode_name, readers[type(f.default)]) for f in msgspec.structs.fields(kind)]
