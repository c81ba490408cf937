"""Records leave in the order of the wire and are done with, however the bus answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gevent
import gevent.event
import pytest

from proto.topics import Outgoing, all_queues
from services.eventsocket.arrivals import Arrivals
from services.eventsocket.journal import Journal
from services.eventsocket.normalise import Normaliser
from services.eventsocket.spool import Spool
from services.eventsocket.telling import UNDER_WAY, Telling
from services.runtime.bus import Unavailable
from services.runtime.bus.embedded import EmbeddedBus
from tests.hub import nobody_keeps_the_hub
from tests.integration.agent_world import FakeSwitch


class HeldBus(EmbeddedBus):
    """The real one, whose answers a test may hold back."""

    holds = False

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.held: list[gevent.event.AsyncResult] = []
        self.taken: list[str] = []
        self.when_lost: Callable[[], object] = list

    def publish(self, messages: Sequence[Outgoing]) -> None:
        if self.holds:
            self.held.append(answer := gevent.event.AsyncResult())
            try:
                answer.get()
            except Unavailable:
                self.when_lost()
                raise
        self.taken += [message.id for message in messages]
        super().publish(messages)


class Agent:
    """As much of one as tells records."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.switch = HeldBus(folder / "bus.sqlite"), FakeSwitch()
        self.bus.start(all_queues(("fs1",)))
        self.spool, self.journal = Spool(folder / "fs1.spool"), Journal(folder / "fs1.legs")
        self.spool.start()
        self.stopping = gevent.event.Event()
        telling = Telling("fs1", self.bus, self.spool, self.journal, Normaliser("fs1"), Arrivals(), self.stopping, [])
        self.greenlet = gevent.spawn(telling.run)

    def hears(self, number: int) -> None:
        """A caller's leg arrives."""
        event = self.switch.event("CHANNEL_PARK", number, f"leg-{number}")
        self.spool.put(json.dumps(event).encode())

    def until(self, holds: object) -> None:
        """Raises AssertionError after some seconds."""
        with gevent.Timeout(10, AssertionError("not in time")):
            while not holds():  # type: ignore[operator]
                gevent.sleep(0.005)

    def stop(self) -> None:
        """In order."""
        self.stopping.set()
        self.spool.wake()
        self.greenlet.join(10)
        assert self.greenlet.successful()
        self.spool.stop()
        self.journal.close()
        self.bus.stop()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    yield agent
    agent.stop()


def names(numbers: Sequence[int]) -> list[str]:
    """The ids of the facts of these arrivals."""
    return [f"core-1-{number}" for number in numbers]


@pytest.mark.parametrize("records", [UNDER_WAY - 1, UNDER_WAY, UNDER_WAY + 1])
def test_a_broker_that_takes_its_time_stops_nothing_else(agent: Agent, records: int) -> None:
    """As many records as may be under way, one by one as they come, and none behind them."""
    agent.bus.holds = True
    with nobody_keeps_the_hub(5):
        for number in range(records):
            agent.hears(number)
            agent.until(lambda number=number: len(agent.bus.held) == min(number + 1, UNDER_WAY))
        agent.bus.holds = False
        for answer in agent.bus.held:
            answer.set()
        agent.until(lambda: len(agent.spool) == 0)
    assert agent.bus.taken == names(range(records))


def test_what_the_bus_lost_leaves_again_before_anything_new(agent: Agent) -> None:
    agent.bus.holds = True
    agent.hears(1)
    agent.until(lambda: agent.bus.held)
    agent.bus.holds = False
    agent.bus.when_lost = lambda: agent.hears(2)
    agent.bus.held[0].set_exception(Unavailable("connection lost"))
    agent.until(lambda: len(agent.spool) == 0)
    assert agent.bus.taken == names([1, 2])


def test_what_the_bus_takes_while_other_is_written_down_waits_for_no_third(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next record may come half a minute later; until then a crash would tell all of it again."""
    agent.bus.holds = True
    for number in (1, 2):
        agent.hears(number)
        agent.until(lambda number=number: len(agent.bus.held) == number)
    keep = agent.journal.keep

    def slowly(entries: object) -> None:
        agent.bus.held[1].set()
        agent.until(lambda: len(agent.bus.taken) == 2)
        gevent.sleep(0.05)
        keep(entries)  # type: ignore[arg-type]

    monkeypatch.setattr(agent.journal, "keep", slowly)
    agent.bus.held[0].set()
    agent.until(lambda: len(agent.spool) == 0)
