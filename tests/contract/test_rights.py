"""What the users of `toritsugi bus definitions` may do at a real RabbitMQ, and above all what they may not."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import pytest
from click.testing import CliRunner
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker

from proto.envelope import MESSAGES, encode
from proto.events import ServiceAlive, ServiceStarted, TimerFired
from proto.topics import (
    AGAIN_EXCHANGE,
    DEAD_EXCHANGE,
    DEAD_QUEUE,
    EVENTS_EXCHANGE,
    HEARS,
    SAYS,
    Outgoing,
    service_queue,
)
from services.cli import main
from services.runtime.bus import Unavailable
from services.runtime.bus.rabbitmq import RabbitBus, letters_at
from tests.integration.test_dead_letters import ended
from tests.own_users import OwnUsers, own_users
from tests.rabbitmq import Broker

SAMPLE = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "definitions.json"
SERVICES = tuple(sorted(HEARS))
ACME = "tenant.acme"
Attempt = Callable[[BlockingChannel], object]


@pytest.fixture(scope="module")
def users(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> OwnUsers:
    return own_users(broker, tmp_path_factory.mktemp("rights"), tenants=("acme", "aoba-law"))


@pytest.fixture
def as_user(users: OwnUsers) -> Iterator[Callable[[str], BlockingChannel]]:
    """A channel of this user, whose publishes are confirmed or refused."""
    connections = []

    def connect(user: str) -> BlockingChannel:
        connections.append(pika.BlockingConnection(pika.URLParameters(users.url(user))))
        channel = connections[-1].channel()
        channel.confirm_delivery()
        return channel

    yield connect
    for connection in connections:
        connection.close()


def publish(exchange: str, key: str) -> Attempt:
    return lambda channel: channel.basic_publish(exchange, key, b"forged")


def read(queue: str) -> Attempt:
    return lambda channel: channel.basic_consume(queue, lambda *_: None)


def declare(queue: str, **arguments: object) -> Attempt:
    return lambda channel: channel.queue_declare(queue, durable=True, arguments=arguments)


def bind(queue: str, key: str, exchange: str = EVENTS_EXCHANGE) -> Attempt:
    return lambda channel: channel.queue_bind(queue, exchange, key)


FORBIDDEN_TO_A_CLIENT: dict[str, Attempt] = {
    "read a service's queue": read("routing.0"),
    "read another client's queue": read("tenant.aoba-law"),
    "read the dead letters": read(DEAD_QUEUE),
    "read an agent's commands": read("commands.fs1.0"),
    "bind its queue to another client's calls": bind(ACME, "aoba-law.#"),
    "bind its queue to everybody's calls": bind(ACME, "#"),
    "bind its queue even to its own calls": bind(ACME, "acme.call.ended"),
    "bind its queue to the dead letters": bind(ACME, "", DEAD_EXCHANGE),
    "bind a service's queue": bind("routing.0", "acme.#"),
    "publish a fact of its own": publish(EVENTS_EXCHANGE, "acme.call.ended"),
    "publish a command": publish("toritsugi.commands", "fs1"),
    "publish into a queue": publish("", "routing.0"),
    "publish into its own queue": publish("", ACME),
    "publish a dead letter": publish(DEAD_EXCHANGE, ""),
    "declare a queue": declare("tenant.acme.more"),
    "declare a queue that refuses what it is sent": declare(
        "tenant.acme.full", **{"x-max-length": 1, "x-overflow": "reject-publish"}
    ),
    "declare a queue of the server's naming": declare(""),
    "declare an exchange": lambda channel: channel.exchange_declare("tenant.acme.x", "topic"),
    "delete its queue": lambda channel: channel.queue_delete(ACME),
    "empty a service's queue": lambda channel: channel.queue_purge("routing.0"),
    "delete the exchange": lambda channel: channel.exchange_delete(EVENTS_EXCHANGE),
}


@pytest.mark.parametrize("attempt", FORBIDDEN_TO_A_CLIENT)
def test_a_clients_consumer_may_not(as_user: Callable[[str], BlockingChannel], attempt: str) -> None:
    with pytest.raises(ChannelClosedByBroker) as refused:
        FORBIDDEN_TO_A_CLIENT[attempt](as_user(ACME))
    assert refused.value.reply_code == 403, refused.value


def test_directory_counts_what_waits_and_what_was_put_aside_for_its_page_and_nobody_else_may(users: OwnUsers) -> None:
    for name in ("directory", "billing"):
        bus = RabbitBus(users.url(name), declares=False)
        bus.start([service_queue(name)])
        assert [bus.depth(queue) >= 0 for queue in ("routing.0", "history.0", "commands.fs1.0")] == [True] * 3
        letters = letters_at(users.url(name))
        if name == "directory":
            assert bus.letters() == len(list(letters.read()))
        else:
            with pytest.raises(Unavailable, match="ACCESS_REFUSED"):
                list(letters.read())
        assert bus.depth("routing.0") >= 0, "the connection goes on"
        bus.stop()


def test_a_clients_consumer_reads_its_own_calls_and_nobody_elses(
    users: OwnUsers, as_user: Callable[[str], BlockingChannel]
) -> None:
    bus = RabbitBus(users.url("history"), declares=False)
    bus.start([service_queue("history")])
    bus.publish([Outgoing(t, "fact", f"{t}.call.ended", t, t.encode()) for t in ("acme", "aoba-law", "acme-2")])
    bus.stop()
    channel = as_user(ACME)
    bodies = []
    while (got := channel.basic_get(ACME, auto_ack=True))[2] is not None:
        bodies.append(got[2])
    assert bodies == [b"acme"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reads_its_queue_and_may_not_do_what_others_do(
    as_user: Callable[[str], BlockingChannel], service: str
) -> None:
    read(f"{service}.0")(as_user(service))
    as_user(service).basic_publish(EVENTS_EXCHANGE, f"acme.timer.{service}", b"due")
    other = SERVICES[SERVICES.index(service) - 1]
    attempts = [
        read(f"{other}.0"),
        read("commands.fs1.0"),
        read(ACME),
        publish(EVENTS_EXCHANGE, f"acme.timer.{other}"),
        publish(EVENTS_EXCHANGE, "acme.leg.ended"),  # only a switch's agent saw one
        publish(EVENTS_EXCHANGE, "acme.x.leg.charged"),
        publish("", f"{other}.0"),
        publish("", f"{service}.0"),
        declare("mine"),
        declare(f"{service}.1"),
        bind(f"{service}.0", "#"),
        lambda channel: channel.exchange_declare("mine", "fanout"),
        lambda channel: channel.queue_delete(f"{service}.0"),
    ]
    if service not in ("routing", "answering", "recording"):
        attempts.append(publish("toritsugi.commands", "fs1"))
    if service != "directory":
        attempts.append(publish(AGAIN_EXCHANGE, f"{other}.0"))
    for attempt in attempts:
        with pytest.raises(ChannelClosedByBroker) as refused:
            attempt(as_user(service))
        assert refused.value.reply_code == 403, refused.value


@pytest.mark.parametrize("attempt", [read("routing.0"), read("commands.fs2.0"), publish("toritsugi.commands", "fs1")])
def test_an_agent_takes_its_own_switchs_commands_and_gives_none(
    as_user: Callable[[str], BlockingChannel], attempt: Attempt
) -> None:
    read("commands.fs1.0")(as_user("eventsocket.fs1"))
    as_user("eventsocket.fs1").basic_publish(EVENTS_EXCHANGE, "acme.leg.ended", b"fact")
    with pytest.raises(ChannelClosedByBroker) as refused:
        attempt(as_user("eventsocket.fs1"))
    assert refused.value.reply_code in (403, 404), refused.value


def test_the_operator_settles_dead_letters_over_tls_and_reads_no_queue(
    users: OwnUsers, as_user: Callable[[str], BlockingChannel], tmp_path: Path
) -> None:
    body = encode(ended(1))
    aside = pika.BasicProperties(headers={"queue": "billing.0", "reason": "a bug"})
    as_user("billing").basic_publish(DEAD_EXCHANGE, "", body, aside)
    words = ["--settings", str(users.settings("operator")), "--data", str(tmp_path)]
    listed = CliRunner().invoke(main, ["letters", "list", "--queue", "billing", *words])
    assert json.loads(listed.stdout)["type"] == "leg.ended", listed.output
    said = CliRunner().invoke(main, ["letters", "replay", "--queue", "billing", "--by", "佐藤", *words])
    assert said.stdout.endswith(" replayed\n"), said.output
    bus = RabbitBus(users.url("billing"), declares=False)
    bus.start([service_queue("billing")])
    consumer, found = bus.consume("billing.0"), []
    while body not in found:  # others have tried what they may say to it
        found += [delivery.body for delivery in consumer.get(64, timeout_s=10)] or [pytest.fail("it did not come")]
    bus.stop()
    assert CliRunner().invoke(main, ["letters", "list", "--queue", "billing", *words]).stdout == ""
    for attempt in (
        read("billing.0"),
        publish(EVENTS_EXCHANGE, "acme.leg.ended"),
        publish("toritsugi.commands", "fs1"),
        publish("", "commands.fs1.0"),
    ):
        with pytest.raises(ChannelClosedByBroker):
            attempt(as_user("operator"))


def test_nobody_enters_without_the_password_of_the_file(users: OwnUsers) -> None:
    for wrong in ("", "guess"):
        url = users.url("routing").replace(users.password("routing"), wrong)
        with pytest.raises((AMQPConnectionError, ConnectionClosedByBroker)):
            pika.BlockingConnection(pika.URLParameters(url))


def test_a_user_without_rights_to_declare_is_told_what_to_set(users: OwnUsers) -> None:
    bus = RabbitBus(users.url("routing"), connect_s=10)
    with pytest.raises(Unavailable, match="needs `bus_declares: no`"):
        bus.start([service_queue("routing")])


def test_a_queue_that_is_missing_is_named_with_what_makes_it(users: OwnUsers) -> None:
    bus = RabbitBus(users.url("routing"), connect_s=10, declares=False)
    with pytest.raises(Unavailable, match=r"no exchange 'toritsugi\.kitchen'.*import what `toritsugi bus definitions`"):
        bus.start([service_queue("kitchen")])


def test_each_message_has_somebody_who_may_say_it() -> None:
    assert {kind for kinds in SAYS.values() for kind in kinds} | {ServiceAlive, ServiceStarted, TimerFired} == set(
        MESSAGES.values()
    )
    assert set(SAYS) == {*HEARS, "eventsocket"}


def test_passwords_are_made_once_for_the_owners_eyes_and_stand_in_no_output(tmp_path: Path) -> None:
    arguments = ["bus", "definitions", "--switch", "fs1", "--tenant", "acme", "--passwords", str(tmp_path / "amqp")]
    first, second = (CliRunner().invoke(main, arguments) for _ in range(2))
    files = sorted((tmp_path / "amqp").iterdir())
    assert {file.name for file in files} == {*SERVICES, "eventsocket.fs1", "operator", "tenant.acme"}
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 and len(file.read_text().strip()) > 20 for file in files)
    assert not [file for file in files if file.read_text().strip() in first.output + second.output]
    assert "made passwords of" in first.stderr
    assert not second.stderr, "passwords that are there are kept"


@pytest.mark.parametrize("broken", ["", "\n"])
def test_a_password_file_without_a_password_is_named_and_nobody_gets_an_empty_one(tmp_path: Path, broken: str) -> None:
    (tmp_path / "routing").write_text(broken)
    told = CliRunner().invoke(main, ["bus", "definitions", "--passwords", str(tmp_path)])
    assert (told.exit_code, told.stdout) == (1, "")
    assert f"{tmp_path / 'routing'}: holds no password" in told.stderr


def test_a_letter_that_is_looked_at_often_stays(users: OwnUsers) -> None:
    """Whoever looks gives it back, and RabbitMQ counts that: from 4.0 on the twentieth look would be the last."""
    told = json.loads(users.broker.control("-q", "list_policies", "-p", users.vhost, "--formatter", "json"))
    (policy,) = (one for one in told if re.match(one["pattern"], DEAD_QUEUE))
    assert json.loads(policy["definition"])["delivery-limit"] >= 1_000_000
    assert re.match(policy["pattern"], ACME) and not re.match(policy["pattern"], service_queue("billing").parts()[0])


def test_a_folder_that_cannot_hold_passwords_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = CliRunner().invoke(main, ["bus", "definitions", "--passwords", str(tmp_path / "file" / "amqp")])
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith("Error: ")


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "a.*", "", "x" * 80])
@pytest.mark.parametrize("option", ["--tenant", "--switch"])
def test_a_name_that_is_none_makes_nothing(tmp_path: Path, option: str, name: str) -> None:
    told = CliRunner().invoke(main, ["bus", "definitions", option, name, "--passwords", str(tmp_path / "amqp")])
    assert told.exit_code == 2
    assert not (tmp_path / "amqp").exists()


def test_the_sample_is_what_the_command_prints() -> None:
    told = CliRunner().invoke(main, ["bus", "definitions", "--switch", "fs1", "--tenant", "acme"])
    assert json.loads(SAMPLE.read_text(encoding="utf-8")) == json.loads(told.stdout), (
        "toritsugi bus definitions --switch fs1 --tenant acme > deploy/rabbitmq/definitions.json"
    )
