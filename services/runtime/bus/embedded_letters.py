"""Dead letters in the embedded bus's journal, beside the process that runs on it.

Enters: the file. Leaves: letters. A process alone may put messages into its queues, so a replay is a wish in the
letter's own row: the running process takes it within seconds, or the next one at its start, message and letter in one
transaction (`embedded.py`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from services.runtime.bus import DeadLetter, Unavailable
from services.runtime.bus.journal import add_columns
from services.runtime.bus.letters import Fate, Settled

BUSY_S = 5.0
LOOK_S = 0.2
PATIENCE_S = 8.0
"""So long a replay waits for the running process to take it."""


class EmbeddedLetters:
    """See `services.runtime.bus.letters.LetterBox`."""

    def __init__(self, path: Path, aside: Callable[[Callable[[], Any]], Any] = lambda work: work()) -> None:
        """`path` is the journal's file; `aside` carries out what waits for the disk, where that must keep nobody."""
        self._path, self._aside = path, aside

    @contextmanager
    def _file(self) -> Iterator[_File]:
        if not self._path.exists():
            raise Unavailable(f"{self._path} does not exist: no process has run with this data folder")
        try:
            db = self._aside(self._opened)
            with closing(db):
                yield _File(db, self._aside)
        except sqlite3.Error as error:
            raise Unavailable(f"journal: {error}") from None

    def _opened(self) -> sqlite3.Connection:
        # Of one person's work, whichever thread does it: never two at a time.
        db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        add_columns(db)
        return db

    def read(self) -> Iterator[DeadLetter]:
        """See `LetterBox.read`."""
        with self._file() as file:
            for _seq, letter in file.letters():
                yield letter

    def settle(self, fate: Callable[[DeadLetter], Fate]) -> Iterator[tuple[DeadLetter, Settled]]:
        """See `LetterBox.settle`."""
        wishes: list[tuple[int, DeadLetter]] = []
        with self._file() as file:
            for seq, letter in file.letters():
                wanted = fate(letter)
                if wanted == "discard":
                    file.ask("DELETE FROM dead WHERE seq = ?", seq)
                    yield letter, "discarded"
                elif wanted != "keep":
                    file.ask("UPDATE dead SET again = ?, refused = 0 WHERE seq = ?", wanted.body, seq)
                    wishes.append((seq, letter))
            until_s = time.monotonic() + PATIENCE_S
            for seq, letter in wishes:
                yield letter, _awaited(file, seq, until_s)


class _File:
    """The open journal."""

    def __init__(self, db: sqlite3.Connection, aside: Callable[[Callable[[], Any]], Any]) -> None:
        self._db, self._aside = db, aside

    def ask(self, sql: str, *values: int | bytes) -> list[Any]:
        """The rows of one statement."""
        found: list[Any] = self._aside(lambda: self._db.execute(sql, values).fetchall())
        return found

    def letters(self) -> Iterator[tuple[int, DeadLetter]]:
        """Those that lie there now, with their numbers, one after the other; without what is replayed meanwhile."""
        for (seq,) in self.ask("SELECT seq FROM dead ORDER BY seq"):
            for row in self.ask("SELECT queue, reason, body, at_us FROM dead WHERE seq = ?", seq):
                yield seq, DeadLetter(*row)


def _awaited(file: _File, seq: int, until_s: float) -> Settled:
    while True:
        rows = file.ask("SELECT refused FROM dead WHERE seq = ?", seq)
        if not rows:
            return "replayed"
        if rows[0][0]:
            return "no queue"
        if time.monotonic() > until_s:
            return "waits"
        time.sleep(LOOK_S)
