"""The facts that our own services tell, in the past tense; `proto/events.py` holds them together with the switch's.

Enters: nothing. Leaves: frozen structs. Import them from `proto.events`: where a fact comes from is nobody's business
who hears it. Facts of the switch stand in `events.py` itself.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from proto.message import Event
from proto.plan import Plan
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import DurationMs, EpochUs, Money, Number, Party, TenantId


class CallRouted(Event, frozen=True, kw_only=True):
    """Routing decided: the plan and, in words, each rule that was looked at."""

    NAME: ClassVar[str] = "call.routed"
    leg: str
    command: str
    plan: Plan
    why: tuple[str, ...]

    def key(self) -> str:
        return f"{self.command}:decision"


class RecordingStored(Event, frozen=True, kw_only=True):
    """The catalogue holds a finished recording."""

    NAME: ClassVar[str] = "recording.stored"
    recording: str
    leg: str
    path: str
    length_ms: DurationMs
    size_bytes: int = 0
    asked: bool
    kind: Literal["conversation", "message"] = "conversation"

    def key(self) -> str:
        return f"{self.path}:stored"


class LegCharged(Event, frozen=True, kw_only=True):
    """An answered leg has its one row in the ledger."""

    NAME: ClassVar[str] = "leg.charged"
    leg: str
    payer: TenantId
    charge: Money
    basis: Literal["incl", "excl"] = "excl"
    """Whether the unit price was stated with consumption tax."""
    price: str
    """Table, version and rule that priced it, for example `standard@2026-04-01:050`; empty for 0 yen."""
    duration_us: Annotated[int, msgspec.Meta(ge=0)]
    arithmetic: str = ""

    def key(self) -> str:
        return f"{self.leg}:charged"


class OperatorOffered(Event, frozen=True, kw_only=True):
    """A waiting caller is offered to a person of the pool, whose phone now rings."""

    NAME: ClassVar[str] = "operator.offered"
    caller_leg: str
    operator_leg: str
    pool: str
    phone: str

    def key(self) -> str:
        return f"{self.operator_leg}:offered"


class CallEnded(Event, frozen=True, kw_only=True):
    """The last leg of a call is over: its line in the history."""

    NAME: ClassVar[str] = "call.ended"
    dialled: Number = ""
    caller: Party
    direction: Literal["inbound", "outbound", "internal", "emergency"]
    result: Literal["answered", "message", "missed", "busy", "failed", "not_in_use", "fallback"]
    answered_by: str = ""
    started_at_us: EpochUs
    answered_at_us: EpochUs | None = None
    ended_at_us: EpochUs
    talk_ms: DurationMs = 0
    legs: Annotated[int, msgspec.Meta(ge=0)] = 0

    def key(self) -> str:
        return "ended"


class TenantRevised(Event, frozen=True, kw_only=True):
    """A client's file as it now holds; `gone` when the file was removed."""

    NAME: ClassVar[str] = "tenant.revised"
    revision: str
    """Hash of the body: the same file gives the same revision everywhere."""
    body: Tenant
    gone: bool = False


class NumbersSuspended(Event, frozen=True, kw_only=True):
    """All numbers of a client that are suspended now: they take no calls and are shown on none."""

    NAME: ClassVar[str] = "numbers.suspended"
    numbers: tuple[Number, ...]
    """Why belongs to directory alone: a reason may be the police's."""


class PhoneBookRevised(Event, frozen=True, kw_only=True):
    """One part of a client's phone book as it now is: every number that ends so, with the name to show beside calls."""

    NAME: ClassVar[str] = "phone_book.revised"
    ending: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,2}$(?!\\n)")]
    names: dict[Number, str]
    """Empty: no number ends so any more."""


class PlatformRevised(Event, frozen=True, kw_only=True):
    """platform.yaml as it now holds: switches, carriers, pools, price tables."""

    NAME: ClassVar[str] = "platform.revised"
    revision: str
    body: Platform


