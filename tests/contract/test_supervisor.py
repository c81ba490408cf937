"""Both connections to a switch are kept up over the real wire: found, lost, found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gevent
import gevent.monkey
import pytest

from freeswitch.simulator.esl.server import EslServer, UnknownCommand
from services.eventsocket.frames import Frame, event_of
from services.eventsocket.link import Link
from services.eventsocket.supervisor import Found, Supervisor
from services.eventsocket.watch import Poker, Watchdog, process_was_frozen
from services.runtime import clock

PASSWORD = "secret"  # noqa: S105


class Answers:
    """A switch that knows its name and the time."""

    def __init__(self) -> None:
        self.expanded = "<API execute Permission Denied>"
        self.ahead_us = 0

    def api(self, command: str, argument: str) -> str:
        if command == "expand":
            return self.expanded
        known = {"global_getvar": "core-1", "version": "FreeSWITCH 1.11\n"}
        if command == "strmicroepoch":
            return str(time.time_ns() // 1000 + self.ahead_us)
        if command not in known:
            raise UnknownCommand(command)
        return known[command]

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str:
        return f"-ERR invalid session id [{leg}]"


class World:
    """A switch, a supervisor, and what it was told."""

    def __init__(self) -> None:
        self.answers = Answers()
        self.server = EslServer(self.answers, PASSWORD)
        self.told: list[Any] = []
        self.supervisor: Supervisor | None = None

    def watch(self, port: int | None = None, password: str = PASSWORD) -> Supervisor:
        self.supervisor = Supervisor(
            "127.0.0.1",
            port or self.server.port,
            password,
            self._event,
            self.told.append,
            self.told.append,
            timeout_s=2.0,
            check_every_s=0.1,
        )
        self.supervisor.start()
        return self.supervisor

    def _event(self, frame: Frame) -> None:
        self.told.append(event_of(frame)["Event-Sequence"])

    def until(self, holds: Callable[[], bool]) -> None:
        with gevent.Timeout(30):
            while not holds():
                gevent.sleep(0.005)

    def subscribed(self) -> list[Any]:
        return [client for client in self.server.clients if client.subscribed.is_set()]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.server.start()
    yield world
    if world.supervisor is not None:
        world.supervisor.stop()
    world.server.stop()


def test_one_connection_for_events_and_one_for_commands(world: World) -> None:
    world.answers.ahead_us = 5_000_000
    supervisor = world.watch()
    assert supervisor.connected.wait(30)
    found = world.told[0]
    assert isinstance(found, Found)
    assert (found.core, found.version) == ("core-1", "FreeSWITCH 1.11")
    assert abs(supervisor.switch_now_us() - clock.now_us() - 5_000_000) < 2_000_000, "half of a slow round trip"
    assert len(world.server.clients) == 2
    world.server.publish({"Event-Name": "CHANNEL_PARK", "Event-Sequence": "1"})
    world.until(lambda: world.told[1:] == ["1"])


def test_nobody_is_given_the_command_link_before_the_switch_is_found(world: World) -> None:
    """What is written before the log-in is refused: a mark that is refused so would say that the switch keeps none."""
    seen: list[tuple[str, Link | None]] = []

    def commanded(_client: Any, command: Any) -> None:
        assert world.supervisor is not None
        seen.append((command.line, world.supervisor.commands))

    world.server.on_command = commanded
    supervisor = world.watch()
    for lives in (1, 2):
        world.until(lambda: [type(one) for one in world.told].count(Found) == lives)  # noqa: B023
        assert supervisor.connected.wait(30)
        assert [link for line, link in seen if "expand" in line or "version" in line] == [None] * 2 * lives
        for client in list(world.server.clients):
            client.cut()


def test_after_a_cut_it_comes_back_by_itself(world: World) -> None:
    supervisor = world.watch()
    for number in range(1, 6):
        assert supervisor.connected.wait(30)
        world.until(lambda: len(world.subscribed()) == 1)
        world.server.publish({"Event-Name": "CHANNEL_PARK", "Event-Sequence": str(number)})
        world.until(lambda seen=str(number): seen in world.told)
        victims = list(world.server.clients) if number % 2 else world.subscribed()
        for client in victims:
            client.cut(abort=number == 3)
        world.until(lambda count=number: len([t for t in world.told if isinstance(t, Found)]) > count)
    kinds = ["found" if isinstance(t, Found) else t if t.isdigit() else "lost" for t in world.told]
    assert kinds == [word for number in "12345" for word in ("found", number, "lost")] + ["found"]


def test_a_switch_that_comes_late_is_found(world: World) -> None:
    port = world.server.port
    world.server.stop()
    supervisor = world.watch(port)
    world.until(lambda: len(world.told) == 1)
    assert "cannot connect" in world.told[0]
    world.server = EslServer(world.answers, PASSWORD, port=port)
    world.server.start()
    assert supervisor.connected.wait(30)
    assert len(world.told) == 2


def test_a_wrong_password_is_said(world: World) -> None:
    supervisor = world.watch(password="wrong")  # noqa: S106
    world.until(lambda: bool(world.told))
    assert not supervisor.connected.is_set()
    assert world.told == ["wrong password"]


def test_a_refusal_that_passes_costs_no_half_minute(world: World) -> None:
    """While mod_event_socket is reloaded it refuses every log-in for a moment."""
    world.server.password = "not read yet"  # noqa: S105
    supervisor = world.watch()
    world.until(lambda: bool(world.told))
    world.server.password = PASSWORD
    assert supervisor.connected.wait(30)


@pytest.mark.parametrize("said", ["1795290732", "-ERR no reply", "-USAGE: expand <cmd>", "echo", "", " 1795290732 s"])
def test_a_switch_that_does_not_deny_api_expansion_is_refused(world: World, said: str) -> None:
    """With api-expansion on, a caller's text could run commands on the switch; a doubtful answer is no denial."""
    world.answers.expanded = said
    supervisor = world.watch()
    world.until(lambda: bool(world.told))
    assert not supervisor.connected.is_set()
    assert "api-expansion" in world.told[0]
    assert ("is on" in world.told[0]) == said.isdigit()


