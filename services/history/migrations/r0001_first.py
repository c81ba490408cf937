"""Calls, legs, steps, what commands came to, and who looked at them.

Enters: a store of no revision, empty or from before there were any. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "history_0001"
down_revision = None
branch_labels = ("history",)
depends_on = None


def upgrade() -> None:
    """Tables that stand already, made before there were revisions, are kept as they are."""
    op.create_table(
        "access_log",
        Column("seq", BigInteger().with_variant(Integer(), "sqlite"), autoincrement=True, nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("person", Text(), nullable=False),
        Column("what", Text(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        PrimaryKeyConstraint("seq"),
        if_not_exists=True,
    )
    op.create_index("access_log_by_person", "access_log", ["person", "tenant", "call", "at_us"], if_not_exists=True)
    op.create_index("ix_access_log_at_us", "access_log", ["at_us"], if_not_exists=True)
    op.create_table(
        "calls",
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("started_at_us", BigInteger(), nullable=False),
        Column("answered_at_us", BigInteger()),
        Column("ended_at_us", BigInteger()),
        Column("dialled", Text(), nullable=False),
        Column("caller_number", Text(), nullable=False),
        Column("caller_name", Text(), nullable=False),
        Column("caller_presentation", Text(), nullable=False),
        Column("direction", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("result", Text(), nullable=False),
        Column("answered_by", Text(), nullable=False),
        Column("answered_by_via", Text(), nullable=False),
        Column("talk_ms", BigInteger(), nullable=False),
        Column("charge_incl", Text(), nullable=False),
        Column("charge_excl", Text(), nullable=False),
        Column("charges", BigInteger(), nullable=False),
        Column("recording", Text(), nullable=False),
        Column("legs", BigInteger(), nullable=False),
        Column("estimated", Boolean(), nullable=False),
        PrimaryKeyConstraint("tenant", "call"),
        if_not_exists=True,
    )
    op.create_index("calls_by_end", "calls", ["state", "ended_at_us"], if_not_exists=True)
    op.create_index("calls_by_tenant", "calls", ["tenant", "state", "ended_at_us"], if_not_exists=True)
    op.create_table(
        "command_results",
        Column("command", Text(), nullable=False),
        Column("result", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("leg", Text(), nullable=False),
        Column("reason", Text(), nullable=False),
        Column("decision_us", BigInteger()),
        Column("at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("command", "result"),
        if_not_exists=True,
    )
    op.create_table(
        "decisions",
        Column("command", Text(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("leg", Text(), nullable=False),
        Column("cause", Text(), nullable=False),
        PrimaryKeyConstraint("command"),
        if_not_exists=True,
    )
    op.create_table(
        "legs",
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("leg", Text(), nullable=False),
        Column("kind", Text(), nullable=False),
        Column("direction", Text(), nullable=False),
        Column("via", Text(), nullable=False),
        Column("destination", Text(), nullable=False),
        Column("switch", Text(), nullable=False),
        Column("payer", Text(), nullable=False),
        Column("started_at_us", BigInteger()),
        Column("ringing_at_us", BigInteger()),
        Column("answered_at_us", BigInteger()),
        Column("ended_at_us", BigInteger()),
        Column("cause", Text(), nullable=False),
        Column("sip_status", BigInteger()),
        Column("hung_up_by", Text(), nullable=False),
        Column("decision", Text(), nullable=False),
        Column("inherited", Boolean(), nullable=False),
        Column("estimated", Boolean(), nullable=False),
        PrimaryKeyConstraint("tenant", "call", "leg"),
        if_not_exists=True,
    )
    op.create_index("legs_by_leg", "legs", ["leg"], if_not_exists=True)
    op.create_table(
        "steps",
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("key", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant", "call", "key"),
        if_not_exists=True,
    )
    op.create_table(
        "switches",
        Column("switch", Text(), nullable=False),
        Column("connected", Boolean(), nullable=False),
        Column("since_us", BigInteger(), nullable=False),
        Column("reason", Text(), nullable=False),
        PrimaryKeyConstraint("switch"),
        if_not_exists=True,
    )
    op.create_table(
        "tallies",
        Column("what", Text(), nullable=False),
        Column("leg", Text(), nullable=False),
        Column("park", Integer(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("id", Text(), nullable=False),
        Column("times", Integer(), nullable=False),
        PrimaryKeyConstraint("what", "leg", "park"),
        if_not_exists=True,
    )
