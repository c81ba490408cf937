"""Calls, legs, steps, what commands came to, and who looked at them.

Enters: a store of no revision, empty or from before there were any. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, String

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
        Column("person", String(64), nullable=False),
        Column("what", String(32), nullable=False),
        Column("tenant", String(40), nullable=False),
        Column("call", String(128), nullable=False),
        PrimaryKeyConstraint("seq"),
        if_not_exists=True,
    )
    op.create_index("access_log_by_person", "access_log", ["person", "tenant", "call", "at_us"], if_not_exists=True)
    op.create_index("ix_access_log_at_us", "access_log", ["at_us"], if_not_exists=True)
    op.create_table(
        "calls",
        Column("tenant", String(40), nullable=False),
        Column("call", String(128), nullable=False),
        Column("started_at_us", BigInteger(), nullable=False),
        Column("answered_at_us", BigInteger()),
        Column("ended_at_us", BigInteger()),
        Column("dialled", String(300), nullable=False),
        Column("caller_number", String(300), nullable=False),
        Column("caller_name", String(300), nullable=False),
        Column("caller_presentation", String(300), nullable=False),
        Column("direction", String(300), nullable=False),
        Column("state", String(300), nullable=False),
        Column("result", String(300), nullable=False),
        Column("answered_by", String(300), nullable=False),
        Column("answered_by_via", String(300), nullable=False),
        Column("talk_ms", BigInteger(), nullable=False),
        Column("charge_incl", String(300), nullable=False),
        Column("charge_excl", String(300), nullable=False),
        Column("charges", BigInteger(), nullable=False),
        Column("recording", String(300), nullable=False),
        Column("legs", BigInteger(), nullable=False),
        Column("estimated", Boolean(), nullable=False),
        PrimaryKeyConstraint("tenant", "call"),
        if_not_exists=True,
    )
    op.create_index("calls_by_end", "calls", ["state", "ended_at_us"], if_not_exists=True)
    op.create_index("calls_by_tenant", "calls", ["tenant", "state", "ended_at_us"], if_not_exists=True)
    op.create_table(
        "command_results",
        Column("command", String(200), nullable=False),
        Column("result", String(16), nullable=False),
        Column("name", String(64), nullable=False),
        Column("leg", String(128), nullable=False),
        Column("reason", String(300), nullable=False),
        Column("decision_us", BigInteger()),
        Column("at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("command", "result"),
        if_not_exists=True,
    )
    op.create_table(
        "decisions",
        Column("command", String(200), nullable=False),
        Column("tenant", String(40), nullable=False),
        Column("call", String(128), nullable=False),
        Column("leg", String(128), nullable=False),
        Column("cause", String(200), nullable=False),
        PrimaryKeyConstraint("command"),
        if_not_exists=True,
    )
    op.create_table(
        "legs",
        Column("tenant", String(40), nullable=False),
        Column("call", String(128), nullable=False),
        Column("leg", String(128), nullable=False),
        Column("kind", String(300), nullable=False),
        Column("direction", String(300), nullable=False),
        Column("via", String(300), nullable=False),
        Column("destination", String(300), nullable=False),
        Column("switch", String(300), nullable=False),
        Column("payer", String(300), nullable=False),
        Column("started_at_us", BigInteger()),
        Column("ringing_at_us", BigInteger()),
        Column("answered_at_us", BigInteger()),
        Column("ended_at_us", BigInteger()),
        Column("cause", String(300), nullable=False),
        Column("sip_status", BigInteger()),
        Column("hung_up_by", String(300), nullable=False),
        Column("decision", String(300), nullable=False),
        Column("inherited", Boolean(), nullable=False),
        Column("estimated", Boolean(), nullable=False),
        PrimaryKeyConstraint("tenant", "call", "leg"),
        if_not_exists=True,
    )
    op.create_index("legs_by_leg", "legs", ["leg"], if_not_exists=True)
    op.create_table(
        "steps",
        Column("tenant", String(40), nullable=False),
        Column("call", String(128), nullable=False),
        Column("key", String(600), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant", "call", "key"),
        if_not_exists=True,
    )
    op.create_table(
        "switches",
        Column("switch", String(64), nullable=False),
        Column("connected", Boolean(), nullable=False),
        Column("since_us", BigInteger(), nullable=False),
        Column("reason", String(300), nullable=False),
        PrimaryKeyConstraint("switch"),
        if_not_exists=True,
    )
    op.create_table(
        "tallies",
        Column("what", String(64), nullable=False),
        Column("leg", String(128), nullable=False),
        Column("park", Integer(), nullable=False),
        Column("call", String(128), nullable=False),
        Column("id", String(200), nullable=False),
        Column("times", Integer(), nullable=False),
        PrimaryKeyConstraint("what", "leg", "park"),
        if_not_exists=True,
    )
