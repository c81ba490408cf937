"""`toritsugi run`: the house in one process, or one service of it; with a simulated switch where no real one is named.

Enters: arguments, settings, the environment. Leaves: pages, call lines on stderr, and as the last line on stdout the
result of a measured run. How the rooms stand together is `compose.py`; how a run is judged is `trial.py`.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import gevent
import msgspec

from freeswitch.simulator import Simulator, Traffic
from proto.envelope import Envelope
from proto.events import CallEnded
from services import trial
from services.billing.service import entries
from services.compose import AGENT, EVERYTHING, House, compose
from services.directory import people
from services.history.narrate import line
from services.history.summary import summary
from services.runtime import log
from services.runtime.app import App
from services.runtime.bus.choose import connect
from services.runtime.settings import Settings, SwitchLink, load_or_exit
from services.runtime.store import Tx
from services.simulated import NothingToSimulate, simulator_for

DRAIN_S = 15.0
SIMULATED_CALLS_PER_SECOND = 0.5


class Duration(click.ParamType[float]):
    """`20s`, `5m`, `1h` or plain seconds -> seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; anything else is a usage error."""
        text = str(value)
        unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
        try:
            seconds = float(text[:-1]) * unit if unit else float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 1e7:
            self.fail(f"{text!r}: allowed are for example 20s, 5m, 1h", param, ctx)
        return seconds


@dataclass
class Run:
    """One life of the process."""

    settings: Settings
    names: Sequence[str]
    for_s: float | None
    calls_per_second: float
    seed: int
    simulator: Simulator | None = None
    traffic: Traffic | None = None
    first_password: str | None = None
    reset_login: bool = False
    house: House = field(init=False)
    before: trial.Books | None = None
    ended_calls: int = 0

    def go(self) -> int:
        """Run until asked to stop or the time is over; the exit code."""
        settings = self.settings
        self.house = compose(settings, connect(settings.bus, settings.data_dir), self.names, self._narrate)
        parts = list(self.house.parts)
        parts.append(("first log-in", _Hook(self._prepare)))
        if self.simulator is not None:
            # Stops first: whoever is up is hung up through the switch while everything still listens.
            parts.append(("simulated callers", _Hook(self._begin_calls, self._end_calls)))
        code = App(parts, settings.drain_s + DRAIN_S).run(self.for_s, self._announce)
        return self._judge(code)

    def _prepare(self) -> None:
        directory = self.house.stores.get("directory")
        if directory is not None:
            _, self.first_password = people.ensure_first_person(directory)
            if self.reset_login:
                self.first_password = people.reset_login(directory)
            people.tell(directory, self.house.bus)
        self.before = self._books() if self._keeps_books() else None

    def _announce(self) -> None:
        if self.house.web is not None:
            click.echo(f"ページ / page: {self.house.web.url}", err=True)
            if self.first_password:
                click.echo(f"ログイン / log-in: {people.FIRST_PERSON}  {self.first_password}", err=True)
            else:
                click.echo("ログイン / log-in: as printed at the first start (--reset-login renews it)", err=True)
        what = "everything" if len(self.names) == len(EVERYTHING) else ", ".join(self.names)
        click.echo(f"Running {what}; Ctrl-C ends.", err=True)

    def _narrate(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            if isinstance(envelope.body, CallEnded):
                self.ended_calls += 1
                click.echo(line(envelope.tenant, envelope.body), err=True)

    # -- the simulated callers and the books --

    def _begin_calls(self) -> None:
        assert self.simulator is not None
        for agent in self.house.agents:
            agent.wait_ready(30.0)
        self.traffic = self.simulator.traffic(calls_per_second=self.calls_per_second, seed=self.seed)
        self.traffic.start()

    def _end_calls(self) -> None:
        """No new calls; hang up what is up through the switch; wait until the books agree or the time is over."""
        if self.traffic is None:
            return
        self.traffic.stop_intake()
        with gevent.Timeout(DRAIN_S, False):
            self.traffic.hang_up_all(DRAIN_S)
            while not self._agrees():
                gevent.sleep(0.05)

    def _keeps_books(self) -> bool:
        return {"history", "billing"} <= set(self.house.stores)

    def _agrees(self) -> bool:
        if not self._keeps_books():
            return True
        quiet = all(agent.waiting == 0 for agent in self.house.agents)
        return quiet and self._result().lost == 0

    def _result(self) -> trial.Result:
        assert self.traffic is not None and self.before is not None
        counts = self.traffic.counts()
        seen = trial.SwitchCount(arrived=counts.arrived, ended=counts.ended, answered=counts.answered)
        return trial.compare(seen, trial.since(self.before, self._books()))

    def _books(self) -> trial.Books:
        """Legs ended and routed as history heard them; charges as they stand in the ledger itself."""
        heard = self.house.stores["history"].run(summary)
        return trial.Books(
            calls=heard.calls,
            legs_ended=heard.legs_ended,
            legs_charged=Counter(self.house.stores["billing"].run(_charged_legs)),
            routed=heard.decided,
            decision_us=heard.decision_us,
        )

    def _judge(self, code: int) -> int:
        if self.traffic is None or self.before is None or code == 1:
            click.echo(f"{self.ended_calls} calls ended.", err=True)
            return code
        for name in ("history", "billing"):
            self.house.stores[name].start()
        result = self._result()
        for name in ("history", "billing"):
            self.house.stores[name].stop()
        click.echo(msgspec.json.encode(result).decode())
        return code or (0 if result.clean else 4)


def _charged_legs(tx: Tx) -> list[str]:
    return [entry.leg for entry in entries(tx)]


@dataclass
class _Hook:
    """A part made of two functions."""

    begin: object
    end: object = None

    def start(self) -> None:
        if callable(self.begin):
            self.begin()

    def stop(self) -> None:
        if callable(self.end):
            self.end()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("service", required=False, type=click.Choice(EVERYTHING))
@click.option("--bus", help="`embedded:` (default) or amqp://user:password@host/vhost.")
@click.option("--settings", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Settings file.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder (default: data).")
@click.option("--tenants", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Clients' files.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the pages; 0 takes a free one.")
@click.option("--for", "for_s", type=Duration(), help="End by itself after this time, for example 20s.")
@click.option("--calls-per-second", type=click.FloatRange(0.01, 1000), help="How often simulated people call.")
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the same simulated calls.")
@click.option("--reset-login", is_flag=True, help="Give the first person a new password.")
def main(
    service: str | None,
    bus: str | None,
    file: Path | None,
    data: Path | None,
    tenants: Path | None,
    port: int | None,
    for_s: float | None,
    calls_per_second: float | None,
    seed: int,
    reset_login: bool,
) -> None:
    """Run all services in one process, or the one that is named.

    Without TORITSUGI_ESL (host:port of a real FreeSWITCH) a simulated switch and simulated callers are used.
    """
    settings = load_or_exit(file, _environment(bus=bus, data_dir=data, tenants_dir=tenants, web_port=port))
    log.configure(settings.log_level if "TORITSUGI_LOG_LEVEL" in os.environ or file else "WARNING")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    names = (service,) if service else EVERYTHING
    simulator = None
    if AGENT in names and not settings.switches:
        try:
            settings, simulator = _with_simulator(settings)
        except NothingToSimulate as error:
            raise click.ClickException(str(error)) from None
    run = Run(
        settings,
        names,
        for_s,
        calls_per_second or SIMULATED_CALLS_PER_SECOND,
        seed,
        simulator=simulator,
        reset_login=reset_login,
    )
    try:
        code = run.go()
    finally:
        if simulator is not None:
            simulator.stop()
    sys.exit(code)


def _environment(**arguments: object) -> dict[str, str]:
    """The environment, with what was typed over it: an argument is a setting by another road."""
    typed = {f"TORITSUGI_{name.upper()}": str(value) for name, value in arguments.items() if value is not None}
    return {**os.environ, **typed}


def _with_simulator(settings: Settings) -> tuple[Settings, Simulator]:
    recordings = settings.data_dir.resolve() / "recordings"
    simulator, password = simulator_for(settings.tenants_dir, recordings)
    link = SwitchLink(name="fs1", port=simulator.start(), password=password, recordings_dir=recordings)
    return msgspec.structs.replace(settings, switches=(link,)), simulator
