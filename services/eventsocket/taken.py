"""The commands that this agent has taken, so that none is carried out twice: one table of the agent's store.

Enters: bodies as they came from the bus, ids that were answered. Leaves: which are new, which have no answer yet. What
is done with them belongs to `commander.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, Table, Text, func, select, update

from services.runtime.store import Tx

LAST_US = 10 * 60 * 1_000_000
"""Longer than any command of ours has time, and its mark is kept after that."""
LAST_AT_MOST = 50_000


def add_commands_table(metadata: MetaData) -> None:
    """Commands taken: `done` once their answer is with the bus."""
    Table(
        "commands",
        metadata,
        Column("id", Text, primary_key=True),
        Column("at_us", BigInteger, nullable=False, index=True),
        Column("done", Boolean, nullable=False, index=True),
        Column("body", LargeBinary, nullable=False),
    )


def keep_new(tx: Tx, bodies: Mapping[str, bytes], now_us: int) -> list[str]:
    """Ids of those that were never taken before, in their order; from now on all are."""
    rows = [{"id": command, "at_us": now_us, "done": False, "body": body} for command, body in bodies.items()]
    new = tx.insert_new(tx.tables["commands"], rows, "id")
    return [command for command in bodies if command in new]


def mark_answered(tx: Tx, ids: Sequence[str]) -> None:
    """Their answers are with the bus."""
    table = tx.tables["commands"]
    tx.sql.execute(update(table).where(table.c.id.in_(list(ids))).values(done=True))


def unanswered(tx: Tx) -> list[bytes]:
    """Bodies of those taken by an earlier life that nobody was told the end of, oldest first."""
    table = tx.tables["commands"]
    rows = tx.sql.execute(select(table.c.body).where(table.c.done.is_(False)).order_by(table.c.at_us))
    return [bytes(row.body) for row in rows]


def taken_last(tx: Tx) -> list[bytes]:
    """Bodies of those that an earlier life took in its last minutes, latest first, answered or not."""
    table = tx.tables["commands"]
    end_us = tx.sql.execute(select(func.max(table.c.at_us))).scalar() or 0
    late = select(table.c.body).where(table.c.at_us > end_us - LAST_US).order_by(table.c.at_us.desc())
    return [bytes(row.body) for row in tx.sql.execute(late.limit(LAST_AT_MOST))]


def prune(tx: Tx, before_us: int) -> None:
    """Forget those that were taken before and answered."""
    table = tx.tables["commands"]
    tx.sql.execute(table.delete().where(table.c.at_us < before_us, table.c.done.is_(True)))
