"""The tables of billing.

Enters: a MetaData. Leaves: tables. `ledger` and `confirmations` refuse UPDATE and DELETE in the database itself, by
triggers that stand in `migrations/`. Amounts are text, since SQLite's numbers are binary floats. What the rows mean
belongs to `ledger.py`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from services.runtime.store import ROW_NUMBER


def add_tables(metadata: MetaData) -> None:
    """All tables of billing, beside those of the runtime."""
    ledger = _add_append_only("ledger", metadata)
    Index("ledger_by_tenant", ledger.c.tenant, ledger.c.ended_at_us)
    _add_append_only("confirmations", metadata)
    Table(
        "usages",
        metadata,
        Column("event", Text, primary_key=True),
        Column("envelope", LargeBinary, nullable=False),
    )
    Table(
        "hand_confirmations",
        metadata,
        Column("event", Text, primary_key=True),
        Column("by", Text, nullable=False),
        Column("at_us", BigInteger, nullable=False),
    )
    Table(
        "waiting",
        metadata,
        Column("switch", Text, primary_key=True),
        Column("leg", Text, primary_key=True),
        Column("estimated", Boolean, primary_key=True),
        Column("event", Text, nullable=False),
        Column("payer", Text, nullable=False, index=True),
    )
    Table(
        "price_versions",
        metadata,
        Column("id", Text, primary_key=True),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "arrivals",
        metadata,
        Column("call", Text, primary_key=True),
        Column("number", Text, nullable=False),
        Column("phone", Text, nullable=False),
    )


def _add_append_only(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        Column("seq", ROW_NUMBER, primary_key=True, autoincrement=True),
        Column("switch", Text, nullable=False),
        Column("leg", Text, nullable=False),
        Column("call", Text, nullable=False, index=True),
        Column("tenant", Text, nullable=False),
        Column("payer", Text, nullable=False, index=True),
        Column("event", Text, nullable=False),
        Column("answered_at_us", BigInteger, index=True),
        Column("ended_at_us", BigInteger, nullable=False),
        Column("duration_us", BigInteger, nullable=False),
        Column("units", BigInteger, nullable=False),
        Column("amount", Text, nullable=False),
        Column("currency", Text, nullable=False),
        Column("basis", Text, nullable=False),
        Column("price", Text, nullable=False),
        Column("price_table", Text, nullable=False),
        Column("price_version", Text, nullable=False),
        Column("timezone", Text, nullable=False),
        Column("arithmetic", Text, nullable=False),
        Column("unpriced", Boolean, nullable=False),
        Column("estimated", Boolean, nullable=False),
        Unique("switch", "leg"),
    )
