"""Every fact that services tell each other, in the past tense.

Enters: nothing. Leaves: frozen structs. Tenant, call and time of a fact stand in its envelope. A fact from the switch
names the leg it is about and is keyed so that event, CDR file and snapshot say the same thing once.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from proto.facts import (
    AgentState,
    CallEnded,
    CallRouted,
    LegCharged,
    NumbersSuspended,
    OperatorOffered,
    PersonChanged,
    PhoneBookRevised,
    PhoneCredentialApplied,
    PhoneCredentialChanged,
    PhoneHash,
    PlatformRevised,
    PrivateSeen,
    RecordingStored,
    RevisionApplied,
    ServiceAlive,
    ServiceStarted,
    TenantRevised,
    TimerFired,
    Token,
)
from proto.message import Event
from proto.values import DurationMs, EpochUs, Number, Party, TenantId

Direction = Literal["inbound", "outbound"]
Via = Literal["trunk", "phone"]
"""trunk: through a carrier, so it may cost; phone: one of our own registered devices."""
Joined = Literal["own", "inherited"]
"""own: the leg carries our tt_call; inherited: taken from the leg that dialled it."""

# -- from the switch: calls and legs -------------------------------------------------------------------------------


class CallArrived(Event, frozen=True, kw_only=True):
    """A leg stands parked in our dialplan and waits for a decision. Again after a blind transfer."""

    NAME: ClassVar[str] = "call.arrived"
    switch: str
    leg: str
    park: int = 1
    """Caller-Profile-Index of the park: 1 on arrival, higher after transfers."""
    origin: Literal["trunk", "phone"]
    dialled: Number
    caller: Party
    phone: str = ""
    """The id (`1001`) of the originating device, for origin phone."""
    transferred: bool = False
    diverted_from: Number = ""
    """Who had forwarded the call to us (Diversion or History-Info), digits only."""
    received_at_us: EpochUs
    """The switch's stamp of the channel's creation."""

    def key(self) -> str:
        return f"{self.leg}:park:{self.park}"


class CallHandedOver(Event, frozen=True, kw_only=True):
    """A leg parked at the end of a plan with `tt_next`: that service now decides."""

    NAME: ClassVar[str] = "call.handed_over"
    switch: str
    leg: str
    park: int
    to: str
    queue: str = ""
    stage: str = ""
    disposition: str = ""
    """originate_disposition of the last dialling: why the plan went on (USER_BUSY, NO_ANSWER, …)."""
    decision: str = ""
    caller: Party

    def key(self) -> str:
        return f"{self.leg}:park:{self.park}"


class CallWaiting(Event, frozen=True, kw_only=True):
    """A caller hears the music of a queue; answering owns the call from here."""

    NAME: ClassVar[str] = "call.waiting"
    switch: str
    leg: str
    queue: str
    decision: str
    caller: Party
    dialled: Number = ""

    def key(self) -> str:
        return f"{self.leg}:waiting:{self.decision}"


class LegStarted(Event, frozen=True, kw_only=True):
    """The switch began to dial a leg for a call we know."""

    NAME: ClassVar[str] = "leg.started"
    switch: str
    leg: str
    kind: str
    """tt_leg: ring, forward, operator, emergency, …"""
    direction: Direction
    via: Via
    destination: str = ""
    joined: Joined = "own"

    def key(self) -> str:
        return f"{self.leg}:started"


class LegRinging(Event, frozen=True, kw_only=True):
    """The far end rings (180) or sends early media (183)."""

    NAME: ClassVar[str] = "leg.ringing"
    switch: str
    leg: str
    early_media: bool = False

    def key(self) -> str:
        return f"{self.leg}:ringing:{int(self.early_media)}"


class LegAnswered(Event, frozen=True, kw_only=True):
    """One leg was answered. Billable for that leg; not yet a conversation."""

    NAME: ClassVar[str] = "leg.answered"
    switch: str
    leg: str
    kind: str
    direction: Direction
    via: Via
    destination: str = ""

    def key(self) -> str:
        return f"{self.leg}:answered"


class CallAnswered(Event, frozen=True, kw_only=True):
    """Caller and somebody talk: both legs are answered and bridged. `leg` is the caller's."""

    NAME: ClassVar[str] = "call.answered"
    switch: str
    leg: str
    by: str
    """The leg that answered."""

    def key(self) -> str:
        return f"{self.leg}:talking"


class LegsBridged(Event, frozen=True, kw_only=True):
    """Two legs hear each other (CHANNEL_BRIDGE); with early media this comes before the answer."""

    NAME: ClassVar[str] = "legs.bridged"
    switch: str
    leg: str
    other: str


class LegsUnbridged(Event, frozen=True, kw_only=True):
    """The two legs no longer hear each other."""

    NAME: ClassVar[str] = "legs.unbridged"
    switch: str
    leg: str
    other: str = ""


class LegHeld(Event, frozen=True, kw_only=True):
    """A phone put the other side on hold."""

    NAME: ClassVar[str] = "leg.held"
    switch: str
    leg: str


class LegResumed(Event, frozen=True, kw_only=True):
    """The phone took the held side back."""

    NAME: ClassVar[str] = "leg.resumed"
    switch: str
    leg: str


