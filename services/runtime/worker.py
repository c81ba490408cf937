"""The one loop of every service: decode, load, decide, commit, publish, acknowledge.

Enters: deliveries of one partition queue. Leaves: messages on the bus, after the state that caused them is committed.
What a service does with a message stands in its `service.py`, as handlers over a transaction; trouble is dealt with
here and nowhere else (ARCHITECTURE: trouble in a worker).
"""

from __future__ import annotations

import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import gevent
import gevent.event
from sqlalchemy import MetaData, delete

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
IDLE_S = 0.5
PAUSE_S = 0.05
"""After a batch of an unhurried service, unless more than a batch waits."""
RESTART_S = 1.0
CONFLICT_S = 0.05
TIDY_EVERY_US = 10_000_000
TIMER_PAUSE_S = 0.01
"""Timers due within this time of each other are published together."""
LEFT_AFTER_US = 5_000_000
"""A message this long in the outbox was left by somebody who died, or was put there by a page."""
SEEN_FOR_US = 14 * 24 * 3600 * 1_000_000

TIMERS_AT_ONCE = 500
LOOK_AGAIN_US = 5_000_000
"""Timers may be set by another process on the same database: then they are late by this much at most."""

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
    estimated: bool = False
    """What it says rests on something that was concluded, not seen."""


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
    unhurried: bool = False
    """Nobody on the telephone waits for it: what comes within `PAUSE_S` shares a transaction."""
    ahead: Callable[[Tx, Sequence[Envelope]], None] | None = None
    """Told, in the transaction, what is about to be handled: what all of it needs may be read at once (`Tx.learn`)."""


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
    _tidied_us: int = 0
    idle: gevent.event.Event = field(default_factory=gevent.event.Event)
    """Set while nothing is in hand."""

    # -- life --

    def start(self) -> None:
        """Send what an earlier life left in the outbox, then begin to read."""
        self._publish(self._persist(lambda tx: tx.unposted()))
        self._consumer = self.bus.consume(self.queue, prefetch=BATCH * 2)
        self.idle.set()
        self._greenlet = gevent.spawn(self._loop)

    def stop(self) -> None:
        """Finish the batch in hand, then stop reading; the rest stays in the queue."""
        self._stopping.set()
        if self._greenlet is not None and self._consumer is not None:
            self.idle.wait()
            self._consumer.close()
            self._greenlet.join()
        try:
            self._forget_confirmed()
        except (Unavailable, Conflict) as error:  # they are sent again by the next life, and dropped by their ids
            log.warning("outbox not cleared", reason=str(error))

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except _Stopped:
                break
            except Exception as error:  # not a handler's: what is in hand comes again through a new reader
                log.error("worker begins anew", queue=self.queue, exc_info=error)
                self._reader.close()
                self._stopping.wait(RESTART_S)
                self._consumer = self.bus.consume(self.queue, prefetch=BATCH * 2)
        self.idle.set()

    def _turn(self) -> None:
        deliveries = self._reader.get(BATCH, timeout_s=IDLE_S if self._confirmed else TIDY_EVERY_US / 1_000_000)
        if deliveries:
            self.idle.clear()
            self._work_off(deliveries)
        now_us = clock.monotonic_us()
        if not deliveries or now_us - self._tidied_us > TIDY_EVERY_US:
            self._tidy(now_us)
        self.idle.set()
        if self.service.unhurried and 0 < len(deliveries) < BATCH:
            self._stopping.wait(PAUSE_S)

    @property
    def _reader(self) -> Consumer:
        assert self._consumer is not None
        return self._consumer

    # -- messages --

    def _work_off(self, deliveries: Sequence[Delivery]) -> None:
        readable: list[tuple[Delivery, Envelope]] = []
        for delivery in deliveries:
            try:
                readable.append((delivery, self._understand(delivery)))
            except BadMessage as error:
                self._put_aside(delivery, str(error))
        if not readable:
            return
        try:
            self._commit_and_publish([envelope for _, envelope in readable])
        except _Stopped:
            raise
        except Exception as error:  # one of them trips a bug: find it, let the others through, in order
            log.warning("batch failed, one by one now", queue=self.queue, reason=type(error).__name__)
            for delivery, envelope in readable:
                self._work_off_alone(delivery, envelope)
            return
        self._reader.ack([delivery for delivery, _ in readable])

    def _understand(self, delivery: Delivery) -> Envelope:
        envelope = decode(delivery.body)
        if type(envelope.body) not in self.service.handlers:
            raise BadMessage(f"{self.service.name} does not hear {envelope.body.NAME}")
        return envelope

    def _work_off_alone(self, delivery: Delivery, envelope: Envelope) -> None:
        """A bug in a handler: try again, then put the message aside so that the others can go on."""
        attempts = 0
        while True:
            try:
                self._commit_and_publish([envelope])
            except (_Stopped, Unavailable):
                raise
            except BadMessage as error:
                self._put_aside(delivery, str(error))
            except Exception as error:
                attempts = self._persist(lambda tx: tx.count_failure(envelope.id))
                log.error(
                    "handler failed", attempt=attempts, message=envelope.id, type=envelope.body.NAME, exc_info=error
                )
                if attempts < MAX_ATTEMPTS:
                    continue
                self._put_aside(delivery, _why(error, self.service.name, attempts))
            else:
                self._reader.ack([delivery])
            break
        if attempts:
            self._persist(lambda tx: tx.forget_failures(envelope.id))

    def _put_aside(self, delivery: Delivery, reason: str) -> None:
        log.error("message put aside", queue=self.queue, reason=reason)
        self._insist(lambda: self._reader.dead_letter([delivery], reason))
        DEAD_LETTERED.labels(self.service.name).inc()

    def _commit_and_publish(self, envelopes: Sequence[Envelope]) -> None:
        confirmed, self._confirmed = self._confirmed, []

        def work(tx: Tx) -> tuple[list[Envelope], list[Outgoing]]:
            tx.posted(confirmed)
            first: dict[str, Envelope] = {}
            for envelope in envelopes:
                first.setdefault(envelope.id, envelope)
            new = tx.first_times(list(first), clock.now_us())
            # Whoever committed the others before may have died before the bus had its answers.
            leaving = tx.unposted(causes=list(first.keys() - new)) if len(new) < len(first) else []
            fresh = [envelope for envelope in first.values() if envelope.id in new]
            if self.service.ahead is not None:
                self.service.ahead(tx, fresh)
            for envelope in fresh:
                answers = self._handle(tx, envelope)
                tx.post(answers, envelope.id)
                leaving += answers
            return fresh, leaving

        try:
            fresh, leaving = self._persist(work)
        except BaseException:
            self._confirmed = confirmed + self._confirmed
            raise
        self._publish(leaving)
        for name, count in Counter(envelope.body.NAME for envelope in fresh).items():
            HANDLED.labels(self.service.name, name).inc(count)
        if fresh and self.service.after_commit is not None:
            try:
                self.service.after_commit(fresh)
            except Exception as error:  # the state stands and the answers are sent: only a page or courier missed it
                log.error("after_commit failed", service=self.service.name, exc_info=error)

    def _handle(self, tx: Tx, envelope: Envelope) -> list[Outgoing]:
        handler = self.service.handlers[type(envelope.body)]  # type: ignore[index]
        cause = Cause(envelope, self.service.name)
        return [outgoing(address(emit, cause, n)) for n, emit in enumerate(handler(tx, envelope, cause))]

    # -- what we depend on --

    def _persist(self, work: Callable[[Tx], T]) -> T:
        """Commit, again in place while the database is away or another worker was first. Raises what `work` raises."""
        for delay in _backoff():
            try:
                return self.store.run(work)
            except Conflict:
                RETRIED.labels(self.service.name, "conflict").inc()
                delay = min(delay, CONFLICT_S) * random.random()
            except Unavailable as error:
                RETRIED.labels(self.service.name, "database").inc()
                log.warning("database away, trying again", reason=str(error))
            if self._stopping.wait(delay):
                raise _Stopped
        raise AssertionError("backoff never ends")

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        if messages:
            self._insist(lambda: self.bus.publish(messages))
            self._confirmed.extend(message.id for message in messages)

    def _insist(self, tell_bus: Callable[[], None]) -> None:
        for delay in _backoff():
            try:
                return tell_bus()
            except Unavailable as error:
                RETRIED.labels(self.service.name, "bus").inc()
                log.warning("bus away, trying again", reason=str(error))
            if self._stopping.wait(delay):
                raise _Stopped
        raise AssertionError("backoff never ends")

    # -- housekeeping --

    def _tidy(self, now_us: int) -> None:
        """Clear the outbox of what is confirmed, send what somebody left in it, forget old ids (a bounded number)."""
        try:
            self._forget_confirmed()
            if now_us - self._tidied_us > TIDY_EVERY_US:
                self._publish(self.store.run(lambda tx: tx.unposted(before_us=clock.now_us() - LEFT_AFTER_US)))
                self.store.run(lambda tx: tx.prune(clock.now_us() - SEEN_FOR_US))
                self._tidied_us = now_us
        except (Unavailable, Conflict) as error:
            log.warning("housekeeping waits", service=self.service.name, reason=str(error))

    def _forget_confirmed(self) -> None:
        confirmed, self._confirmed = self._confirmed, []
        if confirmed:
            try:
                self.store.run(lambda tx: tx.posted(confirmed))
            except BaseException:
                self._confirmed = confirmed + self._confirmed
                raise


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
        estimated=emit.estimated,
    )


