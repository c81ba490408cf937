"""Copies of foreign facts that decisions and pages need: tenants, their suspended numbers, the platform, people.

Enters: TenantRevised, NumbersSuspended, PlatformRevised, PersonChanged. Leaves: the structs as of the last fact heard.
Each service keeps its own copy in its own store, so that no service ever asks another.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import insert, select, update

from proto.envelope import Envelope
from proto.events import (
    NumbersSuspended,
    PersonChanged,
    PhoneBookRevised,
    PhoneCredentialChanged,
    PlatformRevised,
    TenantRevised,
)
from proto.message import Event
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import PLATFORM_TENANT, command_id
from services.runtime.store import Tx
from services.runtime.worker import Cause, Emit, Handler

_GONE = b""
"""Kept in place of what was removed, with its time, so that an older fact cannot bring it back."""


def _keep(tx: Tx, kind: str, name: str, revision: str, as_of_us: int, body: bytes) -> None:
    tx.forget_known()
    table = tx.tables["projections"]
    here = (table.c.kind == kind) & (table.c.name == name)
    known = tx.sql.execute(select(table.c.as_of_us).where(here)).scalar()
    if known is not None and known > as_of_us:
        return  # an older fact overtaken by a newer one
    if known is None:
        tx.sql.execute(insert(table).values(kind=kind, name=name, revision=revision, as_of_us=as_of_us, body=body))
    else:
        tx.sql.execute(update(table).where(here).values(revision=revision, as_of_us=as_of_us, body=body))


def keep_tenant(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Handler of TenantRevised."""
    fact = envelope.body
    assert isinstance(fact, TenantRevised)
    body = _GONE if fact.gone else msgspec.json.encode(fact.body)
    _keep(tx, "tenant", fact.body.tenant, fact.revision, envelope.occurred_at_us, body)
    return []


