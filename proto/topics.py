"""Where each message goes: exchanges, queues, routing keys, delivery classes, and who keeps which projection.

Enters: an envelope. Leaves: an `Outgoing` that any bus can carry, and the queues that every bus must hold. The two
transports in `services/runtime/bus` derive their topology from this file alone; so does the exported AsyncAPI.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from proto import commands as c
from proto import events as e
from proto.envelope import Envelope, encode
from proto.message import Command, Event, Message
from proto.values import TenantId

EVENTS_EXCHANGE = "toritsugi.events"
"""Topic exchange; routing key `<tenant>.<name>`, for example `acme.call.arrived`."""
COMMANDS_EXCHANGE = "toritsugi.commands"
"""Direct exchange; routing key = the switch's name."""
DEAD_EXCHANGE = "toritsugi.dead"
"""Fan-out to the one queue of dead letters."""
AGAIN_EXCHANGE = "toritsugi.again"
"""Leads a dead letter that is given back to the queue of services that is named, and to no other."""
DEAD_QUEUE = "toritsugi.dead"

EXPIRED_SLACK_US = 5_000_000
"""A command outlives its `not_after` on the bus by so much, so that its refusal is told and not only its absence."""

Delivery = Literal["fact", "command"]
"""fact: persistent, confirmed, at least once, ordered per partition, no TTL. command: at most once, with not_after."""

_STORY: tuple[type[Event], ...] = (
    e.CallArrived,
    e.CallHandedOver,
    e.CallWaiting,
    e.LegStarted,
    e.LegRinging,
    e.LegAnswered,
    e.CallAnswered,
    e.LegsBridged,
    e.LegsUnbridged,
    e.LegHeld,
    e.LegResumed,
    e.LegEnded,
    e.RecordingStarted,
    e.RecordingStopped,
    e.SwitchConnected,
    e.SwitchLost,
    e.CommandFinished,
    e.CommandRefused,
    e.CommandUnknown,
    e.CallRouted,
    e.RecordingStored,
    e.LegCharged,
    e.OperatorOffered,
)

HEARS: dict[str, tuple[type[Event], ...]] = {
    "directory": (
        e.ServiceStarted,
        e.ServiceAlive,
        e.RevisionApplied,
        e.PhoneCredentialApplied,
        e.PhoneRegistered,
        e.PhoneUnregistered,
        e.PrivateSeen,
    ),
    "routing": (e.CallArrived, e.CallHandedOver, e.LegEnded),
    "recording": (e.CallAnswered, e.RecordingStarted, e.RecordingStopped, e.CommandRefused),
    "answering": (
        e.CallHandedOver,
        e.CallWaiting,
        e.LegAnswered,
        e.LegEnded,
        e.LegsBridged,
        e.CommandFinished,
        e.CommandRefused,
        e.CommandUnknown,
    ),
    "billing": (e.LegEnded,),
    "history": _STORY,
    "connectors": (e.CallEnded,),
}
"""What each service is told, besides its projections and its own timers."""

PROJECTIONS: dict[str, tuple[type[Event], ...]] = {
    "directory": (e.PersonChanged,),
    "eventsocket": (e.TenantRevised, e.PlatformRevised, e.NumbersSuspended, e.PhoneCredentialChanged),
    "routing": (e.TenantRevised, e.PlatformRevised, e.NumbersSuspended),
    "recording": (e.TenantRevised, e.PlatformRevised),
    "answering": (e.TenantRevised, e.PlatformRevised),
    "billing": (e.TenantRevised, e.PlatformRevised),
    "history": (e.TenantRevised, e.PlatformRevised, e.PersonChanged, e.PhoneBookRevised),
    "connectors": (e.TenantRevised, e.PlatformRevised),
}
"""Facts of others that a service keeps a copy of, with `as_of`, because its decisions or pages need them."""

