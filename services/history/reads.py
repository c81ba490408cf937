"""What the pages ask of history's tables.

Enters: a transaction, and the clients that the visitor may see (None: all). Leaves: plain values, no rows of the
database. Whoever looks at one call is written down in the same transaction (JAPAN: 通信の秘密).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Select, and_, delete, func, insert, select

from services.history.model import Client, Known, Leg, Overview, Row, Step, Story, Switch
from services.runtime import projections
from services.runtime.store import Tx

Visible = tuple[str, ...] | None
VISIT_US = 30 * 60 * 1_000_000
"""Whoever looks at the same call again within this time is still looking."""
ACCESS_KEPT_US = 366 * 24 * 3600 * 1_000_000
"""So long it can be asked who looked at a call."""


def overview(tx: Tx, visible: Visible, limit: int) -> Overview:
    """Calls in progress and the last `limit` ended ones, newest first."""
    table = tx.tables["calls"]
    running = _calls(tx, visible).where(table.c.state != "ended").order_by(table.c.started_at_us.desc())
    over = _calls(tx, visible).where(table.c.state == "ended").order_by(table.c.ended_at_us.desc())
    live = tuple(_known(row) for row in tx.sql.execute(running.limit(limit)))
    last = tuple(_known(row) for row in tx.sql.execute(over.limit(limit)))
    names = {known.tenant for known in (*live, *last)}
    switches = tx.sql.execute(select(tx.tables["switches"]).order_by(tx.tables["switches"].c.switch))
    counted = _visible(select(table.c.state, func.count().label("n")), tx, visible)
    states = tx.sql.execute(counted.where(table.c.state != "ended").group_by(table.c.state))
    return Overview(
        live=live,
        last=last,
        states={row.state: row.n for row in states},
        switches=tuple(Switch(r.switch, r.connected, r.since_us, r.reason) for r in switches),
        clients={name: client(tx, name) for name in names},
    )


def story(tx: Tx, visible: Visible, tenant: str, call: str, person: str, now_us: int) -> Story | None:
    """One call with its legs and steps; None if there is none that this visitor may see."""
    table = tx.tables["calls"]
    found = tx.sql.execute(_calls(tx, visible).where(table.c.tenant == tenant, table.c.call == call)).first()
    if found is None:
        return None
    _note_access(tx, tenant, call, person, now_us)
    legs, steps = tx.tables["legs"], tx.tables["steps"]
    leg_rows = tx.sql.execute(
        select(legs)
        .where(legs.c.tenant == tenant, legs.c.call == call)
        .order_by(legs.c.direction, legs.c.started_at_us, legs.c.leg)
    )
    step_rows = tx.sql.execute(
        select(steps.c.body).where(and_(steps.c.tenant == tenant, steps.c.call == call)).order_by(steps.c.at_us)
    )
    told = [msgspec.json.decode(bytes(body), type=Step) for body in step_rows.scalars()]
    return Story(
        known=_known(found),
        legs=tuple((row.leg, _struct(Leg, row)) for row in leg_rows),
        steps=tuple(told),
        client=client(tx, tenant),
    )


def _note_access(tx: Tx, tenant: str, call: str, person: str, now_us: int) -> None:
    """One line per visit, however often the open page looks again; lines that have served their purpose are erased."""
    table = tx.tables["access_log"]
    here = (table.c.person == person, table.c.tenant == tenant, table.c.call == call)
    last = tx.sql.execute(select(table.c.seq).where(*here, table.c.at_us > now_us - VISIT_US).limit(1)).scalar()
    if last is None:
        tx.sql.execute(insert(table).values(at_us=now_us, person=person, what="call", tenant=tenant, call=call))
        tx.sql.execute(delete(table).where(table.c.at_us < now_us - ACCESS_KEPT_US))


def client(tx: Tx, name: str) -> Client:
    """The client as last heard; one that was never heard of goes by its id."""
    known = projections.tenant(tx, name)
    return Client(name) if known is None else Client(known.name, known.timezone)


def _calls(tx: Tx, visible: Visible) -> Select[Any]:
    return _visible(select(tx.tables["calls"]), tx, visible)


def _visible(query: Select[Any], tx: Tx, visible: Visible) -> Select[Any]:
    return query if visible is None else query.where(tx.tables["calls"].c.tenant.in_(visible))


def _known(row: Any) -> Known:
    return Known(row.tenant, row.call, _struct(Row, row))


def _struct(shape: Any, row: Any) -> Any:
    values = {}
    for field in msgspec.structs.fields(shape):
        value = getattr(row, field.name)
        values[field.name] = Decimal(value) if field.type is Decimal else value
    return shape(**values)
