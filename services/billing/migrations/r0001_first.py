"""Billing's tables, and the guards that make the ledger append-only.

Enters: a store of no revision, empty or from before there were any. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)

revision = "billing_0001"
down_revision = None
branch_labels = ("billing",)
depends_on = None

_SQLITE = (
    "CREATE TRIGGER IF NOT EXISTS {table}_no_update BEFORE UPDATE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS {table}_no_delete BEFORE DELETE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    # INSERT OR REPLACE deletes without firing the trigger above (sqlite.org/lang_conflict.html).
    "CREATE TRIGGER IF NOT EXISTS {table}_no_replace BEFORE INSERT ON {table} "
    "WHEN EXISTS (SELECT 1 FROM {table} WHERE switch = NEW.switch AND leg = NEW.leg OR seq = NEW.seq) "
    "BEGIN SELECT RAISE(IGNORE); END",
)
_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
    "CREATE OR REPLACE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
    "CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()",
)


def upgrade() -> None:
    """Tables that stand already, made before there were revisions, are kept as they are."""
    op.create_table(
        "arrivals",
        Column("call", Text(), nullable=False),
        Column("number", Text(), nullable=False),
        Column("phone", Text(), nullable=False),
        PrimaryKeyConstraint("call"),
        if_not_exists=True,
    )
    for table in ("confirmations", "ledger"):
        _make_append_only(table)
    op.create_table(
        "hand_confirmations",
        Column("event", Text(), nullable=False),
        Column("by", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("event"),
        if_not_exists=True,
    )
    op.create_table(
        "price_versions",
        Column("id", Text(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_table(
        "usages",
        Column("event", Text(), nullable=False),
        Column("envelope", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("event"),
        if_not_exists=True,
    )
    op.create_table(
        "waiting",
        Column("switch", Text(), nullable=False),
        Column("leg", Text(), nullable=False),
        Column("estimated", Boolean(), nullable=False),
        Column("event", Text(), nullable=False),
        Column("payer", Text(), nullable=False),
        PrimaryKeyConstraint("switch", "leg", "estimated"),
        if_not_exists=True,
    )
    op.create_index("ix_waiting_payer", "waiting", ["payer"], if_not_exists=True)


def _make_append_only(table: str) -> None:
    op.create_table(
        table,
        Column("seq", BigInteger().with_variant(Integer(), "sqlite"), autoincrement=True, nullable=False),
        Column("switch", Text(), nullable=False),
        Column("leg", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("payer", Text(), nullable=False),
        Column("event", Text(), nullable=False),
        Column("answered_at_us", BigInteger()),
        Column("ended_at_us", BigInteger(), nullable=False),
        Column("duration_us", BigInteger(), nullable=False),
        Column("units", BigInteger(), nullable=False),
        Column("amount", Text(), nullable=False),
        Column("currency", Text(), nullable=False),
        Column("basis", Text(), nullable=False),
        Column("price", Text(), nullable=False),
        Column("price_table", Text(), nullable=False),
        Column("price_version", Text(), nullable=False),
        Column("timezone", Text(), nullable=False),
        Column("arithmetic", Text(), nullable=False),
        Column("unpriced", Boolean(), nullable=False),
        Column("estimated", Boolean(), nullable=False),
        PrimaryKeyConstraint("seq"),
        UniqueConstraint("switch", "leg"),
        if_not_exists=True,
    )
    op.create_index(f"ix_{table}_answered_at_us", table, ["answered_at_us"], if_not_exists=True)
    op.create_index(f"ix_{table}_call", table, ["call"], if_not_exists=True)
    op.create_index(f"ix_{table}_payer", table, ["payer"], if_not_exists=True)
    for statement in _SQLITE if op.get_context().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement.format(table=table))
