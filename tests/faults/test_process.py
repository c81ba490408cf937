"""The process beside the switch dies or stands still with calls up: the next one knows what became of them."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import psycopg
import pytest

from freeswitch.simulator import Channel
from services.eventsocket.beliefs import Beliefs
from services.eventsocket.journal import Journal
from tests.command import ROOT, until
from tests.faults.switch import PASSWORD, Switch, write_clients
from tests.stores import Database

WATCHDOG_S = 5.0
"""WatchdogSec of deploy/systemd/toritsugi-eventsocket.service."""


class Systemd:
    """Does what systemd does with WatchdogSec and WatchdogSignal=SIGKILL."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._heard_s = time.monotonic()
        self._greenlet = gevent.spawn(self._listen)

    def stop(self) -> None:
        """Nothing is heard any more."""
        self._greenlet.kill()
        self._socket.close()

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Until the process has been silent for too long; then it is killed."""
        until(lambda: time.monotonic() - self._heard_s > WATCHDOG_S)
        process.kill()
        process.wait()

    def _listen(self) -> None:
        while True:
            if b"WATCHDOG=1" in self._socket.recv(64).splitlines():
                self._heard_s = time.monotonic()


class Ours:
    """`toritsugi run` on the simulated switch, several lives with the same data."""

    def __init__(self, folder: Path, database: Database, switch: Switch) -> None:
        self.folder, self.database, self.switch = folder, database, switch
        self.systemd = Systemd(folder)
        self.tenants = write_clients(folder / "tenants")
        self.lives: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """One more life; returns when the switch is heard."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TORITSUGI_")}
        environment |= {
            "TORITSUGI_ESL": f"fs1={PASSWORD}@127.0.0.1:{self.switch.port}",
            "TORITSUGI_DATABASE": self.database.url,
            "TORITSUGI_LOG_LEVEL": "INFO",
            "NOTIFY_SOCKET": self.systemd.address,
        }
        arguments = ["--data", str(self.folder / "data"), "--tenants", str(self.tenants), "--port", "0"]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "services", *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        self.lives.append(process)
        until(lambda: self.log().count("switch found") == len(self.lives), self.log)
        return process

    def stop(self) -> None:
        """Whatever is left."""
        for process in self.lives:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.systemd.stop()

    def log(self) -> str:
        """What was printed so far."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def rows(self, room: str, query: str) -> list[tuple[object, ...]]:
        """Rows of a store, read beside the process."""
        try:
            return self.database.ask(room, query)
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
            return []

    def kept(self) -> int:
        """Of how many legs the agent's journal has their answer: it is written just after the bus has the fact."""
        beliefs = Beliefs()
        Journal(self.folder / "data" / "fs1.legs").take_over(beliefs)
        return sum(leg.answered for leg in beliefs.legs_up())

    def ended(self) -> dict[str, bool]:
        """Leg -> whether its end is estimated, as history has it."""
        return {str(leg): bool(e) for leg, e in self.rows("history", ENDED)}


ENDED = "SELECT leg, estimated FROM legs WHERE ended_at_us IS NOT NULL"


@pytest.fixture
def ours(tmp_path: Path, house_database: Database) -> Iterator[Ours]:
    switch = Switch(tmp_path, cdr=False)
    switch.simulator.start()
    ours = Ours(tmp_path, house_database, switch)
    yield ours
    ours.stop()
    switch.simulator.kill()


def _talks(ours: Ours, number: int) -> list[Channel]:
    """A few at a time, so that a slow machine routes each within its 1.5 s."""
    callers: list[Channel] = []
    for talks in range(5, number + 1, 5):
        callers += ours.switch.call(5)
        until(lambda talks=talks: ours.switch.talking(2 * talks), ours.log)  # type: ignore[misc]
    return callers


@pytest.mark.parametrize(("fault", "calls"), [("killed", 10), ("frozen", 20)])
def test_a_process_that_dies_or_stands_still_with_talks_up(ours: Ours, fault: str, calls: int) -> None:
    switch, process = ours.switch, ours.start()
    callers = _talks(ours, calls)
    up = {leg.uuid for leg in switch.up()}
    until(lambda: len(ours.rows("history", "SELECT leg FROM legs WHERE answered_at_us IS NOT NULL")) == 2 * calls)
    until(lambda: ours.kept() == 2 * calls)
    process.send_signal(signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
    for caller in callers[::2]:
        switch.hang_up(caller)
    if fault == "frozen":
        ours.systemd.watch(process)
    until(lambda: not switch.simulator.server.clients)  # the switch waits for nobody any more
    ours.start()
    unheard = up - {leg.uuid for leg in switch.up()}
    until(lambda: set(ours.ended()) >= unheard, ours.log)
    assert ours.ended() == dict.fromkeys(unheard, True), "estimated, and nobody who talks on"
    for leg, ended_us in ours.rows("history", "SELECT leg, ended_at_us FROM legs WHERE ended_at_us IS NOT NULL"):
        truth = switch.truth[str(leg)]
        assert truth.answered_us <= int(str(ended_us)) <= truth.ended_us
    for caller in callers[1::2]:
        switch.hang_up(caller)
    until(lambda: set(ours.ended()) == up, ours.log)
    estimated = {leg for leg, one in ours.ended().items() if one}
    lost, doubled = up - set(ours.ended()), len(ours.rows("history", "SELECT leg FROM legs")) - len(up)
    print(f"{fault}: legs {len(up)} lost {len(lost)} doubled {doubled} estimated {len(estimated)}")
    assert (estimated, lost, doubled) == (unheard, set(), 0)
