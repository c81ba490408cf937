"""How a database is opened: SQLite's file, or one schema of a PostgreSQL database.

Enters: a URL. Leaves: a SQLAlchemy engine whose every connection is set up alike. What is asked of it belongs to
`transaction.py`; what its errors mean to `errors.py`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url

BUSY_TIMEOUT_MS = 200
"""SQLite: so long a statement waits for another process's lock. The worker tries again."""
LOCK_TIMEOUT_MS = 500
"""PostgreSQL: so long a statement waits for another's row; then the whole closure is run again."""
STATEMENT_TIMEOUT_MS = 30_000
IDLE_TIMEOUT_MS = 60_000
"""A process that freezes within a transaction holds its rows no longer than this."""
_NETWORK: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "target_session_attrs": "read-write",
}
"""libpq's parameters, each unless the URL says otherwise: a server that is gone without a word is noticed in 30 s, and
of several hosts the one that can be written to is taken."""


def make_engine(url: str) -> Engine:
    """`sqlite:///path`, or `postgresql+psycopg://…/database?schema=billing` (default: the role's own search path)."""
    parsed = make_url(url)
    return _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)


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


def _postgresql(url: URL) -> Engine:
    """REPEATABLE READ: a closure sees one moment, and whoever changes a row changed since then is told Conflict."""
    schema = str(url.query.get("schema", ""))
    defaults = {**_NETWORK, "application_name": f"toritsugi {schema}".strip()}
    engine = create_engine(
        url.difference_update_query(["schema"]),
        hide_parameters=True,
        isolation_level="REPEATABLE READ",
        poolclass=NullPool,  # a store holds one connection as long as it lives
        connect_args={name: value for name, value in defaults.items() if name not in url.query},
    )
    settings = {
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
    }
    if schema:
        settings["search_path"] = f'"{schema}"'  # type: ignore[assignment]

    def set_up(connection: Any, _record: Any) -> None:
        # Not as a start-up option: a pooler (pgbouncer) may drop those without a word.
        connection.autocommit = True
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
        connection.autocommit = False

    event.listen(engine, "connect", set_up)
    return engine
