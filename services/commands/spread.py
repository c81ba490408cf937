"""Where a client's revision has arrived: directory itself, each service's copy, each switch's files.

Enters: settings, the revisions that shall hold. Leaves: who has not come so far, in words. It asks the stores beside
the running processes; what each keeps belongs to the rooms.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

from sqlalchemy import select

from proto.events import PlatformRevised, TenantRevised
from proto.values import PLATFORM_TENANT
from services.commands import database
from services.commands.beside import TRIES, opened
from services.directory.tenants.applied import applied
from services.rooms import BUILDS, store_url
from services.runtime.settings import Settings
from services.runtime.store import Store, Tx
from services.runtime.worker import Service

LOOKS_EVERY_S = 0.2


def behind(at: Settings, wanted: Mapping[str, str], within_s: float) -> list[str]:
    """Who has not `wanted` (client -> revision) when the time is over; empty as soon as everybody has."""
    until = time.monotonic() + within_s
    with ExitStack() as stack:
        stores = {service.name: stack.enter_context(opened(at, service)) for service in _who_keeps_copies(at)}
        while (missing := list(_missing(stores, wanted))) and time.monotonic() < until:
            time.sleep(LOOKS_EVERY_S)
    return missing


def _who_keeps_copies(at: Settings) -> Iterator[Service]:
    """Directory, and those services with a store that hear of clients."""
    yield BUILDS["directory"]()
    for name, metadata in database.stores(at):
        if name not in BUILDS or TenantRevised not in (service := BUILDS[name]()).handlers:
            continue
        store = Store(store_url(at, name), metadata)
        try:
            if store.standing().state != "empty":  # no process of it has ever run here: nobody waits for it
                yield service
        finally:
            store.stop()


def _missing(stores: Mapping[str, Store], wanted: Mapping[str, str]) -> Iterator[str]:
    for name, store in stores.items():
        look: Callable[[Tx], dict[str, str]] = _in_force if name == "directory" else _copies
        has = store.run(look, TRIES)
        heard = name == "directory" or PlatformRevised in BUILDS[name]().handlers  # some need no platform
        due = [tenant for tenant in wanted if heard or tenant != PLATFORM_TENANT]
        late = [tenant for tenant in due if has.get(tenant) != wanted[tenant]]
        if late:
            yield f"{name}: {', '.join(late)}"
    reports = stores["directory"].run(applied, TRIES)
    arrived = {(one.switch, one.tenant) for one in reports if one.in_force}
    for switch in sorted({one.switch for one in reports}):
        late = [tenant for tenant in wanted if (switch, tenant) not in arrived]
        if late:
            yield f"switch {switch}: {', '.join(late)}"


def _in_force(tx: Tx) -> dict[str, str]:
    table = tx.tables["revisions"]
    return {
        row.tenant: row.revision
        for row in tx.sql.execute(select(table.c.tenant, table.c.revision, table.c.gone))
        if not row.gone
    }


def _copies(tx: Tx) -> dict[str, str]:
    table = tx.tables["projections"]
    rows = tx.sql.execute(select(table.c.kind, table.c.name, table.c.revision))
    return {
        PLATFORM_TENANT if row.kind == "platform" else row.name: row.revision
        for row in rows
        if row.kind in ("tenant", "platform")
    }
