"""The broker stands still for a minute while the switch goes on talking: the agent must read on, and catch up.

Enters: a broker, a switch that talks at a rate (`feeder.py`). Leaves: bars: how late the reader is (from the switch's
stamp to the agent's hand), how much memory the wait takes, and how fast what has gathered drains while events go on
coming; beside it, how fast the broker takes the same facts from somebody who does nothing else. The agent is a process
of its own that notes what it sees: `python -m tests.bench.patched tests.bench.stopped URL PORT FILE`.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.bar import Bar, percentile, within
from tests.bench.house import Processes, lines
from tests.rabbitmq import Broker

PER_SECOND = 1000
CALM_S = 10.0
DRAIN_S = 90.0
BARE = 5_000
NOTE_S = 0.5
TRACED = "acme"
"""Whose calls the feeder plays."""
_STAMP = re.compile(rb'"Event-Date-Timestamp":"([0-9]+)"')
MOST_LAG_MS, MOST_GROWTH, LEAST_DRAIN = 50.0, 1.1, 5.0


def bars(processes: Processes, broker: Broker, stopped_s: float, per_second: int = PER_SECOND) -> list[Bar]:
    """`broker`: runs, and is frozen for so long."""
    total = int((CALM_S + stopped_s + DRAIN_S) * per_second)
    port = processes.said(processes.start("tests.bench.feeder", str(total), str(per_second))).strip()
    file = processes.folder / "agent.jsonl"
    url = broker.url()
    processes.said(processes.patched("tests.bench.stopped", url, port, str(file)))
    time.sleep(CALM_S)
    frozen_s = time.monotonic()
    broker.pause()
    time.sleep(stopped_s)
    broker.resume()
    resumed_s = time.monotonic()
    drained_s = _await_drained(file, resumed_s)
    bare = float(processes.said(processes.patched("tests.bench.stopped", url, str(BARE))))
    notes = lines(file)
    during = [one for one in notes if frozen_s <= one["at_s"] <= resumed_s]
    calm = [one for one in notes if one["at_s"] < frozen_s]
    waiting = max(one["waiting"] for one in during)
    lags = [lag for one in during for lag in one["lags_ms"]]
    took_s = drained_s - resumed_s
    rate = waiting / took_s + per_second
    name = f"broker stopped {stopped_s:.0f} s at {per_second} events/s"
    return [
        within(f"{name}: reader's lag, p99", percentile(lags, 99), MOST_LAG_MS, "ms", len(lags)),
        Bar(
            f"{name}: memory",
            max(one["mb"] for one in during),
            max(one["mb"] for one in calm),
            "before it",
            "MB",
            len(during),
            "lower",
            MOST_GROWTH,
        ),
        Bar(f"{name}: drain", rate, per_second, "live rate", "events/s", waiting, "higher", LEAST_DRAIN),
        Bar(f"{name}: drain", rate, bare, "these facts ready-made, published alone", "events/s", BARE, "higher"),
    ]


def _await_drained(file: Path, since_s: float) -> float:
    """When nothing waited any more; the end of our patience if that never was."""
    while time.monotonic() < since_s + DRAIN_S:
        for one in lines(file):
            if one["at_s"] > since_s and one["waiting"] < NOTE_S * PER_SECOND:
                return float(one["at_s"])
        time.sleep(NOTE_S)
    return since_s + DRAIN_S


def run_agent(url: str, port: int, file: Path) -> None:
    """The agent as it is, with a note of each event's lag."""
    import gevent
    import msgspec
    import psutil

    from proto.envelope import Envelope
    from proto.events import PlatformRevised, TenantRevised
    from proto.tenant.numbers import NumberEntry
    from proto.topics import all_queues, outgoing
    from proto.values import PLATFORM_TENANT
    from services.eventsocket.frames import Frame
    from services.eventsocket.service import Agent, SwitchSettings, metadata
    from services.runtime.bus.rabbitmq import RabbitBus
    from services.runtime.log import configure
    from services.runtime.store import Store
    from tests.bench.charging import PLATFORM, TENANT
    from tests.bench.house import ROUTED

    configure("WARNING")  # to stderr: nobody reads what comes on stdout after the first line, and a full pipe blocks
    lags_ms: list[float] = []

    class Noting(Agent):
        def _heard(self, frame: Frame) -> None:
            if stamp := _STAMP.search(frame.body, 0, 1000):
                lags_ms.append(time.time_ns() / 1_000_000 - int(stamp[1]) / 1000)
            super()._heard(frame)

    folder = Path(tempfile.mkdtemp())
    bus, store = RabbitBus(url), Store(f"sqlite:///{folder / 'agent.sqlite'}", metadata())
    bus.start(all_queues(("fs1",)))
    store.start()
    called = msgspec.structs.replace(TENANT, tenant=TRACED, numbers=(NumberEntry(ROUTED, route="main"),))
    for fact in (TenantRevised(revision="1", body=called), PlatformRevised(revision="1", body=PLATFORM)):
        about = Envelope(body=fact, id=fact.NAME, source="b", tenant=PLATFORM_TENANT, occurred_at_us=1)
        bus.publish([outgoing(about)])
    agent = Noting(SwitchSettings("fs1", folder, port=port, password="any"), bus, store)  # noqa: S106
    agent.start()
    if not agent.wait_ready(30):
        raise RuntimeError("the agent did not find its switch")
    print("ready", flush=True)
    own = psutil.Process()
    with file.open("w", encoding="utf-8") as out:
        while True:
            gevent.sleep(NOTE_S)
            note: dict[str, Any] = {"at_s": time.monotonic(), "waiting": agent.waiting, "lags_ms": list(lags_ms)}
            lags_ms.clear()
            out.write(json.dumps(note | {"mb": own.memory_info().rss / 2**20}) + "\n")
            out.flush()


def publish_bare(url: str, count: int) -> float:
    """Events a second whose facts the broker takes, made beforehand, in packets as the agent's."""
    from proto.topics import all_queues, outgoing
    from services.eventsocket.heard import Heard
    from services.eventsocket.normalise import Normaliser
    from services.eventsocket.telling import UNDER_WAY
    from services.runtime.bus.rabbitmq import RabbitBus
    from tests.bench import feeder

    normaliser, bus = Normaliser("fs1"), RabbitBus(url)
    facts = [normaliser.facts_of(Heard(event)).envelopes for event in feeder.events("json", count)]
    messages = [outgoing(envelope) for envelopes in facts for envelope in envelopes]
    bus.start(all_queues(("fs1",)))
    began = time.perf_counter()
    for first in range(0, len(messages), UNDER_WAY):
        bus.publish(messages[first : first + UNDER_WAY])
    took = time.perf_counter() - began
    bus.stop()
    return count / took


def main(arguments: Sequence[str]) -> None:
    """See the head."""
    if len(arguments) == 2:
        print(publish_bare(arguments[0], int(arguments[1])), flush=True)
        return
    run_agent(arguments[0], int(arguments[1]), Path(arguments[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
