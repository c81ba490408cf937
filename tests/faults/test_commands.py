"""Commands around a crash: of two agents on one switch one carries each out, whoever dies and whenever; none twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from freeswitch.simulator import Phone, Simulator
from proto import commands as c
from proto import events as e
from proto.envelope import Envelope, decode
from proto.message import Command
from proto.plan import Carrier, Wait
from proto.plan import Phone as PhoneToRing
from proto.tenant import Tenant
from proto.tenant.contract import Contract
from proto.tenant.platform import Platform, Switch
from proto.topics import Queue, outgoing
from proto.values import Party, command_id
from services.eventsocket.service import Agent, SwitchSettings, metadata
from services.eventsocket.taken import Taken
from services.runtime.bus.rabbitmq import RabbitBus
from services.runtime.store import Store
from tests.faults.commanding_process import QUEUES
from tests.rabbitmq import Broker

PASSWORD = "two agents, one switch"  # noqa: S105
DOMAIN = "pbx.example"
DEADLINE_S = 60
PHONES = ("1001", "1002", "1003", "1004", "1005")
ANSWERS = (e.CommandFinished, e.CommandRefused, e.CommandUnknown)
WRITES = ("uuid_transfer", "originate", "uuid_bridge", "uuid_record")
"""What the switch is told when a command is carried out."""


class House:
    """A switch with four parked legs, a broker, one agent in a process that dies and one that takes over."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.switch = Simulator(
            password=PASSWORD, domain=DOMAIN, phones=[Phone(name, tenant="acme") for name in PHONES]
        )
        self.written: Counter[str] = Counter()
        self.kill_at = ""
        """The text of the command at which the doomed agent dies."""
        self.doomed: subprocess.Popen[str] | None = None
        self.switch.server.on_command = self._commanded
        self.port = self.switch.start()
        self.legs = [self._parked(phone) for phone in PHONES[:4]]
        self.bus = RabbitBus(url)
        self.bus.start([*QUEUES, Queue("told", "fact", tuple(f"*.{kind.NAME}" for kind in ANSWERS))])
        self._told = self.bus.consume("told.0")
        self.told: dict[str, list[Any]] = {}
        """Answers by the command's id, each id of an answer once, as consumers see it."""
        self._seen: set[str] = set()
        self._agents: list[tuple[Agent, Store]] = []
        tenant = Tenant(tenant="acme", name="アクメ", contract=Contract(from_="2026-04-01"))
        for body in (
            e.TenantRevised(revision="1", body=tenant),
            e.PlatformRevised(
                revision="1", body=Platform(switches=(Switch("fs1"),), carriers=(Carrier("main", gateway="trunk1"),))
            ),
        ):
            self._publish(body, "_platform")

    def _parked(self, phone: str) -> str:
        leg = command_id("leg", int(phone))
        said = self.switch.server.execute(
            "originate", f"{{origination_uuid={leg}}}sofia/internal/{phone}%{DOMAIN} &park()"
        )
        assert said.startswith("+OK"), said
        return leg

    def _commanded(self, _client: Any, command: Any) -> None:
        word, _, said = command.line.partition(" ")
        if word in ("api", "bgapi"):
            self.written[next((f"{one}" for one in WRITES if said.startswith(one)), "")] += 1
            if self.kill_at and self.kill_at in said and self.doomed is not None:
                self.doomed.kill()

    def _publish(self, body: Any, tenant: str = "acme") -> Envelope:
        now_us = self.switch.switch.clock.now_us()
        envelope = Envelope(
            body=body,
            id=command_id(repr(body), 0),
            source="test",
            tenant=tenant,
            call=self.legs[0],
            occurred_at_us=now_us,
            not_after_us=now_us + DEADLINE_S * 1_000_000 if isinstance(body, Command) else None,
        )
        self.bus.publish([outgoing(envelope)])
        return envelope

    def order(self) -> list[str]:
        """One of each kind, in one batch; their ids."""
        parked, left, right, recorded = self.legs
        bodies: list[Command] = [
            c.RouteCall(switch="fs1", leg=parked, payer="acme", caller=Party("0312345678"), plan=(Wait("q"),)),
            c.OriginateCall(switch="fs1", phone=PhoneToRing(PHONES[4], DOMAIN), payer="acme", caller=Party()),
            c.BridgeLegs(switch="fs1", leg=left, other=right),
            c.StartRecording(switch="fs1", leg=recorded, recording="rec-1", max_s=60),
        ]
        return [self._publish(body).id for body in bodies]

    def doomed_agent(self, moment: str) -> None:
        """Ready, until it is killed."""
        (self.folder / "doomed").mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.faults.commanding_process", moment, self.url, str(self.port)]
        self.doomed = subprocess.Popen(
            [*command, PASSWORD, str(self.folder / "doomed")], stdout=subprocess.PIPE, text=True
        )
        assert self.doomed.stdout is not None
        assert any(line == "ready\n" for line in iter(self.doomed.stdout.readline, "")), "it ended before it was ready"

    def until_dead(self) -> None:
        assert self.doomed is not None
        with gevent.Timeout(DEADLINE_S):
            while self.doomed.poll() is None:
                gevent.sleep(0.02)

    def start_agent(self, name: str, folder: str) -> None:
        """In this process, with the folder of an earlier life or a new one."""
        (self.folder / folder).mkdir(exist_ok=True)
        store = Store(f"sqlite:///{self.folder / folder / 'agent.sqlite'}", metadata())
        store.start()
        settings = SwitchSettings("fs1", self.folder / folder, agent=name, port=self.port, password=PASSWORD)
        agent = Agent(settings, self.bus, store)
        agent.start()
        self._agents.append((agent, store))

    def hear(self, wanted: int) -> None:
        """Until so many commands are answered, and no agent here owes an answer."""
        with gevent.Timeout(DEADLINE_S):
            while len(self.told) < wanted or any(Taken(store).unanswered() for _, store in self._agents):
                self._read(0.1)
        self._read(0.1)

    def outcome(self, ids: list[str]) -> tuple[list[int], list[type]]:
        """How often the switch was told each kind, and the answers. Raises ValueError for a command answered twice."""
        answers = [type(answer) for command in ids for [answer] in [self.told[command]]]
        return [self.written[word] for word in WRITES], answers

    def _read(self, timeout_s: float) -> None:
        deliveries = self._told.get(50, timeout_s)
        self._told.ack(deliveries)
        for envelope in (decode(delivery.body) for delivery in deliveries):
            if envelope.id not in self._seen:
                self._seen.add(envelope.id)
                assert isinstance(envelope.body, ANSWERS)
                self.told.setdefault(envelope.body.command, []).append(envelope.body)

    def close(self) -> None:
        for agent, store in self._agents:
            agent.stop()
            store.stop()
        if self.doomed is not None:
            self.doomed.kill()
            self.doomed.communicate()
        self.bus.stop()
        self.switch.stop()


