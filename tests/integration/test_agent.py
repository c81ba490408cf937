"""The agent between a switch and the bus: arrivals out, commands in, each at most once, nothing lost on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
import msgspec
import prometheus_client
import pytest
from sqlalchemy import select

from freeswitch.simulator.commands.stores import hash_reply
from freeswitch.simulator.esl.server import EslServer, UnknownCommand
from proto import commands as c
from proto import events as e
from proto.envelope import Envelope, decode
from proto.message import Command
from proto.plan import Carrier, Phone, Reject, Ring
from proto.tenant import Tenant
from proto.tenant.contract import Contract
from proto.tenant.numbers import NumberEntry
from proto.tenant.platform import Platform, Switch
from proto.topics import Outgoing, Queue, agent_queue, all_queues, outgoing
from proto.values import Party, command_id
from services.compose import compose
from services.eventsocket import agent as agent_module
from services.eventsocket import commander as commander_module
from services.eventsocket import lookout, snapshot
from services.eventsocket import marks as marks_module
from services.eventsocket.records import ESTIMATED, SOURCE
from services.eventsocket.render import render
from services.eventsocket.service import Agent, SwitchSettings, metadata
from services.eventsocket.taken import keep_new, unanswered
from services.runtime import clock
from services.runtime.bus import Delivery, Unavailable
from services.runtime.bus.embedded import EmbeddedBus, EmbeddedConsumer
from services.runtime.settings import Settings, SwitchLink
from services.runtime.store import Store, Tx

PASSWORD = "secret"  # noqa: S105
LEG = "793bc1f6-ad4b-4e8b-81c8-503ac2db1110"
TOLD = (
    e.CallArrived,
    e.LegEnded,
    e.SwitchConnected,
    e.SwitchLost,
    e.CommandFinished,
    e.CommandRefused,
    e.CommandUnknown,
)
ACME = Tenant(
    tenant="acme", name="アクメ", contract=Contract(from_="2026-04-01"), numbers=(NumberEntry("0312345678", route="m"),)
)
PLATFORM = Platform(switches=(Switch("fs1"),), carriers=(Carrier("main", gateway="trunk1"),))


class FakeSwitch:
    """Answers as told; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.replies: dict[str, str] = {}
        self.cut_at = ""
        """The command that breaks the connection instead of being answered."""
        self.marks: dict[tuple[str, str], str] | None = {}
        """What its mod_hash keeps; None: it has none."""
        self.ahead_us = 0
        self.host = "pbx"
        self.server = EslServer(self, PASSWORD)

    def api(self, command: str, argument: str) -> str:
        if command == "strmicroepoch":
            return str(self.now_us())
        known = {
            "expand": "<API execute Permission Denied>",
            "global_getvar": "core-1",
            "version": "1.11",
            "show": '{"row_count": 0}',
        }
        if command in known:
            return self.replies.get(command, known[command])
        if command == "hash" and self.marks is not None:
            return hash_reply(self.marks, argument) or "-ERR no reply\n"
        if command == "uuid_dump" and argument.partition(" ")[0] in self.replies.get("show", ""):
            return json.dumps(self.event("CHANNEL_DATA", 1, argument.partition(" ")[0], current_application="park"))
        self.asked.append(f"{command} {argument}")
        if command == self.cut_at:
            self.cut_at = ""
            for client in list(self.server.clients):
                client.cut(abort=True)
        if command not in self.replies and not command.startswith("uuid_") and command != "originate":
            raise UnknownCommand(command)
        return self.replies.get(command, "+OK\n")

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str:
        return f"-ERR invalid session id [{leg}]"

    def now_us(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us

    def says(self, name: str, sequence: int, leg: str = LEG, **variables: str) -> None:
        self.server.publish(self.event(name, sequence, leg, **variables))

    def event(self, name: str, sequence: int, leg: str, **variables: str) -> dict[str, str]:
        return {
            "Event-Name": name,
            "Core-UUID": "core-1",
            "FreeSWITCH-Hostname": self.host,
            "Event-Sequence": str(sequence),
            "Event-Date-Timestamp": str(self.now_us()),
            "Unique-ID": leg,
            "Call-Direction": "inbound",
            "Caller-Dialplan": "XML",
            "Caller-Profile-Index": "1",
            "Caller-Caller-ID-Number": "09012345678",
            "Caller-Destination-Number": "0312345678",
            "Hangup-Cause": "NORMAL_CLEARING",
            "variable_sofia_profile_name": "external",
            "variable_tt_did": "0312345678",
        } | {f"variable_{key}": value for key, value in variables.items()}


class FlakyBus(EmbeddedBus):
    """The real one, which can be made to be away."""

    away = False
    bug = False
    refused = 0
    trips = 0
    """Each so-manieth publish fails; 0: none."""
    published = 0
    dead_letter_failures: list[Exception] = []  # noqa: RUF012

    def publish(self, messages: Sequence[Outgoing]) -> None:
        if self.away or self.bug:
            self.refused += 1
        if self.bug:
            raise RuntimeError("a bug for the test")
        if self.away:
            raise Unavailable("away for the test")
        self.published += 1
        if self.trips and self.published % self.trips == 0:
            raise Unavailable("lost for the test")
        super().publish(messages)

    def consume(self, queue: str, prefetch: int = 64) -> EmbeddedConsumer:
        consumer = super().consume(queue, prefetch)
        put_aside = consumer.dead_letter

        def dead_letter(deliveries: Sequence[Delivery], reason: str) -> None:
            if self.dead_letter_failures:
                raise self.dead_letter_failures.pop()
            put_aside(deliveries, reason)

        consumer.dead_letter = dead_letter  # type: ignore[method-assign]
        return consumer


class World:
    """A switch, the bus, an agent, and everything the agent tells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.switch = FakeSwitch()
        self.switch.server.start()
        self.bus = FlakyBus(folder / "bus.sqlite")
        self.bus.start(
            [
                *all_queues(("fs1",)),
                agent_queue("fs1", "b"),
                Queue("told", "fact", tuple(f"*.{kind.NAME}" for kind in TOLD)),
            ]
        )
        self._consumer = self.bus.consume("told.0", prefetch=5000)
        self.told: list[Envelope] = []
        self.password = PASSWORD
        self.agent: Agent | None = None
        self.store: Store | None = None

    def start_agent(self, newline_every_ms: int = 0) -> Agent:
        self.store = Store(f"sqlite:///{self.folder / 'agent.sqlite'}", metadata())
        self.store.start()
        settings = SwitchSettings(
            "fs1",
            self.folder,
            port=self.switch.server.port,
            password=self.password,
            timeout_s=2.0,
            newline_every_ms=newline_every_ms,
        )
        self.agent = Agent(settings, self.bus, self.store)
        self.agent.start()
        return self.agent

    def stop_agent(self) -> None:
        if self.agent is not None and self.store is not None:
            self.agent.stop()
            self.store.stop()
        self.agent = None

    def close(self) -> None:
        self.bus.away = self.bus.bug = False
        self.stop_agent()
        self.switch.server.stop()
        self.bus.stop()

    def tell_tenants(self) -> None:
        for body in (TenantRevised, PlatformRevised):
            self.publish(body, "_platform")

    def publish(self, body: Any, tenant: str = "acme", **other: Any) -> Envelope:
        envelope = Envelope(
            **{"body": body, "id": command_id(repr(body), 0), "source": "test", "tenant": tenant, "call": LEG}
            | {"occurred_at_us": self.switch.now_us()}
            | other
        )
        self.bus.publish([outgoing(envelope)])
        return envelope

    def order(self, body: Command, **other: Any) -> Envelope:
        return self.publish(body, **other)

    def until(self, kind: type[Any], number: int = 1) -> list[Envelope]:
        """The first `number` facts of a kind that the agent told."""
        with gevent.Timeout(10):
            while len(found := [told for told in self.told if isinstance(told.body, kind)]) < number:
                self.hear()
        return found

    def hear(self) -> list[Envelope]:
        """All that the agent has told so far."""
        deliveries = self._consumer.get(100, timeout_s=0.1)
        self._consumer.ack(deliveries)
        self.told += [decode(delivery.body) for delivery in deliveries]
        return self.told

    def holds(self, condition: Callable[[], bool]) -> None:
        with gevent.Timeout(10):
            while not condition():
                gevent.sleep(0.005)

    def listening(self) -> None:
        self.until(e.SwitchConnected)
        self.holds(lambda: any(client.subscribed.is_set() for client in self.switch.server.clients))


TenantRevised = e.TenantRevised(revision="1", body=ACME)
PlatformRevised = e.PlatformRevised(revision="1", body=PLATFORM)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def ready(world: World) -> World:
    world.tell_tenants()
    world.start_agent()
    world.listening()
    return world


def route(**other: Any) -> c.RouteCall:
    return c.RouteCall(
        **{"switch": "fs1", "leg": LEG, "payer": "acme", "caller": Party("09012345678"), "plan": (Reject("USER_BUSY"),)}
        | other
    )


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
    EmbeddedBus.publish(ready.bus, [outgoing(_wrapped(c.HangUp(switch="fs1", leg=LEG), ready))])
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


def counted(name: str) -> float:
    return prometheus_client.REGISTRY.get_sample_value(name, {"switch": "fs1"}) or 0.0


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
    EmbeddedBus.publish(world.bus, [outgoing(_wrapped(command, world))])
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


def _wrapped(body: Command, world: World) -> Envelope:
    return Envelope(
        body=body,
        id=command_id(repr(body), 0),
        source="test",
        tenant="acme",
        call=LEG,
        occurred_at_us=world.switch.now_us(),
    )


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
    world.holds(lambda: len(world.bus.dead_letters()) == 1)


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
    monkeypatch.setattr(commander_module, "PRUNE_EVERY_US", 0)
    monkeypatch.setattr(commander_module, "KEPT_FOR_US", 0)
    ready.order(c.HangUp(switch="fs1", leg=LEG))
    ready.until(e.CommandFinished)
    store = ready.store
    assert store is not None
    ready.holds(lambda: store.run(unanswered) == [])
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
    world.store.run(lambda tx: keep_new(tx, {"old": b"{}", "order": b"rubbish"}, 1))
    world.stop_agent()
    world.tell_tenants()
    world.start_agent()
    world.listening()
    world.order(route())
    world.until(e.CommandFinished)


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
    world.start_agent().on_told.append(lambda record: heard.append(str(record["Unique-ID"])))
    (ended,) = world.until(e.LegEnded)
    assert (ended.id, ended.estimated, ended.occurred_at_us) == (f"core-1-gone.{LEG}", True, 1795000000000000)
    world.holds(lambda: heard == [LEG])


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