class LegEnded(Event, frozen=True, kw_only=True):
    """A leg is over: the fact that billing lives on. Times are the switch's microsecond epochs, never `billsec`."""

    NAME: ClassVar[str] = "leg.ended"
    switch: str
    leg: str
    kind: str
    direction: Direction
    via: Via
    payer: TenantId
    caller: Party
    destination: str = ""
    """What was dialled on an outbound leg; the called number on an inbound one."""
    started_at_us: EpochUs
    answered_at_us: EpochUs | None = None
    ended_at_us: EpochUs
    cause: str
    """FreeSWITCH's cause name (switch_types.h), for example NORMAL_CLEARING."""
    sip_status: int | None = None
    hung_up_by: Literal["far", "switch", ""] = ""
    decision: str = ""
    """tt_decision: the command that was carried out last on this leg, `fallback` or `static`."""
    joined: Joined = "own"

    def key(self) -> str:
        return f"{self.leg}:ended"


# -- from the switch: recordings, phones, the switch itself, commands ----------------------------------------------


class RecordingStarted(Event, frozen=True, kw_only=True):
    """RECORD_START: a file is being written, whoever asked for it."""

    NAME: ClassVar[str] = "recording.started"
    switch: str
    leg: str
    path: str
    recording: str = ""
    """The id of our request (tt_rec); empty for a recording nobody asked for."""
    stage: str = ""

    def key(self) -> str:
        return f"{self.path}:started"


class RecordingStopped(Event, frozen=True, kw_only=True):
    """RECORD_STOP: the file is complete."""

    NAME: ClassVar[str] = "recording.stopped"
    switch: str
    leg: str
    path: str
    recording: str = ""
    stage: str = ""
    length_ms: DurationMs
    size_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    completion: str = ""

    def key(self) -> str:
        return f"{self.path}:stopped"


class PhoneRegistered(Event, frozen=True, kw_only=True):
    """A device registered (or refreshed) at the switch."""

    NAME: ClassVar[str] = "phone.registered"
    switch: str
    phone: str
    domain: str
    expires_s: int = 0


class PhoneUnregistered(Event, frozen=True, kw_only=True):
    """A device unregistered or its registration ran out."""

    NAME: ClassVar[str] = "phone.unregistered"
    switch: str
    phone: str
    domain: str
    reason: Literal["unregistered", "expired"]


class SwitchConnected(Event, frozen=True, kw_only=True):
    """The agent hears this switch again."""

    NAME: ClassVar[str] = "switch.connected"
    switch: str
    core: str
    version: str = ""


class SwitchLost(Event, frozen=True, kw_only=True):
    """The agent no longer hears this switch; what is up there is unknown, not ended."""

    NAME: ClassVar[str] = "switch.lost"
    switch: str
    reason: str


class CommandFinished(Event, frozen=True, kw_only=True):
    """The switch took the command (or, for an originate, the job succeeded)."""

    NAME: ClassVar[str] = "command.finished"
    switch: str
    command: str
    name: str
    """Name on the wire of the command: command.route_call, …"""
    leg: str = ""
    reply: str = ""
    decision_us: int | None = None
    """For the answer to an arrival: from the agent's reading the event to its writing the command."""

    def key(self) -> str:
        return f"{self.command}:result"


class CommandRefused(Event, frozen=True, kw_only=True):
    """The switch (or the agent, with `by: agent`) did not carry the command out."""

    NAME: ClassVar[str] = "command.refused"
    switch: str
    command: str
    name: str
    leg: str = ""
    reason: str
    by: Literal["switch", "agent"]

    def key(self) -> str:
        return f"{self.command}:result"


class CommandUnknown(Event, frozen=True, kw_only=True):
    """The connection broke between sending and reply, and asking gave no answer. It is never sent again."""

    NAME: ClassVar[str] = "command.unknown"
    switch: str
    command: str
    name: str
    leg: str = ""

    def key(self) -> str:
        return f"{self.command}:result"


__all__ = [
    "AgentState",
    "CallAnswered",
    "CallArrived",
    "CallEnded",
    "CallHandedOver",
    "CallRouted",
    "CallWaiting",
    "CommandFinished",
    "CommandRefused",
    "CommandUnknown",
    "Direction",
    "Joined",
    "LegAnswered",
    "LegCharged",
    "LegEnded",
    "LegHeld",
    "LegResumed",
    "LegRinging",
    "LegStarted",
    "LegsBridged",
    "LegsUnbridged",
    "NumbersSuspended",
    "OperatorOffered",
    "PersonChanged",
    "PhoneBookRevised",
    "PhoneCredentialApplied",
    "PhoneCredentialChanged",
    "PhoneHash",
    "PhoneRegistered",
    "PhoneUnregistered",
    "PlatformRevised",
    "PrivateSeen",
    "RecordingStarted",
    "RecordingStopped",
    "RecordingStored",
    "RevisionApplied",
    "ServiceAlive",
    "ServiceStarted",
    "SwitchConnected",
    "SwitchLost",
    "TenantRevised",
    "TimerFired",
    "Token",
    "Via",
]
