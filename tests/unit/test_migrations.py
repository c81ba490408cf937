"""The tables of a store come from revisions: as the program expects them, kept through upgrades, never half made."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gevent
import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from click.testing import CliRunner, Result
from sqlalchemy import MetaData, select
from sqlalchemy.exc import DBAPIError

from services.billing import service as billing
from services.cli import main
from services.rooms import AGENT, BUILDS, metadata_of
from services.runtime.bus import Unavailable
from services.runtime.store import Standing, Store, Tx, WrongRevision, schema
from services.runtime.store.engine import make_engine
from services.runtime.store.schema import MIGRATIONS
from tests.postgres import Postgres
from tests.stores import Database, Files, Schemas
from tests.unit import test_billing_ledger as ledger

BEFORE = Path(__file__).parent / "billing_before_revisions.sql"
"""Billing's file as the program wrote it before there were revisions: one confirmed leg, one charged one."""
FIRST = """
from alembic import op
from sqlalchemy import Column, Integer, String
revision, down_revision, branch_labels, depends_on = "books_0001", None, ("books",), None
def upgrade():
    op.create_table("books", Column("name", String(20), primary_key=True), Column("pages", String(9)))
"""
SECOND = """
from alembic import op
from sqlalchemy import Column, Integer
revision, down_revision, branch_labels, depends_on = "books_0002", "books_0001", None, None
def upgrade():
    with op.batch_alter_table("books") as books:
        books.add_column(Column("shelf", Integer, nullable=False, server_default="1"))
        books.alter_column("pages", type_=Integer, postgresql_using="pages::integer")
"""


@pytest.mark.parametrize("name", [*BUILDS, "letters", f"{AGENT}.fs1"])
def test_what_the_revisions_make_is_what_the_program_expects(database: Database, name: str) -> None:
    store = Store(database.store(name), metadata_of(name))
    store.start()

    def differences(tx: Tx) -> list[object]:
        metadata = next(iter(tx.tables.values())).metadata
        return list(compare_metadata(MigrationContext.configure(tx.sql, opts={"compare_type": True}), metadata))

    assert store.run(differences) == []
    store.stop()


class Program:
    """A program that knows some revisions of a room."""

    def __init__(self, folder: Path, *revisions: str) -> None:
        folder.mkdir()
        for number, text in enumerate(revisions, 1):
            (folder / f"r{number:04}.py").write_text(text)
        self.metadata = MetaData(info={MIGRATIONS: folder})

    def store(self, database: Database) -> Store:
        return Store(database.store("books"), self.metadata)


@pytest.fixture
def one_book(database: Database, tmp_path: Path) -> Program:
    """The program of the first revision has run and left a book."""
    program = Program(tmp_path / "first", FIRST)
    store = program.store(database)
    store.start()
    store.stop()
    database.ask("books", "INSERT INTO books (name, pages) VALUES ('botchan', '214')")
    return program


def test_an_older_store_is_brought_up_with_everything_in_it(
    one_book: Program, database: Database, tmp_path: Path
) -> None:
    newer = Program(tmp_path / "second", FIRST, SECOND).store(database)
    assert (newer.standing().state, newer.standing().has) == ("older", ("books_0001", "runtime_0001"))
    if database.kind == "postgresql":
        with pytest.raises(
            WrongRevision, match=r"schema books is older than this program .*`toritsugi database upgrade`"
        ):
            newer.start()
        assert newer.upgrade().state == "current"
    newer.start()
    assert database.ask("books", "SELECT name, pages, shelf FROM books") == [("botchan", 214, 1)]
    newer.stop()
    if database.kind == "sqlite":
        copy = tmp_path / "books.sqlite.books_0001-runtime_0001"
        with closing(sqlite3.connect(copy)) as kept:
            assert kept.execute("SELECT * FROM books").fetchall() == [("botchan", "214")]
        assert copy.stat().st_mode & 0o077 == 0


