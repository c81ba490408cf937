"""Who runs, as last heard.

Enters: a store of revision 2. Leaves: revision 3, with everything that was there.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "directory_0003"
down_revision = "directory_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A new table; nothing that stands is touched."""
    op.create_table(
        "alive",
        Column("service", Text(), nullable=False),
        Column("host", Text(), nullable=False),
        Column("instance", Text(), nullable=False),
        Column("began_at_us", BigInteger(), nullable=False),
        Column("heard_at_us", BigInteger(), nullable=False),
        Column("every_s", Integer(), nullable=False),
        Column("agents", Text(), nullable=False),
        PrimaryKeyConstraint("service", "host", "instance"),
    )
