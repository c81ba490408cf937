"""The report's questions to history's tables: one page of calls, newest first, and how many a day had.

Enters: a transaction, the clients that the visitor may see (None: all), a `Filter`. Leaves: calls, and where to go on.
A page costs about the same however many calls are kept: one condition is looked up by an index (`_drivers`), the others
are tested on at most EXAMINED calls; if that was not enough the page says how far it looked and goes on from there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select, text, tuple_

from services.history.filters import WHOLE_NUMBER, Filter, start_of
from services.history.model import Answer, Client, Day, Found, Place
from services.history.reads import ALL_CLIENTS, Visible, client, known, with_names
from services.history.tables import OVER
from services.history.words import JAPAN, day_of
from services.runtime import projections
from services.runtime.store import Tx

PAGE = 50
EXAMINED = 2_000
"""So many calls at most are held against the conditions that no index answers, per client and page."""
MOST_COUNTED = 20_000
"""A day with more calls than that is said to have more."""
FIRST = "!"
"""In place of a call: before all of them."""
Driver = tuple[str, str] | None
"""Column and value that an index answers; None: the order alone."""
Run = Callable[[Callable[[Tx], Found]], Found]


def report(tx: Tx, visible: Visible, wanted: Filter) -> Answer:
    """A page, with how its days went if all calls of one client's days are wanted."""
    seen = clients(tx, visible)
    timezone = zone(seen, wanted)
    found = find(tx, visible, wanted, timezone)
    whose = _clients(visible, wanted)
    counted: tuple[Day, ...] = ()
    if wanted.only_days and len(whose) == 1 and whose[0] is not None:
        here = dict.fromkeys(day_of(one.row.started_at_us, timezone) for one in found.calls)
        counted = _days(tx, whose[0], tuple(here), timezone)
    return Answer(found, counted, seen, timezone)


def find(tx: Tx, visible: Visible, wanted: Filter, timezone: str, limit: int = PAGE) -> Found:
    """The newest `limit` calls that fit and are over, after `wanted.before`. Days are those of `timezone`."""
    rows: dict[Place, Any] = {}
    ends: list[Place] = []
    for tenant in _clients(visible, wanted):
        for driver in _drivers(wanted, tenant):
            found, end = _ask(tx, tenant, driver, wanted, timezone, limit + 1)
            rows.update((_place(row), row) for row in found)
            if end is not None:
                ends.append(end)
    end = max(ends, default=None)
    places = heapq.nlargest(limit + 1, (place for place in rows if end is None or place >= end))
    here = places[:limit]
    more = len(places) > limit
    calls = tuple(known(rows[place]) for place in here)
    return Found(
        calls=calls,
        next=here[-1] if more else end,
        cut=not more and end is not None,
        clients=with_names(tx, {name: client(tx, name) for name in {place.tenant for place in here}}, calls),
    )


def every(run: Run, visible: Visible, wanted: Filter, timezone: str, limit: int) -> Iterator[Found]:
    """All of them, piece by piece, each piece a transaction of its own. `run` is `Store.run`."""
    while True:
        found = run(partial(_page, visible, wanted, timezone, limit))
        yield found
        if found.next is None:
            return
        wanted = msgspec.structs.replace(wanted, before=found.next)


def _page(visible: Visible, wanted: Filter, timezone: str, limit: int, tx: Tx) -> Found:
    return find(tx, visible, wanted, timezone, limit)


def zone(clients: Mapping[str, Client], wanted: Filter) -> str:
    """Whose days they are: those of the one client whose calls are looked at, else Japan's."""
    names = [wanted.tenant] if wanted.tenant else list(clients)
    return clients[names[0]].timezone if len(names) == 1 and names[0] in clients else JAPAN


def clients(tx: Tx, visible: Visible) -> dict[str, Client]:
    """Whom the visitor may choose from, by id."""
    if visible is None:
        return {one.tenant: Client(one.name, one.timezone) for one in projections.tenants(tx)}
    return {name: client(tx, name) for name in sorted(visible)}


def _days(tx: Tx, tenant: str, wanted: Sequence[date], timezone: str) -> tuple[Day, ...]:
    """How the client's calls of these days went: read from the index alone."""
    table, found = tx.tables["calls"], []
    for day in wanted:
        since, until = start_of(day, timezone), start_of(day + timedelta(days=1), timezone)
        of_day = (
            select(table.c.result)
            .where(text(OVER), table.c.tenant == tenant, table.c.started_at_us >= since, table.c.started_at_us < until)
            .limit(MOST_COUNTED + 1)
            .subquery()
        )
        counted = select(of_day.c.result, func.count().label("n")).group_by(of_day.c.result)
        results = {row.result: int(row.n) for row in tx.sql.execute(counted)}
        found.append(Day(day, results, sum(results.values()) > MOST_COUNTED))
    return tuple(found)