class RevisionApplied(Event, frozen=True, kw_only=True):
    """A switch works with this revision of a client (or of the platform): its files hold it and have been read."""

    NAME: ClassVar[str] = "revision.applied"
    switch: str
    revision: str
    problems: tuple[str, ...] = ()
    """What of it got no place in the switch, one line each: a phone without a password, a target that is none."""


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a program shows in place of a log-in; its rights are those of its scopes and its person together."""

    id: str
    digest: str
    """SHA-256 of the secret, hexadecimal; the secret itself has 256 random bits and stands nowhere."""
    scopes: tuple[str, ...]
    expires_at_us: EpochUs


class PersonChanged(Event, frozen=True, kw_only=True):
    """A person may log in, with this role; cookies of an older session version are worthless."""

    NAME: ClassVar[str] = "person.changed"
    person: str
    name: str
    role: Literal[
        "platform_operator", "reseller", "tenant_administrator", "answering_operator", "employee", "read_only"
    ]
    tenants: tuple[TenantId, ...] = ()
    session_version: int
    active: bool = True
    tokens: tuple[Token, ...] = ()
    """Those of their programs."""


class PrivateSeen(Event, frozen=True, kw_only=True):
    """A person looked at something private of the client whom the envelope names; directory enters it in its log."""

    NAME: ClassVar[str] = "private.seen"
    person: str
    what: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{1,32}$(?!\n)")]
    """call, report, csv, xlsx: what was looked at, or taken away as."""
    about: str = ""
    """The call, or how much was taken."""


class PhoneHash(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a switch needs to know a phone by in one domain. As good as the password there: nobody else may read it."""

    domain: str
    ha1: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$(?!\\n)")]
    """MD5 of `id:domain:password`, hexadecimal (RFC 2617, 3.2.2.2)."""

    def __repr__(self) -> str:
        return f"PhoneHash(domain={self.domain!r})"


class PhoneCredentialChanged(Event, frozen=True, kw_only=True):
    """A phone has another password, or none any more. Told under `_platform`, to the agents of the switches alone."""

    NAME: ClassVar[str] = "phone.credential_changed"
    owner: TenantId
    """Whose phone it is; the envelope does not say it, since a client's own consumer hears all under its name."""
    phone: str
    serial: Annotated[int, msgspec.Meta(ge=1)]
    """Counts this phone's credentials and their ends."""
    hashes: tuple[PhoneHash, ...] = ()
    """One for each domain in which it may register; empty: its registration and its calls end."""

    def key(self) -> str:
        return f"{self.owner}/{self.phone}:{self.serial}"


class PhoneCredentialApplied(Event, frozen=True, kw_only=True):
    """A switch works with this phone's credential as it now is; what the former one had opened there has ended."""

    NAME: ClassVar[str] = "phone.credential_applied"
    switch: str
    phone: str
    serial: Annotated[int, msgspec.Meta(ge=1)]

    def key(self) -> str:
        return f"{self.switch}/{self.phone}:{self.serial}"


class ServiceStarted(Event, frozen=True, kw_only=True):
    """A process began to work; directory answers by publishing all revisions again."""

    NAME: ClassVar[str] = "service.started"
    service: str
    instance: str


class AgentState(msgspec.Struct, frozen=True, kw_only=True):
    """How one agent stands with its switch."""

    switch: str
    agent: str = ""
    """Which of several agents of this switch; empty: the only one, or the first."""
    connected: bool
    waiting: int
    """Records and answers that the bus does not have yet: in memory, then on disk."""


class ServiceAlive(Event, frozen=True, kw_only=True):
    """A process runs: said at its start and every `every_s` seconds, for the page that shows operators who is there."""

    NAME: ClassVar[str] = "service.alive"
    service: str
    """`house`: several services in one process."""
    host: str
    instance: str
    """Of this life of the process."""
    began_at_us: EpochUs
    every_s: int
    agents: tuple[AgentState, ...] = ()
    """Of the switches that this process hears."""


class TimerFired(Event, frozen=True, kw_only=True):
    """A timer that a service set for itself is due. Goes only to that service."""

    NAME: ClassVar[str] = "timer.fired"
    service: str
    name: str
    subject: str
    due_at_us: EpochUs

    def key(self) -> str:
        return f"{self.name}:{self.subject}:{self.due_at_us}"
