"""What the report of calls is looked up by: own and other number, who called, how long was recorded, and indexes.

Enters: revision 1. Leaves: revision 2. The numbers of calls that stand already are filled in here; which phone called
and how long was recorded was not kept of them and stays empty. Indexes hold calls that are over, or those that are not.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Text, text

revision = "history_0002"
down_revision = "history_0001"
branch_labels = None
depends_on = None

_LIVE = text("state != 'ended'")
_OVER = text("state = 'ended'")
_INDEXES = {
    "calls_by_end": ["ended_at_us"],
    "calls_by_tenant": ["tenant", "ended_at_us"],
    "report": ["started_at_us", "tenant", "call"],
    "report_by_tenant": ["tenant", "started_at_us", "call", "result"],
    "report_by_direction": ["tenant", "direction", "started_at_us", "call"],
    "report_by_result": ["tenant", "result", "started_at_us", "call"],
    "report_by_placed": ["tenant", "placed_by", "started_at_us", "call"],
    "report_by_answered": ["tenant", "answered_by", "started_at_us", "call"],
    "report_by_own_number": ["own_number", "started_at_us", "tenant", "call"],
    "report_by_other_number": ["other_number", "started_at_us", "tenant", "call"],
}
_FILL = """
UPDATE calls SET
  own_number = CASE direction WHEN 'internal' THEN '' WHEN 'inbound' THEN dialled
    ELSE CASE caller_presentation WHEN 'shown' THEN caller_number ELSE '' END END,
  other_number = CASE direction WHEN 'internal' THEN ''
    WHEN 'inbound' THEN CASE caller_presentation WHEN 'shown' THEN caller_number ELSE '' END
    ELSE dialled END
"""


def upgrade() -> None:
    """Columns, what can be known of them, then the indexes."""
    op.add_column("calls", Column("recorded_ms", BigInteger(), nullable=False, server_default="0"))
    for name in ("placed_by", "own_number", "other_number"):
        op.add_column("calls", Column(name, Text(), nullable=False, server_default=""))
    op.execute(_FILL)
    for name in ("calls_by_end", "calls_by_tenant"):
        op.drop_index(name, "calls")
    op.create_index("calls_live", "calls", ["started_at_us"], sqlite_where=_LIVE, postgresql_where=_LIVE)
    for name, columns in _INDEXES.items():
        op.create_index(name, "calls", columns, sqlite_where=_OVER, postgresql_where=_OVER)
