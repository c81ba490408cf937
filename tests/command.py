"""The real `toritsugi run` as processes of its own, for tests: started, watched through what it prints, ended.

Enters: arguments, a folder. Leaves: lines of both outputs, the page's port, exit codes, rows of the stores. Whatever a
test leaves running is killed at its end.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import msgspec
import psycopg

from tests.stores import Database

ROOT = Path(__file__).parent.parent
DEADLINE_S = 90.0


def until(holds: Callable[[], Any], otherwise: Callable[[], str] = lambda: "not in time", within_s: float = 0) -> Any:
    """What `holds` returns once it is true. Raises AssertionError with `otherwise` after the deadline."""
    with gevent.Timeout(within_s or DEADLINE_S, False):
        while not (found := holds()):
            gevent.sleep(0.05)
        return found
    raise AssertionError(otherwise())


class Running:
    """One process of the command."""

    def __init__(self, folder: Path, number: int, arguments: tuple[str, ...], database: str) -> None:
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TORITSUGI_")}
        environment["TORITSUGI_DATABASE"] = database
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services", *arguments], cwd=ROOT, env=environment, stdout=out, stderr=err
            )

    @property
    def out(self) -> list[str]:
        """Lines on stdout so far."""
        return self._out.read_text(encoding="utf-8").splitlines()

    @property
    def err(self) -> list[str]:
        """Lines on stderr so far, log lines included."""
        return self._err.read_text(encoding="utf-8").splitlines()

    @property
    def said(self) -> list[str]:
        """What is meant for people: stderr without log lines."""
        return [line for line in self.err if not line.startswith("{")]

    @property
    def calls(self) -> list[str]:
        """The lines about ended calls."""
        return [line for line in self.said if re.match(r"\d\d:\d\d:\d\d\.\d{3} ", line)]

    def says(self, pattern: str) -> re.Match[str]:
        """The first line on stderr that matches, when it is there. Raises AssertionError if it ends without."""

        def look() -> re.Match[str] | bool | None:
            ended = self.process.poll() is not None
            return next((m for line in self.err if (m := re.search(pattern, line))), None) or ended

        found = until(look, self._story)
        assert isinstance(found, re.Match), self._story()
        return found

    def port(self) -> int:
        """The page's port, when it is printed."""
        return int(self.says(r"http://127\.0\.0\.1:(\d+)/")[1])

    def password(self) -> str:
        """The password of the first person, when it is printed."""
        return self.says(r"log-in: admin  (\S+)")[1]

    def ask_to_end(self, how: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(how)

    def ended(self) -> int:
        """The exit code, when it has ended."""
        until(lambda: self.process.poll() is not None, self._story)
        return int(self.process.returncode)

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send a signal; the exit code."""
        self.ask_to_end(how)
        return self.ended()

    def result(self) -> dict[str, Any]:
        """The last line on stdout."""
        assert self.out, self._story()
        return dict(msgspec.json.decode(self.out[-1]))

    def _story(self) -> str:
        return f"exit code {self.process.poll()}\n" + "\n".join([*self.out[-5:], *self.err[-30:]])


class Commands:
    """Processes of one test, with one data folder unless they name another."""

    def __init__(self, folder: Path, database: Database) -> None:
        """`database`: where the services' stores are; files stand in the data folder."""
        self._folder = folder
        self.data = folder / "data"
        self._database = database
        self._running: list[Running] = []

    def run(self, *arguments: str) -> Running:
        """Start `toritsugi run` with these arguments."""
        own = ("--data", str(self.data), "--port", "0")
        one = Running(self._folder, len(self._running), (*own, *arguments), self._database.url)
        self._running.append(one)
        return one

    def rows(self, service: str, query: str) -> list[Any]:
        """Rows of a service's store, read beside the running process; none before the store is there."""
        try:
            return self._database.ask(service, query)
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
            return []

    def kill_all(self) -> None:
        """End what a test left behind."""
        for one in self._running:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()


def commands_in(folder: Path, database: Database) -> Iterator[Commands]:
    """For a fixture."""
    commands = Commands(folder, database)
    try:
        yield commands
    finally:
        commands.kill_all()
