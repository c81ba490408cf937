"""Commands to one switch: each carried out at most once and answered, whatever dies, lies or comes late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from proto import commands as c
from proto import events as e
from proto.plan import Phone, Reject, Ring
from proto.topics import Outgoing, outgoing
from proto.values import Party, command_id
from services.eventsocket import commander as commander_module
from services.eventsocket import marks as marks_module
from services.eventsocket import taken
from services.eventsocket.render import render
from services.eventsocket.service import Agent, SwitchSettings, metadata
from services.eventsocket.taken import Taken
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store, Tx
from tests.integration.agent_world import (
    LEG,
    PASSWORD,
    World,
    commanded,
    route,
    worlds,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from worlds(tmp_path)


@pytest.fixture
def ready(world: World) -> World:
    return world.begun()


def test_a_command_past_its_time_is_refused_by_the_switchs_clock(world: World) -> None:
    """The switch's clock is ahead of ours: on it, the time is over; on ours it is not."""
    world.switch.ahead_us = 60_000_000
    world.tell_tenants()
    world.start_agent()
    world.listening()
    world.order(route(), not_after_us=world.switch.now_us() - 1_000_000)
    (refused,) = world.until(e.CommandRefused)
    assert isinstance(refused.body, e.CommandRefused)
    assert (refused.body.reason, refused.body.by) == ("expired", "agent")
    assert world.switch.asked == []


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_step_of_this_machines_clock_makes_no_plan_early_or_late(
    ready: World, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    monkeypatch.setattr(clock, "now_us", lambda: time.time_ns() // 1000 + step_s * 1_000_000)
    ready.order(route(), not_after_us=ready.switch.now_us() - 1_000_000)
    ready.until(e.CommandRefused)
    assert ready.switch.asked == []
    ready.order(c.HangUp(switch="fs1", leg=LEG), not_after_us=ready.switch.now_us() + 1_500_000)
    ready.until(e.CommandFinished)


def test_what_must_not_become_text_is_refused(ready: World) -> None:
    ready.order(route(plan=(Ring((Phone("1001", "h"),)), Reject("USER_BUSY")), leg="a b"))
    (refused,) = ready.until(e.CommandRefused)
    assert isinstance(refused.body, e.CommandRefused)
    assert refused.body.by == "agent"
    assert ready.switch.asked == []


def test_the_switchs_no_is_told(ready: World) -> None:
    ready.switch.replies["uuid_bridge"] = "-ERR Invalid uuid\n"
    ready.order(c.BridgeLegs(switch="fs1", leg=LEG, other="b"))
    (refused,) = ready.until(e.CommandRefused)
    assert isinstance(refused.body, e.CommandRefused)
    assert (refused.body.reason, refused.body.by) == ("Invalid uuid", "switch")


@pytest.mark.parametrize("good", [True, False])
def test_an_originate_is_done_when_its_job_is(ready: World, good: bool) -> None:
    command = c.OriginateCall(switch="fs1", phone=Phone("1001", "h"), payer="acme", caller=Party())
    ready.switch.replies["originate"] = "+OK leg\n" if good else "-ERR USER_BUSY\n"
    sent = ready.order(command)
    if good:
        (told,) = ready.until(e.CommandFinished)
    else:
        (told,) = ready.until(e.CommandRefused)
        assert isinstance(told.body, e.CommandRefused)
        assert told.body.reason == "USER_BUSY"
    assert getattr(told.body, "leg", "") == sent.id
    assert f"origination_uuid={sent.id}" in ready.switch.asked[0]


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_reply_lost_with_the_connection_is_asked_for_and_nothing_is_sent_again(
    ready: World, carried_out: bool
) -> None:
    command = route()
    ready.switch.cut_at = "uuid_transfer"
    ready.switch.replies["uuid_getvar"] = command_id(repr(command), 0) if carried_out else "_undef_"
    ready.order(command)
    ready.until(e.CommandFinished if carried_out else e.CommandUnknown)
    assert [asked.split()[0] for asked in ready.switch.asked] == ["uuid_transfer", "uuid_getvar"]
    assert len(ready.until(e.SwitchLost)) == 1
    assert len(ready.until(e.SwitchConnected, 2)) == 2


def test_after_a_restart_it_asks_what_became_of_unanswered_commands(world: World) -> None:
    world.tell_tenants()
    world.start_agent()
    world.listening()
    command = route()
    world.bus.away = True
    world.switch.says("CHANNEL_PARK", 1)
    EmbeddedBus.publish(world.bus, [outgoing(commanded(command, world))])
    world.holds(lambda: len(world.switch.asked) == 1)
    world.stop_agent()
    world.bus.away = False
    world.switch.replies["uuid_getvar"] = command_id(repr(command), 0)
    world.start_agent()
    (finished,) = world.until(e.CommandFinished)
    assert isinstance(finished.body, e.CommandFinished)
    assert finished.body.reply == "asked"
    assert [asked.split()[0] for asked in world.switch.asked] == ["uuid_transfer", "uuid_getvar"]
    assert world.until(e.CallArrived)[0].id == "core-1-1", "the spool kept the arrival over the restart"


@pytest.mark.parametrize("failure", [Unavailable("bus: connection lost"), RuntimeError("a bug for the test")])
def test_a_bad_command_that_cannot_be_put_aside_stops_no_other(world: World, failure: Exception) -> None:
    """The bus goes away in the very moment; afterwards calls are routed as before, and the bad one is put aside."""
    world.bus.dead_letter_failures = [failure] * 3
    world.tell_tenants()
    world.start_agent()
    world.listening()
    EmbeddedBus.publish(world.bus, [Outgoing("rubbish-1", "command", "fs1", "acme", b"rubbish")])
    world.holds(lambda: len(world.bus.dead_letter_failures) < 3)
    world.order(route())
    world.until(e.CommandFinished)
    assert world.bus.dead_letter_failures, "nobody waited for it"
    world.holds(lambda: world.bus.letters() == 1)


def test_a_command_that_trips_us_is_answered_and_the_next_one_carried_out(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows then whether the switch has it: it is asked, and nothing is sent again."""
    calls = iter([True, False, False, False])

    def trips(*arguments: Any) -> Any:
        if next(calls):
            raise KeyError("a bug for the test")
        return render(*arguments)

    monkeypatch.setattr(commander_module, "render", trips)
    first = ready.order(c.StopRecording(switch="fs1", leg=LEG, recording="r"))
    ready.order(route())
    (unknown,) = ready.until(e.CommandUnknown)
    assert isinstance(unknown.body, e.CommandUnknown)
    assert unknown.body.command == first.id
    ready.until(e.CommandFinished)


def test_commands_of_long_ago_are_forgotten_while_the_agent_runs(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taken, "PRUNE_EVERY_US", 0)
    monkeypatch.setattr(taken, "KEPT_FOR_US", 0)
    ready.order(c.HangUp(switch="fs1", leg=LEG))
    ready.until(e.CommandFinished)
    store = ready.store
    assert store is not None
    ready.holds(lambda: Taken(store).unanswered() == [])
    ready.order(c.HangUp(switch="fs1", leg="leg-2"))
    ready.until(e.CommandFinished, 2)

    def kept(tx: Tx) -> int:
        return len(tx.sql.execute(select(tx.tables["commands"])).all())

    ready.holds(lambda: store.run(kept) <= 1)


def test_no_mark_stays_at_the_switch_longer_than_its_command_is_worth(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of a command that was refused, nor of one whose agent was started anew: a switch runs for months."""
    world.tell_tenants()
    world.start_agent()
    world.listening()
    marks = world.switch.marks
    assert marks is not None
    in_time_us = world.switch.now_us() + 60_000_000
    world.order(route(), not_after_us=in_time_us)
    world.until(e.CommandFinished)
    world.order(route(plan=(Ring((Phone("1001", "h"),)),), leg="a b"), not_after_us=in_time_us)
    world.until(e.CommandRefused)
    assert len(marks) == 2
    world.stop_agent()
    monkeypatch.setattr(marks_module, "FORGET_AFTER_US", 0)
    world.start_agent()
    world.until(e.SwitchConnected, 2)
    world.switch.ahead_us = 120_000_000
    assert world.agent is not None
    world.agent.supervisor.drop_events_link()
    world.until(e.SwitchConnected, 3)
    world.order(c.HangUp(switch="fs1", leg=LEG))
    world.holds(lambda: not marks)


def test_an_unanswered_command_that_no_longer_reads_stops_no_start(world: World) -> None:
    world.start_agent()
    assert world.store is not None
    Taken(world.store).keep_new({"old": b"{}", "order": b"rubbish"})
    world.stop_agent()
    world.tell_tenants()
    world.start_agent()
    world.listening()
    world.order(route())
    world.until(e.CommandFinished)


def test_two_agents_on_one_switch_say_everything_under_the_same_ids_and_each_command_is_carried_out_once(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One hears the arrival, the other finds the call standing there; consumers drop what they have seen."""
    world.tell_tenants()
    world.start_agent()
    world.listening()
    folder = tmp_path_factory.mktemp("second")
    store = Store(f"sqlite:///{folder / 'agent.sqlite'}", metadata())
    store.start()
    port = world.switch.server.port
    settings = SwitchSettings("fs1", folder, agent="b", port=port, password=PASSWORD, timeout_s=2.0)
    second = Agent(settings, world.bus, store)
    second.start()
    try:
        assert second.wait_ready(5)
        world.holds(lambda: sum(client.subscribed.is_set() for client in world.switch.server.clients) == 2)
        world.switch.says("CHANNEL_PARK", 1)
        world.switch.says("CHANNEL_HANGUP_COMPLETE", 2)
        assert {told.id for told in world.until(e.CallArrived, 2)} == {"core-1-1"}
        assert {told.id for told in world.until(e.LegEnded, 2)} == {"core-1-2"}
        for number in range(20):
            world.order(c.HangUp(switch="fs1", leg=f"leg-{number}"))
        world.until(e.CommandFinished, 20)
        killed = [asked for asked in world.switch.asked if asked.startswith("uuid_kill")]
        assert len(killed) == len(set(killed)) == 20
    finally:
        second.stop()
        store.stop()


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_plan_that_another_agent_may_have_written_is_asked_for_first(world: World, carried_out: bool) -> None:
    """It wrote the plan and lost the bus before its acknowledgement was there: the plan comes to the next agent."""
    command = route()
    other = world.bus.consume("commands.fs1.0")
    world.order(command)
    assert len(other.get(1)) == 1
    other.close()
    world.switch.replies["uuid_getvar"] = command_id(repr(command), 0) if carried_out else "_undef_"
    world.tell_tenants()
    world.start_agent()
    world.until(e.CommandFinished)
    asked = [asked.split()[0] for asked in world.switch.asked]
    assert asked == (["uuid_getvar"] if carried_out else ["uuid_getvar", "uuid_transfer"])
