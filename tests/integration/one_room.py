"""One service for a test: its own worker and timers over the embedded bus, with its store.

Enters: a `build()` and facts. Leaves: the commands and facts that the service put on the bus, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import gevent

from proto.envelope import MESSAGES, Envelope, decode
from proto.message import Command, Event, Message
from proto.topics import Queue, command_queue, outgoing, service_queue
from services.runtime import clock
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from services.runtime.worker import Service, Timers, Worker
from tests.clients import PLATFORM, client, revisions
from tests.stores import Database

DEADLINE_S = 30.0
M = TypeVar("M", bound=Message)

_TAP = Queue("tap", "fact", tuple(f"*.{name}" for name, kind in MESSAGES.items() if issubclass(kind, Event)))


class OneRoom:
    """A running service. `tell` publishes facts; `say` waits for what the service says."""

    def __init__(self, service: Service, folder: Path, database: Database) -> None:
        self.service = service
        self.bus = EmbeddedBus(folder / "bus.sqlite")
        self.store = Store(database.store(service.name), service.metadata)
        self.worker = Worker(service, self.store, self.bus, f"{service.name}.0")
        self.timers = Timers(service, self.store, self.bus)
        self.said: list[Envelope] = []

    def start(self) -> None:
        """Worker, timers and the ears of the test."""
        self.bus.start((service_queue(self.service.name), command_queue("fs1"), _TAP))
        self._ears = [gevent.spawn(self._listen, name) for name in ("tap.0", "commands.fs1.0")]
        self.store.start()
        self.worker.start()
        self.timers.start()

    def stop(self) -> None:
        """In reverse."""
        self.timers.stop()
        self.worker.stop()
        self.bus.stop()
        gevent.joinall(self._ears)
        self.store.stop()

    def _listen(self, queue: str) -> None:
        consumer = self.bus.consume(queue)
        while deliveries := consumer.get(64):
            heard = [decode(delivery.body) for delivery in deliveries]
            self.said += [envelope for envelope in heard if envelope.source == self.service.name]
            consumer.ack(deliveries)

    def tell(self, *facts: Envelope) -> None:
        """Publish, and wait until all is worked off."""
        self.bus.publish([outgoing(fact) for fact in facts])
        self.until(lambda: self.bus.depth(f"{self.service.name}.0") == 0, "the queue to run empty")

    def heard(self, kind: type[M]) -> list[M]:
        """What the service said of this kind, each message once, in order."""
        unique = {envelope.id: envelope.body for envelope in self.said}
        return [body for body in unique.values() if isinstance(body, kind)]

    def envelopes(self, kind: type[Message]) -> list[Envelope]:
        """The same with who, when and for whom."""
        return [envelope for envelope in self.said if isinstance(envelope.body, kind)]

    def await_(self, kind: type[M], count: int = 1) -> list[M]:
        """Wait until the service has said so many of this kind; then exactly so many must stand."""
        self.until(lambda: len(self.heard(kind)) >= count, f"{count} {kind.__name__}")
        found = self.heard(kind)
        assert len(found) == count, found
        return found

    def commands(self) -> list[str]:
        """Names of all commands given so far."""
        return [type(e.body).__name__ for e in self.said if isinstance(e.body, Command)]

    def until(self, holds: object, what: str) -> None:
        """Until a condition holds; fails with what is missing."""
        assert callable(holds)
        with gevent.Timeout(DEADLINE_S, False):
            while not holds():
                gevent.sleep(0.005)
            return
        raise AssertionError(f"still waiting for {what}; said so far: {[type(e.body).__name__ for e in self.said]}")


@contextmanager
def running(service: Service, folder: Path, database: Database) -> Iterator[OneRoom]:
    """The service with the sample client and platform known."""
    room = OneRoom(service, folder, database)
    room.start()
    try:
        room.tell(*revisions(client(), platform=PLATFORM))
        yield room
    finally:
        room.stop()


def now() -> int:
    """The present, for commands that must not be past their time."""
    return clock.now_us()
