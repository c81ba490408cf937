"""The time of the simulated switch: real time under gevent. Virtual time would be another class with these methods.

Enters: waits. Leaves: microseconds since 1970, woken waiters. Nothing else in the simulator asks for the time.
"""

from __future__ import annotations

import math
import time

import gevent
from gevent.event import Event


class Clock:
    """Real time."""

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000

    def sleep(self, seconds: float) -> None:
        """Lets others run for so long."""
        gevent.sleep(seconds)

    def wait(self, signal: Event, seconds: float | None) -> bool:
        """Until the signal, at most so long; whether it came."""
        return bool(signal.wait(seconds))

    def whole_second_in(self, seconds: int) -> float:
        """Seconds until the switch's second counter has grown by so much: its timers tick in whole seconds."""
        now_s = self.now_us() / 1_000_000
        return math.floor(now_s) + seconds - now_s
