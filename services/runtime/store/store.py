"""State of one service: one database, one native thread, one transaction per closure.

Enters: closures over a `Tx`. Leaves: their results; no session or row ever leaves the thread. A database that is locked
or slow never blocks the hub: the thread waits, the greenlet is parked (LIBRARIES.md, SQLAlchemy).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import gevent.event
from gevent.lock import BoundedSemaphore
from gevent.threadpool import ThreadPool
from sqlalchemy import Connection, Engine, MetaData
from sqlalchemy.exc import DBAPIError

from services.runtime.bus import Unavailable
from services.runtime.store.engine import make_engine, schema_of
from services.runtime.store.errors import Conflict, Locked, as_ours, first_line, is_cut
from services.runtime.store.schema import Standing, bring_up, look, make_ready
from services.runtime.store.tables import add_runtime_tables
from services.runtime.store.transaction import NEVER_US, Tx
from services.runtime.threads import ask, end

T = TypeVar("T")

_starting = BoundedSemaphore(1)
"""Alembic's `op` is one per process."""


class Store:
    """The database of one service in one process."""

    def __init__(self, url: str, metadata: MetaData) -> None:
        """`url` is SQLAlchemy's: `sqlite:///path` or `postgresql+psycopg://…`. Nothing is opened before `start`."""
        if "states" not in metadata.tables:
            add_runtime_tables(metadata)
        self._tables = dict(metadata.tables)
        self._metadata = metadata
        self._url = url
        self._thread = ThreadPool(1)
        self._connection: Connection | None = None
        self._stopped = False
        self.next_timer_us = 0
        """No timer set through this store is due before; 0: not known yet."""
        self.sooner = gevent.event.Event()
        """Set when a timer was set that is due before `awaited_us`."""
        self.awaited_us = NEVER_US

    def start(self) -> None:
        """Open the database; an empty one gets its tables, an older one is refused or brought up to date.

        Raises Unavailable, or WrongRevision with what to do.
        """
        self._stopped = False
        with _starting:
            self._call(lambda: self._on_tables(make_ready))
        self._call(self._open)

    def standing(self) -> Standing:
        """Which revision the tables have and which this program needs; changes nothing. Raises Unavailable."""
        return self._call(lambda: self._on_tables(lambda engine, _schema, metadata: look(engine, metadata)))

    def upgrade(self) -> Standing:
        """Bring the tables to the newest revision, whoever else works with them. Raises Unavailable, WrongRevision."""
        with _starting:
            return self._call(lambda: self._on_tables(bring_up))

    def _on_tables(self, do: Callable[[Engine, str, MetaData], Standing]) -> Standing:
        engine = make_engine(self._url)
        try:
            return do(engine, schema_of(self._url), self._metadata)
        except DBAPIError as error:
            ours = as_ours(error)
            raise ours if ours is not error else Unavailable(first_line(error)) from None
        finally:
            engine.dispose()

    def _open(self) -> Connection:
        engine = make_engine(self._url)
        try:
            self._connection = engine.connect()
        except DBAPIError as error:
            engine.dispose()
            raise as_ours(error) from None
        return self._connection

    def run(self, work: Callable[[Tx], T], tries: int = 1) -> T:
        """`work` in one transaction on the store's thread; its result. What it raises rolls back and comes out here.

        Raises Unavailable when the database is locked or gone, and after `stop`; Conflict when another process was
        first: run it again. With `tries` more than 1 that is done here, at once; so is what only met a lock.
        """
        while True:
            tries -= 1
            try:
                result = self._call(lambda: self._transact(work))
                break
            except (Conflict, Locked):
                if tries <= 0:
                    raise
        if self.next_timer_us < self.awaited_us:
            self.sooner.set()
        return result

    def _transact(self, work: Callable[[Tx], T]) -> T:
        connection = self._connection or self._open()
        try:
            with connection.begin():
                tx = Tx(connection, self._tables, self.next_timer_us)
                result = work(tx)
                tx.write()
            self.next_timer_us = tx.next_timer_us
            return result
        except DBAPIError as error:
            if is_cut(error):
                self._close()
            raise as_ours(error) from None

    def _close(self) -> None:
        if self._connection is not None:
            engine = self._connection.engine
            self._connection.close()
            self._connection = None
            engine.dispose()

    def _call(self, work: Callable[[], T]) -> T:
        if self._stopped:  # a visitor's page may come late; the thread, once it is gone, would never answer
            raise Unavailable("database: closed")
        return self._ask(work)

    def _ask(self, work: Callable[[], T]) -> T:
        # A task that raises makes gevent's pool print it, parameters included: errors come back as values.
        def guarded() -> tuple[T | None, BaseException | None]:
            try:
                return work(), None
            except Exception as error:
                return None, error

        result, error = ask(self._thread, guarded)
        if error is not None:
            raise error
        return cast(T, result)

    def stop(self) -> None:
        """Close the database, after what was asked of it before, and end the thread. `start` opens it again."""
        if not self._stopped:
            self._stopped = True
            self._ask(self._close)
            end(self._thread)
