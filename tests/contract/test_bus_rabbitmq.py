"""What only RabbitMQ can do to us: die, freeze, refuse, block."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import gevent.event
import msgspec
import pika
import pytest

from proto.envelope import CONTENT_TYPE
from proto.topics import DEAD_QUEUE, Queue
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.bus.rabbitmq import RabbitBus
from services.runtime.bus.topology import declarations
from tests.contract import tally
from tests.contract.bus_world import (
    DEADLINE_S,
    FS1,
    HISTORY,
    ROUTING,
    World,
    command,
    fact,
    publish_surely,
    read,
    texts,
    wait_for,
)
from tests.contract.test_worker import Room
from tests.rabbitmq import Broker
from tests.stores import Database


@pytest.fixture
def bus(broker: Broker) -> Iterator[RabbitBus]:
    one = RabbitBus(broker.url(), publish_s=3)
    yield one
    one.stop()


@pytest.fixture(scope="module")
def victim(broker: Broker) -> Iterator[Broker]:
    """A broker of this module's own, to be ill-treated. `broker` is asked for so that its absence is told once."""
    base = Path(tempfile.mkdtemp(prefix="toritsugi-rabbitmq-"))
    one = Broker(base, vhosts=6)
    try:
        one.start()
        yield one
    finally:
        one.close()
        shutil.rmtree(base, ignore_errors=True)


def test_a_broker_killed_in_mid_stream_loses_nothing_and_keeps_the_order(victim: Broker) -> None:
    bus = RabbitBus(victim.url(), publish_s=3)
    bus.start([HISTORY])
    declared = time.monotonic()
    heard: list[str] = []
    confirmed = 0
    done, spoken = gevent.event.Event(), gevent.event.Event()

    def speak() -> None:
        nonlocal confirmed
        number = 0
        while not done.is_set():
            publish_surely(bus, [fact(str(number + n)) for n in range(5)])
            number += 5
            confirmed = number
        spoken.set()

    def hear() -> None:
        consumer = bus.consume("history.0")
        while not (spoken.is_set() and str(confirmed - 1) in heard[-1000:]):
            deliveries = consumer.get(64, timeout_s=0.5)
            heard.extend(texts(deliveries))
            consumer.ack(deliveries)

    people = [gevent.spawn(speak), gevent.spawn(hear)]
    # RabbitMQ 3.10 writes the name of a new quorum queue down within half a second: killed earlier, the queue is dead.
    wait_for(lambda: len(heard) > 300 and time.monotonic() > declared + 3)
    victim.restart()
    there = confirmed
    wait_for(lambda: confirmed > there + 300, 60)  # a broker that was killed takes its time with its queues
    done.set()
    gevent.joinall(people, timeout=DEADLINE_S, raise_error=True)
    assert all(person.dead for person in people)
    first_time = list(dict.fromkeys(heard))
    assert first_time == [str(n) for n in range(len(first_time))], "in order, nothing missing, once repeats are dropped"
    assert len(first_time) >= confirmed
    bus.stop()


def test_a_worker_sits_out_a_broker_that_is_away(victim: Broker, tmp_path: Path, database: Database) -> None:
    world = World(victim.url(), tmp_path)
    bus = world.open(tally.queue(), FS1)
    with Room(bus, database) as room:
        bus.publish(tally.facts(range(5)))
        room.noted(5)
        victim.stop()
        with pytest.raises(Unavailable):
            bus.publish(tally.facts([5]))
        victim.start()
        publish_surely(bus, tally.facts(range(5, 10)))
        assert room.noted(10) == [str(n) for n in range(10)]
    world.close()


def test_a_frozen_broker_confirms_nothing(victim: Broker) -> None:
    bus = RabbitBus(victim.url(), publish_s=1)
    bus.start([HISTORY])
    victim.pause()
    try:
        with pytest.raises(Unavailable, match="nothing confirmed for 1 s"):
            bus.publish([fact("a")])
    finally:
        victim.resume()
    publish_surely(bus, [fact("b")])
    assert texts(read(bus.consume("history.0"), 1))[0] in "ab"
    bus.stop()


