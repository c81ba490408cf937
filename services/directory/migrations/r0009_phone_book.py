"""Clients' phone books, and when each part of one was last told.

Enters: a store of revision 8. Leaves: revision 9, with everything that was there.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "directory_0009"
down_revision = "directory_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables; nothing that stands is touched."""
    op.create_table(
        "phone_book",
        Column("tenant", Text(), nullable=False),
        Column("id", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("reading", Text(), nullable=False),
        Column("company", Text(), nullable=False),
        Column("numbers", Text(), nullable=False),
        Column("note", Text(), nullable=False),
        Column("found_by", Text(), nullable=False),
        Column("changed_at_us", BigInteger(), nullable=False),
        Column("changed_by", Text(), nullable=False),
        PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_table(
        "phone_book_told",
        Column("tenant", Text(), nullable=False),
        Column("ending", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("tenant", "ending"),
    )
