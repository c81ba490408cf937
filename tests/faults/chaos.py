"""`make chaos`: faults drawn by lot, sometimes two at once, while people call; the same invariant at the end.

Enters: a site, a time, a seed. Leaves: an `Outcome`. The seed repeats which faults strike, how large and how long, and
who calls; when exactly a process dies is the machine's own.
"""

from __future__ import annotations

import random
import sys

import gevent

from services.runtime import clock
from tests.faults.catalogue import FAULTS
from tests.faults.crowd import calling
from tests.faults.fault import POSTGRESQL, SQLITE, Fault, Outcome, Size, outcome_of
from tests.faults.site import Site

CALLS_PER_S = 3.0
TWO_AT_ONCE = 0.3
QUIET_S = (0.0, 3.0)
"""Between two faults."""


def rage(site: Site, for_s: float, seed: int) -> Outcome:
    """Faults for so long, then what came of it."""
    dice = random.Random(seed)
    store = POSTGRESQL if site.database else SQLITE
    faults = [fault for fault in FAULTS if fault.in_chaos and store in fault.stores and not fault.needs(site)]
    end_us = clock.monotonic_us() + round(for_s * 1_000_000)

    def inflict() -> None:
        with calling(site, CALLS_PER_S, random.Random(dice.random())):
            while clock.monotonic_us() < end_us:
                some = dice.sample(faults, 2 if dice.random() < TWO_AT_ONCE else 1)
                gevent.joinall([_struck(site, fault, dice) for fault in some], raise_error=True)
                gevent.sleep(dice.uniform(*QUIET_S))

    return outcome_of("chaos", f"{for_s:g} s, seed {seed}", site, inflict)


def _struck(site: Site, fault: Fault, dice: random.Random) -> gevent.Greenlet:
    size = Size(
        calls=dice.randint(2, 15),
        for_s=round(dice.uniform(0.5, 8), 1),
        times=dice.randint(1, 2),
        per_s=dice.randint(1, 4),
        sure=False,
    )
    print(f"  {fault.name}: {size.calls} calls, {size.for_s} s, {size.times} times", file=sys.stderr)
    return gevent.spawn(fault.inflict, site, size, random.Random(dice.random()))
