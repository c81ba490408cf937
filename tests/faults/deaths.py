"""Each service dies in the middle of its work, again and again, while people call.

Enters: a site. Leaves: nothing; what came of it is judged by `fault.py`. How a process dies at a moment: `mortal.py`.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from functools import partial

import gevent

from services.runtime import clock
from tests.command import until
from tests.faults.crowd import calling
from tests.faults.fault import Fault, Size
from tests.faults.orders import MOMENTS, Moment
from tests.faults.site import AGENT, SERVICES, Site

PASSES = 4
"""It dies at one of the first so many times that the moment comes."""
DEADLINE_S = 60.0
SAY_EVERY = 30
NEVER: dict[Moment, tuple[str, ...]] = {
    "before publish": ("answering", "connectors"),
    "after a lost ack": SERVICES[:-1],
}
"""Which moments never come: nobody here waits in a queue, no client has a webhook, and only the agent gets commands."""


def die_again_and_again(site: Site, size: Size, dice: random.Random, names: tuple[str, ...] = SERVICES) -> None:
    """All services at once, each at every moment so many times; each is started again as soon as it is dead."""
    with calling(site, size.per_s, dice):
        lives = [gevent.spawn(_lives, site, name, size, random.Random(dice.random())) for name in names]
        gevent.joinall(lives, raise_error=True)


def _lives(site: Site, name: str, size: Size, dice: random.Random) -> None:
    """One death at each moment in turn, so that a run that is broken off has seen all of them."""
    died: Counter[Moment] = Counter()
    moments = [one for one in MOMENTS[1:] if name not in NEVER.get(one, ())]
    begun_us, wanted = clock.monotonic_us(), size.times * len(moments)
    for number in range(wanted):
        if clock.monotonic_us() - begun_us > size.within_s * 1_000_000:
            break
        moment = moments[number % len(moments)]
        if _dies(site, name, moment, dice):
            died[moment] += 1
            site.deaths += 1
        else:
            site.rooms[name].orders.die("")
        if (number + 1) % SAY_EVERY == 0:
            print(f"  {name}: died {_table(died)}", file=sys.stderr)
    if sum(died.values()) < wanted:
        print(f"{name} died only {_table(died)}: a moment did not come, or the time was over", file=sys.stderr)


def _table(died: Counter[Moment]) -> str:
    return ", ".join(f"{number} times {moment}" for moment, number in died.items())


def _dies(site: Site, name: str, moment: Moment, dice: random.Random) -> bool:
    """Whether the moment came; then the service lives again."""
    room = site.rooms[name]
    room.orders.die(moment, 1 if name == "directory" else dice.randint(1, PASSES))
    if name == "directory":  # calls are none of its business
        site.greet()
    try:
        until(lambda: not room.alive, within_s=DEADLINE_S)
    except AssertionError:
        return False
    room.orders.die("")
    site.bear(name)
    site.await_ready(name)
    return True


FAULTS = (
    Fault(
        "services killed in the middle",
        "each service dies before its commit, before it publishes, before it acknowledges",
        partial(die_again_and_again, names=SERVICES[:-1]),
        of_store=True,
        small=Size(times=1, per_s=5),
        full=Size(times=200, per_s=3),
    ),
    Fault(
        "commands around a crash",
        "the agent dies before it keeps, carries out and acknowledges commands: none is executed twice",
        partial(die_again_and_again, names=(AGENT,)),
        small=Size(times=2, per_s=8),
        full=Size(times=200, per_s=5),
    ),
)
