"""The clock steps by an hour while people talk: that of the machine, and that of the switch.

Enters: a site. Leaves: nothing; what came of it is judged by `fault.py`.
"""

from __future__ import annotations

import random

import gevent

from tests.faults.fault import Fault, Size
from tests.faults.site import SERVICES, Site

HOUR_US = 3600 * 1_000_000


def step_machine(site: Site, size: Size, dice: random.Random) -> None:
    """An hour ahead, then an hour behind, then right again; the switch keeps its time, as FreeSWITCH does."""
    for ahead_us in [*dice.sample((HOUR_US, -HOUR_US), 2), 0]:
        callers = site.talks(size.calls)
        for name in SERVICES:
            site.rooms[name].orders.clock_ahead_us = ahead_us
        gevent.sleep(size.for_s)
        site.hang_up(callers)
    site.talks(1)


def step_switch(site: Site, size: Size, dice: random.Random) -> None:
    """The switch follows a step (`fsctl sync_clock`), forth and back; our machine keeps its time."""
    for ahead_us in (HOUR_US, 0):
        callers = site.talks(size.calls)
        site.switch.ahead_us = ahead_us
        gevent.sleep(size.for_s)
        site.hang_up(callers)
        site.hang_up(site.talks(max(1, size.calls // 5)))


FAULTS = (
    Fault(
        "stepped clock",
        "our machine's clock steps by an hour, both ways, while people talk",
        step_machine,
        small=Size(calls=5, for_s=0.5),
        full=Size(calls=50, for_s=20),
    ),
    Fault(
        "stepped switch",
        "the switch's clock steps by an hour, both ways, while people talk",
        step_switch,
        small=Size(calls=5, for_s=0.5),
        full=Size(calls=50, for_s=20),
        in_chaos=False,
    ),
)
