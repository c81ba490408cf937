"""The whole house with the simulated switch in virtual time: minutes on the telephone take a moment here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator import Behaviour, Caller
from services.billing.service import entries
from tests.scenarios.house import MONDAY_10_00_US, Played, the_house
from tests.stores import Database

RINGS_OUT = Behaviour(answers=False)
MINUTE_US = 60_000_000


@pytest.fixture
def played(tmp_path: Path, house_database: Database) -> Iterator[Played]:
    with the_house(tmp_path, house_database) as house:
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


def test_nobody_answers_so_it_goes_to_the_mobile_for_five_minutes_and_is_charged(played: Played) -> None:
    """20 s at the desk, then the forwarded leg; the client pays for each started minute of it."""
    played.simulator.switch.phone("1001").behaviour = RINGS_OUT
    leg = played.simulator.call(Caller("0611112222", talks_s=300 - 0.5), "0312345678")
    played.until_over(leg)
    ledger = played.house.stores["billing"]
    played.until(lambda: bool(ledger.run(entries)))

    charged = [entry for entry in ledger.run(entries) if entry.amount]
    assert [(entry.units, entry.amount) for entry in charged] == [(5, 5 * Decimal("17.6"))]


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
