"""The wire to the switch breaks while calls arrive, are answered and end: nothing is lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from freeswitch.simulator import Behaviour
from tests.faults.house import ALIVE_S, FaultHouse, in_short_time
from tests.faults.switch import Switch
from tests.stores import Database


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[FaultHouse]:
    with in_short_time():
        switch = Switch(tmp_path)
        switch.simulator.start()
        house = FaultHouse(tmp_path, database, switch)
        house.start()
        yield house
        house.stop()
        switch.simulator.kill()


def test_calls_end_arrive_and_are_answered_while_the_wire_is_cut(house: FaultHouse) -> None:
    switch = house.switch
    ends, stays = switch.call(2)
    house.until(lambda: switch.talking(4), "two talks")
    switch.behave(Behaviour(after_s=0.3))
    (rings,) = switch.call()
    house.until(lambda: len(switch.up()) == 6 and house.routed(rings), "a mobile that rings")
    house.line.cut()
    house.until(house.losses, "the loss to be told")
    switch.hang_up(ends)
    house.until(lambda: switch.talking(4), "the mobile to be answered unheard")
    (arrives,) = switch.call()
    house.until(lambda: arrives.uuid in {leg.uuid for leg in switch.up()}, "somebody to arrive unheard")
    house.line.mend()
    house.until(lambda: house.routed(arrives), "a plan for who arrived unheard")
    house.until(lambda: house.talks(rings) and house.talks(arrives), "both to be told as talking")
    house.settled()
    assert house.verdict().clean, house.verdict()
    assert house.agent.legs_up == {leg.uuid for leg in switch.up()}
    for caller in (stays, rings, arrives):
        switch.hang_up(caller)
    house.until(lambda: not switch.up(), "all to end")
    house.settled_exactly()  # the call records tell what nobody heard
    verdict = house.verdict()
    print(verdict)
    assert verdict.clean, verdict
    assert [house.arrivals(caller) for caller in (ends, stays, rings, arrives)] == [1, 1, 1, 1]
    assert [house.talks(caller) for caller in (ends, stays, rings, arrives)] == [1, 1, 1, 1]


def test_half_open_the_silence_is_noticed_and_what_happened_meanwhile_is_found(house: FaultHouse) -> None:
    """No FIN, no RST: the switch's host vanished from the agent's sight, or a firewall forgot the connection."""
    switch = house.switch
    ends, stays = switch.call(2)
    house.until(lambda: switch.talking(4), "two talks")
    switch.simulator.lose_peers()
    switch.hang_up(ends)
    house.until(lambda: house.findings() == 2, "the switch to be found again")
    house.settled()
    switch.hang_up(stays)
    house.settled()
    assert house.verdict().clean, house.verdict()


def test_a_switch_that_accepts_but_never_answers_is_asked_until_it_does(house: FaultHouse) -> None:
    switch = house.switch
    (ends,) = switch.call()
    house.until(lambda: switch.talking(2), "a talk")
    switch.simulator.freeze()
    house.until(house.losses, "the silence to be noticed")
    switch.hang_up(ends)
    switch.simulator.thaw()
    house.until(lambda: house.findings() == 2, "the switch to be found again")
    house.settled()
    assert house.verdict().clean, house.verdict()


@pytest.mark.requirement("B16")
def test_a_switch_killed_with_twenty_talks_ends_them_as_estimates_that_are_charged_to_nobody(
    house: FaultHouse,
) -> None:
    switch = house.switch
    for talks in (5, 10, 15, 20):
        switch.call(5)
        house.until(lambda talks=talks: switch.talking(2 * talks), f"{talks} talks")  # type: ignore[misc]
    house.until(lambda: len(house.agent.legs_up) == 40, "all to be believed")
    switch.kill()
    house.until(house.losses, "the loss to be told")
    switch.simulator.restart()
    house.settled()
    verdict = house.verdict()
    print(verdict)
    assert verdict.clean, verdict
    assert (len(verdict.estimated), verdict.charged) == (40, frozenset())
    assert verdict.early_s < 5 * ALIVE_S, "the last sight is that of the last sign of life"
    (later,) = switch.call()
    house.until(lambda: house.talks(later), "a call on the new core")


def test_one_switch_of_two_is_killed_and_the_calls_of_the_other_go_on(tmp_path: Path, database: Database) -> None:
    """Two switches, one bus, one set of books; the killed one leaves no call records."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    killed, stays = (Switch(tmp_path / name) for name in ("one", "two"))
    with in_short_time():
        for switch in (killed, stays):
            switch.simulator.start()
        house = FaultHouse(tmp_path, database, killed, (stays,))
        house.start()
        killed.call(3)
        talks = stays.call(3)
        house.until(lambda: killed.talking(6) and stays.talking(6), "six talks")
        house.until(lambda: sum(len(agent.legs_up) for agent in house.house.agents) == 12, "all to be believed")
        killed.kill()
        killed.simulator.restart()
        house.settled()
        assert len(house.verdict().estimated) == 6
        assert set(house.house.agents[1].legs_up) == {leg.uuid for leg in stays.up()}
        for caller in talks:
            stays.hang_up(caller)
        house.until(lambda: len(house.verdict().charged) == 6, "the charges of the switch that stayed")
        verdict = house.verdict()
        print(verdict)
        assert verdict.clean, verdict
        assert (verdict.legs, verdict.charged) == (12, frozenset(stays.truth))
        house.stop()
        for switch in (killed, stays):
            switch.simulator.stop()


def test_a_switch_that_is_shut_down_leaves_exact_ends(house: FaultHouse) -> None:
    switch = house.switch
    switch.call(3)
    house.until(lambda: switch.talking(6), "three talks")
    switch.simulator.shut_down()
    house.until(house.losses, "the loss to be told")
    switch.simulator.restart()
    house.settled_exactly()
    assert house.verdict().clean, house.verdict()
