"""What the service manager is told, and that our unit files wait for it (systemd: sd_notify(3), systemd.service(5))."""

from __future__ import annotations

import socket
from configparser import ConfigParser
from pathlib import Path

import pytest

from services.eventsocket.watch import LifeSign

UNITS = sorted((Path(__file__).parents[2] / "deploy/systemd").glob("*.service"))


def test_a_reader_that_runs_says_that_it_is_up_and_alive(tmp_path: Path) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(2)
    manager.bind(str(tmp_path / "notify"))
    LifeSign(str(tmp_path / "notify")).reads_on()
    assert manager.recv(64).splitlines() == [b"READY=1", b"WATCHDOG=1"]
    manager.close()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_watchdog_counts_from_when_the_reader_runs(unit: Path) -> None:
    """With Type=simple it counts from the first moment: on a busy machine no start would ever come to its end."""
    text = ConfigParser(strict=False, interpolation=None)
    text.read_string(unit.read_text(encoding="utf-8"))
    service = text["Service"]
    assert service["Type"] == "notify" and float(service["WatchdogSec"]) <= 5 < float(service["TimeoutStartSec"])
