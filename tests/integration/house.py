"""The whole house for a test: all services over RabbitMQ, an agent, and a played switch.

Enters: a broker's address, a folder, a database, a book (NN.yaml) and its trace. Leaves: what the house knows when all
has been worked off. The house lives in the trace's time: its one clock is moved there, some seconds beside the
switch's, so that the agent's measuring of clocks is at work too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gevent
import msgspec
import pytest
import yaml
from sqlalchemy import select

from freeswitch.simulator.replay.player import Faults, Player
from freeswitch.simulator.replay.score import Captured, read_lines
from proto.commands import HangUp
from proto.envelope import MESSAGES, Envelope, decode
from proto.events import CommandRefused, LegEnded, ServiceAlive, ServiceStarted, TenantRevised, TimerFired
from proto.message import Event, Message
from proto.tenant import Tenant
from proto.topics import SAYS, Outgoing, Queue, outgoing
from proto.values import command_id
from services.compose import House, compose
from services.directory.service import Files
from services.eventsocket.service import Agent, CallRecords, CdrSettings, SwitchSettings, metadata
from services.rooms import BUILDS
from services.runtime import clock
from services.runtime.app import App
from services.runtime.bus import Bus, Consumer
from services.runtime.bus.rabbitmq import RabbitBus
from services.runtime.settings import Settings, SwitchLink, Web
from services.runtime.store import Store
from tests.rabbitmq import Broker
from tests.stores import Database, stores_of
from tests.traces.book import Book

SWITCH = "fs1"
PASSWORD = "trace player"  # noqa: S105
DEADLINE_S = 30.0
SKEW_US = 10_000_000
"""The house's clock is so far from the switch's at the beginning of a trace: ahead for even numbers, behind for odd."""
KEEPS_TENANTS = ("routing", "recording", "answering", "billing", "history", "connectors")

TAP = Queue("tap", "fact", tuple(f"*.{name}" for name, kind in MESSAGES.items() if issubclass(kind, Event)))


def wait_until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Until a condition holds; fails with what is missing."""
    with gevent.Timeout(DEADLINE_S, False):
        while not holds():
            gevent.sleep(0.01)
        return
    raise AssertionError(f"still waiting for {what()}")


class Twice:
    """A bus over which every message is delivered twice."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def start(self, queues: Sequence[Queue]) -> None:
        self._bus.start(queues)

    def publish(self, messages: Sequence[Outgoing]) -> None:
        self._bus.publish([*messages, *messages])

    def consume(self, queue: str, prefetch: int = 64) -> Consumer:
        return self._bus.consume(queue, prefetch)

    def depth(self, queue: str) -> int:
        return self._bus.depth(queue)

    def letters(self) -> int:
        return self._bus.letters()

    def stop(self) -> None:
        self._bus.stop()


class Later(Twice):
    """A bus over which every message comes a second time, long after: behind all that followed, and last one first."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._again: list[Outgoing] = []

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """The first copies; those of a test's own barriers are not kept."""
        self._bus.publish(messages)
        self._again += [m for m in messages if m.tenant != "barrier"]

    def repeat(self) -> int:
        """Everything said since the last time, backwards. How much it was."""
        again, self._again = self._again[::-1], []
        self._bus.publish(again)
        return len(again)


@dataclass
class Tap:
    """Hears every fact that is said."""

    bus: Bus
    heard: list[Envelope] = field(default_factory=list)
    out_of_turn: list[Envelope] = field(default_factory=list)
    """What RabbitMQ would have refused, had each service been a user of its own."""

    def start(self) -> None:
        self.bus.start((TAP,))
        self._consumer = self.bus.consume(TAP.parts()[0])
        self._greenlet = gevent.spawn(self._listen)

    def stop(self) -> None:
        self._consumer.close()
        self._greenlet.join()
        self.bus.stop()

    def _listen(self) -> None:
        while deliveries := self._consumer.get(64) or []:
            heard = [decode(delivery.body) for delivery in deliveries]
            self.out_of_turn += [envelope for envelope in heard if not may_say(envelope)]
            self.heard += heard
            self._consumer.ack(deliveries)


def may_say(envelope: Envelope) -> bool:
    """Whether `proto/topics.py` gives the service that said this the right to."""
    service = "eventsocket" if envelope.source.startswith("switch/") else envelope.source
    everybodys = (ServiceStarted, ServiceAlive, TimerFired)
    return type(envelope.body) in (*SAYS.get(service, ()), *everybodys) or service not in SAYS


@dataclass(frozen=True)
class Played:
    """What the house knows of one trace."""

    player: Player
    facts: list[Envelope]
    calls: dict[str, dict[str, Any]]
    """Call id -> history's row, of calls that were not there before."""
    legs: dict[str, dict[str, Any]]
    charges: list[dict[str, Any]]
    recordings: list[dict[str, Any]]
    surplus: list[dict[str, Any]]
    """Facts that history was told more than once."""


