"""The rows of the number stock: what happens to a number, its history, and what is suspended of each client.

Enters: a transaction, a happening with who and when. Leaves: rows, a line of the number's history, NumbersSuspended in
the outbox. What a happening means stands in `model.py`; who may do it, and the audit log, in `desk.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, func, or_, select, update

from proto.envelope import Envelope
from proto.events import NumbersSuspended
from proto.topics import Outgoing, outgoing
from proto.values import command_id
from services.directory.numbers import model
from services.directory.numbers.areas import area_of, kind_of
from services.directory.numbers.model import ADDED, RESTED, Happening, Held, Line, Refusal, State
from services.runtime.store import Conflict, Tx
from services.runtime.worker import Emit

BY_FILE, BY_TIME = "file", "time"
"""Who does what a client's file does, and what time does, in a number's history."""
AT_ONCE = 500
"""Numbers in one statement."""


class Refused(Exception):
    """Why a number stays as it is."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


class Wanted(msgspec.Struct, frozen=True):
    """Which numbers; what is left empty does not matter."""

    clients: tuple[str, ...] | None = None
    """None: all. Else those of these clients, and with `free` also those that are nobody's."""
    free: bool = True
    kind: str = ""
    area: str = ""
    """An area code or the name of an area."""
    state: str = ""
    part: str = ""
    """Digits that stand anywhere in the number."""
    client: str = ""


