"""Files that somebody moves in with, and how far that is.

Enters: a store of revision 7. Leaves: revision 8, with everything that was there.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text

revision = "directory_0008"
down_revision = "directory_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A new table; nothing that stands is touched."""
    op.create_table(
        "imports",
        Column("id", Text(), primary_key=True),
        Column("who", Text(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("names", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("done", Integer(), nullable=False),
        Column("total", Integer(), nullable=False),
        Column("stepped_at_us", BigInteger(), nullable=False),
        Column("files", LargeBinary()),
        Column("result", LargeBinary()),
    )
