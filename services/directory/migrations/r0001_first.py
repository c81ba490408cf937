"""Revisions of the clients' files, people, and what each switch works with.

Enters: a store of no revision, empty or from before there were any. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, String, Text

revision = "directory_0001"
down_revision = None
branch_labels = ("directory",)
depends_on = None


def upgrade() -> None:
    """Tables that stand already, made before there were revisions, are kept as they are."""
    op.create_table(
        "applied",
        Column("tenant", String(40), nullable=False),
        Column("switch", String(64), nullable=False),
        Column("revision", String(80), nullable=False),
        Column("as_of_us", BigInteger(), nullable=False),
        Column("problems", Text(), nullable=False),
        PrimaryKeyConstraint("tenant", "switch"),
        if_not_exists=True,
    )
    op.create_table(
        "login_failures",
        Column("scope", String(16), nullable=False),
        Column("key", String(200), nullable=False),
        Column("failures", Integer(), nullable=False),
        Column("last_at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("scope", "key"),
        if_not_exists=True,
    )
    op.create_table(
        "people",
        Column("id", String(64), nullable=False),
        Column("name", String(200), nullable=False),
        Column("role", String(32), nullable=False),
        Column("tenants", String(4000), nullable=False),
        Column("password", String(300), nullable=False),
        Column("session_version", Integer(), nullable=False),
        Column("active", Boolean(), nullable=False),
        Column("changed_at_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_table(
        "revisions",
        Column("tenant", String(40), nullable=False),
        Column("file", String(255), nullable=False),
        Column("revision", String(80), nullable=False),
        Column("since_us", BigInteger(), nullable=False),
        Column("gone", Boolean(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("tenant"),
        if_not_exists=True,
    )
