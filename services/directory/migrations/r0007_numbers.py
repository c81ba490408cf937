"""The stock of numbers: where each stands, what happened to it, what is suspended of each client.

Enters: a store of revision 6. Leaves: revision 7, with everything that was there.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "directory_0007"
down_revision = "directory_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables; nothing that stands is touched."""
    op.create_table(
        "number_stock",
        Column("number", Text(), nullable=False),
        Column("kind", Text(), nullable=False),
        Column("area_code", Text(), nullable=False),
        Column("area", Text(), nullable=False),
        Column("carrier", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("client", Text(), nullable=False),
        Column("since_us", BigInteger(), nullable=False),
        Column("reason", Text(), nullable=False),
        Column("note", Text(), nullable=False),
        Column("until_us", BigInteger()),
        PrimaryKeyConstraint("number"),
    )
    op.create_index("number_stock_by_state", "number_stock", ["state", "number"])
    op.create_index("number_stock_by_client", "number_stock", ["client", "number"])
    op.create_table(
        "number_history",
        Column("number", Text(), nullable=False),
        Column("seq", Integer(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("who", Text(), nullable=False),
        Column("what", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("client", Text(), nullable=False),
        Column("reason", Text(), nullable=False),
        Column("note", Text(), nullable=False),
        PrimaryKeyConstraint("number", "seq"),
    )
    op.create_table(
        "numbers_suspended",
        Column("tenant", Text(), nullable=False),
        Column("since_us", BigInteger(), nullable=False),
        Column("numbers", Text(), nullable=False),
        PrimaryKeyConstraint("tenant"),
    )
