"""What a bench runs: a broker, the house on it as one process or as one per service, a switch, and the ears.

Enters: a folder; for a real switch its address. Leaves: what the ears have written. Everything is ended with `close`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from services.rooms import EVERYTHING

ROOT = Path(__file__).parents[2]
ROUTED, STATIC, GATEWAY, FAR_END = "0312345678", "0312345679", "trunk1", "0311112222"
START_S = 60.0
RUNNING = "Ctrl-C ends"
"""What a process says once all of its parts have started."""
TENANTS = {
    "platform.yaml": f"""\
switches: [{{switch: fs1, domain: 127.0.0.1}}]
carriers: [{{name: {GATEWAY}, gateway: {GATEWAY}}}]
prices:
- table: standard
  versions: [{{from: 2026-01-01, basis: excl, rules: [{{name: all, prefixes: ["0"], unit_s: 180, unit: 8}}]}}]
""",
    "bench.yaml": f"""\
tenant: bench
name: 計測
contract: {{from: 2026-01-01, closing_day: 20, prices: standard}}
numbers: [{{number: {ROUTED}, kind: representative, route: main}}]
ids: [{{id: "1001", name: 計測}}]
routes: {{main: [{{do: [{{forward: {FAR_END}, for_s: 20}}]}}]}}
""",
}


@dataclass(frozen=True)
class RealSwitch:
    """A FreeSWITCH that has `freeswitch/conf/` and a static bridge for STATIC; it calls itself."""

    host: str
    port: int
    password: str
    dial: str
    """Dial string of its own trunk side with `{number}`, for example `sofia/external/{number}@127.0.0.1:5080`."""


class Processes:
    """Started one by one, ended together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """`python -m …` with pipes for stdin and stdout; stderr goes to a file."""
        with (self.folder / f"{arguments[0]}.err").open("a", encoding="utf-8") as errors:
            one = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._running.append(one)
        return one

    def patched(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """The same, with gevent in place."""
        return self.start("tests.bench.patched", *arguments, environment=environment)

    def ear(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Path:
        """A listener that is ready; the file it writes to."""
        file = self.folder / f"{arguments[0]}.jsonl"
        process = self.start("tests.bench.ears", *arguments, str(file), environment=environment)
        self.said(process)
        return file

    def said(self, process: subprocess.Popen[str]) -> str:
        """The next line on its stdout. Raises RuntimeError with all complaints if it ends without one."""
        assert process.stdout is not None
        if line := process.stdout.readline():
            return line
        complaints = "\n".join(file.read_text(encoding="utf-8")[-1500:] for file in self.folder.glob("*.err"))
        raise RuntimeError(f"{process.args!r} ended with {process.wait()}\n{complaints}")

    def close(self) -> None:
        """Ends them, last first."""
        while self._running:
            one = self._running.pop()
            one.terminate()
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                one.kill()


def tell(process: subprocess.Popen[str], line: str) -> None:
    """A line on its stdin."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


@dataclass(frozen=True)
class Played:
    """A simulated switch that runs."""

    process: subprocess.Popen[str]
    port: int
    password: str

    def let_call(self, numbers: str, per_second: float, seconds: float) -> None:
        """People begin to call; `ended` waits for the last."""
        tell(self.process, f"{numbers} {per_second} {seconds}")

    def ended(self, processes: Processes) -> int:
        """How many called, once they have hung up."""
        return int(processes.said(self.process))


def run_switch(processes: Processes, channels_up: int = 0, most: int = -1) -> Played:
    """A simulated switch as a process; it takes at most so many calls in a second."""
    process = processes.start("tests.bench.switch", ROUTED, STATIC, GATEWAY, str(channels_up), str(most))
    about = json.loads(processes.said(process))
    return Played(process, about["port"], str(about["password"]))


def write_tenants(folder: Path) -> Path:
    """The files of one client, in a folder made for them."""
    folder.mkdir()
    for name, text in TENANTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run_house(processes: Processes, bus: str, esl: str, password: str) -> psutil.Process:
    """`toritsugi run` with one client, on this bus; returns when it hears the switch."""
    return _run(processes, bus, esl, password, [()])[0]


def run_services_apart(
    processes: Processes, bus: str, esl: str, password: str, which: Sequence[str] = EVERYTHING
) -> list[psutil.Process]:
    """The same with a process for each of these services, as it is run at scale."""
    return _run(processes, bus, esl, password, [(name,) for name in which])


def _run(
    processes: Processes, bus: str, esl: str, password: str, which: Sequence[tuple[str, ...]]
) -> list[psutil.Process]:
    place = Path(tempfile.mkdtemp(dir=processes.folder))
    tenants = write_tenants(place / "tenants")
    environment = {"TORITSUGI_ESL": f"fs1={esl}", "TORITSUGI_ESL_PASSWORD": password, "TORITSUGI_LOG_LEVEL": "INFO"}
    folder = ("--data", str(place / "data"), "--tenants", str(tenants), "--port", "0")
    log = processes.folder / "services.err"
    earlier = len(log.read_text(encoding="utf-8")) if log.exists() else 0
    started = [processes.start("services", *names, "--bus", bus, *folder, environment=environment) for names in which]
    deadline = time.monotonic() + START_S
    while "switch found" not in (said := log.read_text(encoding="utf-8")[earlier:]) or said.count(RUNNING) < len(
        started
    ):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the house did not start: {said[-1500:]}")
        time.sleep(0.1)
    return [psutil.Process(one.pid) for one in started]


def lines(file: Path) -> list[dict[str, Any]]:
    """What an ear has written; a last line that is being written is left out."""
    return [
        json.loads(line) for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")
    ]


def call_itself(
    switch: RealSwitch, calls_per_second: float, seconds: float, numbers: Sequence[str] = (ROUTED, STATIC)
) -> int:
    """A real switch calls its own trunk side: these numbers in turn, a second each. How many calls it made."""
    link = socket.create_connection((switch.host, switch.port))
    link.sendall(f"auth {switch.password}\n\n".encode())
    ends = time.monotonic() + seconds
    count = 0
    while time.monotonic() < ends:
        number = numbers[count % len(numbers)]
        settings = "{origination_caller_id_number=09012345678,originate_timeout=20,execute_on_answer='sched_hangup +2'}"
        link.sendall(f"bgapi originate {settings}{switch.dial.format(number=number)} &park()\n\n".encode())
        count += 1
        time.sleep(1 / calls_per_second)
    time.sleep(4)
    link.close()
    return count
