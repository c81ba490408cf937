"""How much of a call is in its recording: both directions are gathered for half a second, which a bridge throws away.

Lengths as measured on a real FreeSWITCH 1.11 (record_session before phones ring, and before a transfer).
"""

from __future__ import annotations

from typing import Any

from freeswitch.simulator.calls.leg import Leg
from freeswitch.simulator.calls.profile import Profile
from freeswitch.simulator.calls.recording import Recording
from freeswitch.simulator.clock import Clock

S = 1_000_000


class _Deaf:
    clock = Clock(lambda: 0)

    def tell(self, *_about: Any) -> None:
        """Nobody listens."""


def recording() -> Recording:
    leg = Leg(_Deaf(), "inbound", Profile("sofia/external/x", "0312345678"))
    return Recording(leg, 0, gathers_us=S // 2)


def test_what_was_heard_while_the_phone_rang_ends_half_a_second_early() -> None:
    one = recording()
    one.start_anew(int(1.5 * S), sends=True)
    assert one.left_out_us == S // 2
    assert one.unwritten_us(3 * S) == 0, "in the talk both directions come, and all is written"


def test_a_short_ring_is_not_in_the_recording_at_all() -> None:
    one = recording()
    one.start_anew(int(0.3 * S), sends=True)
    assert one.left_out_us == int(0.28 * S), "but for its first packet"


def test_a_caller_who_hears_music_meanwhile_loses_nothing() -> None:
    one = recording()
    one.sent_since_us = 1
    one.start_anew(2 * S, sends=True)
    assert one.left_out_us == 0


def test_each_transfer_costs_another_half_second() -> None:
    one = recording()
    one.start_anew(1 * S, sends=True)
    one.start_anew(5 * S, sends=False)
    one.start_anew(7 * S, sends=True)
    assert one.left_out_us == 1 * S


def test_what_is_played_to_a_talking_leg_costs_its_lead() -> None:
    one = recording()
    one.start_anew(5 * S, sends=True, lead_us=int(0.14 * S))
    one.start_anew(7 * S, sends=True)
    assert one.left_out_us == S // 2 + int(0.12 * S), "half a second before the talk, and the frames before the music"
