"""The order in which a real FreeSWITCH 1.11.3 ended its legs, by the uuids of captured calls."""

from __future__ import annotations

import random

from freeswitch.simulator.hash_table import iterated
from tests.traces import load


def test_a_shutdown_ends_legs_as_the_captured_switch_did() -> None:
    """26: the phone's leg first, although the caller's came first."""
    legs = load(26).scenario["legs"]
    assert list(reversed(iterated([legs["caller"], legs["ext1001"]]))) == [legs["ext1001"], legs["caller"]]


def test_three_callers_end_in_the_order_of_the_table_not_of_their_coming() -> None:
    """Captured: a switch told to shut down while three legs were up ended the third, the first, the second."""
    came = [
        "17665f44-0702-43eb-a3d1-c8ff76c16fb7",
        "fd6f775d-bb60-4b03-81db-dd84316a0089",
        "59059c55-acb4-4db6-995a-f0e04cafe9ff",
    ]
    assert list(reversed(iterated(came))) == [came[2], came[0], came[1]]


def test_every_leg_once_whatever_their_number() -> None:
    numbers = random.Random(7)
    for count in (0, 1, 35, 36, 500):
        legs = [f"{numbers.getrandbits(128):032x}" for _ in range(count)]
        assert sorted(iterated(legs)) == sorted(legs)
