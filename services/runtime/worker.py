"""The one loop of every service: decode, load, decide, commit, publish, acknowledge.

Enters: deliveries of one partition queue. Leaves: messages on the bus, after the state that caused them is committed.
What a service does with a message stands in its `service.py`, as handlers over a transaction; trouble is dealt with
here and nowhere else (ARCHITECTURE: trouble in a worker).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gevent
import gevent.event
from sqlalchemy import MetaData, delete, insert, select, update

from proto.envelope import BadMessage, Envelope, decode
from proto.events import TimerFired
from proto.message import Event, Message
from proto.topics import Outgoing, outgoing
from proto.values import command_id
from services.runtime import clock
from services.runtime.bus import Bus, Consumer, Delivery, Unavailable
from services.runtime.log import get_logger
from services.runtime.metrics import DEAD_LETTERED, HANDLED, RETRIED
from services.runtime.store import Conflict, Store, Tx

BATCH = 64
MAX_ATTEMPTS = 3
SEEN_FOR_US = 14 * 24 * 3600 * 1_000_000

T = TypeVar("T")
log = get_logger("worker")


@dataclass(frozen=True, slots=True)
class Emit:
    """A message that a handler wants sent. Whatever is None is taken over from the message that caused it."""

    body: Message
    tenant: str | None = None
    call: str | None = None
    occurred_at_us: int | None = None
    not_after_us: int | None = None
    id: str | None = None
    """Only where the id must be known before (an originated leg has its command's id): see `Cause.id_of`."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The message being handled, and the ids of what it causes."""

    envelope: Envelope
    service: str

    def id_of(self, position: int) -> str:
        """Id of the `position`-th message this one causes: the same on every redelivery."""
        return command_id(f"{self.envelope.id}/{self.service}", position)


Handler = Callable[[Tx, Envelope, Cause], Iterable[Emit]]
"""Runs on the store's thread inside the transaction: loads, decides, saves; returns what to send. Must not block."""


@dataclass(frozen=True)
class Service:
    """One room as the shell sees it."""

    name: str
    handlers: Mapping[type[Event], Handler]
    metadata: MetaData
    after_commit: Callable[[Sequence[Envelope]], None] | None = None
    """Told, on the hub, which messages were newly committed: live pages, couriers."""


@dataclass
class Worker:
    """Works off one partition queue of one service."""

    service: Service
    store: Store
    bus: Bus
    queue: str
    _consumer: Consumer | None = None
    _greenlet: gevent.Greenlet | None = None
    _stopping: gevent.event.Event = field(default_factory=gevent.event.Event)
    _confirmed: list[str] = field(default_factory=list)
    idle: gevent.event.Event = field(default_factory=gevent.event.Event)

    def start(self) -> None:
        """Send what an earlier life left in the outbox, then begin to read."""
        self.store.run(lambda tx: tx.prune(clock.now_us() - SEEN_FOR_US))
        self._publish(self.store.run(lambda tx: tx.unposted()))
        self._consumer = self.bus.consume(self.queue, prefetch=BATCH * 2)
        self._greenlet = gevent.spawn(self._loop)

    def stop(self) -> None:
        """Finish the batch in hand, then stop reading; the rest stays in the queue."""
        self._stopping.set()
        if self._consumer is not None:
            self._consumer.close()
        if self._greenlet is not None:
            self._greenlet.join()
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            self.store.run(lambda tx: tx.posted(confirmed))

    def _loop(self) -> None:
        assert self._consumer is not None
        while not self._stopping.is_set():
            deliveries = self._consumer.get(BATCH, timeout_s=0.5)
            if deliveries:
                self._work_off(deliveries)

    def _work_off(self, deliveries: Sequence[Delivery]) -> None:
        assert self._consumer is not None
        readable: list[tuple[Delivery, Envelope]] = []
        for delivery in deliveries:
            try:
                readable.append((delivery, decode(delivery.body)))
            except BadMessage as error:
                self._put_aside(delivery, str(error))
        if not readable:
            return
        try:
            self._commit_and_publish([envelope for _, envelope in readable])
            self._consumer.ack([delivery for delivery, _ in readable])
        except _Stopped:
            return
        except Exception as error:  # one of them trips a bug: find it, let the others through, in order
            if len(readable) > 1:
                for delivery, _ in readable:
                    self._work_off([delivery])
                return
            self._count_failure(*readable[0], error)

    def _count_failure(self, delivery: Delivery, envelope: Envelope, error: Exception) -> None:
        """A bug in a handler: try again at once, then put the message aside so that the others can go on."""
        for attempt in range(self._attempts(envelope.id), MAX_ATTEMPTS):
            log.error("handler failed", attempt=attempt, message=envelope.id, type=envelope.body.NAME, exc_info=error)
            try:
                self._commit_and_publish([envelope])
                assert self._consumer is not None
                self._consumer.ack([delivery])
                return
            except _Stopped:
                return
            except Exception as again:
                error = again
                self._attempts(envelope.id)
        self._put_aside(delivery, f"{type(error).__name__} in {self.service.name}: {error}")

    def _attempts(self, message_id: str) -> int:
        def count(tx: Tx) -> int:
            table = tx.tables["failures"]
            known = tx.sql.execute(select(table.c.attempts).where(table.c.id == message_id)).scalar()
            if known is None:
                tx.sql.execute(insert(table).values(id=message_id, attempts=1))
                return 1
            tx.sql.execute(update(table).where(table.c.id == message_id).values(attempts=known + 1))
            return int(known) + 1

        return self._persist(count)

    def _put_aside(self, delivery: Delivery, reason: str) -> None:
        assert self._consumer is not None
        log.error("message put aside", queue=self.queue, reason=reason)
        DEAD_LETTERED.labels(self.service.name).inc()
        self._consumer.dead_letter([delivery], reason)

    def _commit_and_publish(self, envelopes: Sequence[Envelope]) -> None:
        confirmed, self._confirmed = self._confirmed, []

        def work(tx: Tx) -> tuple[list[Envelope], list[Outgoing]]:
            tx.posted(confirmed)
            fresh, leaving = [], []
            for envelope in envelopes:
                if not tx.first_time(envelope.id, clock.now_us()):
                    continue
                fresh.append(envelope)
                leaving.extend(self._handle(tx, envelope))
            tx.post(leaving)
            return fresh, leaving

        try:
            fresh, leaving = self._persist(work)
        except BaseException:
            self._confirmed = confirmed + self._confirmed
            raise
        self._publish(leaving)
        for envelope in fresh:
            HANDLED.labels(self.service.name, envelope.body.NAME).inc()
        if fresh and self.service.after_commit is not None:
            self.service.after_commit(fresh)

    def _handle(self, tx: Tx, envelope: Envelope) -> list[Outgoing]:
        handler = self.service.handlers.get(type(envelope.body))  # type: ignore[arg-type]
        if handler is None:
            raise BadMessage(f"{self.service.name} does not hear {envelope.body.NAME}")
        cause = Cause(envelope, self.service.name)
        return [outgoing(address(emit, cause, n)) for n, emit in enumerate(handler(tx, envelope, cause))]

    def _persist(self, work: Callable[[Tx], T]) -> T:
        """Commit, again in place while the database is away or another worker was first. Raises what `work` raises."""
        for delay in _backoff():
            try:
                return self.store.run(work)
            except Conflict:
                RETRIED.labels(self.service.name, "conflict").inc()
                delay = 0.0
            except Unavailable as error:
                RETRIED.labels(self.service.name, "database").inc()
                log.warning("database away, trying again", reason=str(error))
            if self._stopping.wait(delay):
                raise _Stopped
        raise AssertionError("backoff never ends")

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        if not messages:
            return
        for delay in _backoff():
            try:
                self.bus.publish(messages)
                break
            except Unavailable as error:
                RETRIED.labels(self.service.name, "bus").inc()
                log.warning("bus away, trying again", reason=str(error))
            if self._stopping.wait(delay):
                raise _Stopped
        self._confirmed.extend(message.id for message in messages)


class _Stopped(Exception):
    """The process stops while something we depend on is away; the message stays in the queue."""


def address(emit: Emit, cause: Cause, position: int) -> Envelope:
    """An emitted message with the circumstances of its cause."""
    source = cause.envelope
    return Envelope(
        body=emit.body,
        id=emit.id or cause.id_of(position),
        source=cause.service,
        tenant=source.tenant if emit.tenant is None else emit.tenant,
        call=source.call if emit.call is None else emit.call,
        cause=source.id,
        occurred_at_us=source.occurred_at_us if emit.occurred_at_us is None else emit.occurred_at_us,
        not_after_us=emit.not_after_us,
    )


def _backoff() -> Iterable[float]:
    delay = 0.05
    while True:
        yield delay
        delay = min(delay * 2, 5.0)


@dataclass
class Timers:
    """Turns due timers of a service into TimerFired on its own queue, so that they come in order with the rest."""

    service: Service
    store: Store
    bus: Bus
    every_s: float = 0.1
    _greenlet: gevent.Greenlet | None = None
    _stopping: gevent.event.Event = field(default_factory=gevent.event.Event)

    def start(self) -> None:
        """Begin to look."""
        self._greenlet = gevent.spawn(self._loop)

    def stop(self) -> None:
        """Stop looking; timers stay in the store."""
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join()

    def _loop(self) -> None:
        while not self._stopping.wait(self.every_s):
            try:
                self.fire_due(clock.now_us())
            except Unavailable as error:
                log.warning("timers wait", reason=str(error))

    def fire_due(self, now_us: int) -> int:
        """Publish what is due, then forget it: a crash between gives the same message id again, which is dropped."""

        def due(tx: Tx) -> list[Envelope]:
            table = tx.tables["timers"]
            rows = tx.sql.execute(
                select(table).where(table.c.due_at_us <= now_us).order_by(table.c.due_at_us).limit(500)
            )
            return [_fired(self.service.name, row) for row in rows]

        fired = self.store.run(due)
        if fired:
            self.bus.publish([outgoing(envelope) for envelope in fired])
            self.store.run(lambda tx: _forget(tx, fired))
        return len(fired)


def _fired(service: str, row: Any) -> Envelope:
    name, subject, due_at_us = str(row.name), str(row.subject), int(row.due_at_us)
    body = TimerFired(service=service, name=name, subject=subject, due_at_us=due_at_us)
    return Envelope(
        body=body,
        id=command_id(f"timer/{service}/{name}/{subject}", due_at_us),
        source=service,
        tenant=row.tenant,
        call=row.call,
        occurred_at_us=due_at_us,
    )


def _forget(tx: Tx, fired: Sequence[Envelope]) -> None:
    table = tx.tables["timers"]
    for envelope in fired:
        timer = envelope.body
        assert isinstance(timer, TimerFired)
        tx.sql.execute(
            delete(table).where(
                table.c.name == timer.name, table.c.subject == timer.subject, table.c.due_at_us == timer.due_at_us
            )
        )
