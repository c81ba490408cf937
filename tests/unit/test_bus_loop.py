"""The loop under a connection to RabbitMQ: what is called, in which order, and what is not called any more."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial

import gevent
import pytest

from services.runtime.bus.loop import Loop

PATIENCE_S = 10.0


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def ran(loop: Loop) -> None:
    with gevent.Timeout(PATIENCE_S):
        loop.start()


def test_calls_come_in_order_and_on_the_greenlet_of_the_loop(loop: Loop) -> None:
    heard: list[tuple[int, object]] = []

    def call(number: int) -> None:
        heard.append((number, gevent.getcurrent()))

    for number in range(3):
        gevent.spawn(loop.add_callback, partial(call, number))
    loop.call_later(0.01, loop.stop)
    ran(loop)
    assert heard == [(number, gevent.getcurrent()) for number in range(3)]


def test_a_timer_that_was_taken_back_never_calls(loop: Loop) -> None:
    """Even if its time has come: the call that takes it back stands before its own."""
    heard: list[str] = []
    taken_back = loop.call_later(0, partial(heard.append, "taken back"))
    loop.add_callback(partial(loop.remove_timeout, taken_back))
    gevent.sleep(0.01)
    kept = loop.call_later(0, partial(heard.append, "kept"))
    loop.call_later(0.02, loop.stop)
    ran(loop)
    loop.remove_timeout(kept)  # it is over; that is no mistake
    assert heard == ["kept"]


def test_a_descriptor_is_told_as_long_as_something_is_to_be_read(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    heard: list[bytes] = []

    def read(fd: int, events: int) -> None:
        assert (fd, events) == (ours.fileno(), Loop.READ)
        heard.append(ours.recv(1))
        if len(heard) == 3:
            loop.stop()

    theirs.sendall(b"abc")
    loop.add_handler(ours.fileno(), read, Loop.READ)
    ran(loop)
    assert heard == [b"a", b"b", b"c"]


def test_only_what_is_wanted_now_is_told(loop: Loop, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    heard: list[int] = []

    def ready(fd: int, events: int) -> None:
        heard.append(events)
        if events == Loop.WRITE:
            loop.update_handler(fd, Loop.READ)
            theirs.sendall(b"x")
        else:
            loop.remove_handler(fd)
            loop.call_later(0.02, loop.stop)  # still to be read, and nobody is told

    loop.add_handler(ours.fileno(), ready, Loop.WRITE)
    ran(loop)
    assert heard == [Loop.WRITE, Loop.READ]


def test_one_that_was_let_go_of_by_the_call_before_is_not_told(loop: Loop) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    heard: list[int] = []

    def ready(fd: int, _events: int) -> None:
        heard.append(fd)
        for ours, _ in pairs:
            loop.remove_handler(ours.fileno())
        loop.stop()

    for ours, theirs in pairs:
        theirs.sendall(b"x")
        loop.add_handler(ours.fileno(), ready, Loop.READ)
    ran(loop)
    for one in (end for pair in pairs for end in pair):
        one.close()
    assert len(heard) == 1


def test_what_a_call_raises_ends_the_loop(loop: Loop) -> None:
    def broken() -> None:
        raise ValueError("trouble")

    loop.add_callback(broken)
    with pytest.raises(ValueError, match="trouble"):
        ran(loop)


def test_a_loop_that_was_stopped_before_does_not_begin(loop: Loop) -> None:
    heard: list[str] = []
    loop.stop()
    loop.add_callback(lambda: heard.append("called"))
    ran(loop)
    assert heard == []
