"""The tables of billing.

Enters: a MetaData. Leaves: tables. `ledger` and `confirmations` refuse UPDATE and DELETE in the database itself, by
triggers that stand in `migrations/`. Amounts are text, since SQLite's numbers are binary floats. What the rows mean
belongs to `ledger.py`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, String, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from services.runtime.store import ROW_NUMBER


def add_tables(metadata: MetaData) -> None:
    """All tables of billing, beside those of the runtime."""
    _add_append_only("ledger", metadata)
    _add_append_only("confirmations", metadata)
    Table(
        "usages",
        metadata,
        Column("event", String(200), primary_key=True),
        Column("envelope", LargeBinary, nullable=False),
    )
    Table(
        "hand_confirmations",
        metadata,
        Column("event", String(220), primary_key=True),
        Column("by", String(120), nullable=False),
        Column("at_us", BigInteger, nullable=False),
    )
    Table(
        "waiting",
        metadata,
        Column("switch", String(64), primary_key=True),
        Column("leg", String(128), primary_key=True),
        Column("estimated", Boolean, primary_key=True),
        Column("event", String(200), nullable=False),
        Column("payer", String(40), nullable=False, index=True),
    )
    Table(
        "price_versions",
        metadata,
        Column("id", String(160), primary_key=True),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "arrivals",
        metadata,
        Column("call", String(128), primary_key=True),
        Column("number", String(64), nullable=False),
        Column("phone", String(64), nullable=False),
    )


def _add_append_only(name: str, metadata: MetaData) -> None:
    Table(
        name,
        metadata,
        Column("seq", ROW_NUMBER, primary_key=True, autoincrement=True),
        Column("switch", String(64), nullable=False),
        Column("leg", String(128), nullable=False),
        Column("call", String(128), nullable=False, index=True),
        Column("tenant", String(40), nullable=False),
        Column("payer", String(40), nullable=False, index=True),
        Column("event", String(200), nullable=False),
        Column("answered_at_us", BigInteger, index=True),
        Column("ended_at_us", BigInteger, nullable=False),
        Column("duration_us", BigInteger, nullable=False),
        Column("units", BigInteger, nullable=False),
        Column("amount", String(140), nullable=False),
        Column("currency", String(3), nullable=False),
        Column("basis", String(4), nullable=False),
        Column("price", Text, nullable=False),
        Column("price_table", String(64), nullable=False),
        Column("price_version", String(160), nullable=False),
        Column("timezone", Text, nullable=False),
        Column("arithmetic", Text, nullable=False),
        Column("unpriced", Boolean, nullable=False),
        Column("estimated", Boolean, nullable=False),
        Unique("switch", "leg"),
    )
