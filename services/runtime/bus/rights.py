"""Who may do what at RabbitMQ: the least with which each service, each agent and each client's consumer can work.

Enters: names of switches and clients. Leaves: users with their rights as plain values, out of `proto/topics.py` alone.
Nobody among them may declare or bind anything: that all queues stand belongs to `definitions.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proto.events import ServiceAlive, ServiceStarted
from proto.message import Command, Message
from proto.topics import (
    AGAIN_EXCHANGE,
    COMMANDS_EXCHANGE,
    DEAD_EXCHANGE,
    DEAD_QUEUE,
    EVENTS_EXCHANGE,
    HEARS,
    SAYS,
    agent_queue,
    command_queue,
)

NOTHING = "^$"
AGENT = "eventsocket"
SHOWS_LETTERS = "directory"
"""Its pages show what was put aside, and give it back."""


@dataclass(frozen=True, slots=True)
class User:
    """One user of RabbitMQ. Rights are regular expressions over names of exchanges and queues."""

    name: str
    write: str
    read: str
    may_say: str
    """Over routing keys of facts."""
    configure: str = NOTHING


def users(switches: Sequence[str], tenants: Sequence[str]) -> Iterator[User]:
    """One for each service, one for the agents of each switch, one for each client's consumer, and the operator."""
    for service in sorted(HEARS):
        yield _service(service)
    for switch in switches:
        yield _agent(switch)
    yield User("operator", write=_names(DEAD_EXCHANGE, AGAIN_EXCHANGE), read=_names(DEAD_QUEUE), may_say=NOTHING)
    for tenant in tenants:
        yield User(tenant_queue(tenant), write=NOTHING, read=_names(tenant_queue(tenant)), may_say=NOTHING)


def tenant_queue(tenant: str) -> str:
    """The queue of a client's own consumer, and the user who may read it and do nothing else."""
    return f"tenant.{tenant}"


def _service(name: str) -> User:
    commands = any(issubclass(kind, Command) for kind in SAYS[name])
    exchanges = [EVENTS_EXCHANGE, DEAD_EXCHANGE, *([COMMANDS_EXCHANGE] if commands else [])]
    exchanges += [AGAIN_EXCHANGE] if name == SHOWS_LETTERS else []
    own = rf"{re.escape(name)}\.[0-9]+"
    read = rf"^({own}|{re.escape(DEAD_QUEUE)})$" if name == SHOWS_LETTERS else rf"^{own}$"
    return User(name, _names(*exchanges), read, may_say=_keys(name, name))


def _agent(switch: str) -> User:
    own, commands = re.escape(agent_queue(switch).name), re.escape(command_queue(switch).name)
    # A second agent of the same switch, to stand by, has a queue of its own beside the first one's.
    read = rf"^({own}(\.[a-z0-9-]+)?|{commands})\.[0-9]+$"
    return User(f"{AGENT}.{switch}", _names(EVENTS_EXCHANGE, DEAD_EXCHANGE), read, may_say=_keys(AGENT, ""))


def _keys(service: str, timer: str) -> str:
    kinds: tuple[type[Message], ...] = (
        ServiceStarted,
        ServiceAlive,
        *(kind for kind in SAYS[service] if not issubclass(kind, Command)),
    )
    names = [kind.NAME for kind in kinds] + ([f"timer.{timer}"] if timer else [])
    return rf"^[^.]+\.({'|'.join(re.escape(name) for name in names)})$"


def _names(*names: str) -> str:
    return f"^({'|'.join(re.escape(name) for name in names)})$"
