"""Whether everybody gets their turn: a greenlet that never gives it back is no deadline's business but the signal's.

Enters: a deadline. Leaves: an AssertionError where the hub was kept for longer.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import gevent


@contextmanager
def nobody_keeps_the_hub(seconds: float) -> Iterator[None]:
    """A greenlet that lets no other run for so long fails where it is: no deadline of gevent's would ever come."""

    def fail(*_: object) -> None:
        raise AssertionError("a greenlet keeps the hub")

    before = signal.signal(signal.SIGALRM, fail)
    beat = gevent.spawn(
        lambda: [(signal.setitimer(signal.ITIMER_REAL, seconds), gevent.sleep(0.05)) for _ in iter(int, 1)]
    )
    try:
        yield
    finally:
        beat.kill()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
