"""People who call at a steady rate and hang up after a while, from a seed.

Enters: a site, a rate. Leaves: calls. Whoever calls once and stays is called by the faults themselves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent

from freeswitch.simulator import Caller
from tests.faults.site import Site

TALKS_S = (0.2, 3.0)
Draw = Callable[[random.Random], Caller]


def somebody(dice: random.Random) -> Caller:
    """With a number of her own."""
    return Caller(f"090{dice.randrange(10**8):08d}")


@contextmanager
def calling(site: Site, per_s: float, dice: random.Random, draw: Draw = somebody) -> Iterator[None]:
    """Within, so many call a second; who is up at the end stays up. While the switch is down nobody gets through."""

    def call_on() -> None:
        while True:
            if site.switch.runs:
                caller = site.switch.call_from(draw(dice))
                gevent.spawn_later(dice.uniform(*TALKS_S), site.switch.hang_up, caller)
            gevent.sleep(dice.expovariate(per_s))

    crowd = gevent.spawn(call_on)
    try:
        yield
    finally:
        dead = crowd.ready()
        crowd.kill()
        assert not dead, crowd.exception
