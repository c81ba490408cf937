"""The life of a process: start in order, stop in reverse, and end with a code that tells how it went."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import gevent
import gevent.event
import pytest

from services.runtime.app import EXIT_DRAIN_CUT, EXIT_START_FAILED, EXIT_STOPPED, App
from services.runtime.bus import Unavailable
from services.runtime.web.live import Feed


class Room:
    """A part that writes down what happens to it."""

    def __init__(self, name: str, story: list[str], start: Callable[[], object] | None = None) -> None:
        self._name, self._story, self._start = name, story, start
        self.on_stop: Callable[[], object] | None = None

    def start(self) -> None:
        if self._start is not None:
            self._start()
        self._story.append(f"+{self._name}")

    def stop(self) -> None:
        if self.on_stop is not None:
            self.on_stop()
        self._story.append(f"-{self._name}")


def fail(text: str) -> Callable[[], object]:
    def raising() -> object:
        raise OSError(text)

    return raising


def house(story: list[str], **starts: Callable[[], object]) -> list[tuple[str, Room]]:
    return [(name, Room(name, story, starts.get(name))) for name in ("store", "bus", "worker")]


def test_parts_start_in_order_and_stop_in_reverse() -> None:
    story: list[str] = []
    assert App(house(story)).run(for_s=0, ready=lambda: story.append("ready")) == EXIT_STOPPED
    assert story == ["+store", "+bus", "+worker", "ready", "-worker", "-bus", "-store"]


def test_a_part_that_cannot_start_stops_the_others_and_says_so_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    story: list[str] = []
    app = App(house(story, worker=fail("connection\nrefused")))
    assert app.run() == EXIT_START_FAILED
    assert story == ["+store", "+bus", "-bus", "-store"]
    assert capsys.readouterr().err.splitlines()[0] == "toritsugi: worker could not start: connection refused"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_house(number: signal.Signals) -> None:
    story: list[str] = []
    assert App(house(story)).run(ready=lambda: os.kill(os.getpid(), number)) == EXIT_STOPPED
    assert story[-3:] == ["-worker", "-bus", "-store"]


def test_a_part_that_hangs_is_cut_at_the_deadline_and_the_others_still_stop() -> None:
    story: list[str] = []
    parts = house(story)
    parts[1][1].on_stop = gevent.event.Event().wait
    with gevent.Timeout(10, AssertionError("the deadline did not hold")):
        assert App(parts, drain_s=0.05).run(for_s=0) == EXIT_DRAIN_CUT
    assert story[-2:] == ["-worker", "-store"]


def test_a_part_that_fails_to_stop_does_not_keep_the_others() -> None:
    story: list[str] = []
    parts = house(story)
    parts[2][1].on_stop = fail("disk full")
    assert App(parts).run(for_s=0) == EXIT_DRAIN_CUT
    assert story[-2:] == ["-bus", "-store"]


def test_a_second_signal_ends_the_waiting() -> None:
    story: list[str] = []
    parts = house(story)
    app = App(parts, drain_s=3600)

    def hang() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        gevent.event.Event().wait()

    parts[2][1].on_stop = hang
    with gevent.Timeout(10, AssertionError("the second signal was not heard")):
        assert app.run(ready=lambda: os.kill(os.getpid(), signal.SIGINT)) == EXIT_DRAIN_CUT
    assert story[-2:] == ["-bus", "-store"]


def test_a_signal_while_starting_stops_what_has_started() -> None:
    story: list[str] = []
    holder: list[App] = []

    def asked_meanwhile() -> None:
        holder[0].ask_to_stop()
        gevent.event.Event().wait()

    holder.append(App(house(story, bus=asked_meanwhile)))
    with gevent.Timeout(10, AssertionError("the start was not broken off")):
        assert holder[0].run(ready=lambda: story.append("ready")) == EXIT_STOPPED
    assert story == ["+store", "-store"]


def test_a_live_page_whose_database_is_away_is_sent_home_and_comes_again() -> None:
    def away() -> None:
        raise Unavailable("database: locked")

    said = list(Feed(comment_every_s=0.01).stream("acme.taro", away, ""))
    assert said == [b"retry: 2000\n\n", b"event: closing\ndata:\n\n"]
