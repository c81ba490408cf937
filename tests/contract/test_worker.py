"""The one loop of every service, over both buses: each message has its effect once, in order, whatever dies."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proto.commands import HangUp
from proto.envelope import Envelope, decode
from proto.events import CallHandedOver
from proto.topics import Outgoing
from services.runtime import clock
from services.runtime.bus import Bus
from services.runtime.store import Store
from services.runtime.worker import Timers, Worker
from tests.contract import tally
from tests.contract.bus_world import FS1, World, read, wait_for
from tests.stores import Database


class Room:
    """The tally at work: its store and one worker per partition, each worker with a store of its own."""

    def __init__(
        self,
        bus: Bus,
        database: Database,
        partitions: int = 1,
        after_commit: object = None,
        name: str = "tally",
        unhurried: bool = False,
    ) -> None:
        self._stores, self._workers = [], []
        for part in tally.queue(partitions).parts():
            service = replace(tally.build(after_commit), unhurried=unhurried)  # type: ignore[arg-type]
            store = Store(database.store(name), service.metadata)
            store.start()
            self._stores.append(store)
            self._workers.append(Worker(service, store, bus, part))
        self.store = self._stores[0]
        self.timers = Timers(service, self.store, bus)

    def __enter__(self) -> Room:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_trouble: object) -> None:
        for worker in self._workers:
            worker.stop()
        self.timers.stop()
        for store in self._stores:
            store.stop()

    def noted(self, count: int, tenant: str = "acme") -> list[str]:
        """What was noted, as soon as it is so much."""
        wait_for(lambda: len(tally.noted(self.store, tenant)) >= count)
        return tally.noted(self.store, tenant)


@pytest.fixture(params=["embedded", "rabbitmq"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = "embedded:" if request.param == "embedded" else request.getfixturevalue("broker").url()
    one = World(url, tmp_path)
    yield one
    one.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    one = World("embedded:", tmp_path)
    yield one
    one.close()


def numbers(count: int) -> list[str]:
    return [str(n) for n in range(count)]


def commands(bus: Bus, count: int) -> list[str]:
    """Legs of the commands that left, in order; the same command may have come more than once."""
    consumer = bus.consume("commands.fs1.0")
    found: dict[str, str] = {}
    while len(found) < count and (taken := read(consumer, 1)):
        for envelope in (decode(d.body) for d in taken):
            assert isinstance(envelope.body, HangUp)
            assert found.setdefault(envelope.id, envelope.body.leg) == envelope.body.leg
    assert all(decode(d.body).id in found for d in consumer.get(1000, timeout_s=0.3))
    return list(found.values())


def test_messages_told_twice_have_their_effect_once_and_in_order(world: World, database: Database) -> None:
    bus = world.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        for start in range(0, 200, 20):
            batch = tally.facts(range(start, start + 20))
            bus.publish(batch)
            bus.publish(batch)
        assert room.noted(200) == numbers(200)
        wait_for(lambda: bus.depth("tally.0") == 0)
        assert tally.total(room.store) == 200
    assert commands(bus, 200) == [f"leg-{n}" for n in range(200)]


@pytest.mark.parametrize("moment", ["before_publish", "before_ack"])
def test_a_worker_that_dies_after_its_commit_neither_loses_nor_repeats(
    world: World, moment: str, database: Database
) -> None:
    bus = world.open(tally.queue(), FS1)
    bus.publish(tally.facts(range(10)))
    bus.stop()
    command = [sys.executable, "-m", "tests.contract.worker_process", moment, world.url, str(world.folder)]
    command.append(database.store("tally"))
    assert subprocess.run(command, timeout=60).returncode == -9, "it died as it was to"
    bus = world.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        bus.publish(tally.facts(range(10, 20)))
        assert room.noted(20) == numbers(20)
        assert tally.total(room.store) == 20
    legs = commands(bus, 20)
    assert sorted(legs, key=lambda leg: int(leg[4:])) == [f"leg-{n}" for n in range(20)]


def test_a_message_committed_by_a_worker_that_never_returns_is_answered_by_the_next_one(
    small: World, database: Database
) -> None:
    bus = small.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        room.store.run(lambda tx: tx.first_times([tally.handed_over(0).id], 1))
        answer = Outgoing("answer", "command", "fs1", "acme", b"answer", None)
        room.store.run(lambda tx: tx.post([answer], cause=tally.handed_over(0).id))
        bus.publish(tally.facts([0]))
        (taken,) = read(bus.consume("commands.fs1.0"), 1)
        assert taken.body == b"answer"
        wait_for(lambda: room.store.run(lambda tx: tx.count("outbox")) == 0)
        assert tally.noted(room.store) == []


def test_a_bug_puts_one_message_aside_after_three_attempts_and_the_others_go_on_in_order(
    world: World, database: Database
) -> None:
    bus = world.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        bus.publish([*tally.facts(range(3)), *tally.facts([3], "bug"), *tally.facts(range(4, 8))])
        assert room.noted(7) == ["0", "1", "2", "4", "5", "6", "7"]
        wait_for(lambda: bus.letters() == 1)
        (letter,) = world.letters()
        tripped = re.fullmatch(
            r"ZeroDivisionError in tally, contract/tally\.py:\d+ \(3 attempts\): (.*)", letter.reason
        )
        assert tripped is not None, letter.reason
        assert tripped[1] == "stumbled over leg-3"
        assert letter.body == tally.facts([3], "bug")[0].body
        assert tally.total(room.store) == 7, "nothing of a failed attempt stays"
        wait_for(lambda: room.store.run(lambda tx: tx.count("failures")) == 0)


def test_attempts_are_counted_across_lives_of_the_process(small: World, database: Database) -> None:
    bus = small.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        for attempt in (1, 2):
            assert room.store.run(lambda tx: tx.count_failure("core-acme-0")) == attempt
        bus.publish(tally.facts([0], "bug"))
        wait_for(lambda: bus.letters() == 1)


def test_a_statement_the_database_does_not_understand_is_a_bug_and_not_an_absence(
    small: World, database: Database
) -> None:
    bus = small.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        bus.publish([*tally.facts([0], "broken_sql"), *tally.facts([1])])
        assert room.noted(1) == ["1"]
        wait_for(lambda: bus.letters() == 1)
        assert small.letters()[0].reason.startswith(("OperationalError", "ProgrammingError"))


def test_what_is_no_message_of_ours_is_put_aside_at_once(world: World, database: Database) -> None:
    bus = world.open(tally.queue(), FS1)
    hostile = [b"", b"\xff\xfe", b'{"specversion":"1.0"}', b"[" * 100_000, b"x" * (1 << 20)]
    with Room(bus, database) as room:
        key = f"acme.{CallHandedOver.NAME}"
        bus.publish([Outgoing(f"h{n}", "fact", key, "acme", body) for n, body in enumerate(hostile)])
        bus.publish([*tally.facts([0], "bad"), *tally.facts([1])])
        assert room.noted(1) == ["1"]
        wait_for(lambda: bus.letters() == len(hostile) + 1)
        letters = world.letters()
        assert [letter.body for letter in letters[:-1]] == hostile
        assert letters[-1].reason == "park: must not be bad"
        assert room.store.run(lambda tx: tx.count("failures")) == 0, "no attempt was wasted on them"


@pytest.mark.parametrize("name", [b"", b"a\\u0000b", b"a\\nb", b"x" * 5_000], ids=["none", "nul", "line", "long"])
def test_a_message_whose_id_no_database_keeps_is_put_aside_at_once(
    small: World, database: Database, name: bytes
) -> None:
    bus = small.open(tally.queue(), FS1)
    body = tally.facts([0])[0].body.replace(b"core-acme-0", name)
    with Room(bus, database) as room:
        bus.publish([Outgoing("h", "fact", f"acme.{CallHandedOver.NAME}", "acme", body), *tally.facts([1])])
        assert room.noted(1) == ["1"]
        wait_for(lambda: bus.letters() == 1)
        assert "1 to 200 printable characters are allowed" in small.letters()[0].reason


def test_a_known_message_that_the_service_does_not_hear_is_put_aside_at_once(small: World, database: Database) -> None:
    bus = small.open(tally.queue(), FS1)
    stray = tally.facts([0])[0]
    body = stray.body.replace(b'"jp.toritsugi.call.handed_over"', b'"jp.toritsugi.switch.lost"')
    body = body[: body.index(b'"data":')] + b'"data":{"switch":"fs1","reason":"x"}}'
    with Room(bus, database) as room:
        bus.publish([Outgoing("stray", "fact", stray.routing_key, "acme", body), *tally.facts([1])])
        assert room.noted(1) == ["1"]
        wait_for(lambda: bus.letters() == 1)
        assert small.letters()[0].reason == "tally does not hear switch.lost"


def test_a_service_that_is_in_no_hurry_takes_together_what_comes_meanwhile(
    small: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.worker.PAUSE_S", 2.5)  # long enough for a slow disk to take three
    batches: list[tuple[float, int]] = []
    bus = small.open(tally.queue(), FS1)

    def note(envelopes: Sequence[Envelope]) -> None:
        batches.append((time.monotonic(), len(envelopes)))

    with Room(bus, database, after_commit=note, unhurried=True) as room:
        bus.publish(tally.facts([0]))
        wait_for(lambda: len(batches) == 1)
        for number in (1, 2, 3):
            bus.publish(tally.facts([number]))
        assert room.noted(4) == numbers(4)
        wait_for(lambda: len(batches) == 2)
    (first_s, alone), (then_s, together) = batches
    assert (alone, together) == (1, 3), "the first waits for nobody"
    assert then_s - first_s >= 2.4


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["acme", "globex", "initech", "hooli", "stark"]), min_size=10, max_size=60))
def test_workers_that_change_the_same_row_lose_no_change(
    tmp_path_factory: pytest.TempPathFactory, database: Database, who: list[str]
) -> None:
    world = World("embedded:", tmp_path_factory.mktemp("three"))
    bus = world.open(tally.queue(3), FS1)
    with Room(bus, database, partitions=3, name=world.folder.name) as room:
        gevent.joinall(
            [gevent.spawn(bus.publish, tally.facts([n], tenant=tenant)) for n, tenant in enumerate(who)],
            raise_error=True,
        )
        wait_for(lambda: tally.total(room.store) == len(who))
        for tenant in set(who):
            assert sorted(map(int, tally.noted(room.store, tenant))) == [n for n, t in enumerate(who) if t == tenant]
    world.close()


def test_a_foreign_lock_on_the_database_holds_up_one_service_and_not_the_hub(small: World, database: Database) -> None:
    bus = small.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        bus.publish(tally.facts([0]))
        room.noted(1)
        with database.locked("tally", "seen"):
            bus.publish(tally.facts([1]))
            turns = 0
            until_us = clock.monotonic_us() + 1_000_000
            while clock.monotonic_us() < until_us:
                gevent.sleep(0.005)
                turns += 1
            assert bus.depth("tally.0") == 1, "the message waits"
        assert room.noted(2) == ["0", "1"]
    assert turns > 15, (
        "the other greenlets went on: each wait for the lock in their way would take 200 ms of the second"
    )
    assert bus.letters() == 0


def test_stop_finishes_the_batch_in_hand_and_leaves_the_rest(world: World, database: Database) -> None:
    bus = world.open(tally.queue(), FS1)
    bus.publish(tally.facts(range(500)))
    with Room(bus, database) as room:
        room.noted(1)
    with Room(bus, database) as room:
        assert room.noted(500) == numbers(500)
        assert tally.total(room.store) == 500
    assert len(commands(bus, 500)) == 500


def test_a_page_that_misses_a_commit_does_no_harm(small: World, database: Database) -> None:
    told: list[int] = []

    def missing(envelopes: Sequence[Envelope]) -> None:
        told.append(len(envelopes))
        raise RuntimeError("the page is gone")

    bus = small.open(tally.queue(), FS1)
    with Room(bus, database, after_commit=missing) as room:
        bus.publish(tally.facts([0]))
        bus.publish(tally.facts([1]))
        assert room.noted(2) == ["0", "1"]
        wait_for(lambda: bus.depth("tally.0") == 0)
    assert sum(told) == 2
    assert bus.letters() == 0


def test_what_a_page_left_in_the_outbox_is_sent_by_the_next_worker(small: World, database: Database) -> None:
    bus = small.open(tally.queue(), FS1)
    room = Room(bus, database)
    room.store.run(lambda tx: tx.post([Outgoing("p", "command", "fs1", "acme", b"from a page", None)]))
    with room:
        assert [d.body for d in read(bus.consume("commands.fs1.0"), 1)] == [b"from a page"]
        wait_for(lambda: room.store.run(lambda tx: tx.count("outbox")) == 0)


def test_a_timer_fires_once_in_order_with_the_rest_and_survives_the_process(world: World, database: Database) -> None:
    bus = world.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        bus.publish(tally.facts([0], "timer"))
        room.noted(1)
        later_us = clock.now_us() + 3600 * 1_000_000
        room.store.run(lambda tx: tx.set_timer("overdue", "later", later_us, "acme"))
        room.store.run(lambda tx: tx.set_timer("overdue", "never", later_us, "acme"))
    with Room(bus, database) as room:
        room.timers.start()
        assert room.noted(2) == ["0", "overdue leg-0"]
        room.store.run(lambda tx: tx.cancel_timer("overdue", "never"))
        assert room.timers.fire_due(later_us - 1) == 0
        assert room.timers.fire_due(later_us) == 1
        assert room.timers.fire_due(later_us) == 0
        assert room.noted(3) == ["0", "overdue leg-0", "overdue later"]


def test_a_timer_set_while_the_service_runs_fires_when_it_is_due(
    small: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for the next look for timers that other processes set."""
    monkeypatch.setattr("services.runtime.worker.LOOK_AGAIN_US", 3600 * 1_000_000)
    bus = small.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        room.timers.start()
        wait_for(lambda: room.store.next_timer_us > clock.now_us())
        due_us = clock.now_us() + 200_000
        room.store.run(lambda tx: tx.set_timer("overdue", "soon", due_us, "acme"))
        assert room.noted(1) == ["overdue soon"]
        wait_for(lambda: room.store.run(lambda tx: tx.count("timers")) == 0)


def test_a_timer_that_was_published_but_not_forgotten_is_dropped_the_second_time(
    small: World, database: Database
) -> None:
    bus = small.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        for _ in range(2):  # as if the process had died between publishing and forgetting
            room.store.run(lambda tx: tx.set_timer("overdue", "x", 1_000, "acme"))
            assert room.timers.fire_due(2_000) == 1
        bus.publish(tally.facts([0]))
        assert room.noted(2) == ["overdue x", "0"]
