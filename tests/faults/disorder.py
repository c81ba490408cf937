"""What the services say to each other arrives twice, in another order, and among messages that are none.

Enters: a site. Leaves: nothing; what came of it is judged by `fault.py`. The disorder itself is made in `mortal.py`.
"""

from __future__ import annotations

import random

import gevent

from tests.faults.crowd import calling
from tests.faults.fault import Fault, Size
from tests.faults.site import SERVICES, Site


def disorder(site: Site, size: Size, dice: random.Random) -> None:
    """In every service, as long as it lasts."""
    for name in SERVICES:
        site.rooms[name].orders.disorder = dice.randrange(1, 1 << 40)
    with calling(site, size.per_s, dice):
        gevent.sleep(size.for_s)
        site.hang_up(site.switch.up())
        gevent.sleep(1)
    for name in SERVICES:
        site.rooms[name].orders.disorder = 0


FAULTS = (
    Fault(
        "disorder",
        "10 % told twice, shuffled within 50, 1 % poison: no UTF-8, 16 MB, wrong schema",
        disorder,
        of_store=True,
        small=Size(for_s=4, per_s=10),
        full=Size(for_s=60, per_s=20),
    ),
)
