"""Faults of the wire and of the processes at its ends: stalled, frozen, killed.

Enters: a site with people who talk. Leaves: nothing; what came of it is judged by `fault.py`.
"""

from __future__ import annotations

import random

import gevent

from tests.command import until
from tests.faults.fault import Fault, Size
from tests.faults.site import AGENT, Site


def stall_link(site: Site, size: Size, _dice: random.Random) -> None:
    """The Event Socket stands still while half of them hang up."""
    callers = site.talks(size.calls)
    site.switch.simulator.freeze()
    site.hang_up(callers[::2])
    gevent.sleep(size.for_s)
    site.switch.simulator.thaw()


def freeze_agent(site: Site, size: Size, _dice: random.Random) -> None:
    """The agent's process gets no time while half of them hang up and others call."""
    callers = site.talks(size.calls)
    with site.frozen(AGENT):
        site.hang_up(callers[::2])
        site.switch.call(max(1, size.calls // 5))
        gevent.sleep(size.for_s)


def kill_agent(site: Site, size: Size, _dice: random.Random) -> None:
    """The agent is gone while half of them hang up and others call."""
    callers = site.talks(size.calls)
    site.kill(AGENT)
    site.hang_up(callers[::2])
    site.switch.call(max(1, size.calls // 5))
    gevent.sleep(size.for_s)
    site.bear(AGENT)
    site.await_ready(AGENT)


def kill_switch(site: Site, size: Size, _dice: random.Random) -> None:
    """The switch dies with everybody who talks, and comes back empty: no end is exact, and none is charged."""
    found = site.rooms[AGENT].says("switch found")
    site.talks(size.calls)
    site.switch.kill()
    gevent.sleep(size.for_s)
    site.switch.restart()
    until(lambda: site.rooms[AGENT].says("switch found") > found, lambda: site.story(AGENT))
    site.talks(1)


FAULTS = (
    Fault(
        "stalled link",
        "the Event Socket stands still while half of the callers hang up",
        stall_link,
        small=Size(calls=10, for_s=3),
        full=Size(calls=500, for_s=30),
    ),
    Fault(
        "frozen agent",
        "SIGSTOP of the agent while half of the callers hang up and others call",
        freeze_agent,
        small=Size(calls=10, for_s=2),
        full=Size(calls=100, for_s=60),
    ),
    Fault(
        "killed agent",
        "kill -9 of the agent while half of the callers hang up and others call",
        kill_agent,
        small=Size(calls=10, for_s=1),
        full=Size(calls=100, for_s=60),
    ),
    Fault(
        "killed switch",
        "kill -9 of the switch with all its answered calls",
        kill_switch,
        small=Size(calls=10, for_s=0.5),
        full=Size(calls=200, for_s=10),
    ),
)
