"""Which revision of its tables a store has, and how it comes to the newest (alembic; the rooms' `migrations/`).

Enters: an open connection, the service's MetaData. Leaves: tables as this program knows them, or a word on why not. Two
lines of revisions meet in each store: the runtime's and the room's own. What a revision does stands in its own file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import msgspec
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.schema import CreateSchema

from services.runtime.bus import Unavailable

MIGRATIONS = "migrations"
"""Key in a MetaData's `info`: the folder of the room's revisions; without one all its own tables are simply made."""
_ALONE = (
    "SET LOCAL lock_timeout = '60s'",
    "SET LOCAL statement_timeout = 0",
    "SELECT pg_advisory_xact_lock(hashtextextended('toritsugi database upgrade', 0))",
)
_OF_RUNTIME = Path(__file__).parent / "migrations"


class WrongRevision(Exception):
    """The store's tables are not this program's; the text says what to do."""


class Standing(msgspec.Struct, frozen=True):
    """What a store has beside what this program needs: revisions of the runtime's and of the room's line."""

    state: Literal["empty", "current", "older", "newer"]
    has: tuple[str, ...]
    needs: tuple[str, ...]


def of_room(package: str | None) -> MetaData:
    """An empty MetaData for the tables of a room, whose revisions stand in the package's folder `migrations`."""
    assert package is not None
    return MetaData(info={MIGRATIONS: Path(import_module(package).__path__[0]) / "migrations"})


@lru_cache(maxsize=32)
def _scripts(room: Path | None) -> ScriptDirectory:
    lines = [_OF_RUNTIME, room] if room is not None else [_OF_RUNTIME]
    return ScriptDirectory(str(_OF_RUNTIME), version_locations=[str(line) for line in lines])


def _of(metadata: MetaData) -> ScriptDirectory:
    return _scripts(metadata.info.get(MIGRATIONS))


def look(engine: Engine, metadata: MetaData) -> Standing:
    """How the store's tables stand to this program's. Changes nothing."""
    scripts = _of(metadata)
    needs = tuple(sorted(scripts.get_heads()))
    with engine.begin() as connection:
        has = tuple(sorted(MigrationContext.configure(connection).get_current_heads()))
        if has == needs:
            return Standing("current", has, needs)
        known = {script.revision for script in scripts.walk_revisions()}
        if not known.issuperset(has):
            return Standing("newer", has, needs)
        # Before there were revisions, tables were made without any.
        empty = not has and not set(inspect(connection).get_table_names()) & set(metadata.tables)
    return Standing("empty" if empty else "older", has, needs)


def make_ready(engine: Engine, schema: str, metadata: MetaData) -> Standing:
    """What a start does: an empty store gets its tables, an older SQLite file is upgraded beside a copy of it.

    Raises WrongRevision for an older schema of PostgreSQL (others may work with it) and for anything newer.
    """
    now = look(engine, metadata)
    if now.state == "older" and engine.dialect.name == "postgresql":
        raise WrongRevision(
            f"database: schema {schema} is older than this program (it has {', '.join(now.has) or 'no revision'}; "
            f"needed: {', '.join(now.needs)}): save it, stop what still runs on it, then `toritsugi database upgrade`"
        )
    return bring_up(engine, schema, metadata)


def bring_up(engine: Engine, schema: str, metadata: MetaData) -> Standing:
    """The tables at their newest revision, all or nothing. Whoever else wants the same waits, and finds it done.

    Of an older SQLite file a copy stays beside it. Raises WrongRevision if they are newer than this program.
    """
    now = look(engine, metadata)
    if now.state == "current":
        return now
    if now.state == "newer":
        place = f"schema {schema}" if schema else str(engine.url.database)
        raise WrongRevision(
            f"database: {place} was made by a newer program (it has {', '.join(now.has)}; known are "
            f"{', '.join(now.needs)}): run that program, or put back what you saved before the upgrade"
        )
    if engine.dialect.name == "sqlite":
        if now.state == "older":
            _keep_copy(Path(str(engine.url.database)), now)
        with engine.begin() as connection:
            _upgrade(connection, metadata)
    else:
        # Not REPEATABLE READ: who waited for the lock must see what was done meanwhile.
        with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            from services.runtime.store.postgresql import wait_for_ever

            wait_for_ever(connection)
            for statement in _ALONE:
                connection.execute(text(statement))
            if schema and not inspect(connection).has_schema(schema):  # a role of its own may not even ask for one
                connection.execute(CreateSchema(schema))
            _upgrade(connection, metadata)
    return look(engine, metadata)


def _upgrade(connection: Connection, metadata: MetaData) -> None:
    scripts = _of(metadata)

    def steps(has: Any, _context: Any) -> Any:
        return scripts._upgrade_revs("heads", has)  # what `alembic upgrade heads` does

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        # SQLite's DDL is part of a transaction as well, if one is begun before it (engine.py does).
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()
    if MIGRATIONS not in metadata.info:
        metadata.create_all(connection)


def _keep_copy(file: Path, now: Standing) -> None:
    """`billing.sqlite.billing_0001-runtime_0001`, by what it holds."""
    copy = file.with_name(f"{file.name}.{'-'.join(now.has) or 'before'}")
    unfinished = copy.with_name(f"{copy.name}.new")
    unfinished.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(file)) as store:
            store.execute("VACUUM INTO ?", (str(unfinished),))
        unfinished.chmod(0o600)
        if _heads_of(unfinished) == now.has:
            unfinished.replace(copy)
        else:  # another process has upgraded it meanwhile, and its copy must not be lost
            unfinished.unlink()
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(f"database: no copy could be made before the upgrade: {error}") from None


def _heads_of(file: Path) -> tuple[str, ...]:
    with closing(sqlite3.connect(file)) as copy:
        if not copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return ()
        return tuple(sorted(head for (head,) in copy.execute("SELECT version_num FROM alembic_version")))