class TestHouse:
    """All services of one process on RabbitMQ; traces are played to it one after another."""

    __test__ = False

    def __init__(
        self, url: str, folder: Path, database: Database, wrap: Callable[[Bus], Bus] = lambda bus: bus
    ) -> None:
        self._folder = folder
        (folder / "tenants").mkdir()
        (folder / "data").mkdir()
        # Naming the switch makes its queues stand; its agent is made anew for each trace.
        settings = Settings(
            data_dir=folder / "data",
            database=database.url,
            tenants_dir=folder / "tenants",
            web=Web(port=0),
            switches=(SwitchLink(name=SWITCH, password=PASSWORD),),
        )
        self._tap = Tap(RabbitBus(url))
        self.bus = wrap(RabbitBus(url))
        self.house: House = compose(settings, self.bus, tuple(BUILDS))
        self._app = App(self.house.parts)
        self._agent_store = Store(f"sqlite:///{folder / 'data' / 'agent.sqlite'}", metadata())
        self._rounds = 0

    def start(self) -> None:
        """Everything but agent and switch. The tap stands before the first word."""
        self._tap.start()
        failure = self._app.start()
        assert not failure, failure
        self._agent_store.start()

    def stop(self) -> None:
        """In reverse."""
        assert self._app.stop(), "a part did not stop"
        assert not self._tap.out_of_turn
        self._agent_store.stop()
        self._tap.stop()

    def play(self, book: Book, trace: Captured, faults: Faults | None = None, *, settled: bool = False) -> Played:
        """The tenants of the book take effect, the trace is played, everything is worked off.

        `settled`: the line is only cut while no command is under way, since such a one is lost and never sent again.
        """
        skew_us = -SKEW_US if book.number % 2 else SKEW_US
        with in_time_of(read_lines(trace.json_lines)[0].us + skew_us):
            self._let_take_effect(book)
            faults = faults or Faults()
            if settled:
                faults = replace(faults, before_cut=lambda: self._settle(agent, player))
            player = Player(trace, book.awaited, PASSWORD, faults=faults, patience_s=DEADLINE_S)
            agent = self._agent(player.start())
            before, first = self._ids(), len(self._tap.heard)
            agent.start()
            try:
                self._barrier(agent)
                player.play()
                self._drain(agent, player, book, first)
            finally:
                agent.stop()
                player.stop()
        return self._known(player, before, first)

    def read_records(self, book: Book, trace: Captured, records: Mapping[str, bytes]) -> Played:
        """What becomes of call records (file name -> bytes) that an agent finds which hears no event of the trace."""
        folder = self._folder / f"cdr {book.number}"
        folder.mkdir(exist_ok=True)
        for name, raw in records.items():
            (folder / name).write_bytes(raw)
        with in_time_of(read_lines(trace.json_lines)[-1].us + SKEW_US):
            self._let_take_effect(book)
            player = Player(trace, (), PASSWORD, patience_s=DEADLINE_S)
            agent = self._agent(player.start())
            reader = CallRecords(SWITCH, CdrSettings(folder, every_s=0.02, quiet_s=0.0), agent)
            before, first = self._ids(), len(self._tap.heard)
            agent.start()
            try:
                self._barrier(agent)
                reader.start()
                wait_until(lambda: not list(folder.glob("*.cdr.json")), lambda: f"records in {folder} to be archived")
                self._work_off(agent, player, first)
            finally:
                reader.stop()
                agent.stop()
                player.stop()
        return self._known(player, before, first)

    # -- before --

    def _agent(self, port: int) -> Agent:
        switch = SwitchSettings(SWITCH, self._folder / "data", port=port, password=PASSWORD, check_every_s=0.25)
        return Agent(switch, self.bus, self._agent_store)

    def _let_take_effect(self, book: Book) -> None:
        tenants = self._folder / "tenants"
        wanted = {"platform": book.platform} | {tenant["tenant"]: tenant for tenant in book.tenants}
        for name, body in wanted.items():
            (tenants / f"{name}.yaml").write_text(yaml.safe_dump(body, allow_unicode=True, sort_keys=False))
        files = next(part for _, part in self.house.parts if isinstance(part, Files))
        settled = files.reload()
        assert not settled.problems, [str(problem) for problem in settled.problems]

    def _barrier(self, agent: Agent) -> None:
        """A revision goes through every queue: what was in them before has been committed when it is known."""
        self._rounds += 1
        revision, at_us = f"round {self._rounds}", self._rounds  # the clock goes back between traces, this never
        body = msgspec.convert({"tenant": "barrier", "name": revision, "contract": {"from": "2026-04-01"}}, Tenant)
        fact = TenantRevised(revision=revision, body=body)
        self.bus.publish([outgoing(_barrier(fact, revision, at_us))])
        stores = [self.house.stores[name] for name in KEEPS_TENANTS] + [self._agent_store]
        for store in stores:
            wait_until(lambda store=store: _revision(store) == revision, lambda: f"{revision} in every store")  # type: ignore[misc]
        wait_until(
            lambda: any(e.tenant == "barrier" and e.body == fact for e in self._tap.heard[-200:]), lambda: revision
        )

    # -- after --

    def _drain(self, agent: Agent, player: Player, book: Book, first: int) -> None:
        wanted = {player.ours(leg["leg"]) for leg in book.legs}

        def missing() -> set[str]:
            ended = {e.body.leg for e in self._tap.heard[first:] if isinstance(e.body, LegEnded)}
            return wanted - ended

        wait_until(
            lambda: not missing() and not agent.waiting, lambda: f"ends of {missing()}, {agent.waiting} in the agent"
        )
        self._work_off(agent, player, first)

    def _work_off(self, agent: Agent, player: Player, first: int) -> None:
        said, quiet = -1, 0
        while quiet < 3:  # agent -> services -> history -> connectors: three rounds in which nobody says anything new
            self._round(agent, player)
            now = self._said(first)
            said, quiet = now, quiet + 1 if now == said else 0
            if quiet == 2 and isinstance(self.bus, Later) and self.bus.repeat():
                said, quiet = -1, 0

    def _round(self, agent: Agent, player: Player) -> None:
        """All that was said so far has been heard, and all that was asked for because of it has been answered."""
        wait_until(lambda: not agent.waiting, lambda: f"{agent.waiting} in the agent")
        self._barrier(agent)
        # The last of a worker's batch is committed before the batch is published: the next one proves it.
        self._barrier(agent)
        leg = f"barrier-{self._rounds}"
        last = HangUp(switch=SWITCH, leg=leg)
        self.bus.publish([outgoing(_barrier(last, f"hang up {leg}", clock.now_us()))])
        wait_until(
            lambda: any(isinstance(e.body, CommandRefused) and e.body.leg == leg for e in self._tap.heard[-200:]),
            lambda: f"the answer about {leg}",
        )

    def _settle(self, agent: Agent, player: Player) -> None:
        """Rounds until the switch is asked for nothing more."""
        asked = -1
        while asked != (
            now := sum(
                1 for text, _ in player.replies if text.startswith(("uuid_", "originate")) and "barrier" not in text
            )
        ):
            asked = now
            self._round(agent, player)

    def _said(self, first: int) -> int:
        return sum(1 for e in self._tap.heard[first:] if e.tenant != "barrier")

    def _ids(self) -> tuple[set[str], set[str], int, set[str]]:
        return (
            {row["call"] for row in self.rows("history", "calls")},
            {row["leg"] for row in self.rows("history", "legs")},
            len(self.rows("billing", "ledger")),
            {row["recording"] for row in self.rows("recording", "recordings")},
        )

    def _known(self, player: Player, before: tuple[set[str], set[str], int, set[str]], first: int) -> Played:
        calls, legs, charges, recordings = before
        return Played(
            player,
            [e for e in self._tap.heard[first:] if e.tenant != "barrier"],
            {row["call"]: row for row in self.rows("history", "calls") if row["call"] not in calls},
            {row["leg"]: row for row in self.rows("history", "legs") if row["leg"] not in legs},
            self.rows("billing", "ledger")[charges:],
            [row for row in self.rows("recording", "recordings") if row["recording"] not in recordings],
            [row for row in self.rows("history", "tallies") if row["times"] != 1],
        )

    def rows(self, service: str, table: str) -> list[dict[str, Any]]:
        """A table of a service's store."""
        return self.house.stores[service].run(
            lambda tx: [dict(row._mapping) for row in tx.sql.execute(select(tx.tables[table]))]
        )


