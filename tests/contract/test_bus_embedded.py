"""What only the embedded bus can meet: its own file, in use, locked, full of old messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from proto.topics import Queue
from services.runtime.bus import Unavailable
from services.runtime.bus.embedded import WINDOW, EmbeddedBus
from tests.contract.bus_world import FS1, HISTORY, World, fact, read, texts, wait_for


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World("embedded:", tmp_path)
    yield one
    one.close()


def test_a_backlog_larger_than_memory_holds_is_read_in_order(world: World) -> None:
    bus = world.open(HISTORY)
    count = 3 * WINDOW + 17
    wanted = [str(n) for n in range(count)]
    for start in range(0, count, 500):
        bus.publish([fact(text) for text in wanted[start : start + 500]])
    assert bus.depth("history.0") == count
    consumer = bus.consume("history.0", prefetch=500)
    heard = texts(read(consumer, WINDOW + 100))
    bus.publish([fact("late")])
    heard += texts(read(consumer, count - len(heard) - 50))
    bus = world.reopen(bus, HISTORY)
    heard += texts(read(bus.consume("history.0"), 51))
    assert heard == [*wanted, "late"]
    assert bus.depth("history.0") == 0


def test_readers_and_writers_at_once_lose_and_repeat_nothing(world: World) -> None:
    bus = world.open(HISTORY)
    heard: list[str] = []
    total = 8 * 600

    def speak(name: int) -> None:
        for number in range(0, 600, 6):
            bus.publish([fact(f"{name} {number + n}") for n in range(6)])

    def hear() -> None:
        consumer = bus.consume("history.0")
        while len(heard) < total:
            deliveries = consumer.get(40, timeout_s=1)
            heard.extend(texts(deliveries))
            consumer.ack(deliveries)

    everybody = [gevent.spawn(hear), *(gevent.spawn(speak, n) for n in range(8))]
    gevent.joinall(everybody, timeout=30, raise_error=True)
    for name in range(8):
        assert [t for t in heard if t.startswith(f"{name} ")] == [f"{name} {n}" for n in range(600)]


def test_another_number_of_partitions_takes_every_tenant_along_in_order(world: World) -> None:
    tenants = ["acme", "globex", "initech", "hooli", "stark", "wayne"]
    bus = world.open(Queue("history", "fact", ("*.leg.ended",), 3))
    bus.publish([fact(f"{tenant} {n}", tenant) for n in range(10) for tenant in tenants])
    for partitions in (1, 2):
        queue = Queue("history", "fact", ("*.leg.ended",), partitions)
        bus = world.reopen(bus, queue)
        assert sum(bus.depth(part) for part in queue.parts()) == 60
    heard = [text for part in queue.parts() for text in texts(read(bus.consume(part), bus.depth(part)))]
    for tenant in tenants:
        assert [t for t in heard if t.startswith(tenant)] == [f"{tenant} {n}" for n in range(10)]


def test_messages_for_a_queue_that_is_not_opened_now_wait_in_the_journal(world: World) -> None:
    bus = world.open(HISTORY, FS1)
    bus.publish([fact("a")])
    bus = world.reopen(bus, FS1)
    bus = world.reopen(bus, HISTORY, FS1)
    assert texts(read(bus.consume("history.0"), 1)) == ["a"]


def test_a_second_bus_on_the_same_journal_is_refused(world: World) -> None:
    world.open(HISTORY)
    second = EmbeddedBus(world.folder / "bus.sqlite")
    with pytest.raises(Unavailable, match="in use by another process"):
        second.start([HISTORY])
    second.stop()


def test_a_locked_journal_confirms_nothing_and_goes_on_afterwards(world: World) -> None:
    bus = world.open(HISTORY)
    bus.publish([fact("a")])
    consumer = bus.consume("history.0")
    foreign = sqlite3.connect(world.folder / "bus.sqlite", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        bus.publish([fact("b")])
    read(consumer, 1)  # its acknowledgement waits for the journal
    foreign.execute("COMMIT")
    bus.publish([fact("c")])
    assert texts(read(consumer, 1)) == ["c"]
    wait_for(lambda: left_in(world) == 0)
    foreign.close()


def left_in(world: World) -> int:
    database = sqlite3.connect(world.folder / "bus.sqlite")
    try:
        return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])
    finally:
        database.close()


def test_a_file_that_is_no_journal_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "bus.sqlite").write_bytes(b"not a database, but a letter to a telephone company" * 50)
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    with pytest.raises(Unavailable, match="not a database"):
        bus.start([HISTORY])
    bus.stop()


def test_publishers_share_transactions(world: World) -> None:
    bus = world.open(HISTORY)
    wal = world.folder / "bus.sqlite-wal"
    before = wal.stat().st_size
    gevent.joinall([gevent.spawn(bus.publish, [fact(str(n))]) for n in range(300)], raise_error=True)
    shared = wal.stat().st_size - before
    for n in range(30):
        bus.publish([fact(f"alone {n}")])
    alone = wal.stat().st_size - before - shared
    assert shared < alone, "300 together write less than 30 one by one"
