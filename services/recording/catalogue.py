"""The catalogue: one row per recording that a switch makes or should have made.

Enters: `Recording` values. Leaves: the same, found by id, by leg or by the command that asked. Which of a leg's rows an
event is about, and what the row becomes, is decided in `decide.py`.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, MetaData, Table, Text, select, update

from services.recording.model import Recording, RecordingState
from services.runtime.store import Conflict, Tx


def add_catalogue_table(metadata: MetaData) -> None:
    """`recordings`: unique by id. A path may stand more than once: at another switch, or written again."""
    Table(
        "recordings",
        metadata,
        Column("recording", Text, primary_key=True),
        Column("tenant", Text, nullable=False, index=True),
        Column("call", Text, nullable=False, index=True),
        Column("leg", Text, nullable=False, index=True),
        Column("switch", Text, nullable=False),
        Column("state", Text, nullable=False, index=True),
        Column("path", Text),
        Column("asked", Boolean, nullable=False),
        Column("kind", Text, nullable=False),
        Column("command", Text, nullable=False, index=True),
        Column("asked_at_us", BigInteger),
        Column("started_at_us", BigInteger),
        Column("stopped_at_us", BigInteger),
        Column("length_ms", BigInteger, nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        Column("completion", Text, nullable=False),
        Column("reason", Text, nullable=False),
    )


def by_id(tx: Tx, tenant: str, recording: str) -> Recording | None:
    """The row with this id, if it is this client's."""
    row = _first(tx, "recording", recording)
    return row if row is not None and row.tenant == tenant else None


def by_command(tx: Tx, command: str) -> Recording | None:
    """The row whose StartRecording this was."""
    return _first(tx, "command", command) if command else None


def of_leg(tx: Tx, tenant: str, switch: str, leg: str) -> list[Recording]:
    """All recordings of one leg of this client at this switch."""
    table = tx.tables["recordings"]
    here = (table.c.tenant == tenant, table.c.switch == switch, table.c.leg == leg)
    rows = tx.sql.execute(select(table).where(*here).order_by(table.c.recording))
    return [msgspec.convert(row, Recording, from_attributes=True) for row in rows]


def keep(tx: Tx, before: Recording | None, after: Recording) -> None:
    """Insert, or update if nobody changed the state meanwhile. Raises Conflict."""
    table, values = tx.tables["recordings"], _values(after)
    if before is None:
        changed = tx.insert_once(table, values)
    else:
        here = (table.c.recording == before.recording) & (table.c.state == before.state.value)
        changed = tx.sql.execute(update(table).where(here).values(**values)).rowcount == 1
    if not changed:
        raise Conflict(f"recording {after.recording}")


def _first(tx: Tx, column: str, value: str) -> Recording | None:
    table = tx.tables["recordings"]
    row = tx.sql.execute(select(table).where(table.c[column] == value)).first()
    return None if row is None else msgspec.convert(row, Recording, from_attributes=True)


def _values(row: Recording) -> dict[str, object]:
    values = msgspec.structs.asdict(row)
    state: RecordingState = values["state"]
    # what the switch says may be longer than a column; the ids and paths of our own making never are
    return {**values, "state": state.value, "reason": row.reason[:300], "completion": row.completion[:100]}
