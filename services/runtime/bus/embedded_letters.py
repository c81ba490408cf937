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

from services.runtime.bus import DeadLetter, Unavailable
from services.runtime.bus.journal import add_columns
from services.runtime.bus.letters import Fate, Settled

BUSY_S = 5.0
LOOK_S = 0.2
PATIENCE_S = 8.0
"""So long a replay waits for the running process to take it."""


class EmbeddedLetters:
    """See `services.runtime.bus.letters.LetterBox`."""

    def __init__(self, path: Path) -> None:
        """`path` is the journal's file."""
        self._path = path

    @contextmanager
    def _file(self) -> Iterator[sqlite3.Connection]:
        if not self._path.exists():
            raise Unavailable(f"{self._path} does not exist: no process has run with this data folder")
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as db:
                add_columns(db)
                yield db
        except sqlite3.Error as error:
            raise Unavailable(f"journal: {error}") from None

    def read(self) -> Iterator[DeadLetter]:
        """See `LetterBox.read`."""
        with self._file() as db:
            for row in db.execute("SELECT queue, reason, body, at_us FROM dead ORDER BY seq"):
                yield DeadLetter(*row)

    def settle(self, fate: Callable[[DeadLetter], Fate]) -> Iterator[tuple[DeadLetter, Settled]]:
        """See `LetterBox.settle`."""
        wishes: list[tuple[int, DeadLetter]] = []
        with self._file() as db:
            for (seq,) in db.execute("SELECT seq FROM dead ORDER BY seq").fetchall():
                row = db.execute("SELECT queue, reason, body, at_us FROM dead WHERE seq = ?", (seq,)).fetchone()
                if row is None:  # the running process has replayed it meanwhile
                    continue
                letter = DeadLetter(*row)
                wanted = fate(letter)
                if wanted == "discard":
                    db.execute("DELETE FROM dead WHERE seq = ?", (seq,))
                    yield letter, "discarded"
                elif wanted != "keep":
                    db.execute("UPDATE dead SET again = ?, refused = 0 WHERE seq = ?", (wanted.body, seq))
                    wishes.append((seq, letter))
            until_s = time.monotonic() + PATIENCE_S
            for seq, letter in wishes:
                yield letter, _awaited(db, seq, until_s)


def _awaited(db: sqlite3.Connection, seq: int, until_s: float) -> Settled:
    while True:
        row = db.execute("SELECT refused FROM dead WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            return "replayed"
        if row[0]:
            return "no queue"
        if time.monotonic() > until_s:
            return "waits"
        time.sleep(LOOK_S)
