"""People who may log in: rows in directory's store, told to everybody as PersonChanged.

Enters: a person as he or she is to be, the hash of a password. Leaves: rows, PersonChanged in the outbox. Every other
room sees the projection, never this table. Who logs in stands in `tries.py`, who may change whom in `ranks.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, Text, delete, or_, select, update

from proto.envelope import Envelope
from proto.events import PersonChanged, Token
from proto.topics import outgoing
from proto.values import PLATFORM_TENANT, command_id
from services.directory.audit.rows import audited
from services.directory.people import tokens
from services.directory.people.passwords import hash_password, new_password
from services.directory.people.ranks import concerns
from services.runtime import clock
from services.runtime.bus import Bus
from services.runtime.store import Conflict, Store, Tx
from services.runtime.worker import Emit

TRIES = 10
"""Several processes may work on the same rows: pages at which one visitor tries at once, workers that send the same."""
FIRST_PERSON = "admin"
CONSOLE = "console"
"""Who acts, in the audit log, where a process does it by itself or was told to at its start."""


def add_people_tables(metadata: MetaData) -> None:
    """The tables of this module, for directory's store."""
    Table(
        "people",
        metadata,
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("tenants", Text, nullable=False),
        Column("password", Text, nullable=False),
        Column("session_version", Integer, nullable=False),
        Column("active", Boolean, nullable=False),
        Column("changed_at_us", BigInteger, nullable=False),
    )
    Table(
        "login_failures",
        metadata,
        Column("scope", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("failures", Integer, nullable=False),
        Column("last_at_us", BigInteger, nullable=False),
    )


def _show_nobody(_password: str) -> None:
    return


def ensure_first_person(store: Store, show: Callable[[str], None] = _show_nobody) -> tuple[PersonChanged, str | None]:
    """The platform operator `admin`, and the password if the row was made just now (shown once, kept nowhere).

    `show` gets the password before the row is written: a process that ends in between has shown one that is worth
    nothing, and the next shows another; the other way round nobody would ever know it.
    """
    known = store.run(lambda tx: find(tx, FIRST_PERSON))
    if known is not None:
        return known, None
    password = new_password()
    show(password)
    person = PersonChanged(person=FIRST_PERSON, name="管理者", role="platform_operator", session_version=1)
    try:
        return add_person(store, person, password), password
    except ValueError:
        return person, None


def add_person(store: Store, person: PersonChanged, password: str) -> PersonChanged:
    """A new row, told to everybody. Raises ValueError if the id is taken."""
    stored, now_us = hash_password(password), clock.now_us()
    if not store.run(lambda tx: insert(tx, person, stored, CONSOLE, now_us), TRIES):
        raise ValueError(f"{person.person} exists already")
    return person


def insert(tx: Tx, person: PersonChanged, stored: str, by: str, now_us: int) -> bool:
    """A new row with the hash of a password, told and audited. False: the id is taken, and nothing is done."""
    row = {**_columns(person), "password": stored, "changed_at_us": now_us}
    if not tx.insert_once(tx.tables["people"], row):
        return False
    audited(tx, by, "person.added", concerns(person), person.person, after=shown(person), now_us=now_us)
    tx.post([outgoing(_told(person, now_us))])
    return True


def replace(tx: Tx, before: PersonChanged, after: PersonChanged, now_us: int, **columns: Any) -> PersonChanged:
    """`after` in place of `before`, told to everybody; more columns (a password's hash) as given.

    Raises Conflict if somebody changed the row since `before` was read: run the closure again.
    """
    table = tx.tables["people"]
    here = (table.c.id == before.person) & (table.c.session_version == before.session_version)
    last_us = tx.sql.execute(select(table.c.changed_at_us).where(here)).scalar()
    if last_us is None:
        raise Conflict(f"person {before.person}")
    now_us = max(now_us, last_us + 1)  # whoever hears both must know which is newer, whatever the machine's clock does
    values = {**_columns(after), **columns, "changed_at_us": now_us}
    if tx.sql.execute(update(table).where(here).values(**values)).rowcount != 1:
        raise Conflict(f"person {before.person}")
    tx.post([outgoing(_told(after, now_us))])
    return after


def shown(person: PersonChanged) -> dict[str, Any]:
    """What the audit log says of a person."""
    return {"name": person.name, "role": person.role, "clients": list(person.tenants), "active": person.active}


def reset_login(store: Store, person: str = FIRST_PERSON) -> str:
    """A new password, and an end to all sessions of this person. Raises KeyError if there is no such person."""
    password = new_password()
    stored = hash_password(password)
    store.run(lambda tx: renew(tx, locked(tx, person)[0], stored, CONSOLE, clock.now_us(), active=True), TRIES)
    return password


def locked(tx: Tx, person: str) -> tuple[PersonChanged, int]:
    """A person and how many platform operators are active; nobody else changes either until this transaction ends.

    Raises KeyError if there is no such person.
    """
    table = tx.tables["people"]
    wanted = or_(table.c.id == person, table.c.role == "platform_operator")
    rows = tx.sql.execute(select(table).where(wanted).order_by(table.c.id).with_for_update()).all()
    found = next((row for row in rows if row.id == person), None)
    if found is None:
        raise KeyError(person)
    return _person(found, tokens.of(tx, person)), sum(row.active for row in rows if row.role == "platform_operator")


def renew(
    tx: Tx, known: PersonChanged, stored: str, by: str, now_us: int, *, active: bool | None = None
) -> PersonChanged:
    """Another password (its hash), and an end to all sessions; what failed for this account is forgotten."""
    version = known.session_version + 1
    after = msgspec.structs.replace(known, session_version=version, active=known.active if active is None else active)
    replace(tx, known, after, now_us, password=stored)
    audited(tx, by, "person.renewed", concerns(known), known.person, shown(known), shown(after), now_us=now_us)
    table = tx.tables["login_failures"]
    tx.sql.execute(delete(table).where(table.c.key == known.person, table.c.scope.in_(("account", "code"))))
    return after


def tell(store: Store, bus: Bus) -> None:
    """Send what the functions above left in the outbox, now. Raises Unavailable; then directory's worker sends it.

    The worker may send the same at the same time: the ids are the same, so nothing is done twice.
    """
    waiting = store.run(lambda tx: tx.unposted())
    if waiting:
        bus.publish(waiting)
        store.run(lambda tx: tx.posted([message.id for message in waiting]), TRIES)


def find(tx: Tx, person: str) -> PersonChanged | None:
    """The row without its password."""
    table = tx.tables["people"]
    row = tx.sql.execute(select(table).where(table.c.id == person)).first()
    return _person(row, tokens.of(tx, person)) if row else None


def everybody(tx: Tx) -> list[PersonChanged]:
    """Every row without its password, by id."""
    table = tx.tables["people"]
    held = tokens.of_all(tx)
    return [_person(row, held.get(row.id, ())) for row in tx.sql.execute(select(table).order_by(table.c.id))]


def all_people(tx: Tx) -> list[Emit]:
    """Every person again, for a service that has just started and may have heard of nobody."""
    table = tx.tables["people"]
    rows, held = tx.sql.execute(select(table).order_by(table.c.id)).all(), tokens.of_all(tx)
    return [
        Emit(_person(row, held.get(row.id, ())), tenant=PLATFORM_TENANT, call="", occurred_at_us=row.changed_at_us)
        for row in rows
    ]


def _columns(person: PersonChanged) -> dict[str, Any]:
    return {
        "id": person.person,
        "name": person.name,
        "role": person.role,
        "tenants": " ".join(person.tenants),
        "session_version": person.session_version,
        "active": person.active,
    }


def _person(row: Any, held: tuple[Token, ...]) -> PersonChanged:
    return PersonChanged(
        person=row.id,
        name=row.name,
        role=row.role,
        tenants=tuple(row.tenants.split()),
        session_version=row.session_version,
        active=row.active,
        tokens=held,
    )


def _told(person: PersonChanged, now_us: int) -> Envelope:
    return Envelope(
        body=person,
        id=command_id(f"person/{person.person}/{person.session_version}", now_us),
        source="directory",
        tenant=PLATFORM_TENANT,
        occurred_at_us=now_us,
    )
