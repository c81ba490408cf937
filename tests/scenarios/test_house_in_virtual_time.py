"""The whole house with the simulated switch in virtual time: minutes on the telephone take a moment here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import gevent
import pytest
from sqlalchemy import select

from freeswitch.simulator import Behaviour, Caller, Simulator
from freeswitch.simulator.channel import Channel
from services.billing.service import entries
from services.compose import House, compose
from services.runtime.app import App
from services.runtime.bus.choose import EMBEDDED, connect
from services.runtime.settings import Settings, SwitchLink, Web
from services.runtime.store import Tx
from services.runtime.virtual import virtual_time
from services.simulated import simulator_for

MONDAY_10_00_US = int(datetime(2026, 11, 16, 1, 0, tzinfo=UTC).timestamp() * 1_000_000)
"""10:00 in Japan."""
RINGS_OUT = Behaviour(answers=False)
MINUTE_US = 60_000_000

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

    def rows(self, service: str, table: str) -> list[dict[str, Any]]:
        def work(tx: Tx) -> list[dict[str, Any]]:
            return [dict(row) for row in tx.sql.execute(select(tx.tables[table])).mappings()]

        return self.house.stores[service].run(work)

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
def the_house(folder: Path, start_us: int) -> Iterator[Played]:
    tenants, data = folder / "tenants", folder / "data"
    tenants.mkdir()
    data.mkdir(mode=0o700)
    (tenants / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (tenants / "acme.yaml").write_text(ACME, encoding="utf-8")
    with virtual_time(start_us):
        simulator, password = simulator_for(tenants, data / "recordings")
        link = SwitchLink(
            name="fs1",
            port=simulator.start(),
            password=password,
            recordings_dir=data / "recordings",
            newline_every_ms=0,
        )
        settings = Settings(data_dir=data, tenants_dir=tenants, switches=(link,), web=Web(port=0))
        house = compose(settings, connect(EMBEDDED, data))
        app = App(house.parts)
        try:
            assert app.start() == ""
            assert house.agents[0].wait_ready(30)
            yield Played(house, simulator)
        finally:
            stopped = app.stop()
            simulator.stop()
        assert stopped


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    with the_house(tmp_path, MONDAY_10_00_US) as house:
        yield house


def spoken_minutes(row: dict[str, Any]) -> float:
    return float(row["ended_at_us"] - row["answered_at_us"]) / MINUTE_US


def test_a_talk_of_ten_minutes(played: Played) -> None:
    began = time.perf_counter()
    leg = played.simulator.call(Caller("0901234567", talks_s=600), "0312345678")
    played.until_over(leg)

    (call,) = played.rows("history", "calls")
    assert call["started_at_us"] == pytest.approx(MONDAY_10_00_US, abs=MINUTE_US)
    assert spoken_minutes(call) == pytest.approx(10, abs=0.01)
    assert time.perf_counter() - began < 60, "longer than a tenth of the call"


def test_nobody_answers_so_it_goes_to_the_mobile_for_a_quarter_of_an_hour_and_is_charged(played: Played) -> None:
    """20 s at the desk, then the forwarded leg; the client pays for each started minute of it."""
    played.simulator.switch.phone("1001").behaviour = RINGS_OUT
    leg = played.simulator.call(Caller("0611112222", talks_s=900 - 0.5), "0312345678")
    played.until_over(leg)
    ledger = played.house.stores["billing"]
    played.until(lambda: bool(ledger.run(entries)))

    charged = [entry for entry in ledger.run(entries) if entry.amount]
    assert [(entry.units, entry.amount) for entry in charged] == [(15, 15 * Decimal("17.6"))]


def test_everybody_is_away_so_the_caller_leaves_a_message(played: Played) -> None:
    played.simulator.switch.phone("1001").behaviour = RINGS_OUT
    played.simulator.switch.carriers[0].otherwise = RINGS_OUT
    leg = played.simulator.call(Caller("0611112222", message_s=90), "0312345678")
    played.until_over(leg)
    played.until(lambda: bool(played.rows("recording", "recordings")))

    (recording,) = played.rows("recording", "recordings")
    assert (recording["kind"], recording["state"]) == ("message", "stored")
    assert 90_000 <= recording["length_ms"] < 100_000, "what was said, and the silence that ends it"
    waited_us = recording["started_at_us"] - MONDAY_10_00_US
    assert 50_000_000 < waited_us < 70_000_000, "20 s at the desk, 30 s at the mobile, the announcement"
