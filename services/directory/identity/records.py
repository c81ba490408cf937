"""Rows of identity checks: every version of a record, copies of papers; who has been confirmed, and when it may go.

Enters: records of the pages, files as bytes. Leaves: versions (none is ever changed), entries of the audit log that
name fields but not what stands in them, and the clients who may begin. What a record must hold stands in `model.py`.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, Table, Text, func, select

from proto.tenant import Tenant
from services.directory.audit.rows import audited
from services.directory.days import begins_us, day_of
from services.directory.identity import model
from services.directory.identity.model import Record
from services.runtime.store import Conflict, Tx

LARGEST_FILE = 5 << 20
"""Bytes of one copy of a paper."""
MOST_FILES = 20
"""Of one client."""
KINDS = (
    (b"%PDF-", "application/pdf", "pdf"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
)
"""What a copy may be: how its bytes begin, its type, its ending."""


LAPSES_AFTER_US = 30 * 86_400_000_000
"""Whoever comes back later than this after leaving is checked again: it may be another company under an old id."""


class Refused(Exception):
    """Nothing was kept; `reason` says why, `fields` which ones."""

    def __init__(self, reason: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason, self.fields = reason, fields


class Version(msgspec.Struct, frozen=True):
    """A record as somebody left it."""

    tenant: str
    number: int
    at_us: int
    who: str
    why: str
    confirmed: bool
    record: Record


class Copy(msgspec.Struct, frozen=True):
    """A copy of a paper, without its bytes."""

    id: str
    name: str
    type: str
    size: int
    digest: str
    at_us: int
    who: str


class Standing(msgspec.Struct, frozen=True):
    """A client beside its check."""

    tenant: str
    body: Tenant | None
    """The file that is (or was last) in force."""
    in_force: bool
    last: Version | None
    ended_on: date | None
    """The end of its contract, or the day on which its file was taken away; None: it goes on or has not begun."""
    confirmed: bool
    """Its check is, and it did not leave since."""

    @property
    def needs_base(self) -> bool:
        """Whether a fixed number is among its numbers."""
        return self.body is not None and model.needs_base([self.body])

    def may_be_erased(self, today: date) -> bool:
        """Whether the seven years are over, and the client is not served in spite of it."""
        return not self.in_force and self.ended_on is not None and model.kept_until(self.ended_on) < today


def add_identity_tables(metadata: MetaData) -> None:
    """Versions by client and number, copies of papers by client and id."""
    Table(
        "identity_records",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("at_us", BigInteger, nullable=False),
        Column("who", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("confirmed", Boolean, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "identity_files",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("size", Integer, nullable=False),
        Column("digest", Text, nullable=False),
        Column("at_us", BigInteger, nullable=False),
        Column("who", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )


def confirmed(tx: Tx, now_us: int, of: str | None = None) -> frozenset[str]:
    """Clients whose check is confirmed, and who did not leave since (by days); `of`: this one at most."""
    table, revisions = tx.tables["identity_records"], tx.tables["revisions"]
    newest = select(table.c.tenant, func.max(table.c.number).label("number")).group_by(table.c.tenant)
    if of is not None:
        newest = newest.where(table.c.tenant == of)
    last = newest.subquery()
    here = (table.c.tenant == last.c.tenant) & (table.c.number == last.c.number)
    left = (
        select(revisions.c.tenant)
        .where(revisions.c.tenant == table.c.tenant, revisions.c.gone, revisions.c.since_us > table.c.at_us)
        .where(revisions.c.since_us < _midnight_us(now_us) - LAPSES_AFTER_US)
    )
    query = select(table.c.tenant).join(last, here).where(table.c.confirmed, ~left.exists())
    return frozenset(tx.sql.execute(query).scalars())


def versions(tx: Tx, tenant: str) -> list[Version]:
    """Newest first."""
    table = tx.tables["identity_records"]
    query = select(table).where(table.c.tenant == tenant).order_by(table.c.number.desc())
    return [_version(row) for row in tx.sql.execute(query)]


def _last(tx: Tx) -> dict[str, Version]:
    table = tx.tables["identity_records"]
    newest = select(table.c.tenant, func.max(table.c.number).label("number")).group_by(table.c.tenant).subquery()
    here = (table.c.tenant == newest.c.tenant) & (table.c.number == newest.c.number)
    return {row.tenant: _version(row) for row in tx.sql.execute(select(table).join(newest, here))}


def standings(tx: Tx, today: date) -> list[Standing]:
    """Every client that has a file in force, or a record, by id."""
    table, last = tx.tables["revisions"], _last(tx)
    query = select(table).where(~table.c.tenant.startswith("_", autoescape=True))
    found = {row.tenant: _standing(row.tenant, row, last.get(row.tenant), today) for row in tx.sql.execute(query)}
    for tenant, version in last.items():
        found.setdefault(tenant, _standing(tenant, None, version, today))
    return [found[tenant] for tenant in sorted(found) if found[tenant].in_force or found[tenant].last is not None]


def standing(tx: Tx, tenant: str, today: date) -> Standing:
    """One client; one of whom nothing is known has neither file nor record."""
    row = tx.first(tx.tables["revisions"], tenant=tenant)
    return _standing(tenant, row, next(iter(versions(tx, tenant)), None), today)


def _standing(tenant: str, row: Any, last: Version | None, today: date) -> Standing:
    body = None if row is None else msgspec.json.decode(row.body, type=Tenant)
    ended_on: date | None = None
    if row is not None and body is not None:
        until = date.fromisoformat(body.contract.until) if body.contract.until else None
        removed = day_of(row.since_us) if row.gone else None
        days = [day for day in (until, removed) if day is not None and day <= today]
        ended_on = max(days) if days else None
    in_force = row is not None and not row.gone
    left_since = row is not None and row.gone and last is not None and last.at_us < row.since_us
    lapsed = left_since and day_of(row.since_us + LAPSES_AFTER_US) < today
    return Standing(tenant, body, in_force, last, ended_on, last is not None and last.confirmed and not lapsed)


def save(tx: Tx, who: str, tenant: str, record: Record, seen: int, confirm: bool, why: str, now_us: int) -> Version:
    """A new version, after `seen` (0: none was there). A confirmed record stays so, and therefore complete.

    Raises Refused("changed" | "missing" | "wrong" | "same").
    """
    today = day_of(now_us)
    now = standing(tx, tenant, today)
    if (now.last.number if now.last is not None else 0) != seen:
        raise Refused("changed")
    if found := model.wrong(record, today):
        raise Refused("wrong", tuple(found))
    confirm = confirm or now.confirmed
    if confirm and (lacks := model.missing(record, now.needs_base)):
        raise Refused("missing", lacks)
    was = now.last.record if now.last is not None else None
    fields = model.differences(was, record)
    if now.last is not None and not fields and now.confirmed == confirm:
        raise Refused("same")
    version = Version(tenant, seen + 1, now_us, who, why, confirm, record)
    row = {name: getattr(version, name) for name in ("tenant", "number", "at_us", "who", "why", "confirmed")}
    if not tx.insert_once(tx.tables["identity_records"], {**row, "body": msgspec.json.encode(record)}):
        raise Conflict(f"identity {tenant}")
    what = "identity.confirmed" if confirm and not now.confirmed else "identity.changed"
    after = {"number": version.number, "fields": list(fields), "why": why}
    audited(tx, who, what, tenant, tenant, None, after, now_us=now_us)
    return version


def looked(tx: Tx, who: str, tenant: str, what: str, now_us: int) -> None:
    """Somebody saw the record, or (`what`) one of its papers."""
    audited(tx, who, "identity.looked", tenant, what, now_us=now_us)


def copies(tx: Tx, tenant: str) -> list[Copy]:
    """In the order in which they were added."""
    table = tx.tables["identity_files"]
    columns = [table.c[name] for name in Copy.__struct_fields__]
    query = select(*columns).where(table.c.tenant == tenant).order_by(table.c.at_us, table.c.id)
    return [Copy(*row) for row in tx.sql.execute(query)]


def copy_of(tx: Tx, tenant: str, copy: str) -> tuple[Copy, bytes] | None:
    """One copy with its bytes."""
    row = tx.first(tx.tables["identity_files"], tenant=tenant, id=copy)
    if row is None:
        return None
    return Copy(*(getattr(row, name) for name in Copy.__struct_fields__)), bytes(row.body)


def add_copy(tx: Tx, who: str, tenant: str, name: str, body: bytes, now_us: int) -> Copy:
    """Keep a copy of a paper. Raises Refused("empty" | "large" | "kind" | "many")."""
    kind = next(((of, ending) for begin, of, ending in KINDS if body.startswith(begin)), None)
    if not body:
        raise Refused("empty")
    if len(body) > LARGEST_FILE:
        raise Refused("large")
    if kind is None:
        raise Refused("kind")
    if len(copies(tx, tenant)) >= MOST_FILES:
        raise Refused("many")
    stem = "".join(one for one in name.rpartition(".")[0] if one.isalnum() or one in " _-ー・（）")[:80].strip()
    copy = Copy(
        secrets.token_hex(8),
        f"{stem or 'copy'}.{kind[1]}",
        kind[0],
        len(body),
        hashlib.sha256(body).hexdigest(),
        now_us,
        who,
    )
    if not tx.insert_once(
        tx.tables["identity_files"], {**msgspec.structs.asdict(copy), "tenant": tenant, "body": body}
    ):
        raise Conflict(f"copy {copy.id}")
    audited(tx, who, "identity.file_added", tenant, copy.name, after={"size": copy.size}, now_us=now_us)
    return copy


def erase(tx: Tx, who: str, tenant: str, now_us: int) -> None:
    """Records and copies of a client whose seven years are over. Raises Refused("kept")."""
    today = day_of(now_us)
    now = standing(tx, tenant, today)
    if not now.may_be_erased(today):
        raise Refused("kept")
    tx.delete(tx.tables["identity_records"], tenant=tenant)
    tx.delete(tx.tables["identity_files"], tenant=tenant)
    audited(tx, who, "identity.erased", tenant, tenant, now_us=now_us)


def _midnight_us(now_us: int) -> int:
    """When this day began in Japan."""
    return begins_us(day_of(now_us))


def _version(row: Any) -> Version:
    record = msgspec.json.decode(bytes(row.body), type=Record)
    return Version(row.tenant, row.number, row.at_us, row.who, row.why, row.confirmed, record)
