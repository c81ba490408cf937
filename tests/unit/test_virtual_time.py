"""Virtual time: waits end in their order and at their moments, and nothing that works is overtaken."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import gevent
import gevent.monkey
import pytest
from gevent.event import Event
from gevent.server import StreamServer
from hypothesis import given, settings
from hypothesis import strategies as st

from freeswitch.simulator.clock import VirtualClock
from services.runtime import clock
from services.runtime.threads import in_thread
from services.runtime.virtual import VirtualTime, virtual_time

START_US = 1_800_000_000_000_000
really_sleep = gevent.monkey.get_original("time", "sleep")


@pytest.fixture
def virtual() -> Iterator[VirtualTime]:
    with virtual_time(START_US) as moved:
        yield moved


def since_s() -> float:
    return (clock.now_us() - START_US) / 1_000_000


def test_an_hour_passes_at_once(virtual: VirtualTime) -> None:
    began = time.perf_counter()
    gevent.sleep(3600)
    assert since_s() == 3600
    assert clock.monotonic_us() == clock.now_us()
    assert time.perf_counter() - began < 60


def test_the_machines_time_is_back_afterwards() -> None:
    with virtual_time(START_US):
        gevent.sleep(60)
    assert abs(clock.now_us() - time.time_ns() // 1000) < 60_000_000
    began = time.perf_counter()
    gevent.sleep(0.01)
    assert time.perf_counter() - began >= 0.009


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
@settings(deadline=None, max_examples=30)
def test_whoever_waits_less_goes_on_first_and_whoever_asked_first_among_equals(spans: list[int]) -> None:
    went_on: list[tuple[int, int]] = []

    def wait(number: int, span: int) -> None:
        gevent.sleep(span + 1)
        went_on.append((span, number))

    with virtual_time(START_US):
        gevent.joinall([gevent.spawn(wait, number, span) for number, span in enumerate(spans)])
    assert went_on == sorted((span, number) for number, span in enumerate(spans))


def test_timeouts_and_signals(virtual: VirtualTime) -> None:
    signal = Event()
    gevent.spawn_later(100, signal.set)
    assert not signal.wait(30)
    assert since_s() == 30
    assert signal.wait(900)
    assert since_s() == 100
    with pytest.raises(gevent.Timeout), gevent.Timeout(5):
        gevent.sleep(10)
    assert since_s() == 105
    with gevent.Timeout(5, False):
        gevent.sleep(1)
    gevent.sleep(60)
    assert since_s() == 166, "a timeout that was not needed is gone"


def test_time_stands_while_a_thread_works(virtual: VirtualTime) -> None:
    def work() -> float:
        really_sleep(0.05)
        return since_s()

    waiting = gevent.spawn(in_thread, work)
    gevent.sleep(1)
    assert waiting.ready()
    assert waiting.get() == 0


def test_bytes_between_greenlets_are_not_overtaken(virtual: VirtualTime) -> None:
    heard: list[float] = []

    def answer(connection: socket.socket, _address: object) -> None:
        while data := connection.recv(100):
            connection.sendall(data)

    server = StreamServer(("127.0.0.1", 0), answer)
    server.start()
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=1) as client:
        gevent.spawn(lambda: [gevent.sleep(0.001) for _ in range(1000)])
        for _ in range(50):
            client.sendall(b"x")
            client.recv(1)
            heard.append(since_s())
    server.stop()
    assert max(heard) < 0.1, "a hundred turns at most, for fifty answers"


def test_the_simulators_own_virtual_clock_stops_where_it_is_told() -> None:
    moved = VirtualClock(START_US)
    seen: list[int] = []

    def tick() -> None:
        while True:
            moved.sleep(10)
            seen.append(moved.now_us() - START_US)

    ticking = gevent.spawn(tick)
    moved.run_until(START_US + 35_000_000)
    assert seen == [10_000_000, 20_000_000, 30_000_000]
    assert moved.now_us() == START_US + 35_000_000
    signal = Event()
    waiting = gevent.spawn(moved.wait, signal, 2.0)
    moved.run_until(START_US + 36_000_000)
    assert not waiting.ready()
    signal.set()
    moved.run_until(START_US + 36_000_000)
    assert waiting.get() is True
    ticking.kill()
    assert moved.next_due_us() is None
