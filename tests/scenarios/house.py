"""The whole house with the simulated switch in virtual time, for scenarios: minutes on the telephone take a moment.

Enters: clients' files, the rooms that run. Leaves: the switch to call, the rows of every room's store, and parts that a
scenario may stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
from sqlalchemy import select

from freeswitch.simulator import Simulator
from freeswitch.simulator.calls.channel import Channel
from services.compose import House, compose
from services.rooms import EVERYTHING
from services.runtime.app import App
from services.runtime.bus.choose import EMBEDDED, connect
from services.runtime.settings import Settings, SwitchLink, Web
from services.runtime.store import Tx
from services.runtime.virtual import virtual_time
from services.simulated import simulator_for
from tests.stores import Database

MONDAY_10_00_US = int(datetime(2026, 11, 16, 1, 0, tzinfo=UTC).timestamp() * 1_000_000)
"""10:00 in Japan."""

PLATFORM = """
switches: [{switch: fs1, domain: pbx.example, phone_profile: internal}]
carriers: [{name: hikari, gateway: hikari}]
prices:
  - table: standard
    versions:
      - from: 2024-01-01
        basis: incl
        rules:
          - {name: 固定電話, prefixes: ["0"], unit_s: 180, unit: 9.35}
          - {name: 携帯電話, prefixes: ["090"], unit_s: 60, unit: 17.6}
"""
ACME = """
tenant: acme
name: 株式会社アクメ
reading: アクメ
address: {prefecture: 東京都, municipality: 千代田区}
contract: {from: 2026-04-01, closing_day: 20, plan: cloud-pbx, prices: standard}
numbers:
  - {number: 03-1234-5678, kind: representative, channels: 1, route: main}
ids: [{id: "1001", name: 佐藤 花子, device: desk}]
lines: [{line: sato, ids: ["1001"], present: 03-1234-5678}]
groups: [{group: sales, lines: [sato], strategy: all}]
routes:
  main:
    - do: [{ring: sales, for_s: 20}, {forward: 090-1234-5678, for_s: 30}, {voicemail: sales}]
"""


@dataclass
class Played:
    """The house, the switch, and how to look at them."""

    house: House
    simulator: Simulator
    app: App

    def rows(self, service: str, table: str) -> list[dict[str, Any]]:
        def work(tx: Tx) -> list[dict[str, Any]]:
            return [dict(row) for row in tx.sql.execute(select(tx.tables[table])).mappings()]

        return self.house.stores[service].run(work)

    def stop(self, *names: str) -> None:
        """These parts of the house end, as a process that is stopped does."""
        for name, part in self.house.parts:
            if name in names:
                part.stop()

    def until_over(self, leg: Channel) -> None:
        """Until the caller is gone and the house has worked it off."""
        leg.gone.wait()
        self.until(lambda: all(row["ended_at_us"] for row in self.rows("history", "calls") or [{"ended_at_us": 0}]))

    @staticmethod
    def until(holds: Callable[[], bool]) -> None:
        with gevent.Timeout(60):
            while not holds():
                gevent.sleep(0.1)


@contextmanager
def the_house(
    folder: Path,
    database: Database,
    start_us: int = MONDAY_10_00_US,
    *,
    clients: Mapping[str, str] | None = None,
    rooms: Sequence[str] = EVERYTHING,
    bus: str = EMBEDDED,
    conf_dir: Path | None = None,
    credentials: Path | None = None,
) -> Iterator[Played]:
    """`clients`: file name -> YAML, beside or in the place of those above. `rooms`: what runs.
    `conf_dir`: the switch's own folder, in which its agent writes.

    With a `bus` outside this process time is real: nobody can make a broker wait.
    """
    tenants, data = folder / "tenants", folder / "data"
    tenants.mkdir()
    data.mkdir(mode=0o700)
    for name, text in {"platform.yaml": PLATFORM, "acme.yaml": ACME, **(clients or {})}.items():
        (tenants / name).write_text(text, encoding="utf-8")
    with virtual_time(start_us) if bus == EMBEDDED else nullcontext():
        simulator, password = simulator_for(tenants, data / "recordings", conf_dir)
        link = SwitchLink(
            name="fs1",
            port=simulator.start(),
            password=password,
            recordings_dir=data / "recordings",
            newline_every_ms=0,
            conf_dir=conf_dir,
            credentials_file=credentials,
        )
        settings = Settings(
            data_dir=data, tenants_dir=tenants, switches=(link,), web=Web(port=0), database=database.url
        )
        house = compose(settings, connect(bus, data), tuple(rooms))
        app = App(house.parts)
        try:
            assert app.start() == ""
            assert all(agent.wait_ready(30) for agent in house.agents)
            yield Played(house, simulator, app)
        finally:
            stopped = app.stop()
            simulator.stop()
        assert stopped
