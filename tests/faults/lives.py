"""The processes of a site: where they are born, and one room of them: a service that lives, dies and lives again.

Enters: what a process is started with. Leaves: pids, states, what stands in logs. What a process suffers from inside
belongs to `mortal.py`; which services there are to `site.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent.lock

from tests.command import ROOT
from tests.faults.last_words import Death, read
from tests.faults.orders import Orders


class Nursery:
    """The process that bears the others (`nursery.py`)."""

    def __init__(self) -> None:
        self._one_at_a_time = gevent.lock.Semaphore()
        command = [sys.executable, "-m", "tests.faults.nursery"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._said()

    def _said(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery ended"
        return line

    def bear(self, birth: dict[str, Any]) -> int:
        """The pid of a new process."""
        assert self._process.stdin is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(birth) + "\n")
            self._process.stdin.flush()
            return int(self._said())

    def close(self) -> None:
        """Ends, and its children with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@dataclass
class Room:
    """One service: a process now, perhaps another one later."""

    name: str
    log: Path
    orders: Orders
    words: Path
    """What it says when it dies in the middle, and what its next life finds."""
    birth: dict[str, Any]
    pid: int = 0
    born_at: int = 0
    """Length of the log before this life."""

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return False
        return self.pid > 0 and state not in "ZX"

    def says(self, words: str) -> int:
        """How often these words stand in its log, of all lives."""
        return self._log(0).count(words)

    def says_now(self, words: str) -> bool:
        """Whether they stand there of this life."""
        return words in self._log(self.born_at)

    def _log(self, start: int) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(start)
            return file.read().decode("latin-1")

    def deaths(self) -> list[Death]:
        """In the middle of a message, since its words were last thrown away."""
        return [line for line in read(self.words) if isinstance(line, Death)]

    def bear(self, nursery: Nursery) -> None:
        """One more life; the last one must be over."""
        self.born_at = self.log.stat().st_size if self.log.exists() else 0
        self.pid = nursery.bear(self.birth)

    def send(self, how: signal.Signals) -> None:
        """A signal, if it is there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, how)
