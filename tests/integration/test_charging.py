"""Legs are charged over the real bus and store, with everything told twice, in any order, and a restart in between."""

from __future__ import annotations

import random
from pathlib import Path

import gevent
import msgspec
import pytest

from proto.envelope import Envelope, decode
from proto.events import Event, LegCharged
from proto.topics import outgoing, service_queue
from services.billing import service as billing
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from services.runtime.worker import Timers, Worker
from tests.stores import Database
from tests.unit.test_billing_ledger import ACME, prices
from tests.unit.test_billing_rate import NOON, leg

LEGS = 40


def said(body: Event, message_id: str, tenant: str = "acme") -> Envelope:
    return Envelope(body=body, id=message_id, source="switch/fs1", tenant=tenant, call="call-1", occurred_at_us=NOON)


def reports() -> list[Envelope]:
    """Each of 40 legs ends twice over: once as the event tells it, once as the switch's CDR file does."""
    ends = []
    for number in range(LEGS):
        fact = msgspec.structs.replace(leg(length_us=number * 10_000_000), leg=f"leg-{number}")
        ends += [said(fact, f"core-{number}"), said(fact, f"cdr-{number}")]
    return ends


class House:
    """Billing in one process; history's queue shows what it says."""

    def __init__(self, folder: Path, database: Database) -> None:
        room = billing.build()
        self.bus = EmbeddedBus(folder / "bus.sqlite")
        self.bus.start([service_queue("billing"), service_queue("history")])
        self.store = Store(database.store("billing"), room.metadata)
        self.store.start()
        self.worker = Worker(room, self.store, self.bus, "billing.0")
        self.timers = Timers(room, self.store, self.bus)
        self.worker.start()
        self.timers.start()

    def stop(self) -> None:
        self.timers.stop()
        self.worker.stop()
        self.store.stop()
        self.bus.stop()

    def tell(self, envelopes: list[Envelope]) -> None:
        self.bus.publish([outgoing(envelope) for envelope in envelopes])

    def drained(self) -> None:
        with gevent.Timeout(30, AssertionError("billing did not work off its queue")):
            while self.bus.depth("billing.0"):
                gevent.sleep(0.01)

    def charges(self) -> list[LegCharged]:
        consumer = self.bus.consume("history.0", prefetch=1000)
        found: dict[str, LegCharged] = {}
        while deliveries := consumer.get(500, timeout_s=0.2):
            for delivery in deliveries:
                envelope = decode(delivery.body)
                if isinstance(envelope.body, LegCharged):
                    found[envelope.id] = envelope.body
        consumer.close()
        return list(found.values())


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("seed", range(3))
def test_every_answered_leg_is_charged_once_over_bus_and_store(tmp_path: Path, database: Database, seed: int) -> None:
    chance = random.Random(seed)
    told = [*reports(), said(prices("9.35"), "platform-1", "_platform"), said(ACME, "tenant-1")]
    told += told
    chance.shuffle(told)
    middle = len(told) // 2
    house = House(tmp_path, database)
    house.tell(told[:middle])
    house.stop()
    house = House(tmp_path, database)
    try:
        house.tell(told[middle:])
        house.drained()
        rows = house.store.run(lambda tx: billing.entries(tx, held=False))
        assert sorted(row.leg for row in rows) == sorted(f"leg-{number}" for number in range(LEGS))
        assert house.store.run(billing.waiting) == 0
        charges = house.charges()
        assert sorted(charge.leg for charge in charges) == sorted(row.leg for row in rows)
        assert {charge.leg: charge.charge.amount for charge in charges} == {row.leg: row.amount for row in rows}
        for row in rows:
            derivation = house.store.run(lambda tx, row=row: billing.rederive(tx, row.switch, row.leg))  # type: ignore[misc]
            assert derivation is not None
            assert derivation.differences == ()
    finally:
        house.stop()
