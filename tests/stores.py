"""Where the stores of a test live: files in its folder, and once more a PostgreSQL database of its own.

Enters: the test's folder, the session's PostgreSQL. Leaves: the fixture `database`, on which a test runs twice
(`-k "not postgresql"` leaves the second out). A store gets its address by `database.store(name)`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Postgres


class Files:
    """SQLite: one file per service."""

    kind = "sqlite"
    url = "sqlite"
    """What `--database` is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self, name: str) -> str:
        """The address of a service's store, as `Store` takes it."""
        return f"sqlite:///{self.folder / name}.sqlite"

    @contextmanager
    def locked(self, name: str, _table: str) -> Iterator[None]:
        """Somebody else holds what a transaction of this store needs."""
        with closing(sqlite3.connect(self.folder / f"{name}.sqlite", isolation_level=None)) as foreign:
            foreign.execute("BEGIN IMMEDIATE")
            yield

    def ask(self, name: str, statement: str) -> list[tuple[object, ...]]:
        """One statement beside the store, as an administrator could type it."""
        file = f"file:{self.folder / name}.sqlite?mode=rw"
        with closing(sqlite3.connect(file, uri=True, timeout=5, isolation_level=None)) as foreign:
            return foreign.execute(statement).fetchall()

    def drop(self, name: str) -> None:
        """As if the service had never run."""
        for file in self.folder.glob(f"{name}.sqlite*"):
            file.unlink()


class Schemas:
    """PostgreSQL: one schema per service in a database that no other test uses."""

    kind = "postgresql"

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.url = server.url()

    def store(self, name: str) -> str:
        """The address of a service's store, as `Store` takes it."""
        return f"{self.url}?schema={name}"

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection beside the stores', each statement a transaction of its own."""
        return self.server.connect(self._name)

    @contextmanager
    def locked(self, name: str, table: str) -> Iterator[None]:
        """Somebody else holds what a transaction of this store needs."""
        with self.connect() as foreign, foreign.transaction():
            foreign.execute(f'LOCK TABLE "{name}".{table} IN ACCESS EXCLUSIVE MODE')  # type: ignore[arg-type]
            yield

    def ask(self, name: str, statement: str) -> list[tuple[object, ...]]:
        """One statement beside the store, as an administrator could type it."""
        with self.connect() as foreign:
            foreign.execute(f'SET search_path TO "{name}"')  # type: ignore[arg-type]
            answer = foreign.execute(statement)  # type: ignore[arg-type]
            return answer.fetchall() if answer.description else []

    def drop(self, name: str) -> None:
        """As if the service had never run."""
        self.server.ask(f'DROP SCHEMA "{name}" CASCADE', self._name)

    @property
    def _name(self) -> str:
        return self.url.rpartition("/")[2]

    def cut_off(self) -> None:
        """End every connection to it, as an administrator may."""
        self.server.cut_off(self._name)

    def close(self) -> None:
        """Let another test have it."""
        with suppress(psycopg.OperationalError):  # a test may have left the server stopped
            self.server.give_back(self._name)


Database = Files | Schemas


KINDS = ("sqlite", "postgresql")


@contextmanager
def stores_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """For fixtures that live longer than a test, or are not wanted on both."""
    if kind == "sqlite":
        yield Files(folder)
        return
    schemas = Schemas(request.getfixturevalue("postgres"))
    yield schemas
    schemas.close()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The stores of this test, on each kind of database in turn."""
    with stores_of(request.param, request, tmp_path) as one:
        yield one


@pytest.fixture(params=KINDS)
def house_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The same for a whole house, whose files stand in its data folder."""
    with stores_of(request.param, request, tmp_path / "data") as one:
        yield one
