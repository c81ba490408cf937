"""Commands taken by the agent of one switch.

Enters: a store of no revision, empty or from before there were any. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, PrimaryKeyConstraint, Text

revision = "eventsocket_0001"
down_revision = None
branch_labels = ("eventsocket",)
depends_on = None


def upgrade() -> None:
    """Tables that stand already, made before there were revisions, are kept as they are."""
    op.create_table(
        "commands",
        Column("id", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("done", Boolean(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_commands_at_us", "commands", ["at_us"], if_not_exists=True)
    op.create_index("ix_commands_done", "commands", ["done"], if_not_exists=True)