SAYS: dict[str, tuple[type[Message], ...]] = {
    "directory": (
        e.TenantRevised,
        e.PlatformRevised,
        e.PhoneBookRevised,
        e.NumbersSuspended,
        e.PersonChanged,
        e.PhoneCredentialChanged,
    ),
    "eventsocket": (
        *(kind for kind in _STORY if kind not in (e.CallRouted, e.RecordingStored, e.LegCharged, e.OperatorOffered)),
        e.PhoneRegistered,
        e.PhoneUnregistered,
        e.RevisionApplied,
        e.PhoneCredentialApplied,
    ),
    "routing": (e.CallRouted, c.RouteCall),
    "recording": (e.RecordingStored, c.StartRecording, c.StopRecording),
    "answering": (e.OperatorOffered, c.RouteCall, c.OriginateCall, c.BridgeLegs, c.HangUp),
    "billing": (e.LegCharged,),
    "history": (e.CallEnded, e.PrivateSeen),
    "connectors": (),
}
"""What each service may say, besides ServiceStarted, ServiceAlive and its own timers; the broker holds it to that
(`rights.py`)."""


class Outgoing(msgspec.Struct, frozen=True):
    """A message ready for a bus."""

    id: str
    delivery: Delivery
    routing_key: str
    tenant: TenantId
    body: bytes
    lives_us: int | None = None
    """How long the bus keeps a command, from its publishing on; None: for ever. A span, since `not_after` is in the
    switch's time: the agent, which knows that clock, refuses exactly and says so."""


class Queue(msgspec.Struct, frozen=True):
    """A durable queue, in `partitions` parts by tenant; each part has one active consumer and keeps its order."""

    name: str
    delivery: Delivery
    bindings: tuple[str, ...]
    """Topic patterns (`*.call.arrived`) for facts; names of switches for commands."""
    partitions: int = 1

    def parts(self) -> tuple[str, ...]:
        """Names of the partition queues: `routing.0`, `routing.1`, …"""
        return tuple(f"{self.name}.{number}" for number in range(self.partitions))


def outgoing(envelope: Envelope) -> Outgoing:
    """Envelope -> bytes with an address. A timer goes only to the service that set it."""
    body = envelope.body
    if isinstance(body, Command):
        return Outgoing(envelope.id, "command", body.switch, envelope.tenant, encode(envelope), _lives_us(envelope))
    key = f"{envelope.tenant}.{body.NAME}"
    if isinstance(body, e.TimerFired):
        key = f"{envelope.tenant}.timer.{body.service}"
    return Outgoing(envelope.id, "fact", key, envelope.tenant, encode(envelope))


def _lives_us(envelope: Envelope) -> int | None:
    if envelope.not_after_us is None:
        return None
    return max(0, envelope.not_after_us - envelope.occurred_at_us) + EXPIRED_SLACK_US


def service_queue(service: str, partitions: int = 1) -> Queue:
    """The queue of a service: what it hears, its projections, its own timers."""
    kinds = HEARS.get(service, ()) + PROJECTIONS.get(service, ())
    keys = tuple(dict.fromkeys(f"*.{kind.NAME}" for kind in kinds))
    return Queue(service, "fact", (*keys, f"*.timer.{service}"), partitions)


def agent_queue(switch: str, agent: str = "") -> Queue:
    """What the agent of one switch must know: all tenants, whatever the partition.

    A second agent of the same switch, to stand by, has a queue of its own: both must know everything.
    """
    keys = tuple(f"*.{kind.NAME}" for kind in PROJECTIONS["eventsocket"])
    return Queue(f"eventsocket.{switch}.{agent}" if agent else f"eventsocket.{switch}", "fact", keys)


def command_queue(switch: str) -> Queue:
    """The requests to one switch."""
    return Queue(f"commands.{switch}", "command", (switch,))


def all_queues(switches: tuple[str, ...], partitions: int = 1) -> tuple[Queue, ...]:
    """Every queue there must be before anybody publishes, so that nothing is said to nobody."""
    services = tuple(service_queue(name, partitions) for name in HEARS)
    return services + tuple(q for switch in switches for q in (agent_queue(switch), command_queue(switch)))


def matches(pattern: str, routing_key: str) -> bool:
    """Topic match as AMQP 0-9-1 defines it for `*` (one word); `#` is not used by us."""
    wanted, words = pattern.split("."), routing_key.split(".")
    return len(wanted) == len(words) and all(a in ("*", b) for a, b in zip(wanted, words, strict=True))