def test_a_process_that_stands_still_loses_its_event_link_within_seconds(world: World) -> None:
    """A client that does not read stops every other listener of the switch until its connection is reset."""
    supervisor = world.watch()
    assert supervisor.connected.wait(30)
    link, dropped, sleep = supervisor.events, list[bool](), gevent.monkey.get_original("time", "sleep")

    def drop() -> None:
        supervisor.drop_events_link()
        dropped.append(True)

    watchdog = Watchdog(drop, limit_s=1.5)
    watchdog.start()
    assert link is not None
    assert not link.lost.wait(1.6), "it goes on"
    for _ in range(300):  # nobody else has a turn
        if not dropped:
            sleep(0.1)
    assert link.lost.wait(30)
    watchdog.stop()
    world.until(lambda: len([t for t in world.told if isinstance(t, Found)]) == 2)


def test_a_process_that_was_frozen_reads_on_and_loses_no_event_to_a_reset() -> None:
    """SIGSTOP and SIGCONT: what happened on the switch meanwhile still waits in the socket."""
    assert process_was_frozen(10_500_000, limit_s=5.0)
    assert not process_was_frozen(520_000, limit_s=5.0), "only the hub stands still: reset"


def test_newlines_between_commands_disturb_nothing(world: World) -> None:
    """The setting that keeps the switch's listener awake while a call is up."""
    supervisor, busy = world.watch(), [True]
    assert supervisor.connected.wait(30)
    poker = Poker(supervisor.poke, lambda: bool(busy), every_ms=1)
    poker.start()
    assert supervisor.events is not None
    for number in range(1, 101):
        world.server.publish({"Event-Name": "CHANNEL_PARK", "Event-Sequence": str(number)})
        assert supervisor.events.send("api strmicroepoch").text.isdigit()
    world.until(lambda: world.told[1:] == [str(number) for number in range(1, 101)])
    poker.stop()
