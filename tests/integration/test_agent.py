"""What one agent hears and tells: arrivals once, nothing lost on the way, whatever bus, disk and switch do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import msgspec
import pytest

from proto import commands as c
from proto import events as e
from proto.topics import outgoing
from services.compose import compose
from services.eventsocket import agent as agent_module
from services.eventsocket import lookout, snapshot
from services.eventsocket.records import ESTIMATED, SOURCE
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.settings import Settings, SwitchLink
from tests.integration.agent_world import (
    ACME,
    LEG,
    PASSWORD,
    PlatformRevised,
    World,
    commanded,
    counted,
    route,
    worlds,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from worlds(tmp_path)


@pytest.fixture
def ready(world: World) -> World:
    return world.begun()


def test_an_arrival_is_told_and_its_plan_written_once(ready: World) -> None:
    ready.switch.says("CHANNEL_PARK", 1)
    (arrived,) = ready.until(e.CallArrived)
    assert (arrived.tenant, arrived.call, arrived.id) == ("acme", LEG, "core-1-1")
    command = ready.order(route(), not_after_us=arrived.occurred_at_us + 1_500_000)
    ready.order(route(), not_after_us=arrived.occurred_at_us + 1_500_000)
    (finished,) = ready.until(e.CommandFinished)
    assert isinstance(finished.body, e.CommandFinished)
    assert (finished.body.command, finished.body.leg, finished.call) == (command.id, LEG, LEG)
    assert finished.body.decision_us is not None
    assert 0 < finished.body.decision_us < 5_000_000
    ready.order(c.HangUp(switch="fs1", leg=LEG))
    ready.until(e.CommandFinished, 2)
    assert [asked.split()[0] for asked in ready.switch.asked] == ["uuid_transfer", "uuid_kill"]
    assert f"tt_decision={command.id}" in ready.switch.asked[0]


def test_arrivals_wait_until_directory_has_told_all_clients_at_a_first_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's caller is told "not in use" because files are read slowly; what waits survives a crash."""
    monkeypatch.setattr(agent_module, "KEEP_EVERY_S", 0.05)
    agent = world.start_agent()
    world.listening()
    world.switch.says("CHANNEL_PARK", 1)
    world.publish(e.TenantRevised(revision="1", body=msgspec.structs.replace(ACME, tenant="other", numbers=())))
    world.holds(lambda: b"CHANNEL_PARK" in (world.folder / "fs1.spool").read_bytes())
    assert not agent.wait_ready(0.3), "one client is known, but not all"
    world.tell_tenants()
    assert agent.wait_ready(5)
    assert [told.tenant for told in world.until(e.CallArrived)] == ["acme"]


def test_a_platform_without_clients_is_known_at_once(world: World) -> None:
    world.publish(PlatformRevised, "_platform")
    world.start_agent()
    world.listening()
    world.switch.says("CHANNEL_PARK", 1)
    assert world.until(e.CallArrived)[0].tenant == "_unknown"


def test_an_arrival_for_nobody_is_counted_and_wakes_no_person(ready: World, capfd: pytest.CaptureFixture[str]) -> None:
    before = counted("toritsugi_unknown_numbers_total")
    ready.switch.says("CHANNEL_PARK", 1, sofia_profile_name="internal")
    ready.until(e.CallArrived)
    assert counted("toritsugi_unknown_numbers_total") == before + 1
    assert "error" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("host", ["HEARTBEAT", "BACKGROUND_JOB"])
def test_a_switch_may_have_any_name(ready: World, host: str) -> None:
    """What an event is stands in Event-Name, and nowhere else among its first bytes."""
    ready.switch.host = host
    ready.switch.says("CHANNEL_PARK", 1)
    assert ready.until(e.CallArrived)[0].id == "core-1-1"


@pytest.mark.parametrize("trouble", ["disk", "bug"])
def test_trouble_with_disk_or_bus_ends_no_telling(ready: World, trouble: str) -> None:
    """The spool's disk fails while the bus is away; or publishing fails as nobody foresaw."""
    spool, aside = ready.folder / "fs1.spool", ready.folder / "aside"
    if trouble == "disk":
        spool.rename(aside)
        spool.mkdir()
        ready.bus.away = True
    else:
        ready.bus.bug = True
    ready.switch.says("CHANNEL_PARK", 1)
    EmbeddedBus.publish(ready.bus, [outgoing(commanded(c.HangUp(switch="fs1", leg=LEG), ready))])
    ready.holds(lambda: ready.bus.refused >= 4)
    ready.bus.away = ready.bus.bug = False
    ready.until(e.CommandFinished)
    ready.until(e.CallArrived)
    if trouble == "disk":
        spool.rmdir()
        aside.rename(spool)
    ready.switch.says("CHANNEL_PARK", 2, leg="leg-2")
    assert [told.id for told in ready.until(e.CallArrived, 2)] == ["core-1-1", "core-1-2"]


def test_the_switch_is_woken_only_while_a_call_is_up(world: World) -> None:
    """Its listener is not woken by its own events (mod_event_socket.c): a lone newline does it."""
    world.tell_tenants()
    agent = world.start_agent(newline_every_ms=1)
    world.listening()
    link, woken = agent.supervisor.events, []
    assert link is not None
    poke = link.poke
    link.poke = lambda: woken.append(poke())  # type: ignore[method-assign]
    gevent.sleep(0.1)
    assert woken == []
    world.switch.says("CHANNEL_PARK", 1)
    world.holds(lambda: len(woken) > 3)
    world.switch.says("CHANNEL_HANGUP_COMPLETE", 2)
    world.until(e.LegEnded)
    gevent.sleep(0.05)
    number = len(woken)
    gevent.sleep(0.1)
    assert len(woken) == number


