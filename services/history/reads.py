"""What the pages ask of history's tables.

Enters: a transaction, and the clients that the visitor may see (None: all). Leaves: plain values, no rows of the
database. Whoever looks at one call is written down in the same transaction (JAPAN: 通信の秘密).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, and_, delete, func, insert, select, text

from proto.envelope import Envelope
from proto.events import PrivateSeen
from proto.topics import Outgoing, outgoing
from proto.values import PLATFORM_TENANT, command_id
from services.history.model import Client, Known, Leg, Overview, Row, Step, Story, Switch
from services.history.tables import LIVE, OVER
from services.runtime import projections
from services.runtime.store import Tx

Visible = tuple[str, ...] | None
Look = Literal["call", "report", "csv", "xlsx"]
ALL_CLIENTS = "*"
"""Stands in the log of looks for whoever sees all clients and chose none."""
VISIT_US = 30 * 60 * 1_000_000
"""Whoever looks at the same call again within this time is still looking."""
ACCESS_KEPT_US = 366 * 24 * 3600 * 1_000_000
"""So long it can be asked who looked at a call."""


def overview(tx: Tx, visible: Visible, limit: int) -> Overview:
    """Calls in progress and the last `limit` ended ones, newest first."""
    table = tx.tables["calls"]
    running = _calls(tx, visible).where(text(LIVE)).order_by(table.c.started_at_us.desc())
    live = tuple(known(row) for row in tx.sql.execute(running.limit(limit)))
    last = _last(tx, visible, limit)
    names = {one.tenant for one in (*live, *last)}
    switches = tx.sql.execute(select(tx.tables["switches"]).order_by(tx.tables["switches"].c.switch))
    counted = _visible(select(table.c.state, func.count().label("n")), tx, visible)
    states = tx.sql.execute(counted.where(text(LIVE)).group_by(table.c.state))
    return Overview(
        live=live,
        last=last,
        states={row.state: row.n for row in states},
        switches=tuple(Switch(r.switch, r.connected, r.since_us, r.reason) for r in switches),
        clients=with_names(tx, {name: client(tx, name) for name in names}, (*live, *last)),
    )


def _last(tx: Tx, visible: Visible, limit: int) -> tuple[Known, ...]:
    """The newest ends; client by client, since an index has each client's in order."""
    table = tx.tables["calls"]
    over = select(table).where(text(OVER)).order_by(table.c.ended_at_us.desc()).limit(limit)
    each = (over,) if visible is None else tuple(over.where(table.c.tenant == one) for one in dict.fromkeys(visible))
    rows = [row for query in each for row in tx.sql.execute(query)]
    return tuple(known(row) for row in heapq.nlargest(limit, rows, key=lambda row: row.ended_at_us))


def story(tx: Tx, visible: Visible, tenant: str, call: str, person: str, now_us: int) -> Story | None:
    """One call with its legs and steps; None if there is none that this visitor may see."""
    table = tx.tables["calls"]
    found = tx.sql.execute(_calls(tx, visible).where(table.c.tenant == tenant, table.c.call == call)).first()
    if found is None:
        return None
    note_access(tx, "call", (tenant,), call, person, now_us)
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
    here = known(found)
    return Story(
        known=here,
        legs=tuple((row.leg, _struct(Leg, row)) for row in leg_rows),
        steps=tuple(told),
        client=with_names(tx, {tenant: client(tx, tenant)}, [here])[tenant],
    )


def note_access(tx: Tx, what: Look, tenants: Iterable[str], call: str, person: str, now_us: int) -> None:
    """One line per client and visit, however often the open page looks again; lines of old are erased.

    `call` is the call that was looked at, or how much was taken; a download is a visit of its own each time.
    """
    table = tx.tables["access_log"]
    for tenant in tenants:
        here = (table.c.person == person, table.c.tenant == tenant, table.c.call == call, table.c.what == what)
        last = None
        if what in ("call", "report"):
            last = tx.sql.execute(select(table.c.seq).where(*here, table.c.at_us > now_us - VISIT_US).limit(1)).scalar()
        if last is None:
            tx.sql.execute(insert(table).values(at_us=now_us, person=person, what=what, tenant=tenant, call=call))
            tx.post([_seen(what, tenant, call, person, now_us)])
            tx.sql.execute(delete(table).where(table.c.at_us < now_us - ACCESS_KEPT_US))


def _seen(what: Look, tenant: str, call: str, person: str, now_us: int) -> Outgoing:
    """For directory's audit log; history's worker tells it within seconds."""
    return outgoing(
        Envelope(
            body=PrivateSeen(person=person, what=what, about=call),
            id=command_id(f"seen/{person}/{tenant}/{call}/{what}", now_us),
            source="history",
            tenant=PLATFORM_TENANT if tenant == ALL_CLIENTS else tenant,
            occurred_at_us=now_us,
        )
    )


def client(tx: Tx, name: str) -> Client:
    """The client as last heard; one that was never heard of goes by its id."""
    heard = projections.tenant(tx, name)
    return Client(name) if heard is None else Client(heard.name, heard.timezone)


def with_names(tx: Tx, clients: dict[str, Client], calls: Iterable[Known]) -> dict[str, Client]:
    """The clients with the names that their phone books have for these calls' callers; a withheld number has none."""
    shown = {(one.tenant, one.row.caller_number) for one in calls if one.row.caller_presentation == "shown"}
    names: dict[str, dict[str, str]] = {}
    for (tenant, number), name in projections.names(tx, shown).items():
        names.setdefault(tenant, {})[number] = name
    return {
        name: msgspec.structs.replace(one, names=names[name]) if name in names else one for name, one in clients.items()
    }


def _calls(tx: Tx, visible: Visible) -> Select[Any]:
    return _visible(select(tx.tables["calls"]), tx, visible)


def _visible(query: Select[Any], tx: Tx, visible: Visible) -> Select[Any]:
    return query if visible is None else query.where(tx.tables["calls"].c.tenant.in_(visible))


def known(row: Any) -> Known:
    """A row of the table `calls` as a value."""
    return Known(row.tenant, row.call, _struct(Row, row))


def _struct(shape: Any, row: Any) -> Any:
    return shape(**{name: read(getattr(row, name)) for name, read in _readers_of(shape)})


@cache
def _readers_of(shape: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Each field, and what makes its value of the column's; asked once, since msgspec works it out anew each time."""
    return tuple(
        (field.name, Decimal if field.type is Decimal else _as_it_is) for field in msgspec.structs.fields(shape)
    )


def _as_it_is(value: Any) -> Any:
    return value