def test_of_two_that_upgrade_one_file_the_second_leaves_the_firsts_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen the older tables; then one is quicker."""
    database = Files(tmp_path)
    first = Program(tmp_path / "first", FIRST).store(database)
    first.start()
    first.stop()
    program, keep, quicker = Program(tmp_path / "second", FIRST, SECOND), schema._keep_copy, [True]

    def overtaken(file: Path, now: Standing) -> None:
        if quicker:
            quicker.pop()
            schema.bring_up(make_engine(database.store("books")), "", program.metadata)
        keep(file, now)

    monkeypatch.setattr(schema, "_keep_copy", overtaken)
    newer = program.store(database)
    assert newer.upgrade().state == "current"
    newer.stop()
    with closing(sqlite3.connect(tmp_path / "books.sqlite.books_0001-runtime_0001")) as kept:
        assert [name for _, name, *_ in kept.execute("PRAGMA table_info(books)")] == ["name", "pages"]


def test_a_newer_store_is_refused_and_left_alone(one_book: Program, database: Database, tmp_path: Path) -> None:
    newer = Program(tmp_path / "second", FIRST, SECOND).store(database)
    newer.upgrade()
    newer.stop()
    older = one_book.store(database)
    for start in (older.start, older.upgrade):
        with pytest.raises(
            WrongRevision, match=r"made by a newer program \(it has books_0002, runtime_0001; known are"
        ):
            start()
    older.stop()
    assert database.ask("books", "SELECT shelf FROM books") == [(1,)]


def test_an_upgrade_that_fails_half_way_has_not_begun(one_book: Program, database: Database, tmp_path: Path) -> None:
    broken = Program(tmp_path / "broken", FIRST, f"{SECOND}    raise ZeroDivisionError('half way')\n").store(database)
    with pytest.raises(ZeroDivisionError):
        broken.upgrade()
    assert broken.standing().has == ("books_0001", "runtime_0001")
    broken.stop()
    assert database.ask("books", "SELECT * FROM books") == [("botchan", "214")]
    again = one_book.store(database)
    again.start()
    again.stop()


@pytest.fixture
def from_before(tmp_path: Path) -> Iterator[Path]:
    with closing(sqlite3.connect(tmp_path / "billing.sqlite")) as file:
        file.executescript(BEFORE.read_text(encoding="utf-8"))
    yield tmp_path


def test_a_data_folder_from_before_there_were_revisions_is_kept(from_before: Path) -> None:
    store = Store(f"sqlite:///{from_before}/billing.sqlite", metadata_of("billing"))
    assert (store.standing().state, store.standing().has) == ("older", ())
    store.start()
    assert store.standing().state == "current"
    assert [(e.leg, e.estimated) for e in store.run(billing.entries)] == [("leg-1", False), ("leg-2", False)]
    assert ledger.hear(store, ledger.leg(), "core-1") == [], "what was seen stays seen"
    told = ledger.hear(store, msgspec.structs.replace(ledger.leg(), leg="leg-3"), "core-3")
    assert [charge.leg for charge in ledger.charges(told)] == ["leg-3"], "the terms it had heard still hold"
    store.stop()
    with closing(sqlite3.connect(from_before / "billing.sqlite.before")) as kept:
        assert kept.execute("SELECT count(*) FROM ledger").fetchall() == [(2,)]


def typed(*words: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, list(words))


def test_the_operator_sees_and_upgrades_what_is_older(database: Database, tmp_path: Path) -> None:
    store = Store(database.store("billing"), metadata_of("billing"))
    store.start()
    ledger.tell_terms(store)
    ledger.hear(store, ledger.leg(), "core-1")
    store.stop()
    database.ask("billing", "DROP TABLE alembic_version")
    words = ("--data", str(tmp_path), "--json")

    def said(command: str) -> tuple[int, dict[str, str]]:
        result = typed("database", command, *words, TORITSUGI_DATABASE=database.url)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return result.exit_code, {line["store"]: line["state"] for line in lines if line["state"] != "empty"}

    assert said("check") == (1, {"billing": "older"})
    assert said("upgrade")[1]["billing"] == "current"
    assert said("check")[0] == 0
    assert "leg-1" in typed("charges", "explain", "leg-1", *words[:2], TORITSUGI_DATABASE=database.url).stdout


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    said = typed("database", "check", TORITSUGI_DATABASE="postgresql://u:s3cret@127.0.0.1:9/x")
    assert said.exit_code == 2
    assert "unavailable" in said.output
    assert "s3cret" not in said.output


STARTS = """
from services.recording import service as recording
from services.runtime.store import Store
store = Store(__import__("os").environ["STORE"], recording.build().metadata)
store.start()
print(store.standing().state)
store.stop()
"""


def test_processes_that_start_at_once_make_the_tables_once(postgres: Postgres) -> None:
    """All have seen that nothing stands before the first of them begins: they wait for a lock that the test holds."""
    database = Schemas(postgres)
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with database.connect() as foreign:
        foreign.execute("SELECT pg_advisory_lock(hashtextextended('toritsugi database upgrade', 0))")
        started = [
            subprocess.Popen(
                [sys.executable, "-c", STARTS],
                env={"STORE": database.store("recording")},
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        with gevent.Timeout(60):
            while database.ask("public", waiting) != [(2,)]:
                gevent.sleep(0.02)
    assert [(process.communicate(timeout=60)[0], process.returncode) for process in started] == [("current\n", 0)] * 2
    database.close()


def test_the_tables_of_a_room_are_its_own(postgres: Postgres) -> None:
    """Two rooms in one database: each sees its own tables and no other's."""
    database = Schemas(postgres)
    first, second = (Store(database.store(name), metadata_of(name)) for name in ("billing", "history"))
    for store in (first, second):
        store.start()
    first.run(lambda tx: tx.first_times(["a"], 1))
    assert second.run(lambda tx: tx.count("seen")) == 0
    visible = "SELECT count(*) FROM pg_class WHERE relname = 'ledger' AND pg_table_is_visible(oid)"
    assert [store.run(lambda tx: tx.sql.exec_driver_sql(visible).scalar()) for store in (first, second)] == [1, 0]
    for store in (first, second):
        store.stop()
    database.close()


