"""The tables that every service has beside its own: states, ids seen, keys done, outbox, timers, failures, projections.

Enters: a MetaData. Leaves: its tables. A change here is a revision in `revisions/` too (`docs/development.md`). What
the rows mean belongs to `transaction.py`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""Counts up by itself. PostgreSQL's INTEGER ends at 2**31: 250 days of 100 rows a second; SQLite's has 64 bits."""


def add_runtime_tables(metadata: MetaData) -> None:
    """The tables every service has, added to its own."""
    Table(
        "states",
        metadata,
        Column("kind", String(32), primary_key=True),
        Column("name", String(200), primary_key=True),
        Column("version", Integer, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "seen",
        metadata,
        Column("id", String(200), primary_key=True),
        Column("at_us", BigInteger, nullable=False, index=True),
    )
    Table(
        "done",
        metadata,
        Column("scope", String(200), primary_key=True),
        Column("key", String(300), primary_key=True),
        Column("at_us", BigInteger, nullable=False, index=True),
    )
    Table(
        "outbox",
        metadata,
        Column("seq", ROW_NUMBER, primary_key=True, autoincrement=True),
        Column("id", String(200), nullable=False, index=True),
        Column("cause", String(200), nullable=False, index=True),
        Column("at_us", BigInteger, nullable=False),
        Column("delivery", String(16), nullable=False),
        Column("routing_key", String(300), nullable=False),
        Column("tenant", String(40), nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("lives_us", BigInteger),
    )
    Table(
        "timers",
        metadata,
        Column("name", String(64), primary_key=True),
        Column("subject", String(200), primary_key=True),
        Column("due_at_us", BigInteger, nullable=False, index=True),
        Column("tenant", String(40), nullable=False),
        Column("call", String(128), nullable=False),
    )
    Table(
        "failures",
        metadata,
        Column("id", String(200), primary_key=True),
        Column("attempts", Integer, nullable=False),
        Column("at_us", BigInteger, nullable=False, index=True),
    )
    Table(
        "projections",
        metadata,
        Column("kind", String(16), primary_key=True),
        Column("name", String(64), primary_key=True),
        Column("revision", String(80), nullable=False),
        Column("as_of_us", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
