"""The port to the bus: what every transport promises, so that services never know which one carries them.

Enters: `Outgoing` messages and the queues of `proto/topics.py`. Leaves: deliveries in order per partition. Transports:
`rabbitmq.py` (many processes) and `embedded.py` (one process, journal in SQLite); one contract suite runs over both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from proto.topics import Outgoing, Queue


class Unavailable(Exception):
    """A thing we depend on (bus, database, remote) does not answer now. Keep the work and try again in place."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message out of a queue. `tag` belongs to the transport."""

    body: bytes
    redelivered: bool
    tag: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was put aside: from which queue, why, and its bytes as they came."""

    queue: str
    reason: str
    body: bytes = field(repr=False)
    at_us: int | None = None
    """When it was put aside, by the clock of whoever did; None: by an earlier version, or by the broker."""

    @property
    def id(self) -> str:
        """The same for the same bytes out of the same queue."""
        return hashlib.sha256(self.queue.encode() + b"\0" + self.body).hexdigest()[:16]


def reason_text(reason: str) -> str:
    """A reason as it may be kept: at most 1,000 characters, valid UTF-8 whatever the message held."""
    return reason[:1000].encode("utf-8", "replace").decode()


class Consumer(Protocol):
    """One reader of one partition queue. It outlives reconnects: what was not acknowledged comes again."""

    def get(self, limit: int, timeout_s: float | None = None) -> list[Delivery]:
        """Up to `limit` deliveries in order; waits for the first (None: for ever). Empty after the time or on close.

        A command that waited longer than its `lives_us` is not among them, by the bus's clock alone; one that comes
        through at the last moment is refused by its reader, aloud.
        """

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Done. For facts it may take effect only when everything handed out is settled: order outlives a crash.
        For commands it returns when the bus has it, so that none comes again once it is carried out.

        Stale tags (from before a reconnect) are ignored: the message comes again and is dropped by its id.
        """

    def dead_letter(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Put aside for a person to look at, with the reason; the queue goes on. Raises Unavailable."""

    def close(self) -> None:
        """Stop reading; unacknowledged deliveries go back to the queue in their order."""


class Bus(Protocol):
    """A connection to the bus for one process."""

    def start(self, queues: Sequence[Queue]) -> None:
        """Connect and declare everything. Raises Unavailable if the bus cannot be reached."""

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns when the bus has taken responsibility for all of them, in this order. Raises Unavailable.

        A fact that no queue listens to is taken and gone; a command to a switch without a queue becomes a dead letter.
        Thread of control: any greenlet. After Unavailable some may have been taken; publishing all again is right,
        since consumers drop ids they have seen.
        """

    def consume(self, queue: str, prefetch: int = 64) -> Consumer:
        """Read the partition queue `queue` (`routing.0`). A second consumer of it waits until the first is gone."""

    def depth(self, queue: str) -> int:
        """Messages in the partition queue, unacknowledged ones included where the transport knows them."""

    def letters(self) -> int:
        """How many messages lie aside; they are counted, not read (`letters.py` does that). Raises Unavailable."""

    def stop(self) -> None:
        """Close. What was confirmed stays with the bus."""
