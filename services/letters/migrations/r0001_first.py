"""The table of deeds, which the database itself keeps append-only, and what was mended.

Enters: an empty store. Leaves: revision 1.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, String, Text

revision = "letters_0001"
down_revision = None
branch_labels = ("letters",)
depends_on = None

_SQLITE = (
    "CREATE TRIGGER deeds_no_update BEFORE UPDATE ON deeds BEGIN SELECT RAISE(ABORT, 'deeds is append-only'); END",
    "CREATE TRIGGER deeds_no_delete BEFORE DELETE ON deeds BEGIN SELECT RAISE(ABORT, 'deeds is append-only'); END",
)
_POSTGRESQL = (
    "CREATE FUNCTION deeds_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'deeds is append-only'; END $$",
    "CREATE TRIGGER deeds_no_change BEFORE UPDATE OR DELETE ON deeds FOR EACH ROW EXECUTE FUNCTION deeds_append_only()",
    "CREATE TRIGGER deeds_no_truncate BEFORE TRUNCATE ON deeds FOR EACH STATEMENT EXECUTE FUNCTION deeds_append_only()",
)


def upgrade() -> None:
    """Both tables are new."""
    op.create_table(
        "deeds",
        Column("seq", BigInteger().with_variant(Integer(), "sqlite"), autoincrement=True, nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("by", String(120), nullable=False),
        Column("what", String(16), nullable=False),
        Column("letter", String(16), nullable=False),
        Column("queue", String(200), nullable=False),
        Column("why", Text(), nullable=False),
        PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "mended",
        Column("letter", String(16), nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("by", String(120), nullable=False),
        Column("original", LargeBinary(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("letter"),
    )
    for statement in _SQLITE if op.get_context().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
