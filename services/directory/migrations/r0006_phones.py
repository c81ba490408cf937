"""Phones: credentials, what phones may fetch, registrations, which switch works with which credential.

Enters: a store of revision 5. Leaves: revision 6, with everything that was there.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "directory_0006"
down_revision = "directory_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables; nothing that stands is touched."""
    op.create_table(
        "phone_credentials",
        Column("owner", Text(), nullable=False),
        Column("phone", Text(), nullable=False),
        Column("serial", Integer(), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("by", Text(), nullable=False),
        Column("hashes", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("owner", "phone"),
    )
    op.create_table(
        "phone_vouchers",
        Column("digest", Text(), nullable=False),
        Column("owner", Text(), nullable=False),
        Column("phone", Text(), nullable=False),
        Column("sealed", LargeBinary(), nullable=False),
        Column("until_us", BigInteger(), nullable=False),
        Column("fetched_at_us", BigInteger()),
        PrimaryKeyConstraint("digest"),
    )
    op.create_index("phone_vouchers_by_phone", "phone_vouchers", ["owner", "phone"])
    op.create_table(
        "phone_registrations",
        Column("phone", Text(), nullable=False),
        Column("domain", Text(), nullable=False),
        Column("switch", Text(), nullable=False),
        Column("until_us", BigInteger(), nullable=False),
        Column("as_of_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("phone", "domain", "switch"),
    )
    op.create_table(
        "phone_applied",
        Column("owner", Text(), nullable=False),
        Column("phone", Text(), nullable=False),
        Column("switch", Text(), nullable=False),
        Column("serial", Integer(), nullable=False),
        PrimaryKeyConstraint("owner", "phone", "switch"),
    )
