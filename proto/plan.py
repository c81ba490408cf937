"""What shall happen to a caller, step by step, up to the first branch.

Enters: nothing. Leaves: typed steps, without one character of FreeSWITCH's syntax; `services/eventsocket/render.py`
alone turns them into text. A plan runs on inside the switch even if every service dies after the decision.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from proto.values import Number

Seconds = Annotated[int, msgspec.Meta(ge=1, le=7200)]
SafeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")]
PhoneId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$(?!\n)")]
Domain = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,253}$(?!\n)")]
Host = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,253}(:[0-9]{1,5})?$(?!\n)")]


class Carrier(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a trunk is reached: a gateway of the switch, or a profile and a host."""

    name: SafeName
    gateway: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$(?!\n)")] = ""
    profile: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$(?!\n)")] = "external"
    host: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9.-]{0,253}(:[0-9]{1,5})?)?$(?!\n)")] = ""


class Phone(msgspec.Struct, frozen=True, omit_defaults=True):
    """A registered device; it rings `after_s` seconds after the step began."""

    id: PhoneId
    domain: Domain
    after_s: Annotated[int, msgspec.Meta(ge=0, le=600)] = 0


class Step(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="step"):
    """One step of a plan."""


class Ring(Step, frozen=True, tag="ring"):
    """Our own phones, all at once or one after the other; the plan goes on when nobody answers."""

    phones: tuple[Phone, ...]
    for_s: Seconds = 30
    order: Literal["together", "in_turn"] = "together"


class Forward(Step, frozen=True, tag="forward"):
    """An outside number through a carrier; with `confirm` the person must press 1, so no voicemail takes the call."""

    number: Number
    carrier: Carrier
    for_s: Seconds = 30
    present: Number = ""
    """The number shown to the target; empty: the caller's own, or none if withheld."""
    confirm: bool = False
    withhold: bool = False
    """184: `present` goes to the carrier as identity only (P-Asserted-Identity, Privacy: id), never to the target."""


class Play(Step, frozen=True, tag="play"):
    """A prompt by name. `early` plays without answering, so that the caller pays nothing."""

    prompt: SafeName
    early: bool = False


class TakeMessage(Step, frozen=True, tag="take_message"):
    """Greeting, tone, and up to `max_s` seconds of the caller's message."""

    mailbox: SafeName
    greeting: SafeName = "voicemail"
    max_s: Seconds = 120


class Wait(Step, frozen=True, tag="wait"):
    """Music until somebody of `queue` is free; ends the plan. After `for_s` it parks again with `tt_next`."""

    queue: SafeName
    music: SafeName = "moh"
    for_s: Seconds = 60


class HandOver(Step, frozen=True, tag="hand_over"):
    """Park for another service to decide; ends the plan."""

    to: SafeName
    queue: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{0,64}$(?!\n)")] = ""


class Reject(Step, frozen=True, tag="reject"):
    """End the call with a cause; ends the plan."""

    cause: Literal["NORMAL_CLEARING", "USER_BUSY", "NO_ANSWER", "CALL_REJECTED", "UNALLOCATED_NUMBER"]


AnyStep = Ring | Forward | Play | TakeMessage | Wait | HandOver | Reject
Plan = tuple[AnyStep, ...]

ENDS = (Wait, HandOver, Reject)
"""Steps after which nothing can follow."""
