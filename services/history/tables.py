"""History's own tables: the rows that pages list and counts are made of.

Enters: `Row`, `Leg`, `Step` of one fact. Leaves: rows, written only where something changed. Facts that must be unique
(a leg's end, its charge) are counted as they come, so that a surplus can be seen.
"""

from __future__ import annotations

from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
    update,
)

from proto.events import CommandFinished, CommandRefused, CommandUnknown
from services.history.model import Leg, Row, Step
from services.history.steps import better
from services.runtime.store import ROW_NUMBER, Tx

TEXT = 300
"""What a caller sent may be longer; a row keeps this much of it."""
_COLUMN_OF: dict[type, Any] = {bool: Boolean, int: BigInteger}


def add_tables(metadata: MetaData) -> None:
    """calls, legs, steps, decisions, command results, tallies, switches, access log."""
    calls = Table("calls", metadata, *_call_key(), *_columns(Row))
    Index("calls_live", calls.c.started_at_us, sqlite_where=text(LIVE), postgresql_where=text(LIVE))
    _add_indexes_of_ended(calls)
    legs = Table("legs", metadata, *_call_key(), Column("leg", Text, primary_key=True), *_columns(Leg))
    Index("legs_by_leg", legs.c.leg)
    Table(
        "steps",
        metadata,
        *_call_key(),
        Column("key", Text, primary_key=True),
        Column("at_us", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "decisions",
        metadata,
        Column("command", Text, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("call", Text, nullable=False),
        Column("leg", Text, nullable=False),
        Column("cause", Text, nullable=False),
    )
    Table(
        "command_results",
        metadata,
        Column("command", Text, primary_key=True),
        Column("result", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("leg", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("decision_us", BigInteger),
        Column("at_us", BigInteger, nullable=False),
    )
    Table(
        "tallies",
        metadata,
        Column("what", Text, primary_key=True),
        Column("leg", Text, primary_key=True),
        Column("park", Integer, primary_key=True),
        Column("call", Text, nullable=False),
        Column("id", Text, nullable=False),
        Column("times", Integer, nullable=False),
    )
    Table(
        "switches",
        metadata,
        Column("switch", Text, primary_key=True),
        Column("connected", Boolean, nullable=False),
        Column("since_us", BigInteger, nullable=False),
        Column("reason", Text, nullable=False),
    )
    access = Table(
        "access_log",
        metadata,
        Column("seq", ROW_NUMBER, primary_key=True, autoincrement=True),
        Column("at_us", BigInteger, nullable=False, index=True),
        Column("person", Text, nullable=False),
        Column("what", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("call", Text, nullable=False),
    )
    Index("access_log_by_person", access.c.person, access.c.tenant, access.c.call, access.c.at_us)


LIVE = "state != 'ended'"
OVER = "state = 'ended'"
"""Only calls that are over stand in the report, and so in its indexes: a call in progress changes none of them."""


def _add_indexes_of_ended(calls: Table) -> None:
    """Two for the newest ends, one for each thing by which calls are looked for in the report's order (`search.py`)."""
    order = (calls.c.started_at_us, calls.c.tenant, calls.c.call)
    within = (calls.c.started_at_us, calls.c.call)
    for name, columns in {
        "calls_by_end": (calls.c.ended_at_us,),
        "calls_by_tenant": (calls.c.tenant, calls.c.ended_at_us),
        "report": order,
        "report_by_tenant": (calls.c.tenant, *within, calls.c.result),
        "report_by_direction": (calls.c.tenant, calls.c.direction, *within),
        "report_by_result": (calls.c.tenant, calls.c.result, *within),
        "report_by_placed": (calls.c.tenant, calls.c.placed_by, *within),
        "report_by_answered": (calls.c.tenant, calls.c.answered_by, *within),
        "report_by_own_number": (calls.c.own_number, *order),
        "report_by_other_number": (calls.c.other_number, *order),
    }.items():
        Index(name, *columns, sqlite_where=text(OVER), postgresql_where=text(OVER))


def _call_key() -> tuple[Column[str], Column[str]]:
    return Column("tenant", Text, primary_key=True), Column("call", Text, primary_key=True)


def _columns(shape: type[msgspec.Struct]) -> list[Column[Any]]:
    """One column per field; money as text, since SQLite has no exact decimals."""
    found: list[Column[Any]] = []
    for field in msgspec.structs.fields(shape):
        kinds = set(get_args(field.type)) if get_origin(field.type) is UnionType else {field.type}
        column = next((column for kind, column in _COLUMN_OF.items() if kind in kinds), Text)
        found.append(Column(field.name, column, nullable=NoneType in kinds))
    return found


def plain(value: msgspec.Struct) -> dict[str, Any]:
    """The columns of a row: money as text, text cut."""
    cut = {}
    for name, item in msgspec.structs.asdict(value).items():
        cut[name] = str(item) if isinstance(item, Decimal) else item[:TEXT] if isinstance(item, str) else item
    return cut


def write_call(tx: Tx, tenant: str, call: str, row: Row, new: bool) -> None:
    """The line of the call as it now is; `new`: it has none yet."""
    _write(tx, "calls", {"tenant": tenant, "call": call}, plain(row), new)


def write_leg(tx: Tx, tenant: str, call: str, name: str, leg: Leg, new: bool) -> None:
    """The leg as it now is; `new`: it has no row yet."""
    _write(tx, "legs", {"tenant": tenant, "call": call, "leg": name}, plain(leg), new)


def write_step(tx: Tx, tenant: str, call: str, step: Step) -> None:
    """A line of the story; one that is there already stays, unless the new telling is better."""
    table = tx.tables["steps"]
    key = {"tenant": tenant, "call": call, "key": step.key}
    values = {"at_us": step.at_us, "body": msgspec.json.encode(step)}
    if tx.insert_once(table, {**key, **values}):
        return
    row = tx.first(table, ("body",), **key)
    assert row is not None
    known = msgspec.json.decode(bytes(row.body), type=Step)
    if better(known, step) is step:
        _write(tx, "steps", key, values, new=False)


def _write(tx: Tx, name: str, key: dict[str, str], values: dict[str, Any], new: bool) -> None:
    if new:
        tx.add(tx.tables[name], key | values)
    else:
        tx.change(tx.tables[name], key, values)


def tally(tx: Tx, what: str, leg: str, call: str, message: str, park: int = 0) -> None:
    """One more fact of this name about this leg."""
    table = tx.tables["tallies"]
    row = {"what": what, "leg": leg, "park": park, "call": call, "id": message, "times": 1}
    if not tx.insert_once(table, row):
        here = (table.c.what == what) & (table.c.leg == leg) & (table.c.park == park)
        tx.sql.execute(update(table).where(here).values(times=table.c.times + 1))


def keep_decision(tx: Tx, command: str, tenant: str, call: str, leg: str, cause: str) -> None:
    """Which arrival a plan answers: `cause` is the id of the message that routing heard."""
    values = {"command": command, "tenant": tenant, "call": call, "leg": leg, "cause": cause}
    tx.add(tx.tables["decisions"], values)


def keep_result(tx: Tx, fact: CommandFinished | CommandRefused | CommandUnknown, at_us: int) -> None:
    """What the switch said to a command."""
    values: dict[str, Any] = {
        "command": fact.command,
        "result": fact.NAME.removeprefix("command."),
        "name": fact.name,
        "leg": fact.leg,
        "reason": fact.reason[:TEXT] if isinstance(fact, CommandRefused) else "",
        "decision_us": fact.decision_us if isinstance(fact, CommandFinished) else None,
        "at_us": at_us,
    }
    tx.add(tx.tables["command_results"], values)


def write_switch(tx: Tx, switch: str, at_us: int, lost: str | None) -> None:
    """Whether the switch is heard: `lost` says why not. An older fact changes nothing."""
    table = tx.tables["switches"]
    values = {"connected": lost is None, "since_us": at_us, "reason": (lost or "")[:TEXT]}
    if not tx.insert_once(table, {"switch": switch, **values}):
        tx.sql.execute(update(table).where(table.c.switch == switch, table.c.since_us <= at_us).values(**values))


def call_of_leg(tx: Tx, leg: str) -> tuple[str, str] | None:
    """(tenant, call) of a leg heard of before."""
    row = tx.first(tx.tables["legs"], ("tenant", "call"), leg=leg)
    return (row.tenant, row.call) if row else None


def call_of_command(tx: Tx, command: str) -> tuple[str, str] | None:
    """(tenant, call) of a command that a decision named."""
    row = tx.first(tx.tables["decisions"], ("tenant", "call"), command=command)
    return (row.tenant, row.call) if row else None
