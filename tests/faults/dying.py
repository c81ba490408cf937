"""Inside a service's process: it is killed in the middle of a message, at one of the moments of `orders.py`.

Enters: orders. Leaves: a dead process (SIGKILL, as by a power cut) and its last words; in the next life what that finds
in its store and what the broker gives it again. Nothing of the product knows of it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

import gevent
from sqlalchemy import Table, func, select

from proto.envelope import BadMessage, Envelope, decode
from proto.events import PlatformRevised, TenantRevised
from proto.topics import Outgoing
from services.runtime import clock
from services.runtime.bus import Delivery
from services.runtime.bus.rabbitmq import RabbitBus
from services.runtime.bus.subscription import RabbitConsumer
from services.runtime.store import Store, Tx
from tests.faults.last_words import Again, Death, Found, LastWords
from tests.faults.orders import Moment, Orders

WRITTEN_S = 0.2
"""By then a command that was taken has been written to the switch."""
TOLD_AGAIN = (TenantRevised, PlatformRevised)
"""The same one, by its id, to everybody who asks."""


class Hand:
    """What was committed and not yet acknowledged: by the agent, whose commands are acknowledged beside their work."""

    ids: Sequence[str] = ()
    leaving: Sequence[Outgoing] = ()


class OwnHand(threading.local, Hand):
    """By this greenlet."""


class Dying:
    """One life of one process."""

    def __init__(self, orders: Orders, words: LastWords, agent: bool) -> None:
        self._orders, self._words, self._agent = orders, words, agent
        self._hand = Hand() if agent else OwnHand()

    def begin(self) -> None:
        """From now on the moments are watched."""
        self._watch_store()
        self._watch_publishing()
        self._watch_reading()

    def _watch_store(self) -> None:
        start, run = Store.start, Store.run

        def starting(store: Store) -> None:
            start(store)
            death, self._words.death = self._words.death, None
            if death is not None and death.ids:
                self._words.say(run(store, lambda tx: _found(tx, death)))

        def running(store: Store, work: Callable[[Tx], Any], tries: int = 1) -> Any:
            def then_die(tx: Tx) -> Any:
                result = work(tx)
                ids, leaving = self._news(result)
                if ids and self._orders.is_now("before commit"):
                    tx.write()  # all statements are with the database, and only COMMIT is not
                    self._die("before commit", ids, leaving)
                return result

            result = run(store, then_die, tries)
            ids, leaving = self._news(result)
            if ids:
                self._hand.ids, self._hand.leaving = ids, leaving
            return result

        setattr(Store, "start", starting)  # noqa: B010
        setattr(Store, "run", running)  # noqa: B010

    def _news(self, result: Any) -> tuple[Sequence[str], Sequence[Outgoing]]:
        """Ids of messages that this transaction takes in, and its answers: a worker's, or the agent's commands."""
        match result:
            case ([Envelope(), *_] as fresh, leaving) if not self._agent:
                return [envelope.id for envelope in fresh], leaving
            case list() | set() if self._agent and all(isinstance(one, str) for one in result):
                return list(result), ()
        return (), ()

    def _watch_publishing(self) -> None:
        publish = RabbitBus.publish

        def publishing(bus: RabbitBus, messages: Sequence[Outgoing]) -> None:
            in_hand = {message.id for message in self._hand.leaving} if self._hand.ids else set()
            of_ours = self._agent or not in_hand.isdisjoint(message.id for message in messages)
            if of_ours and self._orders.is_now("before publish"):
                self._die("before publish", self._hand.ids, messages)
            publish(bus, messages)

        setattr(RabbitBus, "publish", publishing)  # noqa: B010

    def _watch_reading(self) -> None:
        ack, get = RabbitConsumer.ack, RabbitConsumer.get

        def acknowledging(consumer: RabbitConsumer, deliveries: Sequence[Delivery]) -> None:
            ids, leaving = self._hand.ids, self._hand.leaving
            self._hand.ids = self._hand.leaving = ()
            if ids and self._orders.is_now("before ack"):
                self._die("before ack", ids, leaving)
            if ids and consumer._at_once and self._orders.is_now("after a lost ack"):
                gevent.spawn_later(WRITTEN_S, self._die, "after a lost ack", ids, leaving)
            else:
                ack(consumer, deliveries)

        def getting(consumer: RabbitConsumer, limit: int, timeout_s: float | None = None) -> list[Delivery]:
            found = get(consumer, limit, timeout_s)
            if self._words.owed and (again := self._words.owed & {_id(one) for one in found if one.redelivered}):
                self._words.owed -= again
                self._words.say(Again(sorted(again)))
            return found

        setattr(RabbitConsumer, "ack", acknowledging)  # noqa: B010
        setattr(RabbitConsumer, "get", getting)  # noqa: B010

    def _die(self, moment: Moment, ids: Sequence[str], leaving: Sequence[Outgoing]) -> None:
        told = [decode(one.body) for one in leaving if one.delivery == "fact"]
        facts = [one.id for one in told if one.cause in ids and not isinstance(one.body, TOLD_AGAIN)]
        sent = [one.id for one in leaving]
        self._words.say(Death(moment=moment, at_us=clock.now_us(), ids=list(ids), leaving=sent, facts=facts))
        os.kill(os.getpid(), signal.SIGKILL)


def _found(tx: Tx, death: Death) -> Found:
    def count(table: Table, ids: Sequence[str]) -> int:
        return int(tx.sql.execute(select(func.count(table.c.id.distinct())).where(table.c.id.in_(ids))).scalar_one())

    taken = tx.tables.get("commands", tx.tables["seen"])
    return Found(count(taken, death.ids), count(tx.tables["outbox"], death.leaving))


def _id(delivery: Delivery) -> str:
    try:
        return decode(delivery.body).id
    except BadMessage:
        return ""
