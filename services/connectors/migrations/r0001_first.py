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
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("url", Text(), nullable=False),
        Column("message", Text(), nullable=False),
        Column("body", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("attempts", Integer(), nullable=False),
        Column("due_at_us", BigInteger(), nullable=False),
        Column("reason", Text(), nullable=False),
        PrimaryKeyConstraint("seq"),
        UniqueConstraint("tenant", "call", "url", "message"),
        if_not_exists=True,
    )
    op.create_index("deliveries_due", "deliveries", ["state", "due_at_us"], if_not_exists=True)
    op.create_table(
        "early",
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("estimated", Boolean(), nullable=False),
        Column("envelope", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant", "call", "estimated"),
        if_not_exists=True,
    )
    op.create_table(
        "endpoints",
        Column("tenant", Text(), nullable=False),
        Column("url", Text(), nullable=False),
        Column("secret", Text(), nullable=False),
        Column("made_at_us", BigInteger(), nullable=False),
        Column("disabled", Text(), nullable=False),
        PrimaryKeyConstraint("tenant", "url"),
        if_not_exists=True,
    )
