"""The text of every file that took effect, who changed it and why.

Enters: a store of revision 3. Leaves: revision 4, with everything that was there; texts are kept from now on.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "directory_0004"
down_revision = "directory_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables; nothing that stands is touched."""
    op.create_table(
        "file_texts",
        Column("tenant", Text(), nullable=False),
        Column("number", Integer(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("who", Text(), nullable=False),
        Column("why", Text(), nullable=False),
        Column("file", Text(), nullable=False),
        Column("revision", Text(), nullable=False),
        Column("gone", Boolean(), nullable=False),
        Column("digest", Text(), nullable=False),
        Column("text", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant", "number"),
    )
    op.create_table(
        "file_notes",
        Column("digest", Text(), nullable=False),
        Column("file", Text(), nullable=False),
        Column("who", Text(), nullable=False),
        Column("why", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("digest", "file"),
    )
