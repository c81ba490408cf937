"""Writes of programs, with what was answered.

Enters: a store of revision 9. Leaves: revision 10, with everything that was there.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "directory_0010"
down_revision = "directory_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A new table; nothing that stands is touched."""
    op.create_table(
        "api_writes",
        Column("token", Text(), nullable=False),
        Column("key", Text(), nullable=False),
        Column("digest", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("status", Integer(), nullable=True),
        Column("etag", Text(), nullable=True),
        Column("body", LargeBinary(), nullable=True),
        PrimaryKeyConstraint("token", "key"),
    )
    op.create_index("ix_api_writes_at_us", "api_writes", ["at_us"])
