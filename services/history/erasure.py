"""Calls whose history period is over: their rows, legs, lines and sets of facts, without the other side (D14).

Enters: a transaction, a client, a span of time. Leaves: changed rows. What stays in them stands in `erasing.py`; when a
span is due, in `services/runtime/erasure.py`.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, ColumnElement, and_, func, select, text, update

from services.history import tables
from services.history.erasing import erased, erased_step
from services.history.model import Call, Step
from services.history.row import row
from services.runtime.erasure import Erasable
from services.runtime.store import Tx

RESULT = ":result"
"""What the switch said to a command stands under the command's id and this (proto/events.py)."""


def _first_us(tx: Tx, tenant: str, from_us: int, until_us: int) -> int | None:
    found = [
        tx.sql.execute(select(func.min(at)).where(here)).scalar() for here, at in _due(tx, tenant, from_us, until_us)
    ]
    return min((one for one in found if one is not None), default=None)


def _erase(tx: Tx, tenant: str, from_us: int, until_us: int) -> int:
    call = tx.tables["calls"].c.call
    queries = [select(call).where(here) for here, _ in _due(tx, tenant, from_us, until_us)]
    names = [name for query in queries for name in tx.sql.execute(query).scalars().all()]
    return sum(_erase_call(tx, tenant, name) for name in names)


def _due(tx: Tx, tenant: str, from_us: int, until_us: int) -> list[tuple[ColumnElement[bool], Column[int]]]:
    """Calls that are over by their end; those whose end nobody ever told by their beginning (each has its index)."""
    calls = tx.tables["calls"]
    return [
        (and_(text(kind), calls.c.tenant == tenant, at >= from_us, at < until_us), at)
        for kind, at in ((tables.OVER, calls.c.ended_at_us), (tables.LIVE, calls.c.started_at_us))
    ]


def _erase_call(tx: Tx, tenant: str, name: str) -> bool:
    call = tx.state("call", f"{tenant}/{name}", Call)
    if call is None:
        return False
    after = erased(call)
    changed = after != call
    if changed:
        tx.save("call", f"{tenant}/{name}", after)
        tables.write_call(tx, tenant, name, row(after, tenant), new=False)
        for leg, heard in after.legs.items():
            tables.write_leg(tx, tenant, name, leg, heard, new=False)
    steps = tx.tables["steps"]
    here = (steps.c.tenant == tenant) & (steps.c.call == name)
    for line in tx.sql.execute(select(steps.c.key, steps.c.body).where(here)).all():
        step = msgspec.json.decode(bytes(line.body), type=Step)
        if (bare := erased_step(step)) != step:
            tx.sql.execute(update(steps).where(here, steps.c.key == line.key).values(body=msgspec.json.encode(bare)))
        if line.key.endswith(RESULT):
            results = tx.tables["command_results"]
            of = results.c.command == line.key.removesuffix(RESULT)
            tx.sql.execute(update(results).where(of).values(reason=""))
    return changed


ERASABLE = Erasable(_first_us, _erase)
