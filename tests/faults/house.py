"""A whole house on a simulated switch that is cut off, killed and frozen; and what the books say against the truth.

Enters: people who call, faults. Leaves: a `Verdict`: legs that nobody told the end of, ends or charges told twice, ends
that are wrong. The truth is the switch's own: when each leg began, was answered, and ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer
from gevent.socket import create_connection

from freeswitch.simulator import Behaviour, Caller, Carrier, Channel, Phone, Simulator
from proto.envelope import MESSAGES, Envelope, decode
from proto.events import CallAnswered, CallArrived, CommandFinished, LegCharged, LegEnded, SwitchConnected, SwitchLost
from proto.message import Event
from proto.topics import Queue
from services.compose import House, compose
from services.eventsocket import lookout, snapshot, supervisor
from services.eventsocket.agent import Agent
from services.runtime.app import App
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.settings import Settings, SwitchLink, Web

PASSWORD = "faults"  # noqa: S105
DEADLINE_S = 20.0
ALIVE_S, SILENT_S, APART_S = 0.2, 0.6, 0.6
"""The product's 2, 2.5 and 5 s, made short: what they mean is the same."""
ROOMS = ("directory", "routing", "recording", "answering", "billing", "history", "eventsocket")
NUMBER, MOBILE = "0312345678", "09011112222"
PLATFORM = """
switches: [{switch: fs1, domain: pbx.example}, {switch: fs2, domain: pbx.example}]
carriers: [{name: main, gateway: trunk1}]
prices:
- table: standard
  versions: [{from: 2026-04-01, basis: excl, rules: [{name: all, prefixes: ['0'], unit_s: 9, unit: 1}]}]
"""
ACME = f"""
tenant: acme
name: 株式会社アクメ
contract: {{from: '2026-04-01', closing_day: 20, plan: cloud-pbx, prices: standard}}
numbers: [{{number: '{NUMBER}', kind: representative, route: main}}]
ids: [{{id: '1001', name: 佐藤, device: desk}}]
lines: [{{line: sato, ids: ['1001']}}]
routes: {{main: [{{do: [{{forward: '{MOBILE}', for_s: 60}}]}}]}}
"""
TAP = Queue("tap", "fact", tuple(f"*.{name}" for name, kind in MESSAGES.items() if issubclass(kind, Event)))


def write_clients(folder: Path) -> Path:
    """One client whose only number is forwarded to a mobile: each call has a leg that costs."""
    folder.mkdir()
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (folder / "acme.yaml").write_text(ACME, encoding="utf-8")
    return folder


@dataclass
class Truth:
    """What really became of one leg, µs of the switch; 0: not."""

    started_us: int
    answered_us: int
    ended_us: int


class Bus(EmbeddedBus):
    """With a queue that gets every fact."""

    def start(self, queues: Sequence[Queue]) -> None:
        super().start([*queues, TAP])


class Line:
    """The wire between agent and switch, which can be cut while the switch goes on."""

    def __init__(self, port: Callable[[], int]) -> None:
        self._port = port
        self._open = True
        self._ends: set[Any] = set()
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()

    @property
    def port(self) -> int:
        """Where the agent finds the switch."""
        return int(self._server.server_port)

    def cut(self) -> None:
        """Both ends close, and nobody gets through."""
        self._open = False
        for one in list(self._ends):
            one.close()

    def mend(self) -> None:
        """As before."""
        self._open = True

    def stop(self) -> None:
        """For good."""
        self.cut()
        self._server.stop(timeout=1)

    def _serve(self, agent: Any, _address: Any) -> None:
        if not self._open:
            return
        try:
            switch = create_connection(("127.0.0.1", self._port()))
        except OSError:
            return
        self._ends |= {agent, switch}
        other = gevent.spawn(_pump, agent, switch)
        _pump(switch, agent)
        other.join()
        self._ends -= {agent, switch}


def _pump(source: Any, sink: Any) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        return
    finally:
        source.close()
        sink.close()


