"""People who call at a steady rate and hang up after a while, from a seed.

Enters: a site, a rate. Leaves: calls. Whoever calls once and stays is called by the faults themselves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import gevent

from freeswitch.simulator import Caller
from services.runtime import clock
from tests.command import until
from tests.faults.site import Site

TALKS_S = (0.2, 3.0)
LATE_US = 1_000_000
UNTOLD = 20
"""Calls of which nobody has told yet that they are over, or that are not."""
PATIENCE_S = 10.0
Draw = Callable[[random.Random], Caller]


def somebody(dice: random.Random) -> Caller:
    """With a number of her own."""
    return Caller(f"090{dice.randrange(10**8):08d}")


@contextmanager
def calling(
    site: Site, per_s: float, dice: random.Random, draw: Draw = somebody, *, patient: bool = False
) -> Iterator[None]:
    """Within, so many call a second; who is up at the end stays up. While the switch is down nobody gets through.

    On a machine that does not keep up the callers of the last second still come, all at once. `patient`: each first
    waits a while if more than `UNTOLD` calls are not yet told, so that calls do not take such a machine for themselves.
    """

    def call_on() -> None:
        due_us = clock.monotonic_us()
        while True:
            if patient:
                with suppress(AssertionError):
                    until(lambda: site.untold() <= UNTOLD, within_s=PATIENCE_S)
            if site.switch.runs:
                caller = site.switch.call_from(draw(dice))
                gevent.spawn_later(dice.uniform(*TALKS_S), site.switch.hang_up, caller)
            now_us = clock.monotonic_us()
            due_us = max(due_us, now_us - LATE_US) + round(1_000_000 * dice.expovariate(per_s))
            gevent.sleep(max(0, due_us - now_us) / 1_000_000)

    crowd = gevent.spawn(call_on)
    try:
        yield
    finally:
        dead = crowd.ready()
        crowd.kill()
        assert not dead, crowd.exception
