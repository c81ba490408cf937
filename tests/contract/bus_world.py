"""What the contract suite knows of a transport: an address, how to open it, how to meet its end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gevent

from proto.topics import Outgoing, Queue
from services.runtime.bus import Bus, Consumer, DeadLetter, Delivery, Unavailable
from services.runtime.bus.choose import connect, letter_box

DEADLINE_S = 30
ROUTING = Queue("routing", "fact", ("*.call.arrived", "*.leg.ended"))
HISTORY = Queue("history", "fact", ("*.leg.ended",))
FS1 = Queue("commands.fs1", "command", ("fs1",))
FS2 = Queue("commands.fs2", "command", ("fs2",))


@dataclass
class World:
    """One transport, empty at the start of each test."""

    url: str
    folder: Path
    opened: list[Bus] = field(default_factory=list)

    def open(self, *queues: Queue) -> Bus:
        """A started bus; closed at the end of the test at the latest."""
        bus = connect(self.url, self.folder)
        bus.start(queues)
        self.opened.append(bus)
        return bus

    def reopen(self, bus: Bus, *queues: Queue) -> Bus:
        """The process ends in order and starts again."""
        bus.stop()
        return self.open(*queues)

    def other_process(self, what: str) -> subprocess.Popen[str]:
        """`tests/contract/bus_process.py` on this transport, ready."""
        command = [sys.executable, "-m", "tests.contract.bus_process", what, self.url, str(self.folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def letters(self) -> list[DeadLetter]:
        """What was put aside, oldest first, as somebody reads it who has no other part in the bus."""
        return list(letter_box(self.url, self.folder).read())

    def close(self) -> None:
        """Stop what the test left open."""
        for bus in self.opened:
            bus.stop()


def fact(text: str, tenant: str = "acme", name: str = "leg.ended") -> Outgoing:
    """A fact whose bytes are its id: the bus must not look inside."""
    return Outgoing(text, "fact", f"{tenant}.{name}", tenant, text.encode())


def command(text: str, switch: str = "fs1", lives_us: int | None = None) -> Outgoing:
    """A request to a switch."""
    return Outgoing(text, "command", switch, "acme", text.encode(), lives_us)


def texts(deliveries: Sequence[Delivery]) -> list[str]:
    """What was delivered."""
    return [d.body.decode() for d in deliveries]


def read(consumer: Consumer, count: int, ack: bool = True) -> list[Delivery]:
    """`count` deliveries, or as many as came before the deadline."""
    taken: list[Delivery] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(taken) < count and time.monotonic() < deadline:
        some = consumer.get(count - len(taken), timeout_s=1)
        if ack:
            consumer.ack(some)
        taken += some
    return taken


def wait_for(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Returns when it holds; fails the test at the deadline."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        gevent.sleep(0.01)


def publish_surely(bus: Bus, messages: Sequence[Outgoing]) -> int:
    """Publish as a worker does: again until the bus has taken them. How often it was refused."""
    refused = 0
    deadline = time.monotonic() + 2 * DEADLINE_S
    while True:
        try:
            bus.publish(messages)
            return refused
        except Unavailable:
            refused += 1
            assert time.monotonic() < deadline, "the bus did not come back"
            gevent.sleep(0.1)
