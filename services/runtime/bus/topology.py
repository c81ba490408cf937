"""What RabbitMQ must hold for a set of queues: exchanges, queues, bindings, as plain values.

Enters: the queues of `proto/topics.py`. Leaves: declarations in an order that can be repeated at any time. Who sends
them belongs to `rabbitmq.py`; why they are as they are stands in docs (order, partitions, dead letters).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from proto.topics import AGAIN_EXCHANGE, COMMANDS_EXCHANGE, DEAD_EXCHANGE, DEAD_QUEUE, EVENTS_EXCHANGE, Queue

DELIVERY_LIMIT = 1_000
"""Its presence keeps the order when deliveries come back (quorum queues, RabbitMQ 3.10); a low one loses messages."""
RETURNS = 1_000_000_000
"""So often a dead letter, or a client's message, may be given back unsettled. Whoever only looks gives back as well,
and RabbitMQ 4 throws away what came back 20 times where nothing is said."""

_QUORUM: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,
    "x-delivery-limit": DELIVERY_LIMIT,
}
_FACTS: dict[str, Any] = {
    **_QUORUM,
    "x-dead-letter-exchange": DEAD_EXCHANGE,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


@dataclass(frozen=True, slots=True)
class Declaration:
    """One method of AMQP 0-9-1. `name` is the exchange, the queue, or the destination of a binding."""

    method: Literal["exchange", "queue", "bind_exchange", "bind_queue"]
    name: str
    kind: str = ""
    source: str = ""
    key: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


def partition_exchange(queue: Queue) -> str:
    """Name of the consistent-hash exchange that spreads a service's facts over its partitions by tenant."""
    return f"toritsugi.{queue.name}"


def one_too_many(queue: Queue) -> str:
    """Name of the partition that stands only if there once were more of them."""
    return f"{queue.name}.{queue.partitions}"


def declarations(queues: Sequence[Queue]) -> Iterator[Declaration]:
    """Everything, in order. All of it is durable."""
    yield Declaration("exchange", EVENTS_EXCHANGE, kind="topic")
    yield Declaration("exchange", COMMANDS_EXCHANGE, kind="direct")
    yield Declaration("exchange", DEAD_EXCHANGE, kind="fanout")
    yield Declaration("exchange", AGAIN_EXCHANGE, kind="direct")
    yield Declaration("queue", DEAD_QUEUE, arguments={"x-queue-type": "quorum", "x-delivery-limit": RETURNS})
    yield Declaration("bind_queue", DEAD_QUEUE, source=DEAD_EXCHANGE)
    for queue in queues:
        yield from _facts(queue) if queue.delivery == "fact" else _commands(queue)


def _facts(queue: Queue) -> Iterator[Declaration]:
    exchange = partition_exchange(queue)
    # By header: hashing the routing key would spread the events of one tenant over several partitions.
    yield Declaration("exchange", exchange, kind="x-consistent-hash", arguments={"hash-header": "tenant"})
    for part in queue.parts():
        yield Declaration("queue", part, arguments=_FACTS)
        yield Declaration("bind_queue", part, source=exchange, key="1")
        yield Declaration("bind_queue", part, source=AGAIN_EXCHANGE, key=part)
    for pattern in queue.bindings:
        yield Declaration("bind_exchange", exchange, source=EVENTS_EXCHANGE, key=pattern)


def _commands(queue: Queue) -> Iterator[Declaration]:
    # No dead-letter exchange: a command past its time is worth nothing to anybody.
    for part in queue.parts():
        yield Declaration("queue", part, arguments=_QUORUM)
        for switch in queue.bindings:
            yield Declaration("bind_queue", part, source=COMMANDS_EXCHANGE, key=switch)
