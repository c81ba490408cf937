"""A whole house in this process, on the embedded bus, whose simulated switch is cut off, killed and frozen.

Enters: people who call, faults. Leaves: what was told, and the `Verdict` about it. It is for faults between agent and
switch, with the product's spans made short; the house of processes on RabbitMQ is `site.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import pytest

from freeswitch.simulator import Channel
from proto.envelope import Envelope, decode
from proto.events import CallAnswered, CallArrived, CommandFinished, LegEnded, SwitchConnected, SwitchLost
from proto.topics import Queue
from services.compose import House, compose
from services.eventsocket import lookout, snapshot, supervisor
from services.eventsocket.agent import Agent
from services.runtime.app import App
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.settings import Settings, SwitchLink, Web
from tests.faults.switch import PASSWORD, Switch, Truth, write_clients
from tests.faults.verdict import TAP, Verdict, verdict
from tests.faults.wires import Line
from tests.stores import Database

DEADLINE_S = 60.0
ALIVE_S, SILENT_S, APART_S = 0.2, 0.6, 0.6
"""The product's 2, 2.5 and 5 s, made short: what they mean is the same."""
ROOMS = ("directory", "routing", "recording", "answering", "billing", "history", "eventsocket")


class Bus(EmbeddedBus):
    """With a queue that gets every fact."""

    def start(self, queues: Sequence[Queue]) -> None:
        super().start([*queues, TAP])


@dataclass
class FaultHouse:
    """All services over the embedded bus, listening through a line to the switch."""

    folder: Path
    database: Database
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
            database=self.database.url,
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
        return verdict(self.truth, {leg.uuid for switch in self._switches for leg in switch.up()}, self.facts)


@contextmanager
def in_short_time() -> Iterator[None]:
    """The spans of the product made short, so that a fault takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "ALIVE_EVERY_S", ALIVE_S)
        patch.setattr(supervisor, "SILENT_S", SILENT_S)
        patch.setattr(snapshot, "APART_US", int(APART_S * 1_000_000))
        patch.setattr(lookout, "AGAIN_S", APART_S)
        yield
