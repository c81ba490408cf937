"""The only clock. Rules never read it: they see `occurred_at_us` and TimerFired.

Enters: nothing. Leaves: microseconds since 1970. Timers live in the store of their service; `worker.Timers` asks which
are due.
"""

from __future__ import annotations

import time


def now_us() -> int:
    """Microseconds since 1970-01-01T00:00:00Z (the machine's clock)."""
    return time.time_ns() // 1000


def monotonic_us() -> int:
    """Microseconds of a clock that never steps, for measuring spans within one process."""
    return time.monotonic_ns() // 1000