def looked_at(visible: Visible, wanted: Filter) -> tuple[str, ...]:
    """Whose calls are shown: for the log of looks."""
    return tuple(one or ALL_CLIENTS for one in _clients(visible, wanted))


def _clients(visible: Visible, wanted: Filter) -> Sequence[str | None]:
    if wanted.tenant:
        return (wanted.tenant,) if visible is None or wanted.tenant in visible else ()
    return (None,) if visible is None else tuple(dict.fromkeys(visible))


def _drivers(wanted: Filter, tenant: str | None) -> Sequence[Driver]:
    """The conditions of which any one is looked up: the one that fewest calls fit, as far as can be guessed."""
    if len(wanted.number) >= WHOLE_NUMBER:
        return ("other_number", wanted.number), ("own_number", wanted.number)
    if tenant is not None and wanted.employee:
        return ("placed_by", wanted.employee), ("answered_by", wanted.employee)
    if wanted.own_number:
        return (("own_number", wanted.own_number),)
    if tenant is not None and wanted.result:
        return (("result", wanted.result),)
    if tenant is not None and wanted.direction:
        return (("direction", wanted.direction),)
    return (None,)


def _ask(
    tx: Tx, tenant: str | None, driver: Driver, wanted: Filter, timezone: str, limit: int
) -> tuple[Sequence[Any], Place | None]:
    """Rows that fit, newest first, and the last one examined if there were more to examine."""
    table = tx.tables["calls"]
    order = (table.c.started_at_us.desc(), table.c.tenant.desc(), table.c.call.desc())
    looked_up = select(table).where(*_range(table.c, tenant, driver, wanted, timezone)).order_by(*order)
    tested = _tests(table.c, tenant, driver, wanted)
    if not tested:
        return tx.sql.execute(looked_up.limit(limit)).all(), None
    examined = looked_up.limit(EXAMINED).subquery()
    rest = _tests(examined.c, tenant, driver, wanted)
    newest = (examined.c.started_at_us.desc(), examined.c.tenant.desc(), examined.c.call.desc())
    rows = tx.sql.execute(select(examined).where(*rest).order_by(*newest).limit(limit)).all()
    if len(rows) == limit:
        return rows, None
    # The only offset: bounded, and over the index alone.
    last = looked_up.with_only_columns(table.c.started_at_us, table.c.tenant, table.c.call).offset(EXAMINED - 1)
    end = tx.sql.execute(last.limit(1)).first()
    return rows, None if end is None else _end(_place(end), tenant)


def _end(last: Place, tenant: str | None) -> Place:
    """Where to go on: behind the last one examined, or, if that is another client's, of which nobody here may know, at
    its microsecond again (the place is the first of the next one)."""
    mine = tenant is None or last.tenant == tenant
    return last if mine else Place(last.started_at_us + 1, tenant or "", FIRST)


def _range(column: Any, tenant: str | None, driver: Driver, wanted: Filter, timezone: str) -> list[ColumnElement[bool]]:
    """What an index answers: a stretch of calls, one beside the other."""
    since, until = wanted.times_us(timezone)
    found: list[Any] = [text(OVER)]
    if tenant is not None and not _of_number(driver):
        found.append(column.tenant == tenant)
    if driver is not None:
        found.append(column[driver[0]] == driver[1])
    if since is not None:
        found.append(column.started_at_us >= since)
    if until is not None:
        found.append(column.started_at_us < until)
    if (place := wanted.before) is not None:
        here = (place.started_at_us, place.tenant, place.call)
        found.append(column.started_at_us <= place.started_at_us)
        found.append(tuple_(column.started_at_us, column.tenant, column.call) < here)
    return found


def _tests(column: Any, tenant: str | None, driver: Driver, wanted: Filter) -> list[ColumnElement[bool]]:
    """What is tested call by call."""
    driven = driver[0] if driver else ""
    found: list[ColumnElement[bool]] = []
    if tenant is not None and _of_number(driver):
        found.append(column.tenant == tenant)
    if wanted.direction and driven != "direction":
        found.append(column.direction == wanted.direction)
    if wanted.result and driven != "result":
        found.append(column.result == wanted.result)
    if wanted.employee and driven not in ("placed_by", "answered_by"):
        found.append(or_(column.placed_by == wanted.employee, column.answered_by == wanted.employee))
    if wanted.own_number and driver != ("own_number", wanted.own_number):
        found.append(column.own_number == wanted.own_number)
    if wanted.number and len(wanted.number) < WHOLE_NUMBER:
        found.append(column.other_number.contains(wanted.number, autoescape=True))
    if wanted.talk_s:
        found.append(and_(column.answered_at_us.is_not(None), column.talk_ms >= wanted.talk_s * 1000))
    return found


def _of_number(driver: Driver) -> bool:
    """Numbers are looked up among all clients' calls: were the client named there, SQLite might go by the client."""
    return driver is not None and driver[0] in ("own_number", "other_number")


def _place(row: Any) -> Place:
    return Place(row.started_at_us, row.tenant, row.call)
