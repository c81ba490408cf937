"""Faults of the broker: killed, frozen and without room on its disk, while people call.

Enters: a site. Leaves: nothing; what came of it is judged by `fault.py`. A cluster cut in two is `cluster.py`.
"""

from __future__ import annotations

import random

import gevent

from tests.faults.crowd import calling
from tests.faults.fault import Fault, Size
from tests.faults.site import Site


def kill_broker(site: Site, size: Size, dice: random.Random) -> None:
    """The broker dies under load and comes back after a while."""
    with calling(site, size.per_s, dice):
        gevent.sleep(size.for_s)
        site.broker.kill()
        gevent.sleep(size.for_s)
        site.broker.start()
        gevent.sleep(size.for_s)


def freeze_broker(site: Site, size: Size, dice: random.Random) -> None:
    """SIGSTOP: connections stay open and nothing is confirmed."""
    with calling(site, size.per_s, dice):
        site.broker.pause()
        gevent.sleep(size.for_s)
        site.broker.resume()


def fill_broker(site: Site, size: Size, dice: random.Random) -> None:
    """The broker's disk is full: it takes nothing until there is room again (RabbitMQ: disk alarm)."""
    with calling(site, size.per_s, dice):
        site.broker.control("set_disk_free_limit", "mem_relative", "1000000")
        gevent.sleep(size.for_s)
        site.broker.control("set_disk_free_limit", "20MB")


FAULTS = (
    Fault(
        "killed broker",
        "kill -9 of RabbitMQ while people call, started again",
        kill_broker,
        small=Size(for_s=1, per_s=5),
        full=Size(for_s=10, per_s=100),
    ),
    Fault(
        "frozen broker",
        "SIGSTOP of RabbitMQ while people call",
        freeze_broker,
        small=Size(for_s=3, per_s=5),
        full=Size(for_s=60, per_s=20),
    ),
    Fault(
        "full broker",
        "RabbitMQ has no room on its disk and takes nothing",
        fill_broker,
        small=Size(for_s=2, per_s=5),
        full=Size(for_s=60, per_s=20),
    ),
)
