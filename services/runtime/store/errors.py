"""What a database's error means to whoever works with a store.

Enters: what SQLAlchemy raises. Leaves: Unavailable (locked, gone, full: again later), Conflict (another was first:
again at once), or the error itself, which is a bug or a message that cannot be stored.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from services.runtime.bus import Unavailable


class Conflict(Exception):
    """Somebody else changed the row since it was read: run the closure again."""


class Locked(Unavailable):
    """Somebody else kept the row, or the file, for longer than a statement waits: run the closure again, or later."""


_LOCKED_OR_GONE = {
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}

# PostgreSQL, Appendix A (Error Codes).
_OVERTAKEN = {"40001", "40P01"}
"""serialization_failure, deadlock_detected."""
_AWAY_CLASSES = ("08", "28", "53", "57", "58")
"""connection, authorization, resources (disk full, too many connections), operator's hand or time-out, system."""
_AWAY = {"25P03", "3D000"}
"""idle_in_transaction_session_timeout, no such database."""
_LOCKED = "55P03"
"""lock_not_available."""


def first_line(error: DBAPIError) -> str:
    """What the database said, without the statement."""
    return "database: " + str(error.orig).partition("\n")[0]


def is_cut(error: DBAPIError) -> bool:
    """Whether the connection is of no more use: gone, or to a server that became a standby."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) == "25006"


def as_ours(error: DBAPIError) -> Exception:
    """Unavailable (Locked), Conflict, or the error itself.

    `no such column` is an OperationalError of SQLite as well as `database is locked`, and a row too large for an index
    is one of psycopg as well as `disk full`: only their codes tell them apart.
    """
    lite, code = getattr(error.orig, "sqlite_errorcode", None), getattr(error.orig, "sqlstate", None)
    if code in _OVERTAKEN:
        return Conflict(first_line(error))
    if code == _LOCKED or (lite is not None and lite & 0xFF == sqlite3.SQLITE_BUSY):
        return Locked(first_line(error))
    if lite is not None:
        away = lite & 0xFF in _LOCKED_OR_GONE
    elif code is not None:
        away = is_cut(error) or code in _AWAY or code.startswith(_AWAY_CLASSES)
    else:
        away = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return Unavailable(first_line(error)) if away else error
