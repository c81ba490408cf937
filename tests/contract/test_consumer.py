"""A consumer of somebody else, written only from docs/messages.md, over a real RabbitMQ."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from proto.envelope import MESSAGES, Envelope
from proto.events import CallEnded
from proto.topics import outgoing, service_queue
from proto.values import Party
from services.runtime.bus.rabbitmq import RabbitBus
from tests.contract import golden
from tests.own_users import own_users
from tests.rabbitmq import Broker

CONSUMER = Path(__file__).parents[2] / "docs" / "consumer.py"


@pytest.fixture
def consumer(broker: Broker, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], RabbitBus]]:
    """The consumer's own process, with the rights of acme's consumer, and a bus of ours on the same broker."""
    users = own_users(broker, tmp_path, tenants=("acme", "other"))
    bus = RabbitBus(broker.url_of(users.vhost))
    bus.start([service_queue("history")])
    process = subprocess.Popen(
        [sys.executable, str(CONSUMER), "tenant.acme"],
        env={"BUS": users.url("tenant.acme")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "listening to tenant.acme\n"
        yield process, bus
    finally:
        process.kill()
        process.communicate()
        bus.stop()


def ended(tenant: str, call: str, caller: Party) -> Envelope:
    sample = golden.sample(CallEnded)
    body = msgspec.structs.replace(sample.body, caller=caller, result="answered", dialled="0312345678")
    return msgspec.structs.replace(sample, body=body, tenant=tenant, call=call, id=f"{tenant}-{call}")


def test_thirty_lines_of_pika_read_one_clients_calls_each_once(
    consumer: tuple[subprocess.Popen[str], RabbitBus],
) -> None:
    process, bus = consumer
    assert process.stdout is not None
    bus.publish(
        [
            outgoing(ended("other", "call-0", Party("0311112222"))),  # another client's: not for this queue
            outgoing(msgspec.structs.replace(golden.sample(MESSAGES["call.routed"]), tenant="acme")),  # another message
            outgoing(ended("acme", "call-1", Party("09011112222"))),
            outgoing(ended("acme", "call-1", Party("09011112222"))),  # delivered again
            outgoing(ended("acme", "call-2", Party(presentation="withheld"))),
        ]
    )
    lines = [process.stdout.readline().split(maxsplit=1)[1] for _ in range(2)]
    assert lines == [
        "call-1 09011112222 -> 0312345678 answered\n",
        "call-2 withheld -> 0312345678 answered\n",
    ]


def test_the_consumer_is_thirty_lines_and_knows_nothing_of_ours() -> None:
    text = CONSUMER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 30
    assert "import pika" in text
    assert "proto" not in text and "services" not in text
