"""All services as processes of their own, on RabbitMQ and a store, hearing a simulated switch in this process.

Enters: a broker, a store, people who call, faults that befall processes. Leaves: every fact from the bus, and the
verdict about books and ledger against the switch's truth. How a process suffers from inside belongs to `mortal.py`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from freeswitch.simulator import Channel
from proto.envelope import BadMessage, Envelope, decode
from proto.events import CallEnded, LegCharged, LegEnded, PlatformRevised, ServiceStarted, TenantRevised
from proto.topics import outgoing
from proto.values import PLATFORM_TENANT
from services.runtime import clock
from services.runtime.bus.rabbitmq import RabbitBus
from services.runtime.store.engine import make_engine
from tests.command import until
from tests.faults.lives import Nursery, Room
from tests.faults.orders import Orders
from tests.faults.switch import PASSWORD, Switch, Truth, write_clients
from tests.faults.verdict import TAP, Verdict, verdict
from tests.postgres import Postgres

AGENT = "eventsocket"
SERVICES = ("directory", "routing", "recording", "answering", "billing", "history", "connectors", AGENT)
RESTART_S = 0.5
READY_S = 600.0
"""On a machine with much else to do RabbitMQ may take a minute to take a connection."""


@dataclass
class Site:
    """Everything of one run, through several faults."""

    folder: Path
    nursery: Nursery
    broker: Any
    """A `Broker`, or what else has an address and can be harmed."""
    switch: Switch
    disks: Mapping[str, Path] = field(default_factory=dict)
    """Folders that are file systems of their own: agent, cdr, recordings."""
    database: str = ""
    """Of all services, in PostgreSQL; empty: one SQLite file each."""
    postgres: Postgres | None = None
    facts: list[Envelope] = field(default_factory=list)
    poison: int = 0
    """Messages on the bus that are none."""
    deaths: int = 0
    """Processes killed in the middle of a message."""
    doubts: list[str] = field(default_factory=list)
    """Deaths that did not come, or not in the moment that was meant."""
    rooms: dict[str, Room] = field(default_factory=dict)

    # -- life --

    def start(self) -> None:
        """Returns when the switch is heard and the client is known."""
        self._known: set[str] = set()
        self._calls_told = 0
        self._away: dict[str, tuple[Truth, list[Envelope]]] = {}
        self.bus_url = self.broker.url()
        self.bus = RabbitBus(self.bus_url, connect_s=60)
        self.bus.start([TAP])
        self._consumer = self.bus.consume("tap.0", prefetch=1000)
        self._ears = gevent.spawn(self._listen)
        self.tenants = write_clients(self.folder / "tenants", recorded=True)
        self.settings = self._write_settings()
        for name in SERVICES:
            room = self._room(name)
            self.rooms[name] = room
            self.bear(name)
        for name in SERVICES:
            self.await_ready(name)
        until(lambda: self._told(TenantRevised) and self._told(PlatformRevised), self.story)

    def stop(self) -> None:
        """All processes end in order."""
        for room in self.rooms.values():
            room.send(signal.SIGCONT)
            room.send(signal.SIGTERM)
        with suppress(AssertionError):
            until(lambda: not any(room.alive for room in self.rooms.values()), within_s=30)
        for room in self.rooms.values():
            room.send(signal.SIGKILL)
        self._consumer.close()
        self._ears.join(5)
        self.bus.stop()

    def _write_settings(self) -> Path:
        database = self.database.replace("postgresql+psycopg", "postgresql")
        for name, secret in (("password", PASSWORD), ("bus", self.bus_url), ("database", database)):
            (self.folder / name).touch(0o600)
            (self.folder / name).write_text(secret, encoding="utf-8")
        link = {
            "name": "fs1",
            "port": str(self.switch.port),
            "password_file": str(self.folder / "password"),
            "recordings_dir": str(self.switch.recordings),
            "cdr_dir": str(self.switch.cdr),
            "newline_every_ms": "0",
        }
        settings = {
            "bus_file": str(self.folder / "bus"),
            "tenants_dir": str(self.tenants),
            "web": {"port": "0"},
            "session_key_file": str(self.folder / "session.key"),
            "log_level": "INFO",
            "switches": [link],
            **({"database_file": str(self.folder / "database")} if self.database else {}),
        }
        file = self.folder / "settings.yaml"
        file.write_text(json.dumps(settings), encoding="utf-8")
        return file

    def _room(self, name: str) -> Room:
        orders = self.folder / f"{name}.orders"
        log = self.folder / f"{name}.log"
        words = self.folder / f"{name}.words"
        words.touch()
        birth = {
            "arguments": [name, "--settings", str(self.settings), "--data", str(self.data(name))],
            "environment": {},
            "orders": str(orders),
            "words": str(words),
            "agent": name == AGENT,
            "log": str(log),
        }
        return Room(name, log, Orders(orders), words, birth)

    def data(self, name: str) -> Path:
        """The data folder of a service; the agent stands on another machine than the rest."""
        return self.folder / ("agent" if name == AGENT else "data")

    @property
    def store(self) -> str:
        """What the services keep their books in."""
        return "PostgreSQL" if self.database else "SQLite"

    # -- processes --

    def bear(self, name: str) -> None:
        """One more life of a service, whose last one is over."""
        self.rooms[name].bear(self.nursery)

    def await_ready(self, name: str) -> None:
        """Until it works (the agent: until it hears the switch). One that ends meanwhile is started again."""
        room = self.rooms[name]
        words = "switch found" if name == AGENT else "Ctrl-C ends."

        def works() -> bool:
            if not room.alive:
                gevent.sleep(RESTART_S)
                self.bear(name)
            return room.says_now(words)

        until(works, lambda: self.story(name), within_s=READY_S)

    def greet(self) -> None:
        """As a process that has begun: directory answers with all it knows."""
        now_us = clock.now_us()
        body = ServiceStarted(service="faults", instance=str(now_us))
        fact = Envelope(
            body=body, id=f"faults-{now_us}", source="faults", tenant=PLATFORM_TENANT, occurred_at_us=now_us
        )
        self.bus.publish([outgoing(fact)])

    def kill(self, name: str) -> None:
        """kill -9."""
        room = self.rooms[name]
        room.send(signal.SIGCONT)
        room.send(signal.SIGKILL)
        until(lambda: not room.alive)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """SIGSTOP within."""
        self.rooms[name].send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.rooms[name].send(signal.SIGCONT)

    # -- people --

    def talks(self, number: int, at_once: int = 10) -> list[Channel]:
        """So many people call, a few at a time, and talk, or meet an apology because their plan was late."""
        callers: list[Channel] = []
        while len(callers) < number:
            until(lambda: self.switch.runs)
            some = self.switch.call(min(at_once, number - len(callers)))
            callers += some
            self.until_connected(some)
        return callers

    def until_connected(self, callers: Sequence[Channel]) -> None:
        """Until each talks, to whomever, or has ended."""
        until(lambda: all(self._settled_in(one) for one in callers), self.story)

    def _settled_in(self, caller: Channel) -> bool:
        return bool(caller.times.answered) or caller.uuid in self.switch.truth

    def hang_up(self, callers: Sequence[Channel]) -> None:
        """These hang up."""
        for caller in callers:
            self.switch.hang_up(caller)

    def all_hang_up(self) -> None:
        """Nobody is up any more."""

        def none() -> bool:
            for leg in self.switch.up():
                leg.hangup("NORMAL_CLEARING")
            return not self.switch.up()

        until(none, self.story)

    # -- what was told --

    def put_away(self) -> None:
        """Legs that are over, told and charged: of them only what may still come is of interest.

        After tens of thousands of calls nobody could look through all of them every moment.
        """
        truth, up = self.switch.truth, {leg.uuid for leg in self.switch.up()}
        strange = {getattr(fact.body, "leg", "") for fact in self.facts if fact.tenant not in _OURS}
        over = truth.keys() - up - strange - self.open() - self.mischarged()
        self._away |= {leg: (truth.pop(leg), []) for leg in over}
        kept: list[Envelope] = []
        for fact in self.facts:
            leg = getattr(fact.body, "leg", "")
            if leg not in over:
                kept.append(fact)
            elif isinstance(fact.body, LegEnded | LegCharged):
                self._away[leg][1].append(fact)
        self.facts[:] = kept

    def _take_out(self, leg: str) -> None:
        """Something is told of a leg that was put away: it is judged again."""
        if leg in self._away:
            self.switch.truth[leg], told = self._away.pop(leg)
            self.facts += told

    def _listen(self) -> None:
        while deliveries := self._consumer.get(500):
            for delivery in deliveries:
                try:
                    fact = decode(delivery.body)
                except BadMessage:
                    self.poison += 1
                    continue
                if fact.id not in self._known:
                    self._known.add(fact.id)
                    self._take_out(getattr(fact.body, "leg", ""))
                    self.facts.append(fact)
                    self._calls_told += isinstance(fact.body, CallEnded)
            self._consumer.ack(deliveries)

    def hears(self, ids: Iterable[str]) -> set[str]:
        """Which of these facts have been on the bus."""
        return self._known.intersection(ids)

    def untold(self) -> int:
        """About how many calls are not over, or history has not told that they are."""
        return len(self.switch.callers) - self._calls_told

    def _told(self, kind: type[Any]) -> list[Any]:
        return [fact.body for fact in self.facts if isinstance(fact.body, kind)]

    @property
    def tenant_changes(self) -> int:
        """How often a client or the platform changed, or a call became another client's."""
        revised = {(fact.tenant, fact.body.revision) for fact in self.facts if isinstance(fact.body, _REVISIONS)}
        foreign = [f for f in self.facts if isinstance(f.body, LegEnded | LegCharged) and f.tenant not in _OURS]
        return max(0, len(revised) - len(_OURS)) + len(foreign)

    def ledger(self) -> dict[str, tuple[int, int]]:
        """Leg -> (rows, µs charged), as the ledger itself has it. Raises DBAPIError while the store is away."""
        url = f"{self.database}?schema=billing" if self.database else f"sqlite:///{self.data('billing')}/billing.sqlite"
        engine = make_engine(url)
        try:
            with engine.connect() as store:
                rows = store.execute(
                    text("SELECT leg, count(*), sum(duration_us) FROM ledger WHERE NOT estimated GROUP BY leg")
                )
                return {leg: (int(number), int(duration_us)) for leg, number, duration_us in rows}
        finally:
            engine.dispose()

    def verdict(self) -> Verdict:
        """The books against the truth, now.

        Of a leg that died with the switch before anything of it was told, nobody can know. An agent that was killed may
        tell an exact end again, from the call record: under the same key, with the same times (docs/decisions.md).
        Whoever hears it does nothing a second time: that is what the ledger shows.
        """
        once = {_what_is_told(fact): fact for fact in reversed(self.facts)}
        heard = {getattr(fact.body, "leg", "") for fact in self.facts}
        truth = {leg: one for leg, one in self.switch.truth.items() if leg in heard or not one.untold}
        return verdict(truth, {leg.uuid for leg in self.switch.up()}, list(once.values()))

    def uncharged(self) -> set[str]:
        """Legs that were answered, and of whose charge nobody has heard."""
        costs = {leg for leg, one in self.switch.truth.items() if one.answered_us and not one.untold}
        return costs - self.verdict().charged

    def open(self) -> set[str]:
        """Legs that are not yet told exactly (unless they died untold), or not charged though answered."""
        found = self.verdict()
        exact = {leg for leg, one in self.switch.truth.items() if not one.untold}
        return set(found.lost) | (found.estimated & exact) | self.uncharged()

    def mischarged(self) -> set[str]:
        """Legs whose charge is not what the switch saw: a row too many or too few, another duration.

        Of a leg that ended before it was answered, by a clock that stepped back, nobody knows the duration: 0.
        """
        truth = self.switch.truth | {leg: one for leg, (one, _) in self._away.items()}
        rows = self.ledger()
        told = {leg: one for leg, one in truth.items() if one.answered_us and not one.untold}
        due = {leg: (1, max(0, one.ended_us - one.answered_us)) for leg, one in told.items()}
        return {leg for leg in due.keys() | rows.keys() if due.get(leg) != rows.get(leg)}

    def settle(self, within_s: float, given_up: Collection[str] = ()) -> None:
        """Until every leg is told and charged, or the time is over: the verdict says what is missing.

        `given_up`: legs of which an earlier fault has said so already.
        """

        def settled() -> bool:
            try:  # the ledger is asked only when all the rest is well
                return not self.open() - set(given_up) and not self.mischarged() - set(given_up)
            except DBAPIError:
                return False

        with gevent.Timeout(within_s, False):
            while True:
                begun_us = clock.monotonic_us()
                if settled():
                    return
                # Whoever looks through thousands of calls all the time is what keeps the switch from answering.
                gevent.sleep(0.05 + 3 * (clock.monotonic_us() - begun_us) / 1_000_000)

    def story(self, name: str = "") -> str:
        """For a failure: the verdict, and the end of a log."""
        rooms = [self.rooms[name]] if name else list(self.rooms.values())
        ends = [
            f"--- {room.name}{'' if room.alive else ' (dead)'}\n" + "\n".join(room.log.read_text().splitlines()[-12:])
            for room in rooms
            if room.log.exists()
        ]
        return f"{self.verdict()}\n" + "\n".join(ends)


def _what_is_told(fact: Envelope) -> object:
    body = fact.body
    if isinstance(body, LegEnded) and not fact.estimated:
        return body.key(), body.started_at_us, body.answered_at_us, body.ended_at_us
    return fact.id


_REVISIONS = (TenantRevised, PlatformRevised)
_OURS = ("acme", "_platform")