def test_a_broker_short_of_memory_blocks_publishing_and_not_reading(victim: Broker) -> None:
    bus = RabbitBus(victim.url(), publish_s=2)
    bus.start([HISTORY])
    bus.publish([fact("before")])
    victim.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        wait_for(lambda: refused(bus))
        with pytest.raises(Unavailable, match="blocked"):
            bus.publish([fact("c")])
        assert texts(read(bus.consume("history.0"), 1)) == ["before"]
    finally:
        victim.control("set_vm_memory_high_watermark", "absolute", "600MB")
    publish_surely(bus, [fact("after")])
    bus.stop()


def refused(bus: RabbitBus) -> bool:
    try:
        bus.publish([fact("b")])
    except Unavailable:
        return True
    return False


def test_nobody_at_the_address_is_unavailable() -> None:
    bus = RabbitBus("amqp://nobody:secret@127.0.0.1:1/none", connect_s=0.5)
    with pytest.raises(Unavailable) as trouble:
        bus.start([HISTORY])
    assert "secret" not in str(trouble.value)


def test_a_virtual_host_that_does_not_exist_is_named_by_the_broker(broker: Broker) -> None:
    bus = RabbitBus(broker.url_of("missing"), connect_s=3)
    with pytest.raises(Unavailable, match="missing"):
        bus.start([HISTORY])


def test_a_queue_that_stands_with_other_arguments_is_named(broker: Broker) -> None:
    url = broker.url()
    with pika.BlockingConnection(pika.URLParameters(url)) as plain:
        plain.channel().queue_declare("history.0", durable=True)
    bus = RabbitBus(url, connect_s=3)
    with pytest.raises(Unavailable, match=r"history\.0"):
        bus.start([HISTORY])


def test_a_queue_that_was_deleted_is_declared_again_and_nothing_is_said_to_nobody(broker: Broker) -> None:
    url = broker.url()
    bus = RabbitBus(url)
    bus.start([HISTORY])
    consumer = bus.consume("history.0")
    bus.publish([fact("a")])
    assert texts(read(consumer, 1)) == ["a"]
    with pika.BlockingConnection(pika.URLParameters(url)) as plain:
        plain.channel().queue_delete("history.0")
    publish_surely(bus, [fact("b")])
    assert texts(read(consumer, 1)) == ["b"]
    bus.stop()


def test_a_cut_connection_is_made_again_and_stale_acknowledgements_are_ignored(broker: Broker) -> None:
    url = broker.url()
    bus = RabbitBus(url)
    bus.start([HISTORY])
    consumer = bus.consume("history.0")
    bus.publish([fact("a"), fact("b")])
    stale = read(consumer, 2, ack=False)
    broker.control("close_all_connections", "--vhost", url.rpartition("/")[2], "cut by a test")
    again = read(consumer, 2, ack=False)
    consumer.ack(stale)
    assert texts(again) == ["a", "b"]
    assert all(d.redelivered for d in again)
    consumer.ack(again)
    publish_surely(bus, [fact("c")])
    assert texts(read(consumer, 1)) == ["c"]
    bus.stop()


