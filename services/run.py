"""`toritsugi run`: the house in one process, or one service of it; with a simulated switch where no real one is named.

Enters: arguments, settings, the environment. Leaves: pages, call lines on stderr, and as the last line on stdout the
result of a run with simulated callers. How the rooms stand together is `compose.py`; who calls is `simulated.py`; how a
run is judged is `trial.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec

from freeswitch.simulator import Simulator
from proto.envelope import Envelope
from proto.events import CallEnded
from services.commands.beside import Duration, environment
from services.compose import House, compose
from services.directory.people import rows as people
from services.history.narrate import line
from services.rooms import AGENT, EVERYTHING
from services.runtime import clock, log
from services.runtime.app import EXIT_DRAIN_CUT, EXIT_START_FAILED, App
from services.runtime.bus import Bus
from services.runtime.bus.choose import EMBEDDED, connect
from services.runtime.settings import Settings, SwitchLink, load_or_exit
from services.runtime.store import Store
from services.runtime.tls import UnusableCertificate
from services.runtime.virtual import virtual_time
from services.simulated import DRAIN_S, Callers, NothingToSimulate, simulator_for

SIMULATED_CALLS_PER_SECOND = 0.5
EXIT_NOT_CLEAN = 4
"""Something was lost or doubled."""


@dataclass
class Run:
    """One life of the process."""

    settings: Settings
    names: Sequence[str]
    for_s: float | None
    simulator: Simulator | None
    calls_per_second: float
    seed: int
    reset_login: bool
    house: House = field(init=False)
    ended_calls: int = 0

    def go(self) -> int:
        """Run until asked to stop or the time is over; the exit code."""
        settings = self.settings
        self.house = compose(settings, _bus(settings), self.names, self._narrate)
        parts = list(self.house.parts)
        log_in, callers = self._first_log_in(), None
        if log_in is not None:
            parts.append(("first log-in", log_in))
        if self.simulator is not None:
            # Stops first: whoever is up is hung up through the switch while everything still listens.
            callers = Callers(self.house, self.simulator, self.calls_per_second, self.seed)
            parts.append(("simulated callers", callers))
        code = App(parts, settings.drain_s + DRAIN_S).run(self.for_s, lambda: self._announce(log_in))
        if code == EXIT_START_FAILED:
            return code
        return self._sum_up(callers, code)

    def _first_log_in(self) -> _FirstLogIn | None:
        store = self.house.stores.get("directory")
        return None if store is None else _FirstLogIn(store, self.house.bus, self.reset_login)

    def _announce(self, log_in: _FirstLogIn | None) -> None:
        if self.house.web is not None:
            click.echo(f"ページ / page: {self.house.web.url}", err=True)
        if log_in is not None and not log_in.shown:
            click.echo("ログイン / log-in: as printed at the first start (--reset-login renews it)", err=True)
        what = "everything" if len(self.names) == len(EVERYTHING) else ", ".join(self.names)
        click.echo(f"Running {what}; Ctrl-C ends.", err=True)

    def _narrate(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            if isinstance(envelope.body, CallEnded):
                self.ended_calls += 1
                text = line(envelope.tenant, envelope.body)
                # Invented callers have no secret; where people call, stderr is somebody's journal.
                click.echo(log.mask(text) if self.simulator is None else text, err=True)

    def _sum_up(self, callers: Callers | None, code: int) -> int:
        result = None if callers is None else callers.result()
        if "connectors" in self.names:
            click.echo(f"終了 / ended: {self.ended_calls} calls", err=True)
        if callers is None or result is None:
            return code
        if not callers.drained:
            click.echo(f"toritsugi: not everything had ended and was written within {DRAIN_S:.0f} s", err=True)
            code = code or EXIT_DRAIN_CUT
        if result.lost is not None:
            click.echo(f"欠落 / lost: {result.lost}  重複 / doubled: {result.duplicated}", err=True)
        click.echo(msgspec.json.encode(result).decode())
        return code or (0 if result.clean else EXIT_NOT_CLEAN)


@dataclass
class _FirstLogIn:
    """Makes the first person, or gives them a new password, and tells everybody."""

    store: Store
    bus: Bus
    renew: bool
    shown: bool = False

    def start(self) -> None:
        _, password = people.ensure_first_person(self.store, self._show)
        if self.shown and password is None:
            click.echo("ログイン / log-in: another process was first: what it has printed holds", err=True)
        if self.renew and not self.shown:
            self._show(people.reset_login(self.store))
        people.tell(self.store, self.bus)

    def _show(self, password: str) -> None:
        """At once, whatever happens after: nobody can be told it a second time."""
        click.echo(f"ログイン / log-in: {people.FIRST_PERSON}  {password}", err=True)
        self.shown = True

    def stop(self) -> None:
        """Nothing is kept."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("service", required=False, type=click.Choice(EVERYTHING))