def keep_platform(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Handler of PlatformRevised."""
    fact = envelope.body
    assert isinstance(fact, PlatformRevised)
    _keep(tx, "platform", "platform", fact.revision, envelope.occurred_at_us, msgspec.json.encode(fact.body))
    return []


def keep_person(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Handler of PersonChanged."""
    fact = envelope.body
    assert isinstance(fact, PersonChanged)
    _keep(tx, "person", fact.person, str(fact.session_version), envelope.occurred_at_us, msgspec.json.encode(fact))
    return []


def keep_suspended(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Handler of NumbersSuspended."""
    fact = envelope.body
    assert isinstance(fact, NumbersSuspended)
    _keep(tx, "suspended", envelope.tenant, "", envelope.occurred_at_us, msgspec.json.encode(fact))
    return []


def keep_phone(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Handler of PhoneCredentialChanged. The row is a secret: nobody but the agent of a switch keeps one."""
    fact = envelope.body
    assert isinstance(fact, PhoneCredentialChanged)
    name = f"{fact.owner}/{fact.phone}"
    _keep(tx, "phone", name, str(fact.serial), envelope.occurred_at_us, msgspec.json.encode(fact))
    return []


def keep_phone_book(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Handler of PhoneBookRevised."""
    fact = envelope.body
    assert isinstance(fact, PhoneBookRevised)
    name = f"{envelope.tenant}/{fact.ending}"
    _keep(tx, "phone book", name, "", envelope.occurred_at_us, msgspec.json.encode(fact.names))
    return []


HANDLERS: dict[type[Event], Handler] = {
    TenantRevised: keep_tenant,
    PhoneBookRevised: keep_phone_book,
    NumbersSuspended: keep_suspended,
    PlatformRevised: keep_platform,
    PersonChanged: keep_person,
}
"""Take those that `proto.topics.PROJECTIONS` names for the service."""


@lru_cache(maxsize=20_000)
def _tenant(_name: str, _revision: str, body: bytes) -> Tenant:
    return msgspec.json.decode(body, type=Tenant)


@lru_cache(maxsize=4)
def _platform(_revision: str, body: bytes) -> Platform:
    return msgspec.json.decode(body, type=Platform)


def tenant(tx: Tx, name: str) -> Tenant | None:
    """The client as last heard, or None: there is no default."""
    return tx.known(("tenant", name), lambda: _read_tenant(tx, name))


def _read_tenant(tx: Tx, name: str) -> Tenant | None:
    row = tx.first(tx.tables["projections"], ("revision", "body"), kind="tenant", name=name)
    return _tenant(name, row.revision, bytes(row.body)) if row and row.body != _GONE else None


def suspended(tx: Tx, tenant: str) -> frozenset[str]:
    """The client's numbers that are suspended, as last heard."""
    return tx.known(("suspended", tenant), lambda: _read_suspended(tx, tenant))


def _read_suspended(tx: Tx, tenant: str) -> frozenset[str]:
    row = tx.first(tx.tables["projections"], ("body",), kind="suspended", name=tenant)
    return _suspended(bytes(row.body)) if row else frozenset()


@lru_cache(maxsize=1_000)
def _suspended(body: bytes) -> frozenset[str]:
    return frozenset(msgspec.json.decode(body, type=NumbersSuspended).numbers)


def tenant_names(tx: Tx) -> list[str]:
    """Every client ever heard of, also those that are gone."""
    table = tx.tables["projections"]
    return list(tx.sql.execute(select(table.c.name).where(table.c.kind == "tenant").order_by(table.c.name)).scalars())


def tenants(tx: Tx) -> list[Tenant]:
    """All clients, by name."""
    table = tx.tables["projections"]
    rows = tx.sql.execute(
        select(table.c.name, table.c.revision, table.c.body)
        .where(table.c.kind == "tenant", table.c.body != _GONE)
        .order_by(table.c.name)
    )
    return [_tenant(row.name, row.revision, bytes(row.body)) for row in rows]


def names(tx: Tx, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Names of the clients' phone books for (client, number), where there are any; two numbers of a part ask once."""
    table, found = tx.tables["projections"], dict[tuple[str, str], str]()
    numbers: dict[str, list[tuple[str, str]]] = {}
    for client, number in wanted:
        if number[-2:].isdigit():
            numbers.setdefault(f"{client}/{number[-2:]}", []).append((client, number))
    rows = tx.sql.execute(
        select(table.c.name, table.c.body).where(table.c.kind == "phone book", table.c.name.in_(list(numbers)))
    )
    for row in rows:
        told = msgspec.json.decode(bytes(row.body), type=dict[str, str])
        for client, number in numbers[row.name]:
            at_home = f"0{number[3:]}" if number.startswith("+81") else number
            if name := told.get(number) or told.get(at_home):
                found[client, number] = name
    return found


def platform(tx: Tx) -> Platform | None:
    """The platform as last heard, or None before directory has spoken."""
    return tx.known("platform", lambda: _read_platform(tx))


def _read_platform(tx: Tx) -> Platform | None:
    row = tx.first(tx.tables["projections"], ("revision", "body"), kind="platform")
    return _platform(row.revision, bytes(row.body)) if row else None


def told(tx: Tx) -> list[Envelope]:
    """What of clients is suspended, phones' credentials, clients, then the platform, as last heard.

    They are the same facts under the same ids until something newer is heard.
    """
    table = tx.tables["projections"]
    wanted = table.c.kind.in_(("tenant", "suspended", "phone", "platform")) & (table.c.body != _GONE)
    order = (table.c.kind == "platform", table.c.kind == "tenant", table.c.name)
    rows = tx.sql.execute(select(table).where(wanted).order_by(*order))
    return [_told(row) for row in rows]


def _told(row: Any) -> Envelope:
    fact: TenantRevised | PlatformRevised | NumbersSuspended | PhoneCredentialChanged
    if row.kind == "phone":
        fact = msgspec.json.decode(bytes(row.body), type=PhoneCredentialChanged)
    elif row.kind == "suspended":
        fact = msgspec.json.decode(bytes(row.body), type=NumbersSuspended)
    elif row.kind == "platform":
        fact = PlatformRevised(revision=row.revision, body=_platform(row.revision, bytes(row.body)))
    else:
        fact = TenantRevised(revision=row.revision, body=_tenant(row.name, row.revision, bytes(row.body)))
    return Envelope(
        body=fact,
        id=command_id(f"known/{row.kind}/{row.name}/{row.revision}", row.as_of_us),
        source="projections",
        tenant=PLATFORM_TENANT if row.kind in ("platform", "phone") else row.name,
        occurred_at_us=row.as_of_us,
    )


def person(tx: Tx, name: str) -> PersonChanged | None:
    """The person as last heard."""
    table = tx.tables["projections"]
    body = tx.sql.execute(select(table.c.body).where(table.c.kind == "person", table.c.name == name)).scalar()
    return None if body is None else msgspec.json.decode(bytes(body), type=PersonChanged)
