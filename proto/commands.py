"""Every request to a switch, in the imperative.

Enters: nothing. Leaves: frozen structs that hold no FreeSWITCH text. Each goes to the one queue of its switch, is
carried out at most once and not at all after the `not_after` of its envelope. The answer is CommandFinished,
CommandRefused or CommandUnknown.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from proto.message import Command
from proto.plan import Phone, Plan, SafeName, Seconds
from proto.values import Number, Party, TenantId

Cause = Literal["NORMAL_CLEARING", "USER_BUSY", "NO_ANSWER", "CALL_REJECTED", "LOSE_RACE", "MANAGER_REQUEST"]


class RouteCall(Command, frozen=True, kw_only=True):
    """Run this plan on a waiting leg: one decision, one command. The id of the command becomes tt_decision."""

    NAME: ClassVar[str] = "command.route_call"
    leg: str
    payer: TenantId
    caller: Party
    """Shown to whoever is dialled; a withheld caller is shown as Anonymous."""
    plan: Plan


class OriginateCall(Command, frozen=True, kw_only=True):
    """Ring a phone for a call that already waits; it parks when answered. The new leg's id is the command's id."""

    NAME: ClassVar[str] = "command.originate_call"
    phone: Phone
    kind: SafeName = "operator"
    for_s: Seconds = 20
    payer: TenantId
    caller: Party


class BridgeLegs(Command, frozen=True, kw_only=True):
    """Let two answered legs hear each other."""

    NAME: ClassVar[str] = "command.bridge_legs"
    leg: str
    other: str


class StartRecording(Command, frozen=True, kw_only=True):
    """Record what this leg says and hears, in two channels, into the switch's recording folder."""

    NAME: ClassVar[str] = "command.start_recording"
    leg: str
    recording: str
    """Our id of the recording; the file is <recordings>/<tenant>/<recording>.wav."""
    max_s: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 14400


class StopRecording(Command, frozen=True, kw_only=True):
    """Finish the file."""

    NAME: ClassVar[str] = "command.stop_recording"
    leg: str
    recording: str


class HangUp(Command, frozen=True, kw_only=True):
    """End a leg."""

    NAME: ClassVar[str] = "command.hang_up"
    leg: str
    cause: Cause = "NORMAL_CLEARING"


__all__ = ["BridgeLegs", "Cause", "HangUp", "Number", "OriginateCall", "RouteCall", "StartRecording", "StopRecording"]
