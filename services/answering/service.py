"""The shell of answering: which facts concern which pool, where pools are kept, what is said.

Enters: facts about waiting callers, operators' legs and our commands; our timers; revisions. Leaves: wait plans,
originates, bridges, hang-ups, OperatorOffered. Every rule belongs to `queue.py`. Rows: `pool` (compared and set as a
whole), `pool_of` (leg or command -> pool), `person` (who is held -> by which pool).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import MetaData

from proto.commands import HangUp
from proto.envelope import Envelope
from proto.events import (
    CallHandedOver,
    CallWaiting,
    CommandFinished,
    CommandRefused,
    CommandUnknown,
    LegAnswered,
    LegEnded,
    LegsBridged,
    PlatformRevised,
    TenantRevised,
    TimerFired,
)
from proto.message import Event
from proto.tenant.platform import Pool as PoolEntry
from proto.values import PLATFORM_TENANT
from services.answering.model import Pool, Send
from services.answering.queue import (
    HANG_UP_WITHIN_US,
    OFFER_TIMER,
    REST_TIMER,
    Floor,
    engaged,
    names,
    others_with,
    timer_subject,
)
from services.runtime import clock, projections
from services.runtime.store import Tx
from services.runtime.worker import Cause, Emit, Handler, Service

NAME = "answering"
OPERATOR = "operator"


def build() -> Service:
    """Answering as the shell runs it."""
    heard = (CallHandedOver, CallWaiting, LegAnswered, LegEnded, LegsBridged, CommandFinished, CommandRefused)
    handlers: dict[type[Event], Handler] = dict.fromkeys((*heard, CommandUnknown, TimerFired), handle)
    handlers[TenantRevised] = projections.keep_tenant
    handlers[PlatformRevised] = platform_revised
    return Service(NAME, handlers, MetaData())


@dataclass
class _Turn:
    """One fact being handled: the pools it touches, and all that is said because of it, in order."""

    tx: Tx
    event: Envelope
    cause: Cause
    sends: list[Send] = field(default_factory=list)
    entries: dict[str, PoolEntry] = field(init=False)

    def __post_init__(self) -> None:
        platform = projections.platform(self.tx)
        self.entries = {entry.pool: entry for entry in platform.pools} if platform else {}

    def hear(self, name: str) -> None:
        """The fact concerns this pool."""
        before, floor = self._open(name)
        floor.hear(self.event)
        self._close(before, floor)

    def leave(self, name: str, leg: str) -> None:
        """The caller is no longer of this pool."""
        before, floor = self._open(name)
        floor.leave(leg)
        self._close(before, floor)

    def assign(self, name: str) -> None:
        """Somebody may have become free for this pool."""
        before, floor = self._open(name)
        floor.assign()
        self._close(before, floor)

    def _open(self, name: str) -> tuple[Pool, Floor]:
        before = self.tx.state("pool", name, Pool) or Pool()
        busy = frozenset(who for who, pool in self.tx.states("person", str) if pool != name)
        at_us, said = self.event.occurred_at_us, len(self.sends)
        return before, Floor(name, before, self.entries.get(name), at_us, self.cause.id_of, said, busy)

    def _close(self, before: Pool, floor: Floor) -> None:
        after = floor.pool
        if after != before:
            self.tx.save("pool", floor.name, after)
        self.sends.extend(floor.sends)
        self._keep("pool_of", names(before), names(after), floor.name)
        self._keep("person", engaged(before), engaged(after), floor.name)
        self._set_timers(before, after, floor)
        freed = engaged(before) - engaged(after)
        if freed:
            for entry in others_with(freed, self.entries.values(), floor.name):
                self.assign(entry.pool)

    def _keep(self, kind: str, before: set[str], after: set[str], pool: str) -> None:
        for name in sorted(before ^ after):
            holder = self.tx.state(kind, name, str)
            if name in after:
                self.tx.save(kind, name, pool)
            elif holder == pool:
                self.tx.save(kind, name, None)

    def _set_timers(self, before: Pool, after: Pool, floor: Floor) -> None:
        """Spans are counted on our own clock from now: the switch's may be another."""
        was = {timer_subject(offer): offer for offer in before.offers if offer.due_at_us is not None}
        now = {timer_subject(offer): offer for offer in after.offers if offer.due_at_us is not None}
        for subject in was.keys() - now.keys():
            self.tx.cancel_timer(OFFER_TIMER, subject)
        for subject in now.keys() - was.keys():
            offer = now[subject]
            self._timer(OFFER_TIMER, subject, offer.due_at_us or 0, offer.tenant, offer.call)
        if floor.wake_at_us is None:
            self.tx.cancel_timer(REST_TIMER, floor.name)
        else:
            self._timer(REST_TIMER, floor.name, floor.wake_at_us, PLATFORM_TENANT, "")

    def _timer(self, name: str, subject: str, due_at_us: int, tenant: str, call: str) -> None:
        span_us = max(0, due_at_us - self.event.occurred_at_us)
        self.tx.set_timer(name, subject, clock.now_us() + span_us, tenant, call)


def handle(tx: Tx, event: Envelope, cause: Cause) -> list[Emit]:
    """Find the pool that the fact is about, and let it hear; an operator's leg that nobody knows is hung up."""
    turn, fact = _Turn(tx, event, cause), event.body
    if isinstance(fact, CallHandedOver) and fact.to != NAME:
        return []
    if isinstance(fact, CallWaiting | CallHandedOver):
        before = tx.state("pool_of", fact.leg, str)
        name = fact.queue or before
        if before is not None and before != name:
            turn.leave(before, fact.leg)
        if name is not None:
            turn.hear(name)
        return _emits(turn.sends)
    name = next((found for key in _keys(fact) if (found := tx.state("pool_of", key, str))), None)
    if isinstance(fact, TimerFired) and fact.name == REST_TIMER:
        name = fact.subject
    if name is not None:
        turn.hear(name)
    elif isinstance(fact, LegAnswered) and fact.kind == OPERATOR:
        # Its offer is over: the phone would stand parked and hear nothing (FREESWITCH.md, g).
        not_after = event.occurred_at_us + HANG_UP_WITHIN_US
        body = HangUp(switch=fact.switch, leg=fact.leg, cause="LOSE_RACE")
        turn.sends.append(Send(body, event.tenant, event.call, not_after))
    return _emits(turn.sends)


def platform_revised(tx: Tx, event: Envelope, cause: Cause) -> list[Emit]:
    """Keep the platform; people who were added to a pool take those who wait."""
    projections.keep_platform(tx, event, cause)
    turn = _Turn(tx, event, cause)
    for name in turn.entries:
        turn.assign(name)
    return _emits(turn.sends)


def _keys(fact: object) -> Iterable[str]:
    """Legs and commands by which a fact may concern a pool."""
    if isinstance(fact, LegAnswered | LegEnded):
        return (fact.leg,)
    if isinstance(fact, LegsBridged):
        return (fact.leg, fact.other)
    if isinstance(fact, CommandFinished | CommandRefused | CommandUnknown):
        return (fact.command,)
    if isinstance(fact, TimerFired):
        return (fact.subject.partition("/")[0],)
    return ()


def _emits(sends: Iterable[Send]) -> list[Emit]:
    return [Emit(s.body, tenant=s.tenant, call=s.call, not_after_us=s.not_after_us) for s in sends]