def test_a_reader_whose_clock_is_ahead_is_given_the_commands_all_the_same(
    bus: RabbitBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus.start([FS1])
    bus.publish([command("a", lives_us=60_000_000)])
    here = clock.now_us
    monkeypatch.setattr(clock, "now_us", lambda: here() + 3_600_000_000)
    assert texts(read(bus.consume("commands.fs1.0"), 1)) == ["a"]


def test_an_acknowledged_command_never_comes_again_though_others_are_still_in_hand(broker: Broker) -> None:
    url = broker.url()
    bus = RabbitBus(url)
    bus.start([FS1])
    bus.publish([command(str(n)) for n in range(40)])
    consumer = bus.consume("commands.fs1.0")
    taken = read(consumer, 40, ack=False)
    assert texts(taken) == [str(n) for n in range(40)]
    consumer.ack(taken[:30])
    broker.control("close_all_connections", "--vhost", url.rpartition("/")[2], "cut by a test")
    assert sorted(texts(read(consumer, 10)), key=int) == [str(n) for n in range(30, 40)]
    assert consumer.get(10, timeout_s=0.3) == []
    wait_for(lambda: bus.depth("commands.fs1.0") == 0)
    bus.stop()


def test_many_messages_at_once_may_take_longer_than_one(broker: Broker) -> None:
    """A broker that stands still for a moment again and again: slow, and never for as long as a publish may wait."""
    bus = RabbitBus(broker.url(), publish_s=2.0)
    bus.start([HISTORY])
    halting = gevent.spawn(_halts, broker)
    others = gevent.spawn(bus.publish, [fact(f"other {n}", "globex") for n in range(3_000)])
    began = time.monotonic()
    bus.publish([fact(str(n)) for n in range(6_000)])
    assert time.monotonic() - began > 2.0, "too few to show anything"
    others.get(timeout=DEADLINE_S)
    halting.kill()
    heard = texts(read(bus.consume("history.0", prefetch=2_000), 9_000))
    assert [text for text in heard if " " not in text] == [str(n) for n in range(6_000)]
    bus.stop()


def _halts(broker: Broker) -> None:
    try:
        while True:
            broker.pause()
            gevent.sleep(0.4)
            worked_s = broker.worked_s()
            broker.resume()
            with gevent.Timeout(1.5, False):  # until it has got somewhere, however few turns the machine gives it
                while broker.worked_s() - worked_s < 0.05:
                    gevent.sleep(0.02)
    finally:
        broker.resume()


def test_fewer_partitions_than_there_were_are_refused_with_the_queue_nobody_would_read(broker: Broker) -> None:
    url = broker.url()
    bus = RabbitBus(url)
    bus.start([Queue("history", "fact", ("*.leg.ended",), 3), FS1])
    bus.publish([fact(tenant, tenant) for tenant in ("acme", "globex", "initech", "umbrella", "hooli")])
    bus.stop()
    fewer = RabbitBus(url)
    with pytest.raises(Unavailable, match=r"queue history\.2 stands .* set partitions back until it is empty"):
        fewer.start([FS1, Queue("history", "fact", ("*.leg.ended",), 2)])
    more = RabbitBus(url)
    more.start([Queue("history", "fact", ("*.leg.ended",), 4), FS1])
    more.stop()


def test_a_message_shows_its_tenant_id_and_type_to_plain_consumers(broker: Broker) -> None:
    url = broker.url()
    bus = RabbitBus(url)
    bus.start([tally.queue(), FS1])
    (hand_over,) = tally.facts([7])
    bus.publish([hand_over, command("c", lives_us=6_000_000)])
    with pika.BlockingConnection(pika.URLParameters(url)) as plain:
        channel = plain.channel()
        _, properties, body = next(channel.consume("tally.0", auto_ack=True, inactivity_timeout=DEADLINE_S))
        assert body == hand_over.body
        assert (properties.content_type, properties.delivery_mode) == (CONTENT_TYPE, 2)
        assert properties.headers == {
            "tenant": "acme",
            "id": hand_over.id,
            "type": "jp.toritsugi.call.handed_over",
        }
        channel.cancel()
        _, properties, _ = next(channel.consume("commands.fs1.0", auto_ack=True, inactivity_timeout=DEADLINE_S))
        assert int(properties.expiration) == 6_001, "a span, measured by the broker alone"
        assert set(properties.headers) == {"tenant", "id"}, (
            "and no time of day, which another machine may see otherwise"
        )
    bus.stop()


def test_what_rabbitmq_must_hold_is_derived_from_the_queues_alone() -> None:
    found = list(declarations([Queue("history", "fact", ("*.leg.ended",), 2), FS1]))
    said = [(d.method, d.name, d.source, d.key) for d in found]
    assert ("bind_exchange", "toritsugi.history", "toritsugi.events", "*.leg.ended") in said
    assert [d.key for d in found if d.source == "toritsugi.history"] == ["1", "1"], "equal weights"
    assert ("bind_queue", "commands.fs1.0", "toritsugi.commands", "fs1") in said
    queues = {d.name: d.arguments for d in found if d.method == "queue"}
    assert set(queues) == {"toritsugi.dead", "history.0", "history.1", "commands.fs1.0"}
    assert all(a["x-queue-type"] == "quorum" for a in queues.values())
    assert all(queues[n]["x-single-active-consumer"] for n in ("history.0", "history.1", "commands.fs1.0"))
    (hashing,) = [d for d in found if d.kind == "x-consistent-hash"]
    assert hashing.arguments == {"hash-header": "tenant"}


def test_many_greenlets_publish_through_one_connection(bus: RabbitBus) -> None:
    bus.start([ROUTING])
    speakers = [
        gevent.spawn(lambda n=n: [bus.publish([fact(f"{n} {m} {k}") for k in range(3)]) for m in range(20)])
        for n in range(40)
    ]
    gevent.joinall(speakers, timeout=DEADLINE_S, raise_error=True)
    heard = texts(read(bus.consume("routing.0", prefetch=1000), 2400))
    for n in range(40):
        assert [t for t in heard if t.startswith(f"{n} ")] == [f"{n} {m} {k}" for m in range(20) for k in range(3)]


def test_an_id_that_amqp_cannot_carry_is_its_callers_trouble_alone(bus: RabbitBus) -> None:
    bus.start([HISTORY])
    consumer = bus.consume("history.0")
    others = [gevent.spawn(bus.publish, [fact(str(n))]) for n in range(5)]
    with pytest.raises(Unavailable, match="cannot be sent"):
        bus.publish([msgspec.structs.replace(fact("too long"), id="x" * 300)])
    others += [gevent.spawn(bus.publish, [fact(str(n))]) for n in range(5, 10)]
    gevent.joinall(others, timeout=DEADLINE_S, raise_error=True)
    assert sorted(texts(read(consumer, 10)), key=int) == [str(n) for n in range(10)]


def test_a_letter_outlives_any_number_of_looks_and_stays_in_its_place(broker: Broker) -> None:
    """Whoever reads gives back, and that counts as a delivery: RabbitMQ 4 drops what came back more than 20 times."""
    world = World(broker.url(), Path())
    bus = world.open(HISTORY)
    bus.publish([fact(str(n)) for n in range(3)])
    consumer = bus.consume("history.0")
    consumer.dead_letter(read(consumer, 3, ack=False), "no reason")
    wait_for(lambda: bus.letters() == 3)
    bodies = [b"0", b"1", b"2"]
    for look in range(25):
        assert [letter.body for letter in world.letters()] == bodies, f"look {look}"
        assert bus.letters() == 3, "a look is over when the next one sees all of them"
    world.close()
    (limit,) = [d.arguments["x-delivery-limit"] for d in declarations([]) if d.method == "queue"]
    listed = broker.control("list_queues", "-p", world.url.rpartition("/")[2], "name", "arguments", "--quiet")
    assert re.search(rf"^toritsugi\.dead\t.*x-delivery-limit.*\b{limit}\b", listed, re.MULTILINE), listed
    assert limit >= 10**9


def test_the_queue_of_an_earlier_version_is_not_taken_for_ours(broker: Broker) -> None:
    """It would lose letters at RabbitMQ 4; what to do about it is said at the start."""
    url = broker.url()
    connection = pika.BlockingConnection(pika.URLParameters(url))
    connection.channel().queue_declare(DEAD_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    connection.close()
    with pytest.raises(Unavailable, match=r"x-delivery-limit.*empty it \(`toritsugi letters`\)"):
        RabbitBus(url).start([HISTORY])
