"""The embedded bus on disk: one SQLite file, one native thread, many messages per transaction.

Enters: rows to keep, numbers to forget, letters to put aside. Leaves: rows in their order, after a crash too: every
write is synced before it returns, but a transaction is shared by all who publish meanwhile. Who may read what, and
when, belongs to `embedded.py`.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar, cast

from gevent.threadpool import ThreadPool

from services.runtime.bus import Unavailable
from services.runtime.threads import ask, end

T = TypeVar("T")

_TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, tenant TEXT NOT NULL, until_us INTEGER, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS messages_queue ON messages (queue, seq);
CREATE TABLE IF NOT EXISTS dead (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL);
"""
_LATER = {"at_us": "INTEGER", "again": "BLOB", "refused": "INTEGER NOT NULL DEFAULT 0"}
"""Columns of `dead` that the first version had not. `again`: the message that somebody wants in the queue in its place;
`refused`: there is no such queue."""
_WANTED = "CREATE INDEX IF NOT EXISTS dead_again ON dead (seq) WHERE again IS NOT NULL"


def add_columns(db: sqlite3.Connection) -> None:
    """What a file of an earlier version lacks. Nothing happens to one that has it."""
    has = {row[1] for row in db.execute("PRAGMA table_info(dead)")}
    for name, kind in _LATER.items():
        if name not in has:
            db.execute(f"ALTER TABLE dead ADD COLUMN {name} {kind}")
    if len(has) < len(_LATER) + 4:
        db.execute(_WANTED)


class Row(NamedTuple):
    """One message in one queue. `seq` grows with the order of publishing."""

    seq: int
    queue: str
    tenant: str
    until_us: int | None
    body: bytes


class Journal:
    """The file. Every method parks the calling greenlet while the thread works; all raise Unavailable."""

    def __init__(self, path: Path) -> None:
        """`path` is the file; beside it stands `<name>.lock`, held while the journal is open."""
        self._path = path
        self._thread = ThreadPool(1)
        self._closed = False
        self._db: sqlite3.Connection | None = None
        self._lock: IO[bytes] | None = None

    def open(self) -> int:
        """Open or make the file. The next free sequence number. Another process that has it open: Unavailable."""
        self._closed = False
        return self._call(self._open)

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._path.with_name(self._path.name + ".lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"{self._path.name} is in use by another process") from None
        self._db = sqlite3.connect(self._path, timeout=0.2, isolation_level=None)
        # FULL: a confirmed message survives a power cut; the sync is shared by everybody who publishes meanwhile.
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_TABLES)
        add_columns(self._db)
        return int(self._db.execute("SELECT coalesce(max(seq), 0) + 1 FROM messages").fetchone()[0])

    def write(
        self,
        rows: Sequence[Row],
        gone: Sequence[int],
        dead: Sequence[tuple[str, str, bytes, int]],
        replayed: Sequence[int] = (),
    ) -> None:
        """Keep `rows`, forget the numbers in `gone`, put (queue, reason, body, at_us) aside, forget the letters of the
        numbers `replayed`: all of it or nothing."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", rows)
            db.executemany("DELETE FROM messages WHERE seq = ?", ((seq,) for seq in gone))
            db.executemany("INSERT INTO dead (queue, reason, body, at_us) VALUES (?, ?, ?, ?)", dead)
            db.executemany("DELETE FROM dead WHERE seq = ?", ((seq,) for seq in replayed))
            db.execute("COMMIT")

        self._transact(work)

    def move(self, places: Iterable[tuple[str, int]]) -> None:
        """Give rows another queue: (queue, seq)."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("UPDATE messages SET queue = ? WHERE seq = ?", places)
            db.execute("COMMIT")

        self._transact(work)

    def load(self, queue: str, after: int, limit: int) -> list[Row]:
        """Rows of a queue beyond a number, in order."""
        sql = "SELECT * FROM messages WHERE queue = ? AND seq > ? ORDER BY seq LIMIT ?"
        return self._transact(lambda db: [Row(*row) for row in db.execute(sql, (queue, after, limit))])

    def counts(self) -> dict[str, int]:
        """How many rows each queue holds."""
        return self._transact(lambda db: dict(db.execute("SELECT queue, count(*) FROM messages GROUP BY queue")))

    def places(self) -> list[tuple[int, str, str]]:
        """(seq, queue, tenant) of every row."""
        return self._transact(lambda db: list(db.execute("SELECT seq, queue, tenant FROM messages ORDER BY seq")))

    def letters(self) -> int:
        """How many letters are put aside."""
        return self._transact(lambda db: int(db.execute("SELECT count(*) FROM dead").fetchone()[0]))

    def wanted(self, limit: int) -> list[tuple[int, str, bytes]]:
        """Letters that somebody wants in their queue again: (number, queue, message)."""
        sql = "SELECT seq, queue, again FROM dead WHERE again IS NOT NULL ORDER BY seq LIMIT ?"
        return self._transact(lambda db: list(db.execute(sql, (limit,))))

    def refuse(self, seq: int) -> None:
        """A letter for which there is no queue stays."""
        self._transact(lambda db: db.execute("UPDATE dead SET again = NULL, refused = 1 WHERE seq = ?", (seq,)))

    def close(self) -> None:
        """Close the file and end the thread."""

        def work() -> None:
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._lock is not None:
                self._lock.close()
                self._lock = None

        self._closed = True
        self._ask(work)
        end(self._thread)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def guarded() -> T:
            if self._db is None:
                raise Unavailable("the journal is closed")
            try:
                return work(self._db)
            finally:
                if self._db.in_transaction:
                    self._db.rollback()

        return self._call(guarded)

    def _call(self, work: Callable[[], T]) -> T:
        if self._closed:  # the thread, once it is gone, would never answer
            raise Unavailable("the journal is closed")
        return self._ask(work)

    def _ask(self, work: Callable[[], T]) -> T:
        # A task that raises makes gevent's pool print it: errors come back as values.
        def guarded() -> tuple[T | None, Exception | None]:
            try:
                return work(), None
            except (sqlite3.Error, OSError) as error:
                return None, Unavailable(f"journal: {error}")
            except Exception as error:
                return None, error

        result: tuple[Any, Exception | None] = ask(self._thread, guarded)
        if result[1] is not None:
            raise result[1]
        return cast(T, result[0])
