"""One pool of operators for tests: what it is told, and what it then asks for.

Enters: phones, signals and facts at chosen moments. Leaves: the commands and facts that the queue answers with. Pure.
"""

from __future__ import annotations

from typing import Any

from proto.commands import OriginateCall
from proto.events import (
    CallHandedOver,
    CallWaiting,
    CommandFinished,
    CommandRefused,
    LegAnswered,
    LegEnded,
    LegsBridged,
    TimerFired,
)
from proto.message import Message
from proto.plan import Phone
from proto.tenant.platform import Pool as PoolEntry
from proto.values import Party, command_id
from services.answering.model import OfferState, Pool, Send
from services.answering.queue import OFFER_TIMER, Floor, timer_subject
from tests.clients import WORKDAY, envelope

SECOND = 1_000_000
PARTY = Party(number="09012345678")


def pool_of(*phones: str) -> PoolEntry:
    return PoolEntry("tokyo", tuple(Phone(p, "ops.example") for p in phones), ring_s=10)


class Room:
    """One pool and what it said, fact after fact."""

    def __init__(self, *phones: str, busy: frozenset[str] = frozenset()) -> None:
        self.entry: PoolEntry | None = pool_of(*phones)
        self.pool, self.busy, self.now, self.said = Pool(), busy, WORKDAY, 0
        self.sent: list[Send] = []
        self.wake_at_us: int | None = None

    def hear(self, body: Message, tenant: str = "acme", call: str = "", after_s: float = 0) -> list[Message]:
        self.now += int(after_s * SECOND)
        event = envelope(body, tenant, call or "call", self.now)
        floor = Floor("tokyo", self.pool, self.entry, self.now, lambda n: command_id("test", n), self.said, self.busy)
        floor.hear(event)
        self.pool, self.wake_at_us = floor.pool, floor.wake_at_us
        self.said += len(floor.sends)
        self.sent += floor.sends
        return [send.body for send in floor.sends]

    def waits(self, leg: str, tenant: str = "acme", decision: str = "d1") -> list[Message]:
        fact = CallWaiting(switch="fs1", leg=leg, queue="tokyo", decision=decision, caller=PARTY)
        return self.hear(fact, tenant, f"call-{leg}", after_s=1)

    def parks(self, leg: str) -> list[Message]:
        fact = CallHandedOver(switch="fs1", leg=leg, park=2, to="answering", queue="tokyo", caller=PARTY)
        return self.hear(fact, "acme", f"call-{leg}")

    def answers(self, leg: str) -> list[Message]:
        """The phone is picked up, and the originate has done its work."""
        fact = LegAnswered(switch="fs1", leg=leg, kind="operator", direction="outbound", via="phone")
        assert self.hear(fact) == []
        return self.hear(CommandFinished(switch="fs1", command=leg, name=OriginateCall.NAME))

    def bridged(self, caller: str, operator: str) -> list[Message]:
        return self.hear(LegsBridged(switch="fs1", leg=caller, other=operator))

    def ends(self, leg: str, cause: str = "NORMAL_CLEARING") -> list[Message]:
        return self.hear(ended(leg, cause), after_s=1)

    def refuses(self, command: str, name: str, reason: str = "USER_BUSY", by: Any = "switch") -> list[Message]:
        return self.hear(CommandRefused(switch="fs1", command=command, name=name, reason=reason, by=by))

    def offered(self, caller: str) -> str:
        """The operator leg that this caller is offered to now."""
        return next(o.leg for o in self.pool.offers if o.caller == caller and o.state is not OfferState.LEAVING)

    def said_kinds(self, kind: type[Message]) -> list[Message]:
        return [send.body for send in self.sent if isinstance(send.body, kind)]

    def phone(self, leg: str) -> str:
        return next(o.phone for o in self.pool.offers if o.leg == leg)


def ended(leg: str, cause: str = "NORMAL_CLEARING") -> LegEnded:
    return LegEnded(
        switch="fs1",
        leg=leg,
        kind="operator",
        direction="outbound",
        via="phone",
        payer="acme",
        caller=PARTY,
        started_at_us=1,
        ended_at_us=2,
        cause=cause,
    )


def kinds(messages: list[Message]) -> list[str]:
    return [type(message).__name__ for message in messages]


def talking(*phones: str) -> tuple[Room, str]:
    room = Room(*phones)
    room.waits("caller")
    operator = room.offered("caller")
    room.answers(operator)
    room.bridged("caller", operator)
    return room, operator


def overdue(room: Room) -> TimerFired:
    subject = timer_subject(room.pool.offers[0])
    return TimerFired(service="answering", name=OFFER_TIMER, subject=subject, due_at_us=room.now)
