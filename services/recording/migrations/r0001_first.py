"""The catalogue of recordings.

Enters: a store of no revision, empty or from before there were any. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, PrimaryKeyConstraint, Text

revision = "recording_0001"
down_revision = None
branch_labels = ("recording",)
depends_on = None


def upgrade() -> None:
    """Tables that stand already, made before there were revisions, are kept as they are."""
    op.create_table(
        "recordings",
        Column("recording", Text(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("call", Text(), nullable=False),
        Column("leg", Text(), nullable=False),
        Column("switch", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("path", Text()),
        Column("asked", Boolean(), nullable=False),
        Column("kind", Text(), nullable=False),
        Column("command", Text(), nullable=False),
        Column("asked_at_us", BigInteger()),
        Column("started_at_us", BigInteger()),
        Column("stopped_at_us", BigInteger()),
        Column("length_ms", BigInteger(), nullable=False),
        Column("size_bytes", BigInteger(), nullable=False),
        Column("completion", Text(), nullable=False),
        Column("reason", Text(), nullable=False),
        PrimaryKeyConstraint("recording"),
        if_not_exists=True,
    )
    op.create_index("ix_recordings_call", "recordings", ["call"], if_not_exists=True)
    op.create_index("ix_recordings_command", "recordings", ["command"], if_not_exists=True)
    op.create_index("ix_recordings_leg", "recordings", ["leg"], if_not_exists=True)
    op.create_index("ix_recordings_state", "recordings", ["state"], if_not_exists=True)
    op.create_index("ix_recordings_tenant", "recordings", ["tenant"], if_not_exists=True)