@pytest.fixture(scope="module")
def url(broker: Broker) -> str:
    return broker.url()


@pytest.fixture
def house(url: str, tmp_path: Path) -> Iterator[House]:
    house = House(url, tmp_path)
    yield house
    house.close()


@pytest.mark.parametrize(
    ("moment", "kill_at", "route", "recording"),
    [
        pytest.param("mark", "", (0, e.CommandUnknown), None, id="marked, not acknowledged"),
        pytest.param("deaf", "insert_ifempty", (0, e.CommandUnknown), None, id="marked, not written"),
        pytest.param("deaf", "uuid_record", (1, e.CommandFinished), (1, e.CommandUnknown), id="written, not replied"),
        pytest.param("answer", "", (1, e.CommandFinished), None, id="replied, not told"),
    ],
)
def test_the_other_agent_carries_out_nothing_that_a_dead_one_may_have_written(
    house: House, moment: str, kill_at: str, route: tuple[int, type], recording: tuple[int, type] | None
) -> None:
    """kill -9 at each step, no acknowledgement heard: all commands come to the other agent, and to it when it is back.

    What became of a plan and of two legs the switch tells; of a recording it keeps nothing, which is said aloud.
    """
    house.doomed_agent(moment)
    house.kill_at = kill_at
    ids = house.order()
    house.until_dead()
    house.kill_at = ""
    house.start_agent("b", "second")
    house.hear(len(ids))
    house.start_agent("", "doomed")  # the first again, with what it had noted
    house.hear(len(ids))
    times, answers = house.outcome(ids)
    assert (times[0], answers[0]) == route, "the first of them is in hand at the moment of death"
    assert recording in (None, (times[3], answers[3]))
    for written, answer in zip(times, answers, strict=True):
        assert written == 1 or (written, answer) == (0, e.CommandUnknown), "once; or not, and it is said"


def test_two_agents_that_hold_the_same_commands_at_once_carry_out_each_once(house: House) -> None:
    """One loses its queue in the moment in which it would acknowledge, and goes on; the other gets them all."""
    house.doomed_agent("cut")
    house.start_agent("b", "second")
    ids = house.order()
    house.hear(len(ids))
    assert house.outcome(ids) == ([1, 1, 1, 1], [e.CommandFinished] * 4)