Houses = Iterator[TestHouse]
"""What a fixture gives."""


def house_on(
    kind: str,
    request: pytest.FixtureRequest,
    broker: Broker,
    folder: Path,
    wrap: Callable[[Bus], Bus] = lambda bus: bus,
) -> Houses:
    """For a fixture of a whole module, parametrised with `KINDS`."""
    with stores_of(kind, request, folder / "data") as database:
        yield from running(TestHouse(broker.url(), folder, database, wrap))


def running(one: TestHouse) -> Houses:
    """From start to stop; nothing may be put aside meanwhile."""
    one.start()
    yield one
    dead = one.bus.letters()
    one.stop()
    assert dead == 0


def _barrier(body: Message, name: str, at_us: int) -> Envelope:
    return Envelope(body=body, id=command_id(name, at_us), source="test", tenant="barrier", occurred_at_us=at_us)


def _revision(store: Store) -> str:
    def read(tx: Any) -> str:
        table = tx.tables["projections"]
        return str(tx.sql.execute(select(table.c.revision).where(table.c.name == "barrier")).scalar() or "")

    return store.run(read)


@contextmanager
def in_time_of(start_us: int) -> Iterator[None]:
    """The one clock of the process begins at `start_us` and goes on from there."""
    real, began_us = clock.now_us, clock.monotonic_us()
    clock.now_us = lambda: start_us + clock.monotonic_us() - began_us
    try:
        yield
    finally:
        clock.now_us = real
