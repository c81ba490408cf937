"""What is known of one call, and the values that a row and a line of its story consist of.

Enters: nothing. Leaves: frozen structs. `Call` gathers facts so that their order and number do not matter; what a
person wants to know (result, state, talk time) is worked out from it in `fold.py` and is never stored as truth.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from proto.values import Party

CallState = Literal["arrived", "ringing", "waiting", "talking", "held", "ended"]
Direction = Literal["inbound", "outbound", "internal", "emergency"]
Result = Literal["", "answered", "message", "missed", "busy", "failed", "not_in_use", "fallback"]
RecordingState = Literal["", "running", "discarded", "stored"]


class Leg(msgspec.Struct, frozen=True, omit_defaults=True):
    """One channel as far as it was heard of. Empty and None: not heard (yet)."""

    kind: str = ""
    direction: str = ""
    via: str = ""
    destination: str = ""
    switch: str = ""
    payer: str = ""
    started_at_us: int | None = None
    ringing_at_us: int | None = None
    answered_at_us: int | None = None
    ended_at_us: int | None = None
    cause: str = ""
    sip_status: int | None = None
    hung_up_by: str = ""
    decision: str = ""
    inherited: bool = False
    estimated: bool = False
    """Its end was concluded, not seen."""


class Arrival(msgspec.Struct, frozen=True, omit_defaults=True):
    """A leg that came to us and waited for a decision."""

    leg: str
    at_us: int
    id: str
    origin: str
    dialled: str
    caller: Party
    phone: str = ""
    """Which of our phones called, for origin phone."""
    transferred: bool = False
    parked: bool = True
    """False: it never waited for a decision (emergency); known from the leg's end."""


class Talk(msgspec.Struct, frozen=True):
    """Caller and somebody began to talk."""

    at_us: int
    leg: str
    by: str


class Charge(msgspec.Struct, frozen=True):
    """The one charge of a leg."""

    amount: Decimal
    basis: str
    payer: str
    id: str


class Hold(msgspec.Struct, frozen=True):
    """The latest that was heard of a leg's being on hold."""

    at_us: int
    held: bool


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """All facts of a call, each kind by what names it; the same set whatever order they came in."""

    first_at_us: int
    legs: dict[str, Leg] = {}
    arrivals: dict[str, Arrival] = {}
    """By `<leg>:park:<n>`."""
    talks: dict[str, Talk] = {}
    """By the caller's leg."""
    waits: dict[str, int] = {}
    """Queue waits by their key -> when."""
    holds: dict[str, Hold] = {}
    charges: dict[str, Charge] = {}
    recordings: dict[str, RecordingState] = {}
    """By path."""
    lengths: dict[str, int] = {}
    """How long a recording is, by path: milliseconds."""
    messages: dict[str, bool] = {}
    """Recordings made at a voicemail stage: path -> whether the message is complete and not empty."""
    refused: bool = False
    """A plan of ours rejected the number as not in use."""


class Row(msgspec.Struct, frozen=True):
    """The call in one line, as stored and shown. Times are epoch microseconds; charges keep full precision."""

    started_at_us: int
    answered_at_us: int | None
    ended_at_us: int | None
    dialled: str
    caller_number: str
    caller_name: str
    caller_presentation: str
    direction: Direction
    state: CallState
    result: Result
    answered_by: str
    answered_by_via: str
    talk_ms: int
    charge_incl: Decimal
    charge_excl: Decimal
    charges: int
    """How many legs are charged, 0 yen included."""
    recording: RecordingState
    recorded_ms: int
    """All recordings that are kept, together."""
    placed_by: str
    """Which of our phones called; empty for a caller from outside."""
    own_number: str
    """The client's number of this call: that was called, or that the other side was shown."""
    other_number: str
    """The other side's number, if it may be shown; empty among our own phones."""
    legs: int
    estimated: bool


class PlanStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of a plan as far as the story tells it."""

    do: str
    """ring, forward, play, take_message, wait, hand_over, reject."""
    what: tuple[str, ...]
    """Phones, a number, a prompt, a mailbox, a queue, a service, a cause."""
    for_s: int = 0


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a call's story: what happened, to which leg, with the values a sentence needs."""

    key: str
    """The fact's key: the same thing told twice is one line."""
    id: str
    at_us: int
    what: str
    """The fact's name on the wire."""
    leg: str = ""
    values: dict[str, str] = {}
    why: tuple[str, ...] = ()
    plan: tuple[PlanStep, ...] = ()
    estimated: bool = False


# -- what pages are made of --------------------------------------------------------------------------------------------


class Client(msgspec.Struct, frozen=True):
    """What a page says of a tenant."""

    name: str
    timezone: str = "Asia/Tokyo"
    names: dict[str, str] = {}
    """Of its phone book, for the callers of this page."""


class Known(msgspec.Struct, frozen=True):
    """A call with where it stands."""

    tenant: str
    call: str
    row: Row


class Switch(msgspec.Struct, frozen=True):
    """Whether a switch is heard."""

    switch: str
    connected: bool
    since_us: int
    reason: str


class Overview(msgspec.Struct, frozen=True):
    """Everything that the first page shows."""

    live: tuple[Known, ...]
    """The newest of them; `states` counts all."""
    last: tuple[Known, ...]
    states: dict[str, int]
    """How many calls in progress are in which state."""
    switches: tuple[Switch, ...]
    clients: dict[str, Client]


class Story(msgspec.Struct, frozen=True):
    """Everything that the page of one call shows."""

    known: Known
    legs: tuple[tuple[str, Leg], ...]
    steps: tuple[Step, ...]
    client: Client


class Place(msgspec.Struct, frozen=True, order=True):
    """Where a call stands in the order of the report: newest first, of one instant by client and id."""

    started_at_us: int
    tenant: str
    call: str


class Found(msgspec.Struct, frozen=True):
    """One page."""

    calls: tuple[Known, ...]
    next: Place | None
    """What was earlier begins after this one; None: there is nothing earlier."""
    cut: bool
    """There may be earlier ones that fit: the page ends where it was looked no further."""
    clients: dict[str, Client]


class Day(msgspec.Struct, frozen=True):
    """How the calls of one day went."""

    day: date
    results: dict[str, int]
    more: bool
    """There were more; not all were counted."""


class Answer(msgspec.Struct, frozen=True):
    """Everything that the page of the report shows."""

    found: Found
    days: tuple[Day, ...]
    """How the days of this page went, where every call of a client's day is wanted."""
    clients: dict[str, Client]
    """Whom the visitor may choose from."""
    timezone: str
    """Of the days."""
