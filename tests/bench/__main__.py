"""`make bench`: all bars, or those whose group is named. With a real switch: `make bench ARGS="--help"`."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from tests import postgres
from tests.bench import (
    calls,
    charging,
    commanding,
    conf,
    deciding,
    overload,
    parsers,
    publishing,
    reports,
    resync,
    running,
    sockets,
    stopped,
    viewers,
)
from tests.bench.bar import Bar, json_lines, table
from tests.bench.house import Processes, RealSwitch
from tests.rabbitmq import Broker

VHOSTS = 30


@dataclass(frozen=True)
class Bench:
    """What a group may use."""

    folder: Path
    """Empty, its own, on a real disk."""
    size: float
    """1: as stated; less for a quick look."""
    broker: Callable[[], Broker]
    """The RabbitMQ of this run; its `url()` is an empty virtual host."""
    processes: Processes

    def count(self, full: int, least: int = 1) -> int:
        """So many of something, scaled."""
        return max(least, int(full * self.size))


def _parsers(bench: Bench) -> list[Bar]:
    return parsers.bars(bench.count(500))


def _sockets(bench: Bench) -> list[Bar]:
    return sockets.bars(bench.processes, bench.count(sockets.COUNT))


def _publishing(bench: Bench) -> list[Bar]:
    return publishing.bars(bench.processes, [bench.broker().url() for _ in range(6)], bench.count(10_000))


def _commanding(bench: Bench) -> list[Bar]:
    return commanding.bars(bench.processes, [bench.broker().url() for _ in range(6)], bench.count(3_000, 10))


def _charging(bench: Bench) -> list[Bar]:
    lite = [f"sqlite:///{bench.folder / str(number)}.sqlite" for number in range(6)]
    found = charging.bars(bench.processes, lite, "SQLite", bench.count(2_000, 10))
    if postgres.installed():
        with postgres.running(fsync=True) as server:
            urls = [server.url() for _ in range(6)]
            found += charging.bars(bench.processes, urls, "PostgreSQL", bench.count(2_000, 10))
    return found


def _deciding(bench: Bench) -> list[Bar]:
    return deciding.bars(bench.processes, [bench.broker().url() for _ in range(2)], bench.count(20, 2))


def _stopped(bench: Bench) -> list[Bar]:
    return stopped.bars(bench.processes, bench.broker(), bench.count(60, 2))


def _overload(bench: Bench) -> list[Bar]:
    return overload.bars(bench.processes, bench.broker().url(), bench.count(20, 2))


def _running(bench: Bench) -> list[Bar]:
    return running.bars(bench.processes, bench.broker().url(), bench.count(running.MANY, 20), bench.count(20, 1))


def _calls(bench: Bench) -> list[Bar]:
    return calls.bars(bench.processes, bench.broker().url(), bench.count(20), 5.0)


def _resync(bench: Bench) -> list[Bar]:
    return resync.bars(bench.folder, [bench.broker().url() for _ in range(2 * resync.TIMES)], bench.count(resync.MANY))


def _conf(bench: Bench) -> list[Bar]:
    return conf.bars(bench.folder, bench.count(conf.MANY))


def _reports(bench: Bench) -> list[Bar]:
    many, times = bench.count(reports.MANY, 2 * reports.FEW), bench.count(reports.TIMES, 20)
    lite = [f"sqlite:///{bench.folder / name}.sqlite" for name in ("few", "many")]
    found = reports.bars(bench.processes, lite[0], lite[1], "SQLite", many, times)
    if postgres.installed():
        with postgres.running(fsync=True) as server:
            found += reports.bars(bench.processes, server.url(), server.url(), "PostgreSQL", many, times)
    return found


def _viewers(bench: Bench) -> list[Bar]:
    few, many = (f"sqlite:///{bench.folder / name}.sqlite" for name in ("few", "many"))
    return viewers.bars(bench.processes, few, many, bench.count(viewers.MANY, 20), viewers.SECONDS * bench.size)


GROUPS: dict[str, Callable[[Bench], list[Bar]]] = {
    "parsers": _parsers,
    "sockets": _sockets,
    "publishing": _publishing,
    "commanding": _commanding,
    "charging": _charging,
    "deciding": _deciding,
    "stopped": _stopped,
    "overload": _overload,
    "running": _running,
    "calls": _calls,
    "resync": _resync,
    "conf": _conf,
    "reports": _reports,
    "viewers": _viewers,
}


@click.command()
@click.argument("groups", nargs=-1, metavar=f"[{'|'.join(GROUPS)}]...")
@click.option("--size", default=1.0, show_default=True, help="Less is quicker and says less.")
@click.option("--esl", help="host:port of a real switch that has freeswitch/conf and a static bridge for 0312345679.")
@click.option("--password-file", type=click.Path(exists=True, path_type=Path), help="Of its Event Socket.")
@click.option("--dial", help="Dial string of its own trunk side, for example sofia/external/{number}@127.0.0.1:5080.")
@click.option("--bus", help="With --esl: the broker (amqp://…) to which its mod_amqp publishes.")
@click.option("--pid", type=int, help="With --esl: the switch's process, to compare what a call costs it and us.")
def main(
    groups: tuple[str, ...],
    size: float,
    esl: str | None,
    password_file: Path | None,
    dial: str | None,
    bus: str | None,
    pid: int | None,
) -> None:
    """Measure and compare; a table on stderr, JSON lines on stdout."""
    if unknown := set(groups) - set(GROUPS):
        raise click.UsageError(f"{', '.join(sorted(unknown))}: allowed are {', '.join(GROUPS)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not esl:
            found = measure(tuple(dict.fromkeys(groups)) or tuple(GROUPS), folder, size)
        elif password_file and dial and bus:
            host, _, port = esl.rpartition(":")
            real = RealSwitch(host, int(port), password_file.read_text(encoding="utf-8").strip(), dial)
            with _processes(folder) as processes:
                found = calls.bars(processes, bus, 20 * size, 5.0, real)
            if pid:
                with _processes(folder / "cpu") as processes, _broker(folder) as broker:
                    found += running.beside_a_real_switch(processes, broker().url(), real, pid, 60 * size, 5.0)
        else:
            raise click.UsageError("--esl needs --password-file, --dial and --bus")
    click.echo(table(found), err=True)
    click.echo(json_lines(found))


def measure(groups: tuple[str, ...], folder: Path, size: float) -> list[Bar]:
    """The bars of these groups, one group after the other."""
    found: list[Bar] = []
    with _broker(folder) as broker:
        for group in groups:
            busy = os.getloadavg()[0] / (os.cpu_count() or 1)
            click.echo(f"{group} … ({busy:.0%} of the machine busy)", err=True)
            own = folder / group
            own.mkdir()
            try:
                with _processes(own) as processes:
                    bars = GROUPS[group](Bench(own, size, broker, processes))
                click.echo(table(bars), err=True)
                found += bars
            except Exception:  # the other groups are worth their time
                click.echo(f"{group} could not be measured:\n{traceback.format_exc()}", err=True)
    return found


@contextmanager
def _processes(folder: Path) -> Iterator[Processes]:
    processes = Processes(folder)
    try:
        yield processes
    finally:
        processes.close()


@contextmanager
def _broker(folder: Path) -> Iterator[Callable[[], Broker]]:
    """Started when somebody asks for it."""
    base = folder / "broker"
    base.mkdir()
    started: list[Broker] = []

    def running_one() -> Broker:
        if not started:
            started.append(Broker(base, VHOSTS))
            started[0].start()
        return started[0]

    try:
        yield running_one
    finally:
        for broker in started:
            broker.close()


if __name__ == "__main__":
    main()
    sys.exit(0)
