"""The time of the simulated switch: real under gevent, or virtual, where waiting costs nothing.

Enters: waits. Leaves: microseconds since 1970, woken waiters. Nothing else in the simulator asks for the time.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import gevent
from gevent.event import Event


class Clock:
    """Real time, or that of whoever plays the whole process in another time and has moved gevent's timers into it."""

    def __init__(self, now_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._read_us = now_us

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self._read_us()

    def sleep(self, seconds: float) -> None:
        """Lets others run for so long."""
        gevent.sleep(seconds)

    def wait(self, signal: Event, seconds: float | None) -> bool:
        """Until the signal, at most so long; whether it came."""
        return bool(signal.wait(seconds))

    def whole_second_in(self, seconds: int) -> float:
        """Seconds until the switch's second counter has grown by so much: its timers tick in whole seconds."""
        return (self.whole_second_us(seconds) - self.now_us()) / 1_000_000

    def whole_second_us(self, seconds: int) -> int:
        """The moment at which that counter has grown by so much."""
        return (self.now_us() // 1_000_000 + seconds) * 1_000_000


class VirtualClock(Clock):
    """Time that stands still while anybody has something to do, and jumps to the next due moment when nobody has.

    Whoever drives it calls `run_until`; everybody else only waits. What happens at one moment happens in the order in
    which it was asked for, so a run repeats exactly.
    """

    def __init__(self, start_us: int) -> None:
        super().__init__(lambda: self._now_us)
        self._now_us = start_us
        self._due: list[tuple[int, int, _Waiter]] = []
        self._asked = itertools.count()

    def now_us(self) -> int:
        """Microseconds since 1970, in the time of the play."""
        return self._now_us

    def sleep(self, seconds: float) -> None:
        """Waits for a later moment, or only for everybody else if that is now."""
        if seconds <= 0:
            gevent.sleep(0)
            return
        self._wait_for(Event(), seconds)

    def wait(self, signal: Event, seconds: float | None) -> bool:
        """Until the signal, at most so long in virtual time; whether it came."""
        if signal.is_set() or seconds is None:
            return bool(signal.wait(None))
        if seconds <= 0:
            return False
        mine = Event()

        def came(_signal: Event) -> None:
            mine.set()

        signal.rawlink(came)
        try:
            self._wait_for(mine, seconds)
        finally:
            signal.unlink(came)
        return bool(signal.is_set())

    def _wait_for(self, signal: Event, seconds: float) -> None:
        waiter = _Waiter(signal)
        heapq.heappush(self._due, (self._now_us + math.ceil(seconds * 1_000_000), next(self._asked), waiter))
        try:
            signal.wait()
        finally:
            # Whoever is woken, killed or cut off leaves nothing behind for which time would stop.
            waiter.waits = False

    def next_due_us(self) -> int | None:
        """The earliest moment that somebody waits for; None if nobody does."""
        while self._due and not self._due[0][2].waits:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def run_until(self, end_us: int, settle: Callable[[], object] = gevent.idle) -> None:
        """Lets everything happen up to this moment, and stops there; `settle` returns when nobody can go on."""
        while True:
            settle()
            due_us = self.next_due_us()
            if due_us is None or due_us > end_us:
                self._now_us = max(self._now_us, end_us)
                return
            self._now_us = max(self._now_us, due_us)
            heapq.heappop(self._due)[2].signal.set()


@dataclass
class _Waiter:
    signal: Event
    waits: bool = True
