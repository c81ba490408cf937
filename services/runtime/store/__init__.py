"""State of a service: versions, ids seen, the outbox and the service's own tables, in one transaction.

Enters: closures. Leaves: their results. SQLite by default, PostgreSQL at scale; the same code and the same tests.
"""

from services.runtime.store.engine import BUSY_TIMEOUT_MS
from services.runtime.store.errors import Conflict
from services.runtime.store.schema import Standing, WrongRevision, of_room
from services.runtime.store.store import Store
from services.runtime.store.tables import ROW_NUMBER, add_runtime_tables
from services.runtime.store.transaction import NEVER_US, Tx
from services.runtime.store.within import Runs, Within

__all__ = [
    "BUSY_TIMEOUT_MS",
    "NEVER_US",
    "ROW_NUMBER",
    "Conflict",
    "Runs",
    "Standing",
    "Store",
    "Tx",
    "Within",
    "WrongRevision",
    "add_runtime_tables",
    "of_room",
]
