"""What faults are inflicted on: a broker, a store, a switch and all services, started together and ended together.

Enters: the name of a store. Leaves: a `Site` that works. Nothing of it outlives the process, not even one that is
killed (`keeper.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.cluster import Cluster
from tests.faults.disks import mount
from tests.faults.fault import POSTGRESQL
from tests.faults.keeper import Keeper
from tests.faults.lives import Nursery
from tests.faults.site import Site
from tests.faults.switch import Switch
from tests.memory import place
from tests.postgres import Postgres
from tests.rabbitmq import Broker


@contextmanager
def ground(
    store: str, broker: Broker | None = None, postgres: Postgres | None = None, *, three: bool = False
) -> Iterator[Site]:
    """`broker`, `postgres`: servers that run already; else there are some for this site alone. `three`: a cluster."""
    with ExitStack() as stack:
        keeper = stack.enter_context(Keeper())
        folder = Path(tempfile.mkdtemp(prefix="toritsugi-faults-", dir=place()))
        keeper.owe_removal(folder)
        folder.chmod(0o711)  # PostgreSQL is another user's, and passes through
        bus: Broker | Cluster | None = broker
        if bus is None:
            base = _made(folder / "broker")
            bus = Cluster(base, keeper) if three else Broker(base, vhosts=2)
            stack.callback(bus.close)
            bus.start()
        if store == POSTGRESQL and postgres is None:
            postgres = Postgres(_made(folder / "postgres"))
            stack.callback(postgres.close)
            # One that is told to end while it stands still would never.
            pid_file = folder / "postgres/data/postmaster.pid"
            keeper.owe("/bin/sh", "-c", 'kill -CONT "$(head -n 1 "$0")"', str(pid_file))
            postgres.start()
        nursery = Nursery()
        stack.callback(nursery.close)
        (folder / "switch").mkdir()
        disks = {"agent": folder / "site/agent", "cdr": folder / "switch/cdr", "recordings": folder / "recordings"}
        for disk in disks.values():
            disk.mkdir(parents=True)
        mounted = sum(mount(disk, keeper) for disk in disks.values()) == len(disks)
        switch = Switch(folder / "switch", recordings=disks["recordings"])
        switch.simulator.start()
        stack.callback(switch.simulator.kill)
        database = postgres.url() if store == POSTGRESQL and postgres is not None else ""
        site = Site(folder / "site", nursery, bus, switch, disks if mounted else {}, database, postgres)
        stack.callback(site.stop)
        site.start()
        yield site


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
