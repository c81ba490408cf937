"""The tables that every service has.

Enters: a store of no revision, empty or from before there were any. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "runtime_0001"
down_revision = None
branch_labels = ("runtime",)
depends_on = None


def upgrade() -> None:
    """Tables that stand already, made before there were revisions, are kept as they are."""
    op.create_table(
        "done",
        Column("scope", Text(), nullable=False),
        Column("key", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("scope", "key"),
        if_not_exists=True,
    )
    op.create_index("ix_done_at_us", "done", ["at_us"], if_not_exists=True)
    op.create_table(
        "failures",
        Column("id", Text(), nullable=False),
        Column("attempts", Integer(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_failures_at_us", "failures", ["at_us"], if_not_exists=True)
    op.create_table(
        "outbox",
        Column("seq", BigInteger().with_variant(Integer(), "sqlite"), autoincrement=True, nullable=False),
        Column("id", Text(), nullable=False),
        Column("cause", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("delivery", Text(), nullable=False),
        Column("routing_key", Text(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        Column("lives_us", BigInteger()),
        PrimaryKeyConstraint("seq"),
        if_not_exists=True,
    )
    op.create_index("ix_outbox_cause", "outbox", ["cause"], if_not_exists=True)
    op.create_index("ix_outbox_id", "outbox", ["id"], if_not_exists=True)
    op.create_table(
        "projections",
        Column("kind", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("revision", Text(), nullable=False),
        Column("as_of_us", BigInteger(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("kind", "name"),
        if_not_exists=True,
    )
    op.create_table(
        "seen",
        Column("id", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_seen_at_us", "seen", ["at_us"], if_not_exists=True)
    op.create_table(
        "states",
        Column("kind", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("version", Integer(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("kind", "name"),
        if_not_exists=True,
    )
    op.create_table(
        "timers",
        Column("name", Text(), nullable=False),
        Column("subject", Text(), nullable=False),
        Column("due_at_us", BigInteger(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        PrimaryKeyConstraint("name", "subject"),
        if_not_exists=True,
    )
    op.create_index("ix_timers_due_at_us", "timers", ["due_at_us"], if_not_exists=True)
