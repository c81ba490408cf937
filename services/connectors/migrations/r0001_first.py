"""Endpoints, deliveries, and calls that ended too early.

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
    String,
    Text,
    UniqueConstraint,
)

revision = "connectors_0001"
down_revision = None
branch_labels = ("connectors",)
depends_on = None


def upgrade() -> None:
    """Tables that stand already, made before there were revisions, are kept as they are."""
    op.create_table(
        "deliveries",
        Column("seq", BigInteger().with_variant(Integer(), "sqlite"), autoincrement=True, nullable=False),
        Column("tenant", String(40), nullable=False),
        Column("call", String(128), nullable=False),
        Column("url", String(520), nullable=False),
        Column("message", String(64), nullable=False),
        Column("body", Text(), nullable=False),
        Column("state", String(16), nullable=False),
        Column("attempts", Integer(), nullable=False),
        Column("due_at_us", BigInteger(), nullable=False),
        Column("reason", String(400), nullable=False),
        PrimaryKeyConstraint("seq"),
        UniqueConstraint("tenant", "call", "url", "message"),
        if_not_exists=True,
    )
    op.create_index("deliveries_due", "deliveries", ["state", "due_at_us"], if_not_exists=True)
    op.create_table(
        "early",
        Column("tenant", String(40), nullable=False),
        Column("call", String(128), nullable=False),
        Column("estimated", Boolean(), nullable=False),
        Column("envelope", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant", "call", "estimated"),
        if_not_exists=True,
    )
    op.create_table(
        "endpoints",
        Column("tenant", String(40), nullable=False),
        Column("url", String(520), nullable=False),
        Column("secret", String(120), nullable=False),
        Column("made_at_us", BigInteger(), nullable=False),
        Column("disabled", String(200), nullable=False),
        PrimaryKeyConstraint("tenant", "url"),
        if_not_exists=True,
    )
