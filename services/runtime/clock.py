"""The only clock. Rules never read it: they see `occurred_at_us` and TimerFired.

Enters: nothing. Leaves: microseconds since 1970. Timers live in the store of their service; `worker.Timers` asks which
are due. Whoever plays a process in another time than the machine's puts it in place of the machine's clock here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_wall_us: Callable[[], int] | None = None
"""Another time than the machine's, while one is in place; it never steps."""


@contextmanager
def instead(wall_us: Callable[[], int]) -> Iterator[None]:
    """Within, this is the time; it must never go back."""
    global _wall_us
    before, _wall_us = _wall_us, wall_us
    try:
        yield
    finally:
        _wall_us = before


def now_us() -> int:
    """Microseconds since 1970-01-01T00:00:00Z (the machine's clock)."""
    return time.time_ns() // 1000 if _wall_us is None else _wall_us()


def monotonic_us() -> int:
    """Microseconds of a clock that never steps, for measuring spans within one process."""
    return time.monotonic_ns() // 1000 if _wall_us is None else _wall_us()
