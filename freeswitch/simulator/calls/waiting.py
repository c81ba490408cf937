"""Waiting on the simulated switch, and what interrupts it.

Enters: a clock, conditions, wake-ups from others. Leaves: whether the condition came true in time. Who waits for what
belongs to channel.py and dial.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gevent.event import Event as Signal

from freeswitch.simulator.clock import Clock

FRAME_S = 0.02
"""One packet of sound: the turn of whatever reads a leg."""


class Turns:
    """How late a thread learns what another one did: on the real switch by up to a packet of 20 ms, as chance has it.

    Here at once, save an originate, which learns of an answer as late as the worst real one. Seconds.
    """

    def of_park(self, leg: Waiter) -> float:
        """A parked leg without sound, that it was sent elsewhere."""
        return 0.0

    def of_bridge(self, leg: Waiter) -> float:
        """A leg, that whom it talked to has left."""
        return 0.0

    def of_originate(self, leg: Waiter) -> float:
        """An originate, that this leg has answered."""
        return FRAME_S


class HungUp(Exception):
    """The leg has ended: what runs on it unwinds."""


class Diverted(Exception):
    """The leg was sent elsewhere (transfer, uuid_bridge): what runs on it unwinds."""


class Waiter:
    """Something that can wait and be woken."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.wake = Signal()

    def check(self) -> None:
        """Raises what must interrupt a wait; here nothing does."""

    def pause(self, seconds: float | None = None, until: Callable[[], bool] = lambda: False) -> bool:
        """Until the condition holds (True) or time is up (False); None, like infinity, waits for ever."""
        clock = self.clock
        deadline_us = None if seconds is None or math.isinf(seconds) else clock.now_us() + int(seconds * 1_000_000)
        while True:
            self.check()
            if until():
                return True
            left_s = None if deadline_us is None else (deadline_us - clock.now_us()) / 1_000_000
            if left_s is not None and left_s <= 0:
                return False
            self.wake.clear()
            clock.wait(self.wake, left_s)
