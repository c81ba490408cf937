"""People who may log in: rows in directory's store, told to everybody as PersonChanged.

Enters: names, passwords, the address that asks. Leaves: PersonChanged in the outbox, and verdicts on log-ins. Passwords
exist only as scrypt hashes, worked out off the hub; every other room sees the projection, never this table.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gevent
import msgspec
from gevent.lock import BoundedSemaphore
from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, Text, delete, or_, select, update

from proto.envelope import Envelope
from proto.events import PersonChanged, Token
from proto.topics import outgoing
from proto.values import PLATFORM_TENANT, command_id
from services.directory import tokens
from services.directory.audit import audited
from services.directory.ranks import concerns
from services.runtime import clock
from services.runtime.bus import Bus
from services.runtime.store import Conflict, Store, Tx
from services.runtime.threads import ask
from services.runtime.worker import Emit

TRIES = 10
"""Several processes may work on the same rows: pages at which one visitor tries at once, workers that send the same."""
FIRST_PERSON = "admin"
CONSOLE = "console"
"""Who acts, in the audit log, where a process does it by itself or was told to at its start."""
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
"""RFC 7914: 32 MB and about 0.1 s a try."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters that are easily misread on a screen."""

FREE_TRIES = {"pair": 3, "address": 10, "account": 100, "code": 5, "provision": 50}
"""Failures before waiting begins. pair: one account from one address; an office of many people shares one address;
whoever fails from elsewhere keeps nobody out, unless from very many addresses. code: the second factor of one account;
who comes to try one has the password already. provision: settings of phones, asked for from one address; an office's
phones all ask again when they restart."""
FIRST_WAIT_US = 1_000_000
_QUARTER_OF_AN_HOUR_US = 15 * 60 * 1_000_000
LONGEST_WAIT_US = {
    "pair": _QUARTER_OF_AN_HOUR_US,
    "address": _QUARTER_OF_AN_HOUR_US,
    "account": 60_000_000,
    "code": _QUARTER_OF_AN_HOUR_US,
    "provision": 60_000_000,
}
FORGET_AFTER_US = 24 * 3600 * 1_000_000
FADES_US = {"address": 10 * 60 * 1_000_000, "account": 10 * 60 * 1_000_000}
"""After so long one failure is forgotten: an office in which people mistype now and then is never without a log-in for
24 hours. A `pair` or `code` begins anew with each success, and needs none of this."""

_hashing = BoundedSemaphore(2)
"""So that a flood of log-ins takes 64 MB, not all there is."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The password was right."""

    person: PersonChanged


@dataclass(frozen=True, slots=True)
class Wrong:
    """Name or password is wrong; which of them is not told."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Too many failures: nothing was tried."""

    seconds: int


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


# -- passwords -----------------------------------------------------------------------------------------------------