class Switch:
    """The simulated switch with everything that really happened on it."""

    def __init__(self, folder: Path, *, cdr: bool = True) -> None:
        self.cdr = folder / "cdr" if cdr else None
        if self.cdr is not None:
            self.cdr.mkdir()
        self.truth: dict[str, Truth] = {}
        self.mobile = Carrier("main", gateway="trunk1")
        self.simulator = Simulator(
            password=PASSWORD,
            carriers=[self.mobile],
            phones=[Phone("1001", tenant="acme")],
            numbers=[NUMBER],
            recordings=folder / "recordings",
            cdr=self.cdr,
        )
        self.simulator.switch.on_end = self._ended
        self.behave(Behaviour(after_s=0.05))

    @property
    def port(self) -> int:
        """Its own Event Socket."""
        return self.simulator.port

    def behave(self, behaviour: Behaviour) -> None:
        """How the mobile behaves from now on."""
        self.mobile.otherwise = behaviour

    def call(self, number: int = 1) -> list[Channel]:
        """So many people call; they stay until they are hung up."""
        return [self.simulator.call(Caller(f"0901234{n:04d}"), NUMBER, carrier=self.mobile) for n in range(number)]

    def up(self) -> list[Channel]:
        """Every leg that is up."""
        return list(self.simulator.switch.channels.values())

    def talking(self, legs: int) -> bool:
        """Whether so many legs are up and all are answered."""
        return len(self.up()) == legs and all(leg.times.answered for leg in self.up())

    def hang_up(self, caller: Channel) -> None:
        """The caller hangs up; both legs end."""
        caller.hangup("NORMAL_CLEARING")

    def kill(self) -> None:
        """kill -9: whatever is up is gone in this moment, without a word."""
        now_us = self.simulator.switch.clock.now_us()
        for leg in self.up():
            self.truth[leg.uuid] = Truth(leg.times.created, leg.times.answered, now_us)
        self.simulator.kill()

    def _ended(self, leg: Channel) -> None:
        self.truth[leg.uuid] = Truth(leg.times.created, leg.times.answered, leg.times.hangup)


@dataclass(frozen=True)
class Verdict:
    """The books against the truth."""

    legs: int
    lost: frozenset[str]
    """Ended, and nobody told it."""
    doubled: frozenset[str]
    """An exact end, an estimated one, or a charge told twice."""
    wrong: frozenset[str]
    """Told as ended while up; exact, and not as the switch has it; estimated, and later than the truth."""
    estimated: frozenset[str]
    """Legs of which only an estimated end is told."""
    charged: frozenset[str]
    early_s: float
    """By how much the earliest estimate is before the truth."""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled, nothing wrong."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        return (
            f"legs {self.legs} lost {len(self.lost)} doubled {len(self.doubled)} wrong {len(self.wrong)}"
            f" estimated {len(self.estimated)} charged {len(self.charged)} early {self.early_s:.2f} s"
        )


