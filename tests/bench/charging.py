"""Rating and storing a leg exactly once: billing's own worker beside a naive loop, both on the same kind of database.

Enters: a database's address. Leaves: a bar. Ours is the whole of it: messages decoded, ids remembered, terms looked up,
ledger, the fact kept, LegCharged into the outbox and out again, in the transactions that the worker makes. The naive
one loads the terms, rates, and inserts unless the leg stands there, with a commit per leg. Each is a process of its
own: `python -m tests.bench.charging WHO URL COUNT`; neither has a broker.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import msgspec

from proto.envelope import Envelope, encode
from proto.events import LegEnded, PlatformRevised, TenantRevised
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.topics import Outgoing, Queue
from proto.values import PLATFORM_TENANT, Party
from services.billing.rate import rate
from services.runtime.bus import Delivery
from tests.bench.bar import Bar, median, per_second
from tests.bench.house import Processes

ROUNDS = 3
TENANT = msgspec.convert(
    {"tenant": "bench", "name": "計測", "contract": {"from": "2026-01-01", "prices": "standard"}}, Tenant
)
RULES = [{"name": "mobile", "prefixes": ["090", "080", "070"], "unit_s": 180, "unit": "9.35"}]
PLATFORM = msgspec.convert(
    {
        "switches": [{"switch": "fs1"}],
        "carriers": [{"name": "trunk1", "gateway": "trunk1"}],
        "prices": [{"table": "standard", "versions": [{"from": "2026-01-01", "basis": "excl", "rules": RULES}]}],
    },
    Platform,
)
ANSWERED_US = 1_795_290_366_000_000


def leg(number: int) -> Envelope:
    """The end of an answered forwarded leg."""
    fact = LegEnded(
        switch="fs1",
        leg=f"leg-{number}",
        kind="forward",
        direction="outbound",
        via="trunk",
        payer="bench",
        caller=Party(number="0312345678"),
        destination="09012345678",
        started_at_us=ANSWERED_US - 5_000_000,
        answered_at_us=ANSWERED_US,
        ended_at_us=ANSWERED_US + 60_000_000 + number,
        cause="NORMAL_CLEARING",
    )
    return Envelope(
        body=fact, id=f"core-{number}", source="switch/fs1", tenant="bench", call=f"c{number}", occurred_at_us=1
    )


def bars(processes: Processes, urls: Sequence[str], kind: str, count: int) -> list[Bar]:
    """`urls`: an empty database of this kind for each round and each of the two."""
    rates: dict[str, list[float]] = {"ours": [], "naive": []}
    for number in range(ROUNDS):
        for place, (name, found) in enumerate(rates.items()):
            own = count if name == "ours" else count // 5
            url = urls[number * len(rates) + place]
            start = processes.patched if name == "ours" else processes.start
            found.append(own / json.loads(processes.said(start("tests.bench.charging", name, url, str(own)))))
    bar, peer = f"rate and store a leg exactly once, {kind}", "load, rate, insert, one commit per leg"
    return [per_second(bar, median(rates["ours"]), median(rates["naive"]), peer, "legs", count * ROUNDS, 5.0)]


class Shelf:
    """A bus that holds what is to be read and takes what is published, in memory."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self._left = [Delivery(encode(one), False, None) for one in reversed(envelopes)]
        self.published = 0

    def start(self, _queues: Sequence[Queue]) -> None:
        """Nothing to connect to."""

    def publish(self, messages: Sequence[Outgoing]) -> None:
        self.published += len(messages)

    def consume(self, _queue: str, prefetch: int = 64) -> Shelf:
        return self

    def get(self, limit: int, timeout_s: float | None = None) -> list[Delivery]:
        taken = [self._left.pop() for _ in range(min(limit, len(self._left)))]
        if not taken:
            import gevent

            gevent.sleep(0.01)
        return taken

    def ack(self, _deliveries: Sequence[Delivery]) -> None:
        """Taken already."""

    def dead_letter(self, _deliveries: Sequence[Delivery], reason: str) -> None:
        raise RuntimeError(reason)

    def depth(self, _queue: str) -> int:
        return len(self._left)

    def letters(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is kept."""

    stop = close


def ours(url: str, count: int) -> float:
    """Seconds."""
    import gevent

    from services.billing.service import build
    from services.runtime.store import Store
    from services.runtime.worker import Worker

    terms = [
        Envelope(body=TenantRevised(revision="1", body=TENANT), id="t", source="b", tenant="bench", occurred_at_us=1),
        Envelope(
            body=PlatformRevised(revision="1", body=PLATFORM), id="p", source="b", tenant=PLATFORM_TENANT,
            occurred_at_us=1,
        ),
    ]  # fmt: skip
    service = build()
    store = Store(url, service.metadata)
    store.start()
    bus = Shelf([*terms, *(leg(number) for number in range(count))])
    worker = Worker(service, store, bus, "billing.0")
    began = time.perf_counter()
    worker.start()
    while bus.published < count:
        gevent.sleep(0.005)
    took = time.perf_counter() - began
    worker.stop()
    if (charged := store.run(lambda tx: tx.count("ledger"))) != count:
        raise RuntimeError(f"{charged} of {count} legs charged")
    store.stop()
    return took


def naive(url: str, count: int) -> float:
    """Seconds."""
    from sqlalchemy import Column, LargeBinary, MetaData, String, Table, insert, select

    from services.runtime.store.engine import make_engine

    metadata = MetaData()
    terms = Table("naive_terms", metadata, Column("name", String(40), primary_key=True), Column("body", LargeBinary))
    columns = ("call", "tenant", "destination", "amount", "duration_us", "arithmetic")
    ledger = Table(
        "naive_ledger",
        metadata,
        Column("switch", String(64), primary_key=True),
        Column("leg", String(128), primary_key=True),
        *(Column(name, String(200)) for name in columns),
    )
    engine = make_engine(url)
    metadata.create_all(engine)
    with engine.begin() as sql:
        sql.execute(insert(terms).values(name="bench", body=msgspec.json.encode(TENANT)))
        sql.execute(insert(terms).values(name="platform", body=msgspec.json.encode(PLATFORM)))
    legs = [leg(number) for number in range(count)]
    began = time.perf_counter()
    for envelope in legs:
        fact = envelope.body
        assert isinstance(fact, LegEnded)
        with engine.begin() as sql:
            said = {row.name: bytes(row.body) for row in sql.execute(select(terms))}
            tenant = msgspec.json.decode(said["bench"], type=Tenant)
            platform = msgspec.json.decode(said["platform"], type=Platform)
            prices = next(one for one in platform.prices if one.table == tenant.contract.prices)
            charge = rate(fact, prices, tenant.timezone)
            here = (ledger.c.switch == fact.switch) & (ledger.c.leg == fact.leg)
            if sql.execute(select(ledger.c.leg).where(here)).first() is None:
                sql.execute(
                    insert(ledger).values(
                        switch=fact.switch,
                        leg=fact.leg,
                        call=envelope.call,
                        tenant=envelope.tenant,
                        destination=fact.destination,
                        amount=str(charge.amount.amount),
                        duration_us=str(charge.duration_us),
                        arithmetic=charge.arithmetic,
                    )
                )
    return time.perf_counter() - began


if __name__ == "__main__":
    who = {"ours": ours, "naive": naive}[sys.argv[1]]
    print(json.dumps(who(sys.argv[2], int(sys.argv[3]))), flush=True)