def new_password() -> str:
    """20 random characters in groups of five: about 99 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def hash_password(password: str) -> str:
    """`scrypt$N$r$p$salt$hash`, hexadecimal. Parks the greenlet for about 0.1 s; the hub runs on."""
    return _hash(password, SCRYPT_N, SCRYPT_R, SCRYPT_P, secrets.token_bytes(16))


def password_fits(password: str, stored: str) -> bool:
    """Whether `password` is the one behind `stored`."""
    _, n, r, p, salt, _ = stored.split("$")
    return hmac.compare_digest(_hash(password, int(n), int(r), int(p), bytes.fromhex(salt)), stored)


def _hash(password: str, n: int, r: int, p: int, salt: bytes) -> str:
    secret = unicodedata.normalize("NFKC", password).encode()

    def work() -> bytes:
        return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)

    with _hashing:
        derived: bytes = ask(gevent.get_hub().threadpool, work)
    return f"scrypt${n}${r}${p}${salt.hex()}${derived.hex()}"


# -- rows ----------------------------------------------------------------------------------------------------------


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


# -- log-in --------------------------------------------------------------------------------------------------------


def log_in(store: Store, name: str, password: str, address: str, now_us: int) -> Welcome | Wrong | Wait:
    """Try name and password, unless too many tries failed from this address, or for this account.

    A try counts as failed before the password is looked at, so that many at once are no way around the count. A name
    that nobody has takes as long as one that somebody has, and is slowed alike.
    """
    account, address = unicodedata.normalize("NFKC", name).strip()[:64], address[:100]
    keys = (("pair", f"{account} {address}"), ("address", address), ("account", account))
    tried, person, stored = store.run(lambda tx: _before(tx, keys, account, now_us), TRIES)
    if tried.wait_us > 0:
        return Wait(-(-tried.wait_us // 1_000_000))
    fits = password_fits(password[:1000], stored or _nobody())
    if fits and stored is not None and person is not None and person.active:
        store.run(lambda tx: take_back(tx, tried), TRIES)
        return Welcome(person)
    return Wrong()


def wait_us(scope: str, failures: int, last_at_us: int, now_us: int) -> int:
    """How long until the next try: 1 s after the first failure too many, then twice as long each time, to a bound."""
    surplus = failures - FREE_TRIES[scope]
    if surplus < 0:
        return 0
    return max(0, last_at_us + min(FIRST_WAIT_US << min(surplus, 20), LONGEST_WAIT_US[scope]) - now_us)


Keys = Sequence[tuple[str, str]]
"""(scope, who or where), scopes as in FREE_TRIES."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try, and what had failed before it."""

    wait_us: int
    """More than 0: it was none, since nothing may be tried for so long."""
    at_us: int
    stood: Mapping[tuple[str, str], tuple[int, int]]
    """Of each of its keys: failures that counted, and the time of the last."""


def _before(tx: Tx, keys: Keys, account: str, now_us: int) -> tuple[Try, PersonChanged | None, str | None]:
    people, tried = tx.tables["people"], count_try(tx, keys, now_us)
    stored = tx.sql.execute(select(people.c.password).where(people.c.id == account)).scalar()
    return tried, find(tx, account), stored


def faded(scope: str, failures: int, last_at_us: int, now_us: int) -> int:
    """Of so many failures, how many still count."""
    return max(0, failures - max(0, now_us - last_at_us) // FADES_US[scope]) if scope in FADES_US else failures


def count_try(tx: Tx, keys: Keys, now_us: int) -> Try:
    """Whether something may be tried now (`wait_us` is 0): then it counts as failed until `take_back`."""
    table, longest = tx.tables["login_failures"], 0
    tx.sql.execute(delete(table).where(table.c.last_at_us < now_us - FORGET_AFTER_US))
    stood: dict[tuple[str, str], tuple[int, int]] = {}
    for scope, key in keys:
        row = tx.first(table, ("failures", "last_at_us"), scope=scope, key=key)
        if row is not None:
            failures = faded(scope, row.failures, row.last_at_us, now_us)
            longest = max(longest, wait_us(scope, failures, row.last_at_us, now_us))
            stood[scope, key] = failures, row.last_at_us
    if longest == 0:
        for scope, key in keys:
            failures = stood[scope, key][0] + 1 if (scope, key) in stood else 1
            _set(tx, scope, key, failures, now_us)
    return Try(longest, now_us, {(scope, key): stood.get((scope, key), (0, 0)) for scope, key in keys})


def _set(tx: Tx, scope: str, key: str, failures: int, last_at_us: int) -> None:
    table = tx.tables["login_failures"]
    tx.delete(table, scope=scope, key=key)
    row = {"scope": scope, "key": key, "failures": failures, "last_at_us": last_at_us}
    if failures > 0 and not tx.insert_once(table, row):
        raise Conflict(f"log-ins of {scope}")


def take_back(tx: Tx, tried: Try) -> None:
    """The try was a good one: it counts nowhere, and this visitor's own mistakes before it are forgotten."""
    for (scope, key), (_, last_at_us) in tried.stood.items():
        row = tx.first(tx.tables["login_failures"], ("failures", "last_at_us"), scope=scope, key=key)
        if row is not None:
            others = row.last_at_us != tried.at_us  # tried since
            own = scope in ("pair", "code")
            _set(tx, scope, key, 0 if own else row.failures - 1, row.last_at_us if others else last_at_us)


def _nobody() -> str:
    return f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${'00' * 16}${'00' * 32}"
