"""One agent between a switch that says what a test wants, and a bus that may fail.

Enters: events, replies, commands, failures. Leaves: what the agent told the bus, what it asked the switch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
import prometheus_client

from freeswitch.simulator.esl.server import EslServer, UnknownCommand
from freeswitch.simulator.kept import hash_reply
from proto import commands as c
from proto import events as e
from proto.envelope import Envelope, decode
from proto.message import Command
from proto.plan import Carrier, Reject
from proto.tenant import Tenant
from proto.tenant.contract import Contract
from proto.tenant.numbers import NumberEntry
from proto.tenant.platform import Platform, Switch
from proto.topics import Outgoing, Queue, agent_queue, all_queues, outgoing
from proto.values import Party, command_id
from services.eventsocket.frames import Event
from services.eventsocket.service import Agent, SwitchSettings, metadata
from services.runtime.bus import Delivery, Unavailable
from services.runtime.bus.embedded import EmbeddedBus, EmbeddedConsumer
from services.runtime.store import Store

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

    def start_agent(self, newline_every_ms: int = 0, on_told: Sequence[Callable[[Event], None]] = ()) -> Agent:
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
        self.agent.on_told += on_told
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
        with gevent.Timeout(30):
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
        with gevent.Timeout(30):
            while not condition():
                gevent.sleep(0.005)

    def begun(self) -> World:
        """The tenants are told, the agent runs and hears the switch."""
        self.tell_tenants()
        self.start_agent()
        self.listening()
        return self

    def listening(self) -> None:
        self.until(e.SwitchConnected)
        self.holds(lambda: any(client.subscribed.is_set() for client in self.switch.server.clients))


TenantRevised = e.TenantRevised(revision="1", body=ACME)
PlatformRevised = e.PlatformRevised(revision="1", body=PLATFORM)


def route(**other: Any) -> c.RouteCall:
    return c.RouteCall(
        **{"switch": "fs1", "leg": LEG, "payer": "acme", "caller": Party("09012345678"), "plan": (Reject("USER_BUSY"),)}
        | other
    )


def counted(name: str) -> float:
    return prometheus_client.REGISTRY.get_sample_value(name, {"switch": "fs1"}) or 0.0


def worlds(folder: Path) -> Iterator[World]:
    """For a fixture."""
    world = World(folder)
    yield world
    world.close()


def commanded(body: Command, world: World) -> Envelope:
    return Envelope(
        body=body,
        id=command_id(repr(body), 0),
        source="test",
        tenant="acme",
        call=LEG,
        occurred_at_us=world.switch.now_us(),
    )
