"""Inside a service's process: it dies in the middle of a message, its clock steps, its facts come out in disorder.

Enters: `Orders`. Leaves: the real services, stopped short (`dying.py`), misled or garbled in the places that a power
cut, an NTP server or a network reach. Nothing of the product knows of it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import gevent

from proto.topics import Outgoing
from services.runtime import clock
from services.runtime.bus.rabbitmq import RabbitBus
from tests.faults.dying import Dying
from tests.faults.last_words import LastWords
from tests.faults.orders import Orders

DOUBLED, POISONED, WINDOW = 0.1, 0.01, 50
GATHERS_S = 0.1
"""So long a process in disorder waits before it publishes, so that there is something to shuffle."""
WRONG_SCHEMA = b'{"specversion":"1.0","id":"poison","type":"jp.toritsugi.leg.ended","data":{"leg":7}}'
NO_TEXT = b'{"specversion":"1.0","id":"\xff\xfe"}'
HUGE_BYTES = 16 * 1024 * 1024
POISON_ID = "poison"


def obey(orders: Orders, words: Path, *, agent: bool) -> None:
    """From now on this process, an agent's or another, does as it is told; it says in `words` what became of it."""
    _mislead(orders)
    Dying(orders, LastWords(words), agent).begin()
    _garble(orders)


def _mislead(orders: Orders) -> None:
    right = clock.now_us
    setattr(clock, "now_us", lambda: right() + orders.clock_ahead_us)  # noqa: B010  (every caller asks clock.now_us)


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
