"""Who looked at a dead letter, mended, replayed or threw it away; and what was mended, beside the original.

Enters: deeds, before they are done. Leaves: the same, oldest first; bodies in place of others. The table of deeds is
append-only in the database itself (triggers in `migrations/`). What a deed does belongs to `desk.py`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table, Text, select

from services.runtime.bus import DeadLetter
from services.runtime.store import ROW_NUMBER, Tx, of_room

NAME = "letters"
What = Literal["look", "mend", "replay", "discard", "done", "waits", "not done"]
"""The last three follow a replay or a discard: what came of it."""


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who did what with which letter."""

    at_us: int
    by: str
    what: What
    letter: str
    queue: str
    why: str = ""


def metadata() -> MetaData:
    """The tables of the letters' store."""
    tables = of_room(__package__)
    Table(
        "deeds",
        tables,
        Column("seq", ROW_NUMBER, primary_key=True, autoincrement=True),
        Column("at_us", BigInteger, nullable=False),
        Column("by", String(120), nullable=False),
        Column("what", String(16), nullable=False),
        Column("letter", String(16), nullable=False),
        Column("queue", String(200), nullable=False),
        Column("why", Text, nullable=False),
    )
    Table(
        "mended",
        tables,
        Column("letter", String(16), primary_key=True),
        Column("at_us", BigInteger, nullable=False),
        Column("by", String(120), nullable=False),
        Column("original", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    return tables


def note(tx: Tx, deed: Deed) -> None:
    """Before it is done."""
    tx.sql.execute(tx.tables["deeds"].insert().values(**msgspec.structs.asdict(deed)))


def deeds(tx: Tx, letter: str | None = None) -> list[Deed]:
    """Oldest first; of one letter, or of all."""
    table = tx.tables["deeds"]
    query = select(*(table.c[name] for name in Deed.__struct_fields__)).order_by(table.c.seq)
    return [Deed(*row) for row in tx.sql.execute(query if letter is None else query.where(table.c.letter == letter))]


def mend(tx: Tx, letter: DeadLetter, body: bytes, by: str, at_us: int) -> None:
    """`body` goes in place of the letter's own when it is replayed; a later one goes in place of that."""
    tx.delete(tx.tables["mended"], letter=letter.id)
    row = {"letter": letter.id, "at_us": at_us, "by": by, "original": letter.body, "body": body}
    tx.sql.execute(tx.tables["mended"].insert().values(row))


def mended(tx: Tx) -> frozenset[str]:
    """Letters that somebody has mended."""
    return frozenset(tx.sql.execute(select(tx.tables["mended"].c.letter)).scalars())


def body_of(tx: Tx, letter: str) -> bytes | None:
    """What goes in place of a letter's own body."""
    row = tx.first(tx.tables["mended"], ("body",), letter=letter)
    return None if row is None else bytes(row.body)