def _why(error: Exception, service: str, attempts: int) -> str:
    """What tripped, where, and how often it was tried: a person reads it who has only the letter."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "site-packages" not in one.filename]
    place = "".join(f", {'/'.join(Path(one.filename).parts[-2:])}:{one.lineno}" for one in frames[-1:])
    return f"{type(error).__name__} in {service}{place} ({attempts} attempts): {error}"


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
    _greenlet: gevent.Greenlet | None = None
    _stopping: gevent.event.Event = field(default_factory=gevent.event.Event)

    def start(self) -> None:
        """Begin to look."""
        self._greenlet = gevent.spawn(self._loop)

    def stop(self) -> None:
        """Stop looking; timers stay in the store."""
        self._stopping.set()
        self.store.sooner.set()
        if self._greenlet is not None:
            self._greenlet.join()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                while self.fire_due(clock.now_us()) == TIMERS_AT_ONCE and not self._stopping.is_set():
                    log.warning("many timers are due", service=self.service.name)
                self._await_next()
            except (Unavailable, Conflict) as error:
                log.warning("timers wait", service=self.service.name, reason=str(error))
                self._stopping.wait(IDLE_S)
            except Exception as error:
                log.error("timers failed", service=self.service.name, exc_info=error)
                self._stopping.wait(RESTART_S)

    def _await_next(self) -> None:
        """Until the next timer is due, a sooner one is set, or it is time to look what others have set."""
        if self._stopping.wait(TIMER_PAUSE_S):
            return
        self.store.sooner.clear()
        self.store.awaited_us = self.store.next_timer_us
        until_us = min(self.store.awaited_us - clock.now_us(), LOOK_AGAIN_US)
        self.store.sooner.wait(max(0, until_us) / 1_000_000)

    def fire_due(self, now_us: int) -> int:
        """Publish what is due, then forget it: a crash between gives the same message id again, which is dropped."""
        fired = self.store.run(
            lambda tx: [_fired(self.service.name, row) for row in tx.due_timers(now_us, TIMERS_AT_ONCE)]
        )
        if fired:
            self.bus.publish([outgoing(envelope) for envelope in fired])
            self.store.run(lambda tx: _forget(tx, fired, now_us))
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


def _forget(tx: Tx, fired: Sequence[Envelope], now_us: int) -> None:
    table = tx.tables["timers"]
    for envelope in fired:
        timer = envelope.body
        assert isinstance(timer, TimerFired)
        tx.sql.execute(
            delete(table).where(
                table.c.name == timer.name, table.c.subject == timer.subject, table.c.due_at_us == timer.due_at_us
            )
        )
    tx.due_timers(now_us, 1)  # so that the store knows when to look again
