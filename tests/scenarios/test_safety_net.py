"""The safety net: whatever of ours is dead or late, a caller is answered by the switch alone, and the books say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from freeswitch.simulator import Caller
from freeswitch.simulator.calls.channel import Channel
from services.rooms import EVERYTHING
from tests.rabbitmq import Broker
from tests.scenarios.house import PLATFORM, Played, the_house
from tests.stores import Database

NUMBER, QUEUE_NUMBER = "0312345678", "0312345679"
POOL = """
pools:
  - {pool: tokyo-pool, music: moh, ring_s: 20, phones: [{id: op-tanaka, domain: pbx.example}]}
"""
SECRETARY = """
tenant: aoba
name: 青葉法律事務所
contract: {from: 2026-04-01, closing_day: 20, plan: cloud-pbx, prices: standard}
numbers: [{number: 03-1234-5679, kind: representative, route: main}]
ids: [{id: "2001", name: 受付, device: desk}]
routes: {main: [{do: [{queue: tokyo-pool}]}]}
"""
CLIENTS = {"platform.yaml": PLATFORM + POOL, "aoba.yaml": SECRETARY}


@contextmanager
def without(folder: Path, database: Database, *dead: str) -> Iterator[Played]:
    rooms = tuple(room for room in EVERYTHING if room not in dead)
    with the_house(folder, database, clients=CLIENTS, rooms=rooms) as played:
        yield played


def waited_s(leg: Channel) -> float:
    """From the arrival to the switch's own answer."""
    return (leg.times.answered - leg.times.created) / 1_000_000


def heard_the_apology(leg: Channel) -> bool:
    """The fallback took the call, answered it, and ended it with a cause that makes a carrier look further."""
    said = (leg.variables["tt_decision"], leg.hangup_cause)
    return said == ("fallback", "NORMAL_TEMPORARY_FAILURE") and leg.times.answered > 0


def dialled(played: Played) -> list[str]:
    """Legs that history knows besides the callers'."""
    return [row["leg"] for row in played.rows("history", "legs") if row["kind"] != "inbound"]


@pytest.mark.parametrize("dead", [("routing",), ("eventsocket",)], ids=["dead routing", "dead agent"])
def test_nobody_decides_so_the_caller_hears_the_apology_within_four_seconds(
    tmp_path: Path, house_database: Database, dead: tuple[str, ...]
) -> None:
    with without(tmp_path, house_database, *dead) as played:
        leg = played.simulator.call(Caller("0611112222"), NUMBER)
        leg.gone.wait()
        assert heard_the_apology(leg)
        assert 2.9 < waited_s(leg) < 4.1


def test_a_call_that_only_the_fallback_took_stands_in_the_history(tmp_path: Path, house_database: Database) -> None:
    with without(tmp_path, house_database, "routing") as played:
        leg = played.simulator.call(Caller("0611112222"), NUMBER)
        played.until_over(leg)
        (call,) = played.rows("history", "calls")
        assert (call["tenant"], call["dialled"]) == ("acme", NUMBER)
        assert call["ended_at_us"] == leg.times.hangup


def test_a_plan_that_is_decided_too_late_does_not_take_the_caller_out_of_the_fallback(
    tmp_path: Path, house_database: Database
) -> None:
    """Somebody holds routing's database for six seconds; then it works off what came meanwhile."""
    with without(tmp_path, house_database) as played, ExitStack() as lock:
        lock.enter_context(house_database.locked("routing", "seen"))
        leg = played.simulator.call(Caller("0611112222"), NUMBER)
        played.until(lambda: leg.variables.get("tt_decision") == "fallback")
        lock.close()
        played.until_over(leg)
        assert heard_the_apology(leg)
        assert not dialled(played), "the late plan would have rung the desk phone"
        played.until(lambda: bool(played.rows("routing", "seen")))


def test_a_caller_handed_over_to_nobody_falls_back(tmp_path: Path, house_database: Database) -> None:
    """Routing parks with tt_next=answering, and its own net: answering is dead."""
    with without(tmp_path, house_database, "answering") as played:
        leg = played.simulator.call(Caller("0611112222"), QUEUE_NUMBER)
        leg.gone.wait()
        assert heard_the_apology(leg)
        assert waited_s(leg) < 5


def test_a_waiting_caller_whose_service_dies_is_not_left_with_the_music(
    tmp_path: Path, house_database: Database
) -> None:
    with without(tmp_path, house_database) as played:
        played.simulator.switch.phone("op-tanaka").registered = False
        leg = played.simulator.call(Caller("0611112222"), QUEUE_NUMBER)
        played.until(lambda: leg.variables.get("tt_stage") == "queue" and bool(leg.times.answered))
        played.stop("answering.0", "answering timers")
        leg.gone.wait()
        assert heard_the_apology(leg)


def test_the_bus_is_dead_so_the_switch_answers_alone_and_the_books_are_written_later(
    tmp_path: Path, house_database: Database, broker: Broker
) -> None:
    with the_house(tmp_path, house_database, bus=broker.url()) as played:
        broker.pause()
        try:
            leg = played.simulator.call(Caller("0611112222"), NUMBER)
            leg.gone.wait()
        finally:
            broker.resume()
        assert heard_the_apology(leg)
        assert waited_s(leg) < 4.5
        played.until(lambda: [row["ended_at_us"] for row in played.rows("history", "calls")] == [leg.times.hangup])
        assert not dialled(played)


def test_emergency_calls_need_nobody(tmp_path: Path, house_database: Database) -> None:
    with without(tmp_path, house_database, "routing", "eventsocket", "answering") as played:
        leg = played.simulator.call_from_phone("1001", "119", Caller("1001", talks_s=30))
        leg.gone.wait()
        assert leg.variables["tt_decision"] == "static"
        assert waited_s(leg) < 2
        assert leg.hangup_cause == "NORMAL_CLEARING"