def add_number_tables(metadata: MetaData) -> None:
    """The stock, the history of each number, and what was last told of each client."""
    stock = Table(
        "number_stock",
        metadata,
        Column("number", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("area_code", Text, nullable=False),
        Column("area", Text, nullable=False),
        Column("carrier", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("client", Text, nullable=False),
        Column("since_us", BigInteger, nullable=False),
        Column("reason", Text, nullable=False),
        Column("note", Text, nullable=False),
        Column("until_us", BigInteger),
    )
    Index("number_stock_by_state", stock.c.state, stock.c.number)
    Index("number_stock_by_client", stock.c.client, stock.c.number)
    Table(
        "number_history",
        metadata,
        Column("number", Text, primary_key=True),
        Column("seq", Integer, primary_key=True, autoincrement=False),
        Column("at_us", BigInteger, nullable=False),
        Column("who", Text, nullable=False),
        Column("what", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("client", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("note", Text, nullable=False),
    )
    Table(
        "numbers_suspended",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("since_us", BigInteger, nullable=False),
        Column("numbers", Text, nullable=False),
    )


# -- reading -------------------------------------------------------------------------------------------------------


def find(tx: Tx, number: str) -> Held | None:
    """The number as it stands, or None if it is in no stock."""
    row = tx.first(tx.tables["number_stock"], number=number)
    return _held(row) if row is not None else None


def found(tx: Tx, wanted: Wanted, limit: int | None = None, after: str = "") -> list[Held]:
    """Numbers by their digits, at most `limit`, beginning behind `after`."""
    table = tx.tables["number_stock"]
    query = select(table).where(table.c.number > after).order_by(table.c.number)
    if wanted.clients is not None:
        own = table.c.client.in_(wanted.clients)
        query = query.where(or_(own, table.c.state == State.STOCK) if wanted.free else own)
    if wanted.area:
        query = query.where(or_(table.c.area == wanted.area, table.c.area_code == wanted.area))
    for column, value in ((table.c.kind, wanted.kind), (table.c.state, wanted.state), (table.c.client, wanted.client)):
        if value:
            query = query.where(column == value)
    if wanted.part:
        query = query.where(table.c.number.contains(wanted.part, autoescape=True))
    return [_held(row) for row in tx.sql.execute(query if limit is None else query.limit(limit))]


def history(tx: Tx, number: str) -> list[Line]:
    """What happened to a number, the newest first."""
    table = tx.tables["number_history"]
    rows = tx.sql.execute(select(table).where(table.c.number == number).order_by(table.c.seq.desc()))
    return [Line(*(getattr(row, name) for name in Line.__struct_fields__)) for row in rows]


def spoken_for(tx: Tx, now_us: int, of: str | None = None) -> dict[str, Held]:
    """Numbers that not every client may have now; `of`: those of this client alone."""
    table = tx.tables["number_stock"]
    query = select(table).where(table.c.state != State.STOCK)
    held = (_held(row) for row in tx.sql.execute(query if of is None else query.where(table.c.client == of)))
    return {one.number: one for one in held if model.rested(one, now_us).state is not State.STOCK}


# -- what happens --------------------------------------------------------------------------------------------------


def add(tx: Tx, who: str, numbers: Iterable[str], carrier: str, owners: Mapping[str, str], now_us: int) -> list[str]:
    """New rows for those numbers that had none, which are returned; what stands in a file is in use at once."""
    wanted = [
        Held(
            number=number,
            state=State.IN_USE if number in owners else State.STOCK,
            client=owners.get(number, ""),
            carrier=carrier,
            since_us=now_us,
        )
        for number in dict.fromkeys(numbers)
    ]
    made: set[str] = set()
    for first in range(0, len(wanted), AT_ONCE):
        rows = [_columns(held) for held in wanted[first : first + AT_ONCE]]
        made |= tx.insert_new(tx.tables["number_stock"], rows, "number")
    for held in wanted:
        if held.number in made:  # nothing has happened to it before: rows are never taken away
            tx.add(tx.tables["number_history"], _line(held, 1, who, ADDED, now_us))
    return [held.number for held in wanted if held.number in made]


def happen(
    tx: Tx,
    who: str,
    held: Held,
    happening: Happening,
    now_us: int,
    *,
    client: str = "",
    reason: str = "",
    note: str = "",
    rests_us: int = 0,
) -> Held:
    """Something happens to a number. Raises Refused, and Conflict if somebody changed it meanwhile."""
    after = model.after(
        held, happening, now_us, client=client, reason=reason, note=note[: model.LONGEST_NOTE], rests_us=rests_us
    )
    if not isinstance(after, Held):
        raise Refused(after)
    if after != held:
        _write(tx, held, after)
        _note(tx, after, who, happening, now_us)
    return after


def rest(tx: Tx, now_us: int) -> None:
    """Back in stock: every number whose quarantine is over."""
    table = tx.tables["number_stock"]
    over = select(table).where(table.c.state == State.QUARANTINE, table.c.until_us <= now_us)
    for row in tx.sql.execute(over).all():
        held = _held(row)
        after = model.rested(held, now_us)
        _write(tx, held, after)
        _note(tx, after, BY_TIME, RESTED, now_us)


def follow(tx: Tx, owners: Mapping[str, str], rests_us: int, now_us: int) -> list[Outgoing]:
    """What the files in force mean for the stock: who has which number; NumbersSuspended where that changed it.

    Numbers that are in no stock are nobody's concern here.
    """
    rest(tx, now_us)
    table = tx.tables["number_stock"]
    used = select(table).where(table.c.state.in_((State.IN_USE, State.SUSPENDED)))
    for row in tx.sql.execute(used).all():
        held = _held(row)
        if owners.get(held.number) != held.client:
            happen(tx, BY_FILE, held, Happening.LEAVE, now_us, rests_us=rests_us)
    numbers = sorted(owners)
    for first in range(0, len(numbers), AT_ONCE):
        idle = table.c.state.not_in((State.IN_USE, State.SUSPENDED))
        some = select(table).where(table.c.number.in_(numbers[first : first + AT_ONCE]), idle)
        for row in tx.sql.execute(some).all():
            held = _held(row)
            if model.is_free_for(held, owners[held.number], now_us):
                happen(tx, BY_FILE, held, Happening.TAKE, now_us, client=owners[held.number])
    return told_anew(tx, now_us)


def _write(tx: Tx, before: Held, after: Held) -> None:
    table = tx.tables["number_stock"]
    here = (table.c.number == before.number) & (table.c.state == before.state) & (table.c.since_us == before.since_us)
    if tx.sql.execute(update(table).where(here).values(**_columns(after))).rowcount != 1:
        raise Conflict(f"number {before.number[:2]}…{before.number[-2:]}")


def _note(tx: Tx, held: Held, who: str, what: str, now_us: int) -> None:
    table = tx.tables["number_history"]
    last = tx.sql.execute(select(func.max(table.c.seq)).where(table.c.number == held.number)).scalar() or 0
    if not tx.insert_once(table, _line(held, last + 1, who, what, now_us)):
        raise Conflict("history of a number")


def _line(held: Held, seq: int, who: str, what: str, now_us: int) -> dict[str, Any]:
    return {
        "number": held.number,
        "seq": seq,
        "at_us": now_us,
        "who": who,
        "what": str(what),
        "state": str(held.state),
        "client": held.client,
        "reason": held.reason,
        "note": held.note,
    }


def _columns(held: Held) -> dict[str, Any]:
    area = area_of(held.number)
    return {
        **msgspec.structs.asdict(held),
        "state": str(held.state),
        "kind": kind_of(held.number),
        "area_code": area.code if area else "",
        "area": area.name if area else "",
    }


def _held(row: Any) -> Held:
    return Held(
        **{name: getattr(row, name) for name in Held.__struct_fields__ if name != "state"}, state=State(row.state)
    )


# -- what is suspended ---------------------------------------------------------------------------------------------


def told_anew(tx: Tx, now_us: int) -> list[Outgoing]:
    """NumbersSuspended of every client of whom something else was told last; in the outbox, and returned."""
    stock, table = tx.tables["number_stock"], tx.tables["numbers_suspended"]
    now: dict[str, list[str]] = {}
    for row in tx.sql.execute(
        select(stock.c.client, stock.c.number).where(stock.c.state == State.SUSPENDED).order_by(stock.c.number)
    ):
        now.setdefault(row.client, []).append(row.number)
    known = {row.tenant: row for row in tx.sql.execute(select(table))}
    news = []
    for tenant in sorted({*now, *known}):
        numbers, before = " ".join(now.get(tenant, ())), known.get(tenant)
        if before is None:
            if not tx.insert_once(table, {"tenant": tenant, "since_us": now_us, "numbers": numbers}):
                raise Conflict(f"suspended numbers of {tenant}")
        elif before.numbers == numbers:
            continue
        else:  # later than before even if the machine's clock was set back
            values = {"since_us": max(now_us, before.since_us + 1), "numbers": numbers}
            here = (table.c.tenant == tenant) & (table.c.since_us == before.since_us)
            if tx.sql.execute(update(table).where(here).values(**values)).rowcount != 1:
                raise Conflict(f"suspended numbers of {tenant}")
        news.append(tenant)
    said = [outgoing(fact) for fact in suspended_facts(tx) if fact.tenant in news]
    tx.post(said)
    return said


def say_suspended(tx: Tx) -> list[Emit]:
    """What is suspended of each client again, under the ids that the facts had, for whoever has just started."""
    return [
        Emit(fact.body, tenant=fact.tenant, call="", occurred_at_us=fact.occurred_at_us, id=fact.id)
        for fact in suspended_facts(tx)
    ]


def suspended_facts(tx: Tx) -> list[Envelope]:
    """What was told last of each client, by its name."""
    table = tx.tables["numbers_suspended"]
    return [
        Envelope(
            body=NumbersSuspended(numbers=tuple(row.numbers.split())),
            id=command_id(f"suspended/{row.tenant}", row.since_us),
            source="directory",
            tenant=row.tenant,
            occurred_at_us=row.since_us,
        )
        for row in tx.sql.execute(select(table).order_by(table.c.tenant))
    ]
