"""One leg of a group that rings: from when to when, and until when it must show that it does.

Enters: a leg, what its brackets and the whole dial say about time. Leaves: deadlines, epoch microseconds. What becomes
of a leg whose time is up belongs to dial.py. Source: switch_ivr_originate.c (check_per_channel_timeouts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeswitch.simulator import plan
from freeswitch.simulator.calls.sip_leg import SipLeg

NEVER_US = 1 << 62


@dataclass
class Attempt:
    """One leg of the group that rings now."""

    leg: SipLeg
    starts_us: int
    ends_us: int
    by_leg: bool
    group_ends_us: int
    shows_by_us: int = NEVER_US
    """By then it rings, sounds or has answered (leg_progress_timeout)."""
    started: bool = False

    @property
    def shows(self) -> bool:
        """Whether it rings, sounds or has answered."""
        return bool(self.leg.rings or self.leg.sounds or self.leg.times.answered)

    def next_us(self) -> int:
        """The next moment at which something about it is due."""
        moments = [self.ends_us]
        if not self.started:
            moments.append(self.starts_us)
        if not self.shows:
            moments.append(self.shows_by_us)
        return min(moments)

    def hurry(self, early_us: int) -> None:
        """Starts, and ends by its own time, so much earlier."""
        self.starts_us -= early_us
        if self.by_leg:
            self.ends_us -= early_us
        if self.shows_by_us < NEVER_US:
            self.shows_by_us -= early_us


def timed(leg: SipLeg, said: Mapping[str, str], overall_s: int) -> Attempt:
    """`said`: the variables in the leg's brackets. `overall_s`: the time of the whole group.

    The counter ticks in whole seconds: leg_timeout=3 fires after 3 to 4 s, originate_timeout=2 after 1 to 2 s.
    """
    clock, now_us = leg.clock, leg.clock.now_us()
    delay_s = plan.whole(said.get("leg_delay_start", ""))
    starts_us = clock.whole_second_us(delay_s + 1) if delay_s else now_us
    group_ends_us = clock.whole_second_us(overall_s)
    made = Attempt(leg, starts_us, group_ends_us, False, group_ends_us)
    timeout_s = plan.whole(said.get("leg_timeout", ""), -1)
    if timeout_s >= 0:
        leg_ends_us = starts_us - now_us + clock.whole_second_us(timeout_s + 1)
        made.ends_us, made.by_leg = min((leg_ends_us, True), (group_ends_us, False))
    if shows_s := plan.whole(said.get("leg_progress_timeout", "")):
        made.shows_by_us = starts_us - now_us + clock.whole_second_us(shows_s + 1)
    return made


__all__ = ["Attempt", "timed"]