@dataclass
class FaultHouse:
    """All services over the embedded bus, listening through a line to the switch."""

    folder: Path
    switch: Switch
    others: tuple[Switch, ...] = ()
    """Further switches, fs2 and so on, each with an agent of its own on a line that is never cut."""
    facts: list[Envelope] = field(default_factory=list)

    def start(self, *, cdr: bool = True) -> None:
        """Everything runs and has heard the switch."""
        self.line = Line(lambda: self.switch.port)
        self.bus = Bus(self.folder / "bus.sqlite")
        ports = (self.line.port, *(other.port for other in self.others))
        links = [
            SwitchLink(
                name=f"fs{number}",
                port=port,
                password=PASSWORD,
                recordings_dir=self.folder / "recordings",
                cdr_dir=switch.cdr if cdr else None,
                cdr_every_ms=100,
            )
            for number, (switch, port) in enumerate(zip(self._switches, ports, strict=True), 1)
        ]
        settings = Settings(
            data_dir=self.folder,
            tenants_dir=write_clients(self.folder / "tenants"),
            web=Web(port=0),
            switches=tuple(links),
        )
        self.house: House = compose(settings, self.bus, ROOMS)
        self.app = App(self.house.parts)
        failure = self.app.start()
        assert not failure, failure
        self._consumer = self.bus.consume("tap.0", prefetch=1000)
        self._ears = gevent.spawn(self._listen)
        self.until(lambda: all(agent.wait_ready(0) for agent in self.house.agents), "the switches to be heard")

    @property
    def agent(self) -> Agent:
        """That of the first switch."""
        return self.house.agents[0]

    @property
    def _switches(self) -> tuple[Switch, ...]:
        return (self.switch, *self.others)

    @property
    def truth(self) -> dict[str, Truth]:
        """What became of every leg, on whichever switch."""
        return {leg: one for switch in self._switches for leg, one in switch.truth.items()}

    def stop(self) -> None:
        """In reverse."""
        self._consumer.close()
        self._ears.join()
        assert self.app.stop(), "a part did not stop"
        self.line.stop()

    def _listen(self) -> None:
        while deliveries := self._consumer.get(200):
            known = {fact.id for fact in self.facts}
            heard = [decode(delivery.body) for delivery in deliveries]
            self.facts += [fact for fact in heard if fact.id not in known]
            self._consumer.ack(deliveries)

    def until(self, holds: Callable[[], Any], what: str) -> None:
        """Fails with what is missing."""
        with gevent.Timeout(DEADLINE_S, False):
            while not holds():
                gevent.sleep(0.02)
            return
        raise AssertionError(f"still waiting for {what}; {self.verdict()}")

    # -- what was told --

    def told(self, kind: type[Any], leg: str = "") -> list[Any]:
        """Bodies of the facts of this kind (about this leg)."""
        bodies = [fact.body for fact in self.facts if isinstance(fact.body, kind)]
        return [body for body in bodies if leg in ("", getattr(body, "leg", ""))]

    def losses(self) -> int:
        """How often the link was told lost."""
        return len(self.told(SwitchLost))

    def findings(self) -> int:
        """How often the switch was told found."""
        return len(self.told(SwitchConnected))

    def routed(self, caller: Channel) -> bool:
        """Whether a plan of ours runs for this caller."""
        return any(done.leg == caller.uuid for done in self.told(CommandFinished))

    def arrivals(self, caller: Channel) -> int:
        """How often this arrival was told."""
        return len(self.told(CallArrived, caller.uuid))

    def talks(self, caller: Channel) -> int:
        """How often it was told that this caller talks with somebody."""
        return len(self.told(CallAnswered, caller.uuid))

    def settled(self, *legs: str) -> None:
        """Until an end of each of these legs is told."""
        wanted = set(legs) or set(self.truth)
        self.until(lambda: wanted <= {end.leg for end in self.told(LegEnded)}, f"the ends of {len(wanted)} legs")

    def settled_exactly(self) -> None:
        """Until an exact end of every leg is told, and every leg that costs is charged."""
        self.until(lambda: not self._open(), "exact ends and charges")

    def _open(self) -> bool:
        verdict = self.verdict()
        costs = {leg for leg, one in self.truth.items() if one.answered_us}
        return bool(verdict.lost or verdict.estimated or costs - verdict.charged)

    def verdict(self) -> Verdict:
        """The books against the truth, now."""
        truth, up = self.truth, {leg.uuid for switch in self._switches for leg in switch.up()}
        ends = [(fact.body, fact.estimated) for fact in self.facts if isinstance(fact.body, LegEnded)]
        times = Counter((end.leg, estimated) for end, estimated in ends)
        charges = Counter(charge.leg for charge in self.told(LegCharged))
        exact = {end.leg for end, estimated in ends if not estimated}
        early = [truth[end.leg].ended_us - end.ended_at_us for end, estimated in ends if estimated and end.leg in truth]
        return Verdict(
            legs=len(truth),
            lost=frozenset(truth.keys() - {leg for leg, _ in times}),
            doubled=frozenset(
                leg for (leg, _), n in [*times.items(), *(((c, 0), n) for c, n in charges.items())] if n > 1
            ),
            wrong=frozenset(end.leg for end, estimated in ends if end.leg in up or self._is_wrong(end, estimated)),
            estimated=frozenset({leg for leg, _ in times} - exact),
            charged=frozenset(charges),
            early_s=max(early, default=0) / 1_000_000,
        )

    def _is_wrong(self, end: LegEnded, estimated: bool) -> bool:
        one = self.truth.get(end.leg)
        if one is None or (end.answered_at_us or 0) not in (one.answered_us, 0):
            return True
        if estimated:
            return end.ended_at_us > one.ended_us
        return (end.started_at_us, end.answered_at_us or 0, end.ended_at_us) != (
            one.started_us,
            one.answered_us,
            one.ended_us,
        )


@contextmanager
def in_short_time() -> Iterator[None]:
    """The spans of the product made short, so that a fault takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "ALIVE_EVERY_S", ALIVE_S)
        patch.setattr(supervisor, "SILENT_S", SILENT_S)
        patch.setattr(snapshot, "APART_US", int(APART_S * 1_000_000))
        patch.setattr(lookout, "AGAIN_S", APART_S)
        yield
