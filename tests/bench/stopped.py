"""A consumer, or the broker, stands still for a minute while the switch talks: the agent reads on, what waits drains.

Enters: a broker, a switch that talks at a rate (`feeder.py`). Leaves: bars: how late the reader is (from the switch's
stamp to the agent's hand), how much memory the wait takes, and how fast what has gathered drains while events go on
coming; for the broker beside it, how fast it takes the same facts from somebody who does nothing else. Agent and
consumer are processes of their own that note what they see: `python -m tests.bench.patched tests.bench.stopped …`.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.runtime.bus import Unavailable
from tests.bench.bar import Bar, percentile, within
from tests.bench.house import Processes, lines
from tests.rabbitmq import Broker

PER_SECOND = 1000
CALM_S = 10.0
DRAIN_S = 90.0
BARE = 5_000
NOTE_S = 0.5
AT_A_TIME = 500
TRACED = "acme"
"""Whose calls the feeder plays."""
_STAMP = re.compile(rb'"Event-Date-Timestamp":"([0-9]+)"')
MOST_LAG_MS, MOST_GROWTH, LEAST_DRAIN = 50.0, 1.1, 5.0


def bars(processes: Processes, broker: Broker, stopped_s: float, per_second: int = PER_SECOND) -> list[Bar]:
    """`broker`: runs, and is frozen for so long, after a consumer was."""
    return [
        *_consumer_stopped(processes, broker, stopped_s, per_second),
        *_broker_stopped(processes, broker, stopped_s, per_second),
    ]


def _start(processes: Processes, url: str, stopped_s: float, per_second: int) -> Path:
    """A switch that talks, and its agent; the file of its notes."""
    total = int((CALM_S + stopped_s + DRAIN_S) * per_second)
    port = processes.said(processes.start("tests.bench.feeder", str(total), str(per_second))).strip()
    file = processes.folder / f"agent.{port}.jsonl"
    processes.said(processes.patched("tests.bench.stopped", "agent", url, port, str(file)))
    return file


def _consumer_stopped(processes: Processes, broker: Broker, stopped_s: float, per_second: int) -> list[Bar]:
    url = broker.url()
    file = _start(processes, url, stopped_s, per_second)
    said = processes.folder / "consumer.jsonl"
    consumer = processes.patched("tests.bench.stopped", "consumer", url, str(said))
    processes.said(consumer)
    time.sleep(CALM_S)
    frozen_s = time.monotonic()
    consumer.send_signal(signal.SIGSTOP)
    time.sleep(stopped_s)
    consumer.send_signal(signal.SIGCONT)
    resumed_s = time.monotonic()
    drained_s = _await_drained(said, resumed_s)
    notes = lines(said)
    read = {one["at_s"]: one["read"] for one in notes}
    calm = [at_s for at_s in read if frozen_s - CALM_S / 2 < at_s < frozen_s]
    live = (read[calm[-1]] - read[calm[0]]) / (calm[-1] - calm[0])
    rate = (read[drained_s] - read[calm[-1]]) / (drained_s - resumed_s)
    processes.close()
    name = f"consumer stopped {stopped_s:.0f} s at {per_second} events/s"
    waited = int(read[drained_s] - read[calm[-1]])
    return [
        *_of_the_agent(name, file, frozen_s, resumed_s),
        Bar(f"{name}: drain", rate, live, "live rate", "facts/s", waited, "higher", LEAST_DRAIN),
    ]


def _broker_stopped(processes: Processes, broker: Broker, stopped_s: float, per_second: int) -> list[Bar]:
    url = broker.url()
    file = _start(processes, url, stopped_s, per_second)
    time.sleep(CALM_S)
    frozen_s = time.monotonic()
    broker.pause()
    time.sleep(stopped_s)
    broker.resume()
    resumed_s = time.monotonic()
    drained_s = _await_drained(file, resumed_s)
    bare = float(processes.said(processes.patched("tests.bench.stopped", "bare", url, str(BARE))))
    waiting = max(one["waiting"] for one in lines(file) if frozen_s <= one["at_s"] <= resumed_s)
    rate = waiting / (drained_s - resumed_s) + per_second
    name = f"broker stopped {stopped_s:.0f} s at {per_second} events/s"
    return [
        *_of_the_agent(name, file, frozen_s, resumed_s),
        Bar(f"{name}: drain", rate, per_second, "live rate", "events/s", waiting, "higher"),
        Bar(f"{name}: drain", rate, bare, "these facts ready-made, published alone", "events/s", BARE, "higher"),
    ]


def _of_the_agent(name: str, file: Path, frozen_s: float, resumed_s: float) -> Iterator[Bar]:
    notes = lines(file)
    during = [one for one in notes if frozen_s <= one["at_s"] <= resumed_s]
    calm = max(one["mb"] for one in notes if one["at_s"] < frozen_s)
    lags = [lag for one in during for lag in one["lags_ms"]]
    yield within(f"{name}: reader's lag, p99", percentile(lags, 99), MOST_LAG_MS, "ms", len(lags))
    most = max(one["mb"] for one in during)
    yield Bar(f"{name}: memory", most, calm, "before it", "MB", len(during), "lower", MOST_GROWTH)


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


def run_consumer(url: str, file: Path) -> None:
    """Reads all that history hears, as another company's consumer would, with a note of how much waits for it."""
    import gevent

    from proto.envelope import decode
    from proto.topics import all_queues, service_queue
    from services.runtime.bus.rabbitmq import RabbitBus

    bus = RabbitBus(url)
    bus.start(all_queues(("fs1",)))
    queue = service_queue("history").parts()[0]
    reader = bus.consume(queue, prefetch=AT_A_TIME)
    read = 0

    def note() -> None:
        with file.open("w", encoding="utf-8") as out:
            while True:
                gevent.sleep(NOTE_S)
                try:
                    waiting = bus.depth(queue)
                except Unavailable:  # cut off while it stood still
                    continue
                out.write(json.dumps({"at_s": time.monotonic(), "read": read, "waiting": waiting}) + "\n")
                out.flush()

    gevent.spawn(note)
    print("ready", flush=True)
    while True:
        deliveries = reader.get(AT_A_TIME)
        read += sum(1 for delivery in deliveries if decode(delivery.body))
        reader.ack(deliveries)


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
    what, url, *rest = arguments
    if what == "bare":
        print(publish_bare(url, int(rest[0])), flush=True)
    elif what == "consumer":
        run_consumer(url, Path(rest[0]))
    else:
        run_agent(url, int(rest[0]), Path(rest[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