@pytest.mark.parametrize(("given", "every_ms"), [({}, 2), ({"newline_every_ms": 0}, 0), ({"newline_every_ms": 7}, 7)])
def test_how_often_the_switch_is_woken_is_a_setting(world: World, given: dict[str, Any], every_ms: int) -> None:
    link = SwitchLink(name="fs1", password=PASSWORD, **given)
    house = compose(Settings(data_dir=world.folder, switches=(link,)), world.bus, ["eventsocket"])
    assert house.agents[0].switch.newline_every_ms == every_ms


def test_the_password_that_everybody_knows_is_warned_of(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.password = "ClueCon"  # noqa: S105
    world.start_agent()
    assert "the one everybody knows" in "".join(capfd.readouterr())


def test_a_leg_that_was_heard_of_late_is_concluded_gone_after_all(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus was away: it was said to be gone while its last event was not worked in yet."""
    monkeypatch.setattr(snapshot, "APART_US", 200_000)
    monkeypatch.setattr(lookout, "AGAIN_S", 0.1)
    agent = ready.agent
    assert agent is not None
    ready.switch.replies["uuid_exists"] = "false"
    ready.switch.says("CHANNEL_PARK", 1)
    ready.until(e.CallArrived)
    ready.bus.away = True
    ready.switch.says("CHANNEL_HOLD", 2)
    ready.holds(lambda: bool(ready.bus.refused))
    agent.lookout.found()
    ready.holds(lambda: bool(agent.lookout._missing))
    ready.switch.says("CHANNEL_UNHOLD", 3)
    ready.holds(lambda: any(asked.startswith("uuid_exists") for asked in ready.switch.asked))
    ready.bus.away = False
    (ended,) = ready.until(e.LegEnded)
    assert ended.estimated


def test_a_switch_full_of_calls_is_looked_at_in_small_packets(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever calls meanwhile stands behind one packet, not behind all that is up."""
    monkeypatch.setattr(lookout, "PACE_S", 30.0)
    agent, legs = ready.agent, [f"leg-{number}" for number in range(300)]
    assert agent is not None
    ready.bus.away = True
    ready.switch.replies["show"] = json.dumps({"row_count": len(legs), "rows": [{"uuid": leg} for leg in legs]})
    agent.lookout.found()
    ready.holds(lambda: bool(ready.bus.refused))
    gevent.sleep(0.3)
    assert agent.waiting <= 3 * lookout.AT_ONCE
    ready.bus.away = False
    ready.holds(lambda: agent.legs_up == set(legs))


def test_what_happens_while_the_bus_is_away_is_told_later_in_order(ready: World) -> None:
    ready.bus.away = True
    for number in range(1, 3001):
        ready.switch.says("CHANNEL_HANGUP_COMPLETE", number, leg=f"leg-{number}")
    assert ready.agent is not None
    ready.holds(lambda: ready.agent.waiting == 3000)  # type: ignore[union-attr]
    ready.bus.away = False
    ended = ready.until(e.LegEnded, 3000)
    assert [fact.id for fact in ended] == [f"core-1-{number}" for number in range(1, 3001)]
    assert {fact.tenant for fact in ended} == {"acme"}


def test_a_bus_that_is_lost_again_and_again_while_a_backlog_is_told_changes_no_order(ready: World) -> None:
    ready.bus.away = True
    for number in range(1, 801):
        ready.switch.says("CHANNEL_HANGUP_COMPLETE", number, leg=f"leg-{number}")
    ready.holds(lambda: ready.agent is not None and ready.agent.waiting == 800)
    ready.bus.away, ready.bus.trips = False, 3
    last = "core-1-800"
    ready.holds(lambda: last in {fact.id for fact in ready.hear()})
    first_told = dict.fromkeys(fact.id for fact in ready.told if isinstance(fact.body, e.LegEnded))
    assert list(first_told) == [f"core-1-{number}" for number in range(1, 801)]


def test_hostile_events_stop_nothing(ready: World) -> None:
    for client in ready.switch.server.clients:
        if client.subscribed.is_set():
            for body in (b"[]", b"{", b'{"Event-Name":"CHANNEL_PARK"}', b'{"Event-Name":{"x":1}}', b"\xff\x00"):
                client.send(b"Content-Length: %d\nContent-Type: text/event-json\n\n%s" % (len(body), body))
    ready.switch.says("CHANNEL_PARK", 9, sip_from_display="A\r\nEvent-Name: FAKE")
    assert ready.until(e.CallArrived)[0].id == "core-1-9"


def test_what_was_learned_otherwise_is_told_in_its_turn_and_its_giver_hears_of_it_over_a_crash(world: World) -> None:
    """The seam of snapshots and CDR files: a record shaped like an event, with its source."""
    world.tell_tenants()
    agent = world.start_agent()
    world.listening()
    world.switch.says("CHANNEL_PARK", 1)
    world.until(e.CallArrived)
    world.bus.away = True
    agent.learn(
        {
            "Event-Name": "CHANNEL_HANGUP_COMPLETE",
            "Core-UUID": "core-1",
            "Event-Sequence": f"gone.{LEG}",
            "Event-Date-Timestamp": "1795000000000000",
            "Unique-ID": LEG,
            "Hangup-Cause": "NORMAL_CLEARING",
            SOURCE: "cdr",
            ESTIMATED: "true",
        }
    )
    world.stop_agent()
    world.bus.away = False
    heard: list[str] = []
    world.start_agent(on_told=[lambda record: heard.append(str(record["Unique-ID"]))])
    (ended,) = world.until(e.LegEnded)
    assert (ended.id, ended.estimated, ended.occurred_at_us) == (f"core-1-gone.{LEG}", True, 1795000000000000)
    world.holds(lambda: heard.count(LEG) == 1)
