"""How one schema of a PostgreSQL database is opened.

Enters: a URL whose `schema` names it. Leaves: a SQLAlchemy engine whose every connection is set up alike. Imported only
where PostgreSQL is used: psycopg takes its time and memory.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import waiting
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event

LOCK_TIMEOUT_MS = 500
"""So long a statement waits for another's row; then the whole closure is run again."""
STATEMENT_TIMEOUT_MS = 30_000
ANSWER_S = 35.0
"""So long an answer may take: a server that stands still keeps no time-out of its own, and while its kernel still
answers no socket's either. Then the connection is given up."""
IDLE_TIMEOUT_MS = 60_000
"""A process that freezes within a transaction holds its rows no longer than this."""
_NETWORK: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "target_session_attrs": "read-write",
}
"""libpq's parameters, each unless the URL says otherwise: a server that is gone without a word is noticed in 30 s, and
of several hosts the one that can be written to is taken."""


class _OnItsThread(psycopg.Connection[Any]):
    """A connection that waits in C. Under gevent psycopg would wait in gevent's loop, of which a store's native thread
    has no use; a statement took 163 µs that way, and 94 so.
    """

    answer_s: float | None = ANSWER_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's, without gevent, and not for ever. Raises OperationalError; then the connection is closed."""
        if timeout is not None:
            return waiting.wait_c(gen, self.pgconn.socket, interval, timeout)
        try:
            return waiting.wait_c(gen, self.pgconn.socket, interval, self.answer_s)
        except psycopg.errors._WaitTimeout:
            self.close()  # what the server makes of the statement nobody here will hear
            raise psycopg.OperationalError(f"no answer within {self.answer_s:g} s") from None


def wait_for_ever(connection: Connection) -> None:
    """For what may take as long as it needs, such as an upgrade of large tables."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, _OnItsThread)
    driver.answer_s = None


def make_engine(url: URL) -> Engine:
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
    settings: dict[str, str | int] = {
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
    }
    if schema:
        settings["search_path"] = f'"{schema}"'

    def connect(_dialect: Any, _record: Any, words: Any, named: Any) -> Any:
        return _OnItsThread.connect(*words, **named)

    def set_up(connection: Any, _record: Any) -> None:
        # Not as a start-up option: a pooler (pgbouncer) may drop those without a word.
        connection.autocommit = True
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
        connection.autocommit = False

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", set_up)
    return engine
