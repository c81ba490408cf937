"""What the clients' files were: the text of each that took effect, numbered per client, with who changed it and why.

Enters: files that took effect, and notes of whoever is about to write one. Leaves: entries, newest first; the text of
any of them. A file that somebody edited without a word says `file`. Nothing is ever taken out, except with the client.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    func,
    insert,
    select,
)

from proto.tenant import Tenant
from proto.tenant.platform import Platform
from services.directory.audit.rows import audited
from services.directory.tenants.documents import Document
from services.runtime.store import Conflict, Tx

BY_FILE = "file"
"""Who: somebody with an editor, on the machine."""


class Entry(msgspec.Struct, frozen=True):
    """One text that took effect."""

    tenant: str
    number: int
    at_us: int
    who: str
    why: str
    file: str
    revision: str
    gone: bool
    """The file was removed: the text is the last one."""
    digest: str


def add_text_tables(metadata: MetaData) -> None:
    """Texts by client and number; notes wait for their text to take effect."""
    Table(
        "file_texts",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("at_us", BigInteger, nullable=False),
        Column("who", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("file", Text, nullable=False),
        Column("revision", Text, nullable=False),
        Column("gone", Boolean, nullable=False),
        Column("digest", Text, nullable=False),
        Column("text", LargeBinary, nullable=False),
    )
    Table(
        "file_notes",
        metadata,
        Column("digest", Text, primary_key=True),
        Column("file", Text, primary_key=True),
        Column("who", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("at_us", BigInteger, nullable=False),
    )


def digest_of(text: bytes) -> str:
    """SHA-256 of a file's bytes: other than a revision, it sees comments and spaces."""
    return hashlib.sha256(text).hexdigest()


def note(tx: Tx, file: str, text: bytes, who: str, why: str, now_us: int) -> None:
    """Say who is about to write this text into this file, and why; a later note on the same counts."""
    table = tx.tables["file_notes"]
    key = {"digest": digest_of(text), "file": file}
    tx.delete(table, **key)
    tx.sql.execute(insert(table).values(**key, who=who[:120], why=why[:500], at_us=now_us))


def keep(tx: Tx, last: Entry | None, tenant: str, document: Document[Tenant] | Document[Platform], now_us: int) -> None:
    """Add an entry unless `last`, what stands, has this text. Raises Conflict if another process did meanwhile."""
    digest, file = digest_of(document.text), document.file
    if last is not None and (last.digest, last.gone, last.file) == (digest, False, file):
        return
    notes = tx.tables["file_notes"]
    said = tx.first(notes, ("who", "why"), digest=digest, file=file)
    who, why = (said.who, said.why) if said is not None else (BY_FILE, "")
    number = last.number + 1 if last is not None else 1
    _add(tx, last, Entry(tenant, number, now_us, who, why, file, document.revision, False, digest), document.text)
    tx.delete(notes, digest=digest, file=file)


def keep_end(tx: Tx, last: Entry, now_us: int) -> None:
    """The client's file is gone, and so is the client."""
    found = text_of(tx, last.tenant, last.number)
    if found is not None and not last.gone:
        end = msgspec.structs.replace(last, number=last.number + 1, at_us=now_us, who=BY_FILE, why="", gone=True)
        _add(tx, last, end, found[1])


def _add(tx: Tx, last: Entry | None, entry: Entry, text: bytes) -> None:
    if not tx.insert_once(tx.tables["file_texts"], {**msgspec.structs.asdict(entry), "text": text}):
        raise Conflict(f"text {entry.number} of {entry.tenant}")
    what = "tenant_file.removed" if entry.gone else "tenant_file.changed"
    before = {"number": last.number, "file": last.file} if last is not None else None
    after = {"number": entry.number, "file": entry.file, "why": entry.why}
    audited(tx, entry.who, what, entry.tenant, entry.file, before, after, now_us=entry.at_us)


def standing(tx: Tx) -> dict[str, Entry]:
    """The newest entry of every client, and of the platform."""
    table = tx.tables["file_texts"]
    newest = select(table.c.tenant, func.max(table.c.number).label("number")).group_by(table.c.tenant).subquery()
    here = (table.c.tenant == newest.c.tenant) & (table.c.number == newest.c.number)
    return {row.tenant: _entry(row) for row in tx.sql.execute(select(*_columns(table)).join(newest, here))}


def latest(tx: Tx, tenant: str) -> Entry | None:
    """What stands of this client, as it was last taken."""
    return next(history(tx, tenant, 1), None)


def history(tx: Tx, tenant: str, limit: int = 1000, before: int | None = None) -> Iterator[Entry]:
    """Newest first; `before`: only smaller numbers."""
    table = tx.tables["file_texts"]
    query = select(*_columns(table)).where(table.c.tenant == tenant).order_by(table.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.number < before)
    return (_entry(row) for row in tx.sql.execute(query))


def text_of(tx: Tx, tenant: str, number: int) -> tuple[Entry, bytes] | None:
    """One entry with its text; None: there is no such number."""
    row = tx.first(tx.tables["file_texts"], tenant=tenant, number=number)
    return None if row is None else (_entry(row), bytes(row.text))


def in_force(tx: Tx) -> dict[str, bytes]:
    """File name -> text, of every client (and the platform) that is there now."""
    found = [text_of(tx, one.tenant, one.number) for one in standing(tx).values() if not one.gone]
    return {one.file: text for one, text in sorted(filter(None, found), key=lambda pair: pair[0].file)}


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if column.name != "text"]


def _entry(row: Row[Any]) -> Entry:
    return Entry(**{name: getattr(row, name) for name in Entry.__struct_fields__})
