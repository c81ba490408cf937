"""The audit log: who changed or looked at what, when and for which client; rows that are only ever added.

Enters: a transaction in which something changes, with how it was and how it is. Leaves: an entry in the same
transaction; entries for pages and exports. How entries hold together stands in `chain.py`. Looks at calls are told by
history, which owns calls (PrivateSeen).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Index, MetaData, Select, Table, Text, func, select, update

from services.directory.audit import chain
from services.directory.audit.chain import ERASED, START, Entry
from services.runtime.store import Conflict, Store, Tx

LONGEST = 4_000
"""Characters of one text in an entry; what is longer is cut, and says so."""
AT_ONCE = 1_000
VISIT_US = 3_600_000_000
SECRET = ("password", "secret", "digest", "token")
"""Never in an entry, whoever hands them over."""


def add_audit_table(metadata: MetaData) -> None:
    """One row per entry, never changed but to erase its private parts: about, before, after and their salt."""
    audit = Table(
        "audit",
        metadata,
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("at_us", BigInteger, nullable=False, index=True),
        Column("what", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("who", Text, nullable=False),
        Column("about", Text),
        Column("before", Text),
        Column("after", Text),
        Column("salt", Text),
        Column("digest", Text, nullable=False),
        Column("chain", Text, nullable=False),
    )
    Index("audit_by_tenant", audit.c.tenant, audit.c.seq)
    Index("audit_by_who", audit.c.who, audit.c.seq)


class Wanted(msgspec.Struct, frozen=True):
    """Which entries; what is left empty does not matter."""

    tenants: tuple[str, ...] | None = None
    """None: all. A person sees only entries of these clients."""
    tenant: str = ""
    who: str = ""
    since_us: int | None = None
    until_us: int | None = None
    """Exclusive."""


def audited(
    tx: Tx,
    who: str,
    what: str,
    tenant: str,
    about: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    *,
    now_us: int,
) -> int:
    """Add an entry within the transaction of the change itself; its number. Raises Conflict: run the closure again.

    `what` is `thing.verb` (`person.changed`), `tenant` a client or PLATFORM_TENANT, `about` the id of the thing;
    `before` and `after` hold what differs, of values that JSON knows. Passwords and secrets never stand in them.
    """
    table = tx.tables["audit"]
    last = tx.sql.execute(select(table.c.seq, table.c.chain).order_by(table.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.chain) if last else (1, START)
    salt, about, old, new = secrets.token_hex(16), about[:LONGEST], _text(before), _text(after)
    content = chain.digest(salt, about, old, new)
    row = {
        "seq": seq,
        "at_us": now_us,
        "who": who,
        "what": what,
        "tenant": tenant,
        "about": about,
        "before": old,
        "after": new,
        "salt": salt,
        "digest": content,
        "chain": chain.link(previous, seq, now_us, who, what, tenant, content),
    }
    if not tx.insert_once(table, row):
        raise Conflict(f"audit {seq}")
    return seq


def is_noted(tx: Tx, who: str, what: str, tenant: str, now_us: int) -> bool:
    """Whether there is such an entry from the last VISIT_US: going on is no other look."""
    table = tx.tables["audit"]
    here = (table.c.who == who, table.c.what == what, table.c.tenant == tenant, table.c.at_us > now_us - VISIT_US)
    return tx.sql.execute(select(table.c.seq).where(*here).limit(1)).first() is not None


def _text(values: Mapping[str, Any] | None) -> str | None:
    if values is None:
        return None
    if secret := [name for name in values if any(word in name for word in SECRET)]:
        raise ValueError(f"{', '.join(secret)}: secrets never stand in the audit log")
    return msgspec.json.encode({name: _short(value) for name, value in values.items()}).decode()


def _short(value: Any) -> Any:
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value


def entries(tx: Tx, wanted: Wanted, limit: int, before_seq: int | None = None) -> list[Entry]:
    """Newest first, at most `limit`; `before_seq`: only older ones."""
    table = tx.tables["audit"]
    query = _wanted(select(table), tx, wanted).order_by(table.c.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(table.c.seq < before_seq)
    return [_entry(row) for row in tx.sql.execute(query)]


def oldest_first(store: Store, wanted: Wanted | None = None) -> Iterator[Entry]:
    """All entries, some at a time, so that nobody waits for the reader. Raises Unavailable."""
    after, wished = 0, wanted or Wanted()

    def some(tx: Tx) -> list[Entry]:
        table = tx.tables["audit"]
        query = _wanted(select(table), tx, wished).where(table.c.seq > after)
        return [_entry(row) for row in tx.sql.execute(query.order_by(table.c.seq).limit(AT_ONCE))]

    while found := store.run(some):
        yield from found
        after = found[-1].seq


def erasable(tx: Tx, tenant: str, before_us: int, kind: str = "") -> ColumnElement[bool]:
    """A client's entries of before a time that still have their private parts; `kind`: how `what` begins."""
    table = tx.tables["audit"]
    old = (
        (table.c.tenant == tenant) & (table.c.at_us < before_us) & (table.c.what != ERASED) & table.c.salt.is_not(None)
    )
    return old & table.c.what.startswith(kind, autoescape=True) if kind else old


def erase(tx: Tx, who: str, tenant: str, before_us: int, now_us: int, kind: str = "") -> int:
    """Erase the private parts of those entries; how many. The erasure is an entry itself."""
    table, old = tx.tables["audit"], erasable(tx, tenant, before_us, kind)
    count, until = tx.sql.execute(select(func.count(), func.max(table.c.seq)).where(old)).one()
    if count:
        tx.sql.execute(update(table).where(old).values(about=None, before=None, after=None, salt=None))
        audited(tx, who, ERASED, tenant, "", after={"entries": count, "until": until}, now_us=now_us)
    return int(count)


def _wanted(query: Select[Any], tx: Tx, wanted: Wanted) -> Select[Any]:
    table = tx.tables["audit"]
    if wanted.tenants is not None:
        query = query.where(table.c.tenant.in_(wanted.tenants))
    if wanted.tenant:
        query = query.where(table.c.tenant == wanted.tenant)
    if wanted.who:
        query = query.where(table.c.who == wanted.who)
    if wanted.since_us is not None:
        query = query.where(table.c.at_us >= wanted.since_us)
    if wanted.until_us is not None:
        query = query.where(table.c.at_us < wanted.until_us)
    return query


def _entry(row: Any) -> Entry:
    return Entry(**{name: getattr(row, name) for name in Entry.__struct_fields__})
