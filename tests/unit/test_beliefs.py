"""Until when a leg was surely up, whatever the switch's clock does."""

from __future__ import annotations

from pathlib import Path

from services.eventsocket.beliefs import Beliefs, Leg
from services.eventsocket.journal import Journal

HOUR_US = 3600 * 1_000_000
NOW_US = 1_795_330_000_000_000


def _talk(beliefs: Beliefs, name: str, at_us: int) -> Leg:
    leg = beliefs.learn(Leg(name, "inbound", "trunk", "inbound", name))
    beliefs.heard(leg, at_us)
    return leg


def test_after_the_clock_was_set_back_nobody_was_seen_in_the_future() -> None:
    beliefs = Beliefs()
    beliefs.link_found(NOW_US + HOUR_US)
    before = _talk(beliefs, "before", NOW_US + HOUR_US)
    beliefs.link_alive(NOW_US + HOUR_US + 2_000_000)
    beliefs.link_alive(NOW_US + 4_000_000)  # the hour is over
    after = _talk(beliefs, "after", NOW_US + 5_000_000)
    beliefs.link_alive(NOW_US + 6_000_000)
    assert [beliefs.last_sight_us(leg) for leg in (before, after)] == [NOW_US + 6_000_000] * 2
    beliefs.link_lost()
    assert [beliefs.last_sight_us(leg) for leg in (before, after)] == [NOW_US + 6_000_000] * 2


def test_a_leg_of_before_the_step_is_not_doubted_once_it_is_heard_again() -> None:
    beliefs = Beliefs()
    leg = _talk(beliefs, "a", NOW_US + HOUR_US)
    beliefs.link_lost()
    beliefs.link_found(NOW_US + HOUR_US + 1)
    beliefs.link_alive(NOW_US + HOUR_US + 2_000_000)
    beliefs.link_alive(NOW_US)
    beliefs.heard(leg, NOW_US + 1)
    assert not leg.doubted


def test_a_sign_of_life_that_comes_again_after_a_crash_takes_nothing_back() -> None:
    beliefs = Beliefs()
    leg = _talk(beliefs, "a", NOW_US)
    beliefs.link_alive(NOW_US + 900_000)
    beliefs.link_alive(NOW_US + 100_000)
    assert beliefs.last_sight_us(leg) == NOW_US + 900_000


def test_the_next_life_knows_of_the_step(tmp_path: Path) -> None:
    journal, beliefs, next_life = Journal(tmp_path / "fs1.legs"), Beliefs(), Beliefs()
    for at_us in (NOW_US + HOUR_US, NOW_US):
        beliefs.link_alive(at_us)
        journal.keep([journal.entry_of(beliefs)])
    journal.close()
    Journal(tmp_path / "fs1.legs").take_over(next_life)
    assert next_life.alive_us == NOW_US
