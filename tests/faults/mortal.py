"""Inside a service's process: it dies in the middle of a message, its clock steps, its facts come out in disorder.

Enters: `Orders`. Leaves: the real services, stopped short, misled or garbled in the places that a power cut, an NTP
server or a network reach. Nothing of the product knows of it.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Sequence
from typing import Any

import gevent

from proto.topics import Outgoing
from services.runtime import clock
from services.runtime.bus.rabbitmq import RabbitBus
from services.runtime.bus.subscription import RabbitConsumer
from services.runtime.store import Store
from tests.faults.orders import Moment, Orders

DOUBLED, POISONED, WINDOW = 0.1, 0.01, 50
GATHERS_S = 0.1
"""So long a process in disorder waits before it publishes, so that there is something to shuffle."""
WRITTEN_S = 0.2
"""By then a command that was taken has been written to the switch."""
WRONG_SCHEMA = b'{"specversion":"1.0","id":"poison","type":"jp.toritsugi.leg.ended","data":{"leg":7}}'
NO_TEXT = b'{"specversion":"1.0","id":"\xff\xfe"}'
HUGE_BYTES = 16 * 1024 * 1024
POISON_ID = "poison"


def obey(orders: Orders) -> None:
    """From now on this process does as it is told."""
    _mislead(orders)
    _make_mortal(orders)
    _garble(orders)


def _mislead(orders: Orders) -> None:
    right = clock.now_us
    setattr(clock, "now_us", lambda: right() + orders.clock_ahead_us)  # noqa: B010  (every caller asks clock.now_us)


def _make_mortal(orders: Orders) -> None:
    run, publish, ack = Store.run, RabbitBus.publish, RabbitConsumer.ack

    def pass_by(moment: Moment) -> None:
        if orders.is_now(moment):
            os.kill(os.getpid(), signal.SIGKILL)

    def running(store: Store, work: Callable[[Any], Any], tries: int = 1) -> Any:
        def then_die(tx: Any) -> Any:
            result = work(tx)
            if isinstance(result, tuple | list) and result:  # a message's, not housekeeping
                pass_by("before commit")
            return result

        return run(store, then_die, tries)

    def publishing(bus: RabbitBus, messages: Sequence[Outgoing]) -> None:
        pass_by("before publish")
        publish(bus, messages)

    def acknowledging(consumer: RabbitConsumer, deliveries: Sequence[Any]) -> None:
        pass_by("before ack")
        if consumer._at_once and orders.is_now("after a lost ack"):
            gevent.spawn_later(WRITTEN_S, os.kill, os.getpid(), signal.SIGKILL)
        else:
            ack(consumer, deliveries)

    setattr(Store, "run", running)  # noqa: B010
    setattr(RabbitBus, "publish", publishing)  # noqa: B010
    setattr(RabbitConsumer, "ack", acknowledging)  # noqa: B010


def _garble(orders: Orders) -> None:
    publish = RabbitBus.publish
    dice: dict[int, random.Random] = {}

    def publishing(bus: RabbitBus, messages: Sequence[Outgoing]) -> None:
        seed = orders.disorder
        if seed:
            gevent.sleep(GATHERS_S)
            messages = in_disorder(messages, dice.setdefault(seed, random.Random(f"{seed}/{os.getpid()}")))
        publish(bus, messages)

    setattr(RabbitBus, "publish", publishing)  # noqa: B010


def in_disorder(messages: Sequence[Outgoing], dice: random.Random) -> list[Outgoing]:
    """One in ten twice, one in a hundred followed by poison, all shuffled within 50; commands only doubled."""
    found: list[Outgoing] = []
    for message in messages:
        found.append(message)
        if dice.random() < DOUBLED:
            found.append(message)
        if message.delivery == "fact" and dice.random() < POISONED:
            found.append(poison(message, dice))
    shuffled: list[Outgoing] = []
    for start in range(0, len(found), WINDOW):
        window = found[start : start + WINDOW]
        dice.shuffle(window)
        shuffled += window
    return shuffled


def poison(beside: Outgoing, dice: random.Random) -> Outgoing:
    """What is no message of ours, on the way of one that is; seldom it is huge."""
    body = dice.choices([NO_TEXT, WRONG_SCHEMA, b"x" * HUGE_BYTES], [10, 10, 1])[0]
    return Outgoing(f"{POISON_ID}-{dice.getrandbits(60)}", "fact", beside.routing_key, beside.tenant, body)
