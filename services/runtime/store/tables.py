"""The tables that every service has beside its own: states, ids seen, keys done, outbox, timers, failures, projections.

Enters: a MetaData. Leaves: its tables. A change here is a revision in `migrations/` too (`docs/development.md`). What
the rows mean belongs to `transaction.py`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""Counts up by itself. PostgreSQL's INTEGER ends at 2**31: 250 days of 100 rows a second; SQLite's has 64 bits."""


def add_runtime_tables(metadata: MetaData) -> None:
    """The tables every service has, added to its own."""
    Table(
        "states",
        metadata,
        Column("kind", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("version", Integer, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "seen",
        metadata,
        Column("id", Text, primary_key=True),
        Column("at_us", BigInteger, nullable=False, index=True),
    )
    Table(
        "done",
        metadata,
        Column("scope", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("at_us", BigInteger, nullable=False, index=True),
    )
    Table(
        "outbox",
        metadata,
        Column("seq", ROW_NUMBER, primary_key=True, autoincrement=True),
        Column("id", Text, nullable=False, index=True),
        Column("cause", Text, nullable=False, index=True),
        Column("at_us", BigInteger, nullable=False),
        Column("delivery", Text, nullable=False),
        Column("routing_key", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("lives_us", BigInteger),
    )
    Table(
        "timers",
        metadata,
        Column("name", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("due_at_us", BigInteger, nullable=False, index=True),
        Column("tenant", Text, nullable=False),
        Column("call", Text, nullable=False),
    )
    Table(
        "failures",
        metadata,
        Column("id", Text, primary_key=True),
        Column("attempts", Integer, nullable=False),
        Column("at_us", BigInteger, nullable=False, index=True),
    )
    Table(
        "projections",
        metadata,
        Column("kind", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("revision", Text, nullable=False),
        Column("as_of_us", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
