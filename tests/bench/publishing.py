"""Confirmed publishing to a quorum queue: the bus as the agent uses it, beside pika's channel one message at a time.

Enters: a broker. Leaves: a bar. Both publish the same bytes, persistent and confirmed; ours in packets of as many as
the agent takes from its spool at once. Each is a process of its own: `python -m tests.bench.publishing WHO URL COUNT`.
"""

from __future__ import annotations

import json
import sys
import time

from tests.bench.bar import Bar, median, per_second
from tests.bench.house import Processes

ROUNDS = 3
PACKET = 64
BODY = b'{"type":"leg.ended","data":"' + b"x" * 800 + b'"}'
"""As long as the envelope of a LegEnded."""


def bars(processes: Processes, urls: list[str], count: int) -> list[Bar]:
    """`urls`: one empty virtual host per round and publisher."""
    rates: dict[str, list[float]] = {"ours": [], "pika": []}
    for number in range(ROUNDS):
        for place, (name, found) in enumerate(rates.items()):
            url = urls[number * len(rates) + place]
            own = count if name == "ours" else count // 5
            start = processes.patched if name == "ours" else processes.start
            said = processes.said(start("tests.bench.publishing", name, url, str(own)))
            found.append(own / json.loads(said))
    return [
        per_second(
            "confirmed publish to a quorum queue",
            median(rates["ours"]),
            median(rates["pika"]),
            "pika, one by one",
            "messages",
            count * ROUNDS,
            5.0,
        )
    ]


def ours(url: str, count: int) -> float:
    """Seconds."""
    from proto.topics import Outgoing, service_queue
    from services.runtime.bus.rabbitmq import RabbitBus

    bus = RabbitBus(url)
    bus.start([service_queue("billing")])
    messages = [Outgoing(str(n), "fact", "bench.leg.ended", "bench", BODY) for n in range(count)]
    began = time.perf_counter()
    for start in range(0, count, PACKET):
        bus.publish(messages[start : start + PACKET])
    took = time.perf_counter() - began
    bus.stop()
    return took


def one_by_one(url: str, count: int) -> float:
    """Seconds."""
    import pika

    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.queue_declare("legs", durable=True, arguments={"x-queue-type": "quorum"})
    channel.confirm_delivery()
    properties = pika.BasicProperties(delivery_mode=2)
    began = time.perf_counter()
    for _ in range(count):
        channel.basic_publish("", "legs", BODY, properties, mandatory=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    who = {"ours": ours, "pika": one_by_one}[sys.argv[1]]
    print(json.dumps(who(sys.argv[2], int(sys.argv[3]))), flush=True)
