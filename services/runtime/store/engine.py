"""How a database is opened: SQLite's file here, PostgreSQL in `postgresql.py`.

Enters: a URL. Leaves: a SQLAlchemy engine whose every connection is set up alike. What is asked of it belongs to
`transaction.py`; what its errors mean to `errors.py`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url

BUSY_TIMEOUT_MS = 200
"""So long a statement waits for another process's lock. The worker tries again."""


def make_engine(url: str) -> Engine:
    """`sqlite:///path`, or `postgresql+psycopg://…/database?schema=billing` (default: the role's own search path)."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    from services.runtime.store import postgresql

    return postgresql.make_engine(parsed)


def schema_of(url: str) -> str:
    """The schema that a URL names, or nothing."""
    return str(make_url(url).query.get("schema", ""))


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # Explicit BEGIN IMMEDIATE: sqlite3's own delayed BEGIN would let a read turn into a failing write.
    # FULL: the message is acknowledged after the commit, so the commit must survive a power cut.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