@click.option("--bus", help="`embedded:` (default) or amqp://user:password@host/vhost.")
@click.option("--database", help="`sqlite` (default: files in the data folder) or postgresql://host/name.")
@click.option("--settings", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Settings file.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder (default: data).")
@click.option("--tenants", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Clients' files.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the pages; 0 takes a free one.")
@click.option("--for", "for_s", type=Duration(), help="End by itself after this time, for example 20s.")
@click.option("--calls-per-second", type=click.FloatRange(0.01, 1000), help="How often simulated people call.")
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the same simulated calls.")
@click.option("--fast", is_flag=True, help="Simulated switch, embedded bus: quiet moments take no time.")
@click.option("--reset-login", is_flag=True, help="Give the first person a new password.")
def main(
    service: str | None,
    bus: str | None,
    database: str | None,
    file: Path | None,
    data: Path | None,
    tenants: Path | None,
    port: int | None,
    for_s: float | None,
    calls_per_second: float | None,
    seed: int,
    fast: bool,
    reset_login: bool,
) -> None:
    """Run all services in one process, or the one that is named.

    Without TORITSUGI_ESL (host:port of a real FreeSWITCH) a simulated switch and simulated callers are used.
    """
    typed = environment(bus=bus, database=database, data_dir=data, tenants_dir=tenants, web_port=port)
    settings = load_or_exit(file, typed)
    if service and settings.bus == EMBEDDED:
        raise click.UsageError(f"{service} alone needs a bus that others share: --bus amqp://user:password@host/vhost")
    if fast and (settings.switches or settings.bus != EMBEDDED):
        raise click.UsageError("--fast is for the simulated switch on the embedded bus: others do not share our time")
    if reset_login and service not in (None, "directory"):
        raise click.UsageError("--reset-login belongs to the process that runs directory")
    log.configure(settings.log_level if "TORITSUGI_LOG_LEVEL" in os.environ or file else "WARNING")
    log.take_over()
    names = (service,) if service else EVERYTHING
    rate = calls_per_second or SIMULATED_CALLS_PER_SECOND
    with virtual_time(clock.now_us()) if fast else nullcontext():
        code = _run(settings, names, lambda s, simulator: Run(s, names, for_s, simulator, rate, seed, reset_login))
    sys.exit(code)


def _run(settings: Settings, names: Sequence[str], build: Callable[[Settings, Simulator | None], Run]) -> int:
    """One life, with a simulated switch where no real one is named; the exit code."""
    simulator = None
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if AGENT in names and not settings.switches:
            settings, simulator = _with_simulator(settings)
    except (NothingToSimulate, OSError) as error:
        raise click.ClickException(str(error)) from None
    try:
        return build(settings, simulator).go()
    finally:
        if simulator is not None:
            simulator.stop()


def _bus(settings: Settings) -> Bus:
    try:
        return connect(settings.bus, settings.data_dir, settings.bus_tls, declares=settings.bus_declares)
    except UnusableCertificate as error:
        raise click.ClickException(str(error)) from None


def _with_simulator(settings: Settings) -> tuple[Settings, Simulator]:
    recordings = settings.data_dir.resolve() / "recordings"
    simulator, password = simulator_for(settings.tenants_dir, recordings)
    link = SwitchLink(
        name="fs1", port=simulator.start(), password=password, recordings_dir=recordings, newline_every_ms=0
    )
    return msgspec.structs.replace(settings, switches=(link,)), simulator
