"""Revisions of the clients' files, people, and what each switch works with.

Enters: a store of no revision, empty or from before there were any. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "directory_0001"
down_revision = None
branch_labels = ("directory",)
depends_on = None


def upgrade() -> None:
    """Tables that stand already, made before there were revisions, are kept as they are."""
    op.create_table(
        "applied",
        Column("tenant", Text(), nullable=False),
        Column("switch", Text(), nullable=False),
        Column("revision", Text(), nullable=False),
        Column("as_of_us", BigInteger(), nullable=False),
        Column("problems", Text(), nullable=False),
        PrimaryKeyConstraint("tenant", "switch"),
        if_not_exists=True,
    )
    op.create_table(
        "login_failures",
        Column("scope", Text(), nullable=False),
        Column("key", Text(), nullable=False),
        Column("failures", Integer(), nullable=False),
        Column("last_at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("scope", "key"),
        if_not_exists=True,
    )
    op.create_table(
        "people",
        Column("id", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("role", Text(), nullable=False),
        Column("tenants", Text(), nullable=False),
        Column("password", Text(), nullable=False),
        Column("session_version", Integer(), nullable=False),
        Column("active", Boolean(), nullable=False),
        Column("changed_at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_table(
        "revisions",
        Column("tenant", Text(), nullable=False),
        Column("file", Text(), nullable=False),
        Column("revision", Text(), nullable=False),
        Column("since_us", BigInteger(), nullable=False),
        Column("gone", Boolean(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant"),
        if_not_exists=True,
    )
