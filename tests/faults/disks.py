"""Disks that are full: the agent's, that of the call records, that of the recordings.

Enters: a site on small file systems of its own. Leaves: nothing; what came of it is judged by `fault.py`. That of the
broker is in `brokers.py`. A file system is full as soon as it is made as small as what lies on it.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import gevent

from tests.faults.crowd import calling
from tests.faults.fault import Fault, Size
from tests.faults.keeper import Keeper
from tests.faults.site import Site

ROOM = "size=512m"


def mount(folder: Path, keeper: Keeper) -> bool:
    """Whether the folder now is a file system of its own; only root may make one."""
    mounted = _mount("-t", "tmpfs", "-o", ROOM, "none", str(folder))
    if mounted:
        keeper.owe("umount", "--lazy", str(folder))
    return mounted


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Within, nothing more can be written there."""
    while not _shrunk(folder):
        gevent.sleep(0.01)  # more was written meanwhile
    try:
        yield
    finally:
        assert _mount("-o", f"remount,{ROOM}", str(folder))


def _shrunk(folder: Path) -> bool:
    about = os.statvfs(folder)
    used = (about.f_blocks - about.f_bfree) * about.f_frsize
    return _mount("-o", f"remount,size={max(used, about.f_frsize)}", str(folder))


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0


def fill(site: Site, size: Size, dice: random.Random, which: tuple[str, ...]) -> None:
    """While people call. The agent's disk matters when the broker is away: then it holds what is to be told."""
    with calling(site, size.per_s, dice), ExitStack() as stack:
        for name in which:
            stack.enter_context(full(site.disks[name]))
        gevent.sleep(size.for_s)
        if "agent" in which:
            site.broker.pause()
            gevent.sleep(size.for_s)
            site.broker.resume()


def _needs(site: Site) -> str:
    return "" if site.disks else "small file systems: mounting them needs root"


FAULTS = (
    Fault(
        "full spool",
        "the agent's disk is full while people call, and the broker answers nothing for the second half",
        partial(fill, which=("agent",)),
        small=Size(for_s=2, per_s=5),
        full=Size(for_s=30, per_s=20),
        needs=_needs,
    ),
    Fault(
        "full folder of call records",
        "the switch cannot write its call records",
        partial(fill, which=("cdr",)),
        small=Size(for_s=2, per_s=5),
        full=Size(for_s=30, per_s=20),
        needs=_needs,
    ),
    Fault(
        "full folder of recordings",
        "the switch cannot write its recordings",
        partial(fill, which=("recordings",)),
        small=Size(for_s=2, per_s=5),
        full=Size(for_s=30, per_s=20),
        needs=_needs,
    ),
)
