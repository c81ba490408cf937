"""The lines of all calls made anew from what is known of each: after a rule of `row.py` has changed, or a row was lost.

Enters: history's store. Leaves: rows of `calls` and `legs` as the facts heard so far make them; nothing else changes,
and nobody is told. Steps are not touched: each stands as its own fact said it. Running processes may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import select

from services.history import tables
from services.history.model import Call
from services.history.row import row
from services.runtime.store import Store, Tx

PIECE = 200
"""Calls per transaction."""
TRIES = 10


class Done(msgspec.Struct, frozen=True):
    """How far it is."""

    calls: int
    changed: int
    """Calls whose line was missing or said something else."""


def rebuild(store: Store) -> Iterator[Done]:
    """Piece by piece; the last one says how many there were. Raises Unavailable, Conflict."""
    after, calls, changed = "", 0, 0
    while True:
        names, differed = store.run(lambda tx, last=after: _piece(tx, last), tries=TRIES)  # type: ignore[misc]
        calls, changed = calls + len(names), changed + differed
        yield Done(calls, changed)
        if len(names) < PIECE:
            return
        after = names[-1]


def _piece(tx: Tx, after: str) -> tuple[list[str], int]:
    """The calls after this name, and how many of them have a new line. Their states are locked meanwhile."""
    states = tx.tables["states"]
    wanted = select(states.c.name, states.c.body).where(states.c.kind == "call", states.c.name > after)
    found = tx.sql.execute(wanted.order_by(states.c.name).limit(PIECE).with_for_update()).all()
    return [one.name for one in found], sum(
        _write(tx, one.name, msgspec.json.decode(bytes(one.body), type=Call)) for one in found
    )


def _write(tx: Tx, name: str, call: Call) -> bool:
    tenant, _, call_id = name.partition("/")
    calls, legs = tx.tables["calls"], tx.tables["legs"]
    line = tables.plain(row(call, tenant))
    before = tx.first(calls, tenant=tenant, call=call_id)
    differs = before is None or any(getattr(before, field) != value for field, value in line.items())
    if differs:
        tables.write_call(tx, tenant, call_id, row(call, tenant), new=before is None)
    for leg, heard in call.legs.items():
        known = tx.first(legs, tenant=tenant, call=call_id, leg=leg)
        if known is None or any(getattr(known, field) != value for field, value in tables.plain(heard).items()):
            tables.write_leg(tx, tenant, call_id, leg, heard, new=known is None)
            differs = True
    return differs
