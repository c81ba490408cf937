"""A kill -9 of everything of ours while people talk: the switch's call records complete history and ledger, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from freeswitch.simulator import Caller, Carrier, Channel, Simulator
from tests.command import Commands, commands_in, until
from tests.stores import Database

PASSWORD = "killed in mid-call"  # noqa: S105
MOBILE = "09012345678"
ACME = """
tenant: acme
name: アクメ
contract: {from: 2026-04-01, prices: standard}
numbers: [{number: 03-1234-5678, kind: representative, route: main}]
ids: [{id: "1001", name: 佐藤}]
lines: [{line: sato, ids: ["1001"]}]
routes:
  main: [{do: [{forward: 090-1234-5678, for_s: 30}]}]
"""
PLATFORM = """
switches: [{switch: fs1, domain: pbx.example}]
carriers: [{name: main, gateway: trunk1}]
prices:
  - table: standard
    versions:
      - {from: "2026-04-01", basis: incl, rules: [{name: all, prefixes: ["0"], unit_s: 1, unit: "0.1"}]}
"""


class World:
    """A switch of its own, and the files of a house that listens to it."""

    def __init__(self, folder: Path) -> None:
        self.records = folder / "cdr"
        self.records.mkdir()
        (folder / "tenants").mkdir()
        (folder / "tenants" / "acme.yaml").write_text(ACME)
        (folder / "tenants" / "platform.yaml").write_text(PLATFORM)
        (folder / "password").write_text(PASSWORD)
        self.switch = Simulator(
            password=PASSWORD,
            carriers=[Carrier("main", gateway="trunk1")],
            phones=["1001"],
            numbers=["0312345678"],
            cdr=self.records,
        )
        self.ended: dict[str, Channel] = {}
        self.switch.switch.on_end = lambda channel: self.ended.update({channel.uuid: channel})
        self.settings = folder / "settings.yaml"
        self.settings.write_text(
            f"tenants_dir: {folder / 'tenants'}\nswitches:\n"
            f"  - {{name: fs1, port: {self.switch.start()}, password_file: {folder / 'password'},"
            f" cdr_dir: {self.records}, cdr_every_ms: 100}}\n"
        )

    def waiting(self) -> list[str]:
        return [path.name for path in self.records.glob("*.cdr.json")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.switch.stop()


@pytest.fixture
def commands(tmp_path: Path, house_database: Database) -> Iterator[Commands]:
    yield from commands_in(tmp_path, house_database)


@pytest.mark.requirement("B16")
@pytest.mark.timeout(300)
def test_killed_in_mid_call_history_and_ledger_are_complete_and_exact_afterwards(
    world: World, commands: Commands
) -> None:
    house = commands.run("--settings", str(world.settings))
    house.says("switch found")
    house.port()
    call = world.switch.call(Caller("09011112222", talks_s=4.0), "0312345678").uuid
    until(lambda: commands.rows("history", "SELECT 1 FROM legs WHERE kind = 'forward' AND answered_at_us IS NOT NULL"))
    house.process.kill()
    house.ended()
    until(lambda: len(world.ended) == 2)
    alone = world.switch.call(Caller("09033334444", waits_s=1.0), "0312345678").uuid
    until(lambda: alone in world.ended)
    house = commands.run("--settings", str(world.settings))
    until(lambda: commands.rows("history", "SELECT sum(charges) FROM calls WHERE NOT estimated") == [(3,)])
    until(lambda: not world.waiting())

    legs = commands.rows("history", "SELECT leg, cause, answered_at_us, ended_at_us, estimated FROM legs")
    assert {leg: rest for leg, *rest in legs} == {
        leg: [channel.hangup_cause, channel.times.answered or None, channel.times.hangup, 0]
        for leg, channel in world.ended.items()
    }
    calls = {row[0]: row[1:] for row in commands.rows("history", "SELECT call, result, legs, charges FROM calls")}
    assert calls == {call: ("answered", 2, 2), alone: ("fallback", 1, 1)}
    (mobile,) = [leg for leg in world.ended if leg not in (call, alone)]
    times = world.ended[mobile].times
    units = -(-(times.hangup - times.answered) // 1_000_000)
    charged = [(leg, Decimal(amount)) for leg, amount in commands.rows("billing", "SELECT leg, amount FROM ledger")]
    assert sorted(charged) == sorted([(call, Decimal(0)), (alone, Decimal(0)), (mobile, units * Decimal("0.1"))])
    assert commands.rows("billing", "SELECT leg FROM ledger WHERE estimated") == []
    assert len(list(world.records.glob("archive/*/*.cdr.json"))) == 3
