"""RabbitMQ's definitions file: everything that must stand, and users with the least rights, as JSON data.

Enters: switches, clients, partitions, hashes of passwords. Leaves: what `rabbitmqctl import_definitions` and
`load_definitions` take. With it every process runs with `bus_declares: no`. What stands is `topology.py`'s, who may do
what is `rights.py`'s; nothing is written down twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from proto.topics import DEAD_QUEUE, EVENTS_EXCHANGE, agent_queue, all_queues
from services.runtime.bus.rights import User, tenant_queue, users
from services.runtime.bus.topology import RETURNS, Declaration, declarations

HASHING = "rabbit_password_hashing_sha256"
TENANT_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-max-length-bytes": 256 << 20,
    "x-overflow": "drop-head",
    "x-message-ttl": 7 * 24 * 3600 * 1000,
}
"""A client who does not read loses the oldest, and neither fills the broker's disk nor holds up the calls: a queue that
refuses messages would refuse them to whoever publishes."""
CONNECTIONS = 4
"""So many connections may a client's consumer hold."""


def definitions(
    vhost: str,
    switches: Sequence[str],
    tenants: Sequence[str],
    partitions: int,
    seconds: Sequence[tuple[str, str]] = (),
    hashes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`seconds`: (switch, agent) of agents that stand by. `hashes`: user -> hash; who has none cannot log in."""
    queues = [*all_queues(tuple(switches), partitions), *(agent_queue(switch, agent) for switch, agent in seconds)]
    steps = [*declarations(queues), *_of_tenants(tenants)]
    people = list(users(switches, tenants))
    return {
        "vhosts": [{"name": vhost}],
        "users": [_user(user, (hashes or {}).get(user.name, "")) for user in people],
        "permissions": [
            {"user": user.name, "vhost": vhost, "configure": user.configure, "write": user.write, "read": user.read}
            for user in people
        ],
        "topic_permissions": [
            {"user": user.name, "vhost": vhost, "exchange": EVENTS_EXCHANGE, "write": user.may_say, "read": "^$"}
            for user in people
        ],
        "policies": [_keep_what_comes_back(vhost)],
        "exchanges": [_exchange(step, vhost) for step in steps if step.method == "exchange"],
        "queues": [_queue(step, vhost) for step in steps if step.method == "queue"],
        "bindings": [_binding(step, vhost) for step in steps if step.method.startswith("bind")],
    }


def _keep_what_comes_back(vhost: str) -> dict[str, Any]:
    """A policy: arguments of a queue that stands cannot change."""
    pattern = rf"^({re.escape(DEAD_QUEUE)}|{re.escape(tenant_queue(''))}.+)$"
    limit = {"delivery-limit": RETURNS}
    kind = {"vhost": vhost, "apply-to": "queues", "priority": 0}
    return {"name": "toritsugi-returns", "pattern": pattern, "definition": limit, **kind}


def _of_tenants(tenants: Sequence[str]) -> list[Declaration]:
    steps = []
    for tenant in tenants:
        queue = tenant_queue(tenant)
        steps.append(Declaration("queue", queue, arguments=TENANT_ARGUMENTS))
        steps.append(Declaration("bind_queue", queue, source=EVENTS_EXCHANGE, key=f"{tenant}.#"))
    return steps


def _user(user: User, password_hash: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": user.name,
        "password_hash": password_hash,
        "hashing_algorithm": HASHING,
        "tags": [],
    }
    if user.name.startswith(tenant_queue("")):
        found["limits"] = {"max-connections": CONNECTIONS, "max-channels": CONNECTIONS * 4}
    return found


def _exchange(step: Declaration, vhost: str) -> dict[str, Any]:
    kind = {"type": step.kind, "durable": True, "auto_delete": False, "internal": False}
    return {"name": step.name, "vhost": vhost, **kind, "arguments": step.arguments}


def _queue(step: Declaration, vhost: str) -> dict[str, Any]:
    return {"name": step.name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": step.arguments}


def _binding(step: Declaration, vhost: str) -> dict[str, Any]:
    return {
        "source": step.source,
        "vhost": vhost,
        "destination": step.name,
        "destination_type": step.method.removeprefix("bind_"),
        "routing_key": step.key,
        "arguments": {},
    }
