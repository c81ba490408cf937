"""The audit log, second factors with recovery codes, and tokens of programs.

Enters: a store of revision 1. Leaves: revision 2, with everything that was there.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "directory_0002"
down_revision = "directory_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables; nothing that stands is touched."""
    op.create_table(
        "audit",
        Column("seq", BigInteger(), nullable=False, autoincrement=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("what", Text(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("who", Text(), nullable=False),
        Column("about", Text()),
        Column("before", Text()),
        Column("after", Text()),
        Column("salt", Text()),
        Column("digest", Text(), nullable=False),
        Column("chain", Text(), nullable=False),
        PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_audit_at_us", "audit", ["at_us"])
    op.create_index("audit_by_tenant", "audit", ["tenant", "seq"])
    op.create_index("audit_by_who", "audit", ["who", "seq"])
    op.create_table(
        "totp",
        Column("person", Text(), nullable=False),
        Column("secret", Text(), nullable=False),
        Column("confirmed_at_us", BigInteger()),
        Column("last_step", BigInteger(), nullable=False),
        PrimaryKeyConstraint("person"),
    )
    op.create_table(
        "recovery_codes",
        Column("person", Text(), nullable=False),
        Column("digest", Text(), nullable=False),
        Column("used_at_us", BigInteger()),
        PrimaryKeyConstraint("person", "digest"),
    )
    op.create_table(
        "tokens",
        Column("id", Text(), nullable=False),
        Column("person", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("digest", Text(), nullable=False),
        Column("scopes", Text(), nullable=False),
        Column("made_at_us", BigInteger(), nullable=False),
        Column("expires_at_us", BigInteger(), nullable=False),
        Column("ended_at_us", BigInteger()),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_tokens_person", "tokens", ["person"])
