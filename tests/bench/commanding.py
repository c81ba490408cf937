"""Commands through the broker to the switch and their answers back: our agent beside one that does one at a time.

Enters: a broker, a switch that answers at once. Leaves: a bar, from the first command published to the last answer
heard. The peer takes a command from the queue, sends it, awaits the reply, tells the answer, acknowledges, takes the
next; it remembers nothing. Each is a process of its own: `python -m tests.bench.commanding WHO URL …`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from proto.commands import HangUp
from proto.envelope import Envelope, decode
from proto.events import CommandFinished, PlatformRevised
from proto.topics import EVENTS_EXCHANGE, all_queues, command_queue, outgoing, service_queue
from proto.values import PLATFORM_TENANT, command_id
from tests.bench.bar import Bar, median, per_second
from tests.bench.charging import PLATFORM
from tests.bench.house import Processes

ROUNDS = 3
SWITCH = "fs1"
READY = "ready"
PACKET = 200


def bars(processes: Processes, urls: list[str], count: int) -> list[Bar]:
    """`urls`: an empty virtual host for each round and each of the two."""
    port = processes.said(processes.start("tests.bench.feeder", "0")).strip()
    rates: dict[str, list[float]] = {"ours": [], "naive": []}
    for number in range(ROUNDS):
        for place, (name, found) in enumerate(rates.items()):
            own = count if name == "ours" else count // 5
            url = urls[number * len(rates) + place]
            agent = processes.patched("tests.bench.commanding", name, url, port)
            processes.said(agent)
            said = processes.said(processes.patched("tests.bench.commanding", "ask", url, str(own)))
            found.append(own / json.loads(said))
            agent.kill()
    bar, peer = "commands through the broker, answers back", "one at a time, each awaiting its reply"
    return [per_second(bar, median(rates["ours"]), median(rates["naive"]), peer, "commands", count * ROUNDS, 5.0)]


def ours(url: str, port: int) -> None:
    """The agent, as it is."""
    import gevent

    from services.eventsocket.service import Agent, SwitchSettings, metadata
    from services.runtime.bus.rabbitmq import RabbitBus
    from services.runtime.store import Store

    folder = Path(tempfile.mkdtemp())
    bus, store = RabbitBus(url), Store(f"sqlite:///{folder / 'agent.sqlite'}", metadata())
    bus.start(all_queues((SWITCH,)))
    store.start()
    agent = Agent(SwitchSettings(SWITCH, folder, port=port, password="any"), bus, store)  # noqa: S106
    agent.start()
    fact = PlatformRevised(revision="1", body=PLATFORM)
    bus.publish([outgoing(Envelope(body=fact, id="p", source="b", tenant=PLATFORM_TENANT, occurred_at_us=1))])
    if not agent.wait_ready(30):
        raise RuntimeError("the agent did not find its switch")
    print(READY, flush=True)
    gevent.sleep(3600)


def naive(url: str, port: int) -> None:
    """pika and greenswitch as their examples use them."""
    import pika
    from greenswitch import InboundESL

    from services.runtime.bus.rabbitmq import RabbitBus

    bus = RabbitBus(url)
    bus.start(all_queues((SWITCH,)))
    bus.stop()
    link = InboundESL("127.0.0.1", port, "any")
    link.connect()
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=1)
    properties = pika.BasicProperties(delivery_mode=2)
    queue = command_queue(SWITCH).parts()[0]
    print(READY, flush=True)
    for method, _, body in channel.consume(queue):
        envelope = decode(body)
        assert isinstance(envelope.body, HangUp)
        reply = link.send(f"api uuid_kill {envelope.body.leg} {envelope.body.cause}").data
        fact = outgoing(_answer(envelope, reply))
        channel.basic_publish(EVENTS_EXCHANGE, fact.routing_key, fact.body, properties, mandatory=True)
        channel.basic_ack(method.delivery_tag)


def _answer(envelope: Envelope, reply: str) -> Envelope:
    fact = CommandFinished(switch=SWITCH, command=envelope.id, name=envelope.body.NAME, reply=reply)
    return Envelope(
        body=fact, id=command_id(envelope.id, 0), source=f"switch/{SWITCH}", tenant="bench", occurred_at_us=1
    )


def ask(url: str, count: int) -> float:
    """Seconds until all answers are heard."""
    from services.runtime.bus.rabbitmq import RabbitBus

    bus = RabbitBus(url)
    bus.start(all_queues((SWITCH,)))
    answers = bus.consume(service_queue("history").parts()[0], prefetch=500)
    messages = []
    for number in range(count):
        command = HangUp(switch=SWITCH, leg=f"leg-{number}")
        mark = command_id("bench", number)
        messages.append(outgoing(Envelope(body=command, id=mark, source="b", tenant="bench", occurred_at_us=1)))
    waiting = {message.id for message in messages}
    began = time.perf_counter()
    for start in range(0, count, PACKET):
        bus.publish(messages[start : start + PACKET])
    while waiting:
        deliveries = answers.get(500, timeout_s=30)
        if not deliveries:
            raise RuntimeError(f"{len(waiting)} of {count} commands have no answer")
        for delivery in deliveries:
            fact = decode(delivery.body).body
            if isinstance(fact, CommandFinished):
                waiting.discard(fact.command)
        answers.ack(deliveries)
    return time.perf_counter() - began


if __name__ == "__main__":
    who, bus_url, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if who == "ask":
        print(json.dumps(ask(bus_url, number)), flush=True)
    else:
        {"ours": ours, "naive": naive}[who](bus_url, number)
