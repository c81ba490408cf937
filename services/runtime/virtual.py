"""A process in virtual time: nobody waits for a clock; when nobody has anything to do, it is the next due moment.

Enters: nothing but what runs meanwhile. Leaves: the same calls, decisions and charges as in real time, within seconds.
For one process whose peers all live in it (embedded bus, simulated switch): bytes on the way to another machine would
be overtaken by time. It replaces gevent's timers, on which every wait in the house rests, and the house's only clock.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.monkey

from services.runtime import clock, threads

NAP_S = 0.00005
"""Of real time, while a native thread works for somebody here: nothing else tells when it is done."""

LOOK_S = 0.002
"""Of real time, before the next moment, while somebody waits for a thread to be gone."""


class Timer:
    """Stands for a timer watcher of gevent's loop."""

    def __init__(self, time: VirtualTime, after_s: float, repeat_s: float) -> None:
        self.loop = time.loop
        self._time = time
        self._after_s = max(0.0, after_s)
        self._repeat_s = repeat_s
        self._running: Any = None
        self.callback: Callable[..., object] | None = None
        self.args: tuple[object, ...] = ()
        self.active = False

    @property
    def pending(self) -> bool:
        """Whether it has fired and its callback waits to be run."""
        return self._running is not None and bool(self._running.pending)

    def start(self, callback: Callable[..., object], *args: object, update: bool = True) -> None:
        """Runs the callback once its time has come; `update` matters only to real timers."""
        self.callback, self.args, self.active = callback, args, True
        self._time.add(self, self._after_s)

    def again(self, callback: Callable[..., object], *args: object, update: bool = True) -> None:
        """Anew from now on."""
        self.start(callback, *args, update=update)

    def stop(self) -> None:
        """It fires no more, not even if it was just about to; whoever it would have woken is not kept by it."""
        if self.active:
            self._time.forget()
        self.active = False
        self.callback, self.args = None, ()
        if self._running is not None:
            self._running.stop()
            self._running = None

    close = stop

    def fire(self, run: Callable[..., Any]) -> None:
        """Its moment has come."""
        assert self.callback is not None
        self._running = run(self.callback, *self.args)
        self.active = self._repeat_s > 0
        if self.active:
            self._time.add(self, self._repeat_s)

    def __enter__(self) -> Timer:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Loop:
    """gevent's loop with timers of another time."""

    def __init__(self, time: VirtualTime, real: Any) -> None:
        self.real = real
        self._time = time

    def timer(self, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None) -> Timer:
        return Timer(self._time, after, repeat)

    def now(self) -> float:
        return self._time.now_us() / 1_000_000

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class VirtualTime:
    """The time itself: it stands while anybody can go on."""

    def __init__(self, start_us: int) -> None:
        self._now_us = start_us
        self._due: list[tuple[int, int, Timer]] = []
        self._stopped = 0
        """About so many in `_due` fire no more."""
        self._numbers = itertools.count()
        self._nap = gevent.monkey.get_original("time", "sleep")
        self.loop = _Loop(self, gevent.get_hub().loop)

    def now_us(self) -> int:
        """Microseconds since 1970, in this time."""
        return self._now_us

    def add(self, timer: Timer, after_s: float) -> None:
        """To fire so much later."""
        at_us = self._now_us + math.ceil(after_s * 1_000_000)
        heapq.heappush(self._due, (at_us, next(self._numbers), timer))

    def forget(self) -> None:
        """A timer that was to fire fires no more: those of an hour ahead would else be kept for an hour."""
        self._stopped += 1
        if self._stopped > 1000 and self._stopped * 2 > len(self._due):
            self._due = [one for one in self._due if one[2].active]
            heapq.heapify(self._due)
            self._stopped = 0

    def idle(self) -> None:
        """The loop has found nothing to do: on to the next moment, unless a thread still works for somebody."""
        while self._due and not self._due[0][2].active:
            heapq.heappop(self._due)
        if threads.busy() or not self._due:
            self._nap(NAP_S)
            return
        if threads.ending():
            self._nap(LOOK_S)
        at_us, _number, timer = heapq.heappop(self._due)
        self._now_us = max(self._now_us, at_us)
        timer.fire(self.loop.real.run_callback)


@contextmanager
def virtual_time(start_us: int) -> Iterator[VirtualTime]:
    """Within, this thread's hub and the house's clock live in virtual time, from `start_us` on (µs since 1970).

    What still waits for a moment of virtual time afterwards waits for ever: stop it before.
    """
    hub = gevent.get_hub()
    time = VirtualTime(start_us)
    watcher = hub.loop.idle()
    hub.loop = time.loop
    watcher.start(time.idle)
    try:
        with clock.instead(time.now_us):
            yield time
    finally:
        watcher.stop()
        watcher.close()
        hub.loop = time.loop.real


__all__ = ["VirtualTime", "virtual_time"]
