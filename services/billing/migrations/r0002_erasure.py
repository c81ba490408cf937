"""The ledger by client and time, for the erasure of what is older than a client's history period.

Enters: a store of revision 1. Leaves: revision 2; no row is touched.
"""

from __future__ import annotations

from alembic import op

revision = "billing_0002"
down_revision = "billing_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """An index."""
    op.create_index("ledger_by_tenant", "ledger", ["tenant", "ended_at_us"], if_not_exists=True)
