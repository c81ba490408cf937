"""PURE Who may make, see and change which people: the rules behind the pages and the commands.

Enters: who acts, how somebody was and is to be. Leaves: a refusal or None. Rows and passwords stand in `rows.py`,
sentences for the refusals in `web_people.py` and the commands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Literal, get_args

import msgspec

from proto.events import PersonChanged
from proto.values import PLATFORM_TENANT

Role = Literal["platform_operator", "reseller", "tenant_administrator", "answering_operator", "employee", "read_only"]
RANK: tuple[Role, ...] = get_args(Role)
"""Highest first; who manages people gives nobody a higher role than their own."""
MANAGERS = ("platform_operator", "reseller", "tenant_administrator")
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 1000
LONGEST_NAME = 80

Refusal = Literal["not_yours", "role_above", "clients_needed", "client_unknown", "last_operator", "name", "id", "taken"]


class Actor(msgspec.Struct, frozen=True):
    """Who makes a change; `tenants` mean nothing for a platform operator, who has all."""

    id: str
    role: str
    tenants: tuple[str, ...] = ()

    @property
    def all_clients(self) -> bool:
        """Whether every client is theirs."""
        return self.role == "platform_operator"


def clean(text: str) -> str:
    """What somebody typed, full-width letters as plain ones, without blanks around."""
    return unicodedata.normalize("NFKC", text).strip()


def is_id(text: str) -> bool:
    """Whether a user name may look like this: it stands in addresses of pages, in logs and commands."""
    return re.fullmatch(r"[a-z0-9][a-z0-9._@-]{0,63}", text) is not None


def roles_of(actor: Actor) -> tuple[Role, ...]:
    """The roles that `actor` may give, highest first."""
    if actor.role not in MANAGERS:
        return ()
    return tuple(role for role in RANK if RANK.index(role) >= RANK.index(actor.role))


def sees(actor: Actor, person: PersonChanged) -> bool:
    """Whether `actor` may know of this person: whoever also works for another client is nobody's but the platform's."""
    if actor.all_clients:
        return True
    return person.role in roles_of(actor) and bool(person.tenants) and set(person.tenants) <= set(actor.tenants)


def refusal(
    actor: Actor, before: PersonChanged | None, after: PersonChanged, clients: Collection[str], operators: int
) -> Refusal | None:
    """Why `after` may not take the place of `before` (None: somebody new), or None if it may.

    `clients`: those that exist now; `operators`: active platform operators before the change.
    """
    if before is not None and not sees(actor, before):
        return "not_yours"
    if not is_id(after.person) and before is None:
        return "id"
    if not after.name or len(after.name) > LONGEST_NAME or not after.name.isprintable():
        return "name"
    if after.role not in roles_of(actor):
        return "role_above"
    if after.role != "platform_operator" and not after.tenants:
        return "clients_needed"
    new = set(after.tenants) - set(before.tenants if before else ())
    if not new <= set(clients) or not sees(actor, after):
        return "client_unknown"
    was = before is not None and before.active and before.role == "platform_operator"
    stays = after.active and after.role == "platform_operator"
    return "last_operator" if was and not stays and operators <= 1 else None


def ends_sessions(before: PersonChanged, after: PersonChanged) -> bool:
    """Whether whoever is logged in has to log in again: all but a new name."""
    return (before.role, before.tenants, before.active) != (after.role, after.tenants, after.active)


def concerns(*people: PersonChanged | None) -> str:
    """In whose part of the audit log a change of people stands: the one client that it is about, or the platform."""
    found = {tenant for person in people if person for tenant in person.tenants}
    platform = any(person.role == "platform_operator" for person in people if person)
    return found.pop() if len(found) == 1 and not platform else PLATFORM_TENANT
