"""`make bench`: all bars, or those whose group is named. With a real switch: `make bench ARGS="--help"`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.bench import calls, conf, resync
from tests.bench.bar import Bar, json_lines, table
from tests.bench.house import RealSwitch
from tests.rabbitmq import Broker

SECONDS = 20.0


@click.command()
@click.argument("groups", nargs=-1)
@click.option("--seconds", default=SECONDS, show_default=True, help="How long people call.")
@click.option("--calls-per-second", "per_second", default=5.0, show_default=True, help="How many.")
@click.option("--esl", help="host:port of a real switch that has freeswitch/conf and a static bridge for 0312345679.")
@click.option("--password-file", type=click.Path(exists=True, path_type=Path), help="Of its Event Socket.")
@click.option("--dial", help="Dial string of its own trunk side, for example sofia/external/{number}@127.0.0.1:5080.")
@click.option("--bus", help="With --esl: the broker (amqp://…) to which its mod_amqp publishes.")
def main(
    groups: tuple[str, ...],
    seconds: float,
    per_second: float,
    esl: str | None,
    password_file: Path | None,
    dial: str | None,
    bus: str | None,
) -> None:
    """Measure and compare; a table on stderr, JSON lines on stdout."""
    found: list[Bar] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if esl:
            if not (password_file and dial and bus):
                raise click.UsageError("--esl needs --password-file, --dial and --bus")
            host, _, port = esl.rpartition(":")
            real = RealSwitch(host, int(port), password_file.read_text(encoding="utf-8").strip(), dial)
            found += calls.bars(_made(folder / "real"), bus, seconds, per_second, real)
        else:
            wanted = groups or tuple(GROUPS)
            if unknown := set(wanted) - set(GROUPS):
                raise click.UsageError(f"{', '.join(sorted(unknown))}: allowed are {', '.join(GROUPS)}")
            for group in wanted:
                click.echo(f"{group} …", err=True)
                found += GROUPS[group](_made(folder / group), seconds, per_second)
    click.echo(table(found), err=True)
    click.echo(json_lines(found))
    sys.exit(0)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _calls(folder: Path, seconds: float, per_second: float) -> list[Bar]:
    with _broker(folder, 1) as broker:
        return calls.bars(folder, broker.url(), seconds, per_second)


def _resync(folder: Path, _seconds: float, _per_second: float) -> list[Bar]:
    with _broker(folder, 2 * resync.TIMES) as broker:
        return resync.bars(folder, [broker.url() for _ in range(2 * resync.TIMES)])


@contextmanager
def _broker(folder: Path, vhosts: int) -> Iterator[Broker]:
    base = folder / "broker"
    base.mkdir()
    broker = Broker(base, vhosts)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


def _conf(folder: Path, _seconds: float, _per_second: float) -> list[Bar]:
    return conf.bars(folder)


GROUPS: dict[str, Callable[[Path, float, float], list[Bar]]] = {"calls": _calls, "resync": _resync, "conf": _conf}

if __name__ == "__main__":
    main()