def test_a_service_with_a_role_of_its_own_needs_nothing_but_its_schema(postgres: Postgres) -> None:
    database = Schemas(postgres)
    other = Store(database.store("history"), metadata_of("history"))
    other.start()
    other.stop()
    database.ask("public", "CREATE ROLE biller LOGIN PASSWORD 'short'")
    database.ask("public", "CREATE SCHEMA billing AUTHORIZATION biller")
    own = re.sub(r"//.*@", "//biller:short@", database.store("billing"))
    store = Store(own, metadata_of("billing"))
    store.start()
    assert store.run(lambda tx: tx.first_times(["a"], 1))
    with pytest.raises(DBAPIError, match="permission denied for schema history"):
        store.run(lambda tx: tx.sql.exec_driver_sql("SELECT * FROM history.calls"))
    store.stop()
    nowhere = Store(own.replace("schema=billing", "schema=routing"), metadata_of("routing"))
    with pytest.raises(Unavailable, match="permission denied for database"):
        nowhere.start()
    nowhere.stop()
    database.close()
    postgres.ask("DROP ROLE biller")


def test_rows_are_numbered_beyond_two_thousand_million(postgres: Postgres) -> None:
    database = Schemas(postgres)
    store = Store(database.store("billing"), metadata_of("billing"))
    store.start()
    database.ask("billing", "ALTER SEQUENCE ledger_seq_seq RESTART WITH 3000000000")
    ledger.tell_terms(store)
    ledger.hear(store, ledger.leg(), "core-1")
    assert store.run(lambda tx: tx.sql.execute(select(tx.tables["ledger"].c.seq)).scalars().all()) == [3_000_000_000]
    store.stop()
    database.close()
