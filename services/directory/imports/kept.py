"""Imports of the pages as rows: the files until they are written, how far that is, what came of it.

Enters: files, steps, a result. Leaves: `Import`, as any process shows it. The files are erased with the last step, or
a day after they came; the row goes after a month. What is written stands in `carry.py`.
"""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text, delete, or_, select, update

from proto.values import PLATFORM_TENANT
from services.directory.audit.rows import audited
from services.runtime.store import Tx

FILES_KEPT_US = 24 * 3600 * 1_000_000
KEPT_US = 31 * FILES_KEPT_US
SILENT_US = 60 * 1_000_000
"""Whoever writes says so at every client: after so long nobody does any more."""
State = Literal["checked", "running", "done", "failed"]


class Result(msgspec.Struct, frozen=True):
    """What came of it."""

    written: tuple[tuple[str, str], ...] = ()
    """Clients with their names."""
    left: dict[str, str] = {}
    """Clients that somebody else changed meanwhile -> why."""
    later: bool = False
    """Written, but not in force yet when it ended."""
    failure: str = ""
    """Why nothing was written, or no more."""


class Import(msgspec.Struct, frozen=True):
    """One import."""

    id: str
    who: str
    at_us: int
    names: str
    state: State
    done: int
    total: int
    stepped_at_us: int
    result: Result

    def silent(self, now_us: int) -> bool:
        """Whether the process that wrote has gone."""
        return self.state == "running" and now_us - self.stepped_at_us > SILENT_US


def add_import_tables(metadata: MetaData) -> None:
    """One row per import."""
    Table(
        "imports",
        metadata,
        Column("id", Text, primary_key=True),
        Column("who", Text, nullable=False),
        Column("at_us", BigInteger, nullable=False),
        Column("names", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("done", Integer, nullable=False),
        Column("total", Integer, nullable=False),
        Column("stepped_at_us", BigInteger, nullable=False),
        Column("files", LargeBinary),
        Column("result", LargeBinary),
    )


def add(tx: Tx, who: str, files: dict[str, bytes], now_us: int) -> str:
    """Keep files until somebody says that they shall be written; the import's id. What is old goes."""
    table = tx.tables["imports"]
    tx.sql.execute(delete(table).where(table.c.at_us < now_us - KEPT_US))
    tx.sql.execute(update(table).where(table.c.at_us < now_us - FILES_KEPT_US).values(files=None))
    row = {
        "id": secrets.token_hex(8),
        "who": who,
        "at_us": now_us,
        "names": ", ".join(files)[:500],
        "state": "checked",
        "done": 0,
        "total": 0,
        "stepped_at_us": now_us,
        "files": msgspec.msgpack.encode(files),
        "result": None,
    }
    tx.insert_once(table, row)
    return str(row["id"])


def find(tx: Tx, wanted: str) -> Import | None:
    """One import."""
    table = tx.tables["imports"]
    row = tx.sql.execute(select(*_columns(tx)).where(table.c.id == wanted)).first()
    return None if row is None else _import(row)


def latest(tx: Tx, limit: int) -> list[Import]:
    """Newest first."""
    rows = tx.sql.execute(select(*_columns(tx)).order_by(tx.tables["imports"].c.at_us.desc()).limit(limit))
    return [_import(row) for row in rows]


def files_of(tx: Tx, wanted: str) -> dict[str, bytes] | None:
    """The files, as long as they are kept."""
    row = tx.first(tx.tables["imports"], ("files",), id=wanted)
    return None if row is None or row.files is None else msgspec.msgpack.decode(bytes(row.files), type=dict[str, bytes])


def begin(tx: Tx, wanted: str, total: int, now_us: int) -> bool:
    """Whether it is this visitor who begins: of two at once one is."""
    table = tx.tables["imports"]
    here = (table.c.id == wanted) & or_(
        table.c.state == "checked", (table.c.state == "running") & (table.c.stepped_at_us < now_us - SILENT_US)
    )
    values = {"state": "running", "done": 0, "total": total, "stepped_at_us": now_us}
    return tx.sql.execute(update(table).where(here).values(**values)).rowcount == 1


def step(tx: Tx, wanted: str, done: int, now_us: int) -> None:
    """So many are dealt with."""
    table = tx.tables["imports"]
    tx.sql.execute(update(table).where(table.c.id == wanted).values(done=done, stepped_at_us=now_us))


def end(tx: Tx, wanted: str, who: str, result: Result, now_us: int) -> None:
    """It is over: the files go, and the audit log has what came of it."""
    table = tx.tables["imports"]
    state: State = "failed" if result.failure else "done"
    values = {"state": state, "files": None, "result": msgspec.json.encode(result), "stepped_at_us": now_us}
    names = tx.sql.execute(select(table.c.names).where(table.c.id == wanted)).scalar_one()
    tx.sql.execute(update(table).where(table.c.id == wanted).values(**values))
    after = {
        "files": names,
        "clients": [client for client, _ in result.written],
        "unwritten": sorted(result.left),
        "failure": result.failure,
    }
    audited(tx, who, f"import.{state}", PLATFORM_TENANT, wanted, after=after, now_us=now_us)


def _columns(tx: Tx) -> list[Column[object]]:
    return [column for column in tx.tables["imports"].c if column.name != "files"]


def _import(row: object) -> Import:
    found = {name: getattr(row, name) for name in Import.__struct_fields__}
    result = Result() if found["result"] is None else msgspec.json.decode(bytes(found["result"]), type=Result)
    return Import(**{**found, "result": result})
