"""Identity checks: versions of records, copies of papers.

Enters: a store of revision 4. Leaves: revision 5, with everything that was there.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "directory_0005"
down_revision = "directory_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables; nothing that stands is touched."""
    op.create_table(
        "identity_records",
        Column("tenant", Text(), nullable=False),
        Column("number", Integer(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("who", Text(), nullable=False),
        Column("why", Text(), nullable=False),
        Column("confirmed", Boolean(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant", "number"),
    )
    op.create_table(
        "identity_files",
        Column("tenant", Text(), nullable=False),
        Column("id", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("type", Text(), nullable=False),
        Column("size", Integer(), nullable=False),
        Column("digest", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("who", Text(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant", "id"),
    )
