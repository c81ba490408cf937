"""A write that is sent again has its effect once: its answer is kept under the Idempotency-Key that came with it.

Enters: a transaction, whose token it is, the key, a digest of the request. Leaves: rows, and the first answer again
(draft-ietf-httpapi-idempotency-key-header-07). Where the effect is rows of the same store, all of it is one
transaction; a file is written between two: whoever died in between is taken over from after a minute.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Update,
    delete,
    func,
    select,
    update,
)

from services.runtime.store import Conflict, Tx
from services.runtime.web.problems import Refused

KEPT_US = 24 * 3600 * 1_000_000
UNDER_WAY_US = 60_000_000
MOST = 5_000
"""Answers kept for one token."""


class Write(NamedTuple):
    """A request that changes something: by which token, under which key, and a digest of all that it says."""

    token: str
    key: str
    digest: str


class Kept(NamedTuple):
    """An answer."""

    status: int
    etag: str
    body: bytes


def add_writes_table(metadata: MetaData) -> None:
    """Writes of programs, for a day."""
    Table(
        "api_writes",
        metadata,
        Column("token", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("digest", Text, nullable=False),
        Column("at_us", BigInteger, nullable=False, index=True),
        Column("status", Integer),
        Column("etag", Text),
        Column("body", LargeBinary),
    )


def begin(tx: Tx, write: Write, now_us: int) -> Kept | None:
    """The answer that was given before; None: it is to be done now. Raises Refused (409, 422, 429), Conflict."""
    table = tx.tables["api_writes"]
    tx.sql.execute(delete(table).where(table.c.at_us < now_us - KEPT_US))
    row = tx.first(table, token=write.token, key=write.key)
    if row is None:
        _check_room(tx, write, now_us)
        new = {**write._asdict(), "at_us": now_us, "status": None, "etag": None, "body": None}
        if not tx.insert_once(table, new):
            raise Conflict("api_writes")
        return None
    if row.digest != write.digest:
        raise Refused(422, "This Idempotency-Key came with another request before.")
    if row.status is not None:
        return Kept(row.status, row.etag, bytes(row.body))
    if row.at_us > now_us - UNDER_WAY_US:
        raise Refused(409, retry_after_s=1)
    if tx.sql.execute(_under_way(tx, write, row.at_us).values(at_us=now_us)).rowcount != 1:
        raise Conflict("api_writes")
    return None


def _check_room(tx: Tx, write: Write, now_us: int) -> None:
    table = tx.tables["api_writes"]
    count, first_us = tx.sql.execute(
        select(func.count(), func.min(table.c.at_us)).where(table.c.token == write.token)
    ).one()
    if count >= MOST:
        wait_us = first_us + KEPT_US - now_us
        raise Refused(429, f"A token changes at most {MOST} things a day.", retry_after_s=wait_us // 1_000_000 + 1)


def finish(tx: Tx, write: Write, began_us: int, answer: Kept) -> None:
    """Keep the answer, with its effect. Raises Refused (409): somebody took it over meanwhile."""
    if tx.sql.execute(_under_way(tx, write, began_us).values(**answer._asdict())).rowcount != 1:
        raise Refused(409, retry_after_s=1)


def forget(tx: Tx, write: Write, began_us: int) -> None:
    """It was refused: nothing was done, and the key may come again."""
    table = tx.tables["api_writes"]
    tx.sql.execute(delete(table).where(*_here(table, write, began_us)))


def _under_way(tx: Tx, write: Write, began_us: int) -> Update:
    table = tx.tables["api_writes"]
    return update(table).where(*_here(table, write, began_us))


def _here(table: Table, write: Write, began_us: int) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.token == write.token,
        table.c.key == write.key,
        table.c.at_us == began_us,
        table.c.status.is_(None),
    )
