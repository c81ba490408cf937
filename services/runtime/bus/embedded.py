"""The bus inside one process, with a journal in SQLite: what the small way of running needs instead of RabbitMQ.

Enters: messages of this process. Leaves: deliveries in order per partition. A publish returns when the journal is
synced; everybody who publishes meanwhile shares the transaction. In memory stands only a window of each queue.
The promises are those of `services.runtime.bus`; the file itself belongs to `journal.py`.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import gevent.event

from proto.envelope import BadMessage, decode
from proto.topics import Outgoing, Queue, matches, outgoing
from services.runtime import clock
from services.runtime.bus import Delivery, Unavailable, reason_text
from services.runtime.bus.journal import Journal, Row
from services.runtime.log import get_logger
from services.runtime.metrics import EXPIRED, UNHEARD

WINDOW = 2_000
"""Messages of one partition queue held in memory; more wait in the journal."""
ACK_DELAY_S = 0.02
"""An acknowledgement alone may wait this long for company: at worst the message comes again and is dropped by id."""
RETRY_S = 0.05
REPLAYS_EVERY_S = 1.0
"""So often it is looked whether somebody wants a dead letter replayed."""
REPLAYS_AT_ONCE = 100

log = get_logger("bus")


def partition_of(tenant: str, partitions: int) -> int:
    """The part of a queue that carries a tenant: the same in every life of the process."""
    return zlib.crc32(tenant.encode()) % partitions


@dataclass(eq=False)
class _Part:
    """One partition queue: what is in memory, and how much more the journal holds."""

    name: str
    ready: deque[tuple[Row, bool]] = field(default_factory=deque)
    beyond: int = 0
    last_seq: int = 0
    consumers: list[EmbeddedConsumer] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """A message just journalled: into memory, if everything before it is there and there is room."""
        if self.beyond or len(self.ready) >= WINDOW:
            self.beyond += 1
            return
        self.ready.append((row, False))
        self.last_seq = row.seq

    def refill(self, rows: Sequence[Row], born_before: int) -> None:
        """Messages read back from the journal; those of an earlier life may have been delivered in it."""
        self.beyond = self.beyond - len(rows) if len(rows) == WINDOW else 0
        self.ready.extend((row, row.seq < born_before) for row in rows)
        if rows:
            self.last_seq = rows[-1].seq

    def wake(self) -> None:
        """Tell the one that may read."""
        if self.consumers and self.ready:
            self.consumers[0].wake.set()


@dataclass(eq=False)
class _Write:
    """What one caller wants in the journal; `done` when it is there, or `error`."""

    rows: list[tuple[_Part, Outgoing]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    dead: list[tuple[str, str, bytes]] = field(default_factory=list)
    replayed: list[int] = field(default_factory=list)
    """Numbers of dead letters that are messages again."""
    error: Unavailable | None = None
    done: gevent.event.Event = field(default_factory=gevent.event.Event)


class EmbeddedConsumer:
    """A reader of one partition queue. Only the oldest reader of a queue is given anything."""

    def __init__(self, bus: EmbeddedBus, part: _Part, prefetch: int) -> None:
        self._bus, self._part, self._prefetch = bus, part, prefetch
        self._unacked: dict[int, Row] = {}
        self._closed = False
        self.wake = gevent.event.Event()

    def get(self, limit: int, timeout_s: float | None = None) -> list[Delivery]:
        """See `services.runtime.bus.Consumer.get`."""
        with gevent.Timeout(timeout_s, False):
            while not self._closed:
                self.wake.clear()
                if self._part.consumers[0] is self:
                    taken = self._take(min(limit, self._prefetch - len(self._unacked)))
                    if taken:
                        return taken
                self.wake.wait()
        return []

    def _take(self, room: int) -> list[Delivery]:
        ready = self._part.ready
        taken: list[Delivery] = []
        late: list[int] = []
        now_us = clock.now_us()
        while ready and len(taken) < room:
            row, redelivered = ready.popleft()
            if row.until_us is not None and row.until_us < now_us:
                late.append(row.seq)
                continue
            self._unacked[row.seq] = row
            taken.append(Delivery(row.body, redelivered, row.seq))
        if late:
            EXPIRED.labels(self._part.name).inc(len(late))
            log.warning("commands past their time dropped", queue=self._part.name, count=len(late))
        self._bus.read(self._part, late)
        return taken

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `services.runtime.bus.Consumer.ack`."""
        known = [d.tag for d in deliveries if self._unacked.pop(d.tag, None) is not None]
        self._bus.forget(known)
        self._part.wake()

    def dead_letter(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """See `services.runtime.bus.Consumer.dead_letter`."""
        known = [d for d in deliveries if d.tag in self._unacked]
        letters = [(self._part.name, reason_text(reason), d.body) for d in known]
        self._bus.write(_Write(gone=[d.tag for d in known], dead=letters))
        for delivery in known:
            self._unacked.pop(delivery.tag, None)
        self._part.wake()

    def close(self) -> None:
        """See `services.runtime.bus.Consumer.close`."""
        if self._closed:
            return
        self._closed = True
        self._part.consumers.remove(self)
        self._part.ready.extendleft((row, True) for _, row in sorted(self._unacked.items(), reverse=True))
        self._unacked.clear()
        self.wake.set()
        self._part.wake()

    @property
    def unacked(self) -> int:
        """Deliveries handed out and not settled."""
        return len(self._unacked)


class EmbeddedBus:
    """The bus of one process. A second process on the same journal is refused."""

    def __init__(self, path: Path) -> None:
        """`path` is the journal's file; nothing is opened before `start`."""
        self._journal = Journal(path)
        self._queues: dict[str, Queue] = {}
        self._parts: dict[str, _Part] = {}
        self._routes: dict[tuple[str, str], tuple[Queue, ...]] = {}
        self._writes: list[_Write] = []
        self._gone: list[int] = []
        self._starved: set[_Part] = set()
        self._next_seq = self._first_seq = 0
        self._work = gevent.event.Event()
        self._flush: gevent.Greenlet | None = None
        self._writer: gevent.Greenlet | None = None
        self._replayer: gevent.Greenlet | None = None
        self._stopping = False
        self._stopped = gevent.event.Event()

    # -- life --

    def start(self, queues: Sequence[Queue]) -> None:
        """Open the journal and take up what it holds. Raises Unavailable."""
        self._queues = {queue.name: queue for queue in queues}
        self._parts = {name: _Part(name) for queue in queues for name in queue.parts()}
        self._next_seq = self._first_seq = self._journal.open()
        self._rehome()
        for name, count in self._journal.counts().items():
            if name in self._parts:
                self._parts[name].beyond = count
                self._load(self._parts[name])
        self._writer = gevent.spawn(self._write_all)
        self._replayer = gevent.spawn(self._replay_all)

    def _rehome(self) -> None:
        """Another number of partitions than in the last life: each message goes where its tenant is read now."""
        moves = []
        for seq, name, tenant in self._journal.places():
            queue = self._queues.get(name.rpartition(".")[0])
            if queue is not None and (place := _part_name(queue, tenant)) != name:
                moves.append((place, seq))
        if moves:
            self._journal.move(moves)

    def stop(self) -> None:
        """Write what is asked for, then close."""
        if self._stopping:
            return
        self._stopping = True
        self._stopped.set()
        for part in self._parts.values():
            for consumer in list(part.consumers):
                consumer.close()
        self._work.set()
        for greenlet in (self._replayer, self._writer):
            if greenlet is not None:
                greenlet.join()
        self._journal.close()

    # -- the port --

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """See `services.runtime.bus.Bus.publish`."""
        write = _Write()
        for message in messages:
            heard = [(self._parts[_part_name(queue, message.tenant)], message) for queue in self._heard_by(message)]
            write.rows.extend(heard)
            if not heard:
                UNHEARD.labels(message.delivery).inc()
                if message.delivery == "command":
                    write.dead.append((message.routing_key, "no queue for this switch", message.body))
        if write.rows or write.dead:
            self.write(write)
        elif self._writer is None or self._stopping:
            raise Unavailable("the bus is stopped")

    def _heard_by(self, message: Outgoing) -> Iterable[Queue]:
        address = message.delivery, message.routing_key
        found = self._routes.get(address)
        if found is None:
            found = tuple(
                queue
                for queue in self._queues.values()
                if queue.delivery == message.delivery and any(matches(b, message.routing_key) for b in queue.bindings)
            )
            if len(self._routes) < 100_000:
                self._routes[address] = found
        return found

    def consume(self, queue: str, prefetch: int = 64) -> EmbeddedConsumer:
        """See `services.runtime.bus.Bus.consume`. Raises KeyError for a queue that `start` was not told of."""
        part = self._parts[queue]
        consumer = EmbeddedConsumer(self, part, prefetch)
        part.consumers.append(consumer)
        return consumer

    def depth(self, queue: str) -> int:
        """Messages in the partition queue, unacknowledged ones included."""
        part = self._parts[queue]
        return len(part.ready) + part.beyond + sum(consumer.unacked for consumer in part.consumers)

    def letters(self) -> int:
        """See `services.runtime.bus.Bus.letters`."""
        return self._journal.letters()

    # -- for the consumers --

    def forget(self, seqs: Sequence[int]) -> None:
        """These are done; the journal hears of it with the next write, or soon."""
        if not seqs:
            return
        self._gone.extend(seqs)
        if self._flush is None and not self._stopping:
            self._flush = gevent.spawn_later(ACK_DELAY_S, self._work.set)

    def read(self, part: _Part, late: Sequence[int]) -> None:
        """A consumer took from `part`; `late` were dropped. Fetch more if the journal has more."""
        self.forget(late)
        if part.beyond and len(part.ready) < WINDOW // 2:
            self._starved.add(part)
            self._work.set()

    def write(self, write: _Write) -> None:
        """Returns when it is on disk. Raises Unavailable."""
        if self._writer is None or self._stopping:
            raise Unavailable("the bus is stopped")
        self._writes.append(write)
        self._work.set()
        write.done.wait()
        if write.error is not None:
            raise write.error

    # -- letters that somebody wants replayed (`embedded_letters.py`) --

    def _replay_all(self) -> None:
        while not self._stopped.is_set():
            try:
                self._replay_some()
            except Unavailable as error:
                log.warning("dead letters cannot be replayed", reason=str(error))
            except Exception as error:
                log.error("dead letters cannot be replayed", exc_info=error)
            self._stopped.wait(REPLAYS_EVERY_S)

    def _replay_some(self) -> None:
        for seq, name, body in self._journal.wanted(REPLAYS_AT_ONCE):
            queue = self._queues.get(name.rpartition(".")[0])
            try:
                message = outgoing(decode(body))
            except BadMessage:
                queue = None
            if queue is None:
                log.error("a dead letter goes into no queue", queue=name)
                self._journal.refuse(seq)
                continue
            # Where its tenant is read now: there may be another number of partitions than when it was put aside.
            self.write(_Write(rows=[(self._parts[_part_name(queue, message.tenant)], message)], replayed=[seq]))
            log.info("dead letter replayed", queue=name, message=message.id)

    # -- the writer --

    def _write_all(self) -> None:
        while self._writes or self._gone or not self._stopping:
            self._work.wait()
            if not self._stopping:
                self._work.clear()
            self._flush = None
            self._commit()
            self._feed()

    def _feed(self) -> None:
        starved, self._starved = self._starved, set()
        for part in starved:
            try:
                self._load(part)
            except Unavailable as error:
                log.warning("journal cannot be read", reason=str(error))
                self._starved.add(part)
        if self._starved:
            gevent.spawn_later(RETRY_S, self._work.set)

    def _commit(self) -> None:
        writes, self._writes = self._writes, []
        gone, self._gone = self._gone, []
        rows: list[tuple[_Part, Row]] = []
        for write in writes:
            for part, message in write.rows:
                until_us = None if message.lives_us is None else clock.now_us() + message.lives_us
                row = Row(self._next_seq, part.name, message.tenant, until_us, message.body)
                rows.append((part, row))
                self._next_seq += 1
        if not writes and not gone:
            return
        settled = [seq for write in writes for seq in write.gone]
        try:
            dead = [(*letter, clock.now_us()) for write in writes for letter in write.dead]
            replayed = [seq for write in writes for seq in write.replayed]
            self._journal.write([row for _, row in rows], [*gone, *settled], dead, replayed)
        except Exception as error:
            log.error("journal cannot be written", reason=str(error))
            if not self._stopping:  # acknowledgements wait for the next try; at the end the messages just come again
                self.forget(gone)
            for write in writes:
                write.error = error if isinstance(error, Unavailable) else Unavailable(f"journal: {error}")
        else:
            for part, row in rows:
                part.add(row)
            for part in {part for part, _ in rows}:
                part.wake()
        for write in writes:
            write.done.set()

    def _load(self, part: _Part) -> None:
        part.refill(self._journal.load(part.name, part.last_seq, WINDOW), self._first_seq)
        part.wake()


def _part_name(queue: Queue, tenant: str) -> str:
    return f"{queue.name}.{partition_of(tenant, queue.partitions)}"
