"""State of a service: compare-and-set, once only, absence apart from bugs, and what is forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, delete, event, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from proto.envelope import Envelope
from proto.events import TenantRevised
from proto.tenant import Tenant
from proto.topics import Outgoing
from services.runtime import projections
from services.runtime.bus import Unavailable
from services.runtime.store import NEVER_US, Conflict, Store, Tx
from services.runtime.worker import Cause
from tests.clients import ACME
from tests.postgres import Postgres, running
from tests.stores import Database, Files, Schemas


class Book(msgspec.Struct):
    """A state."""

    page: int


def opened(database: Database, name: str = "one") -> Store:
    metadata = MetaData()
    store = Store(database.store(name), metadata)
    store.start()
    return store


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    one = opened(database)
    yield one
    one.stop()


def test_a_state_is_read_as_it_was_saved_and_gone_when_deleted(store: Store) -> None:
    def turn(tx: Tx, page: int | None) -> Book | None:
        before = tx.state("book", "a", Book)
        tx.save("book", "a", None if page is None else Book(page))
        return before

    assert [store.run(lambda tx, p=p: turn(tx, p)) for p in (1, 2, None, 3)] == [None, Book(1), Book(2), None]  # type: ignore[misc]
    assert store.run(lambda tx: list(tx.states("book", Book))) == [("a", Book(3))]


def test_who_asks_a_store_that_is_closed_does_not_wait_for_ever(database: Database) -> None:
    store = opened(database)
    before = gevent.spawn(store.run, lambda tx: tx.count("seen"))
    gevent.sleep(0)
    store.stop()
    assert before.get(timeout=30) == 0, "what was asked before is answered"
    with pytest.raises(Unavailable, match="closed"):
        store.run(lambda tx: tx.count("seen"))
    store.start()
    assert store.run(lambda tx: tx.count("seen")) == 0
    store.stop()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.sampled_from(["absent", "there"]), mine=st.sampled_from([7, None]), theirs=st.sampled_from([8, None]))
def test_whoever_saves_second_is_told_and_changes_nothing(
    store: Store, first: str, mine: int | None, theirs: int | None
) -> None:
    def set_up(tx: Tx) -> None:
        tx.state("book", "b", Book)
        tx.save("book", "b", Book(1) if first == "there" else None)

    def put(tx: Tx, page: int | None) -> None:
        tx.save("book", "b", None if page is None else Book(page))

    def interleaved(tx: Tx) -> None:
        tx.state("book", "b", Book)
        other = Tx(tx.sql, tx.tables)
        other.state("book", "b", Book)
        put(other, theirs)
        other.write()
        put(tx, mine)

    store.run(set_up)
    nothing_changed = first == "absent" and theirs is None
    nothing_wanted = first == "absent" and mine is None
    if nothing_changed or nothing_wanted:
        store.run(interleaved)
        return
    with pytest.raises(Conflict):
        store.run(interleaved)
    here = store.run(lambda tx: tx.state("book", "b", Book))
    assert here == (Book(1) if first == "there" else None), "the whole transaction is undone"


def test_a_locked_database_is_unavailable_and_works_again_afterwards(store: Store, database: Database) -> None:
    with database.locked("one", "seen"):
        for _ in range(2):
            with pytest.raises(Unavailable, match="lock"):
                store.run(lambda tx: tx.first_times(["a"], 1))
    assert store.run(lambda tx: tx.first_times(["a"], 1)) == {"a"}


def test_who_may_try_again_outlives_a_lock(store: Store, database: Database) -> None:
    with database.locked("one", "seen"):
        waits = gevent.spawn(store.run, lambda tx: tx.first_times(["a"], 1), 1000)
        for _ in range(2):  # the store's thread has tried both in turn
            with pytest.raises(Unavailable, match="lock"):
                store.run(lambda tx: tx.first_times(["b"], 1))
        assert not waits.ready()
    assert waits.get() == {"a"}


def test_everybody_else_goes_on_while_the_database_is_locked(store: Store, database: Database) -> None:
    turns = [0]

    def watch() -> None:
        while True:
            gevent.sleep(0.001)
            turns[0] += 1

    watching = gevent.spawn(watch)
    with database.locked("one", "seen"):
        for _ in range(3):
            with pytest.raises(Unavailable):
                store.run(lambda tx: tx.first_times(["a"], 1))
    watching.kill()
    assert turns[0] > 60, "the store waited on the hub, not beside it"


def test_a_connection_that_was_cut_is_unavailable_once_and_then_made_anew(postgres: Postgres) -> None:
    database = Schemas(postgres)
    store = opened(database)
    store.run(lambda tx: tx.first_times(["a"], 1))
    database.cut_off()
    with pytest.raises(Unavailable, match="terminating connection"):
        store.run(lambda tx: tx.first_times(["b"], 1))
    assert store.run(lambda tx: (tx.first_times(["a"], 1), tx.first_times(["b"], 1))) == (set(), {"b"})
    store.stop()
    database.close()


def test_what_was_committed_is_there_after_the_server_was_killed() -> None:
    with running() as server:
        store = opened(Schemas(server))
        store.run(lambda tx: tx.first_times(["a"], 1))
        server.kill()
        for _ in range(2):
            with pytest.raises(Unavailable):
                store.run(lambda tx: tx.first_times(["b"], 1))
        server.start()
        assert store.run(lambda tx: (tx.first_times(["a"], 1), tx.first_times(["b"], 1))) == (set(), {"b"})
        store.stop()


def test_two_processes_on_one_row_one_is_first_and_the_other_is_told(postgres: Postgres) -> None:
    """What SQLite's one writer at a time never lets happen: both have read before either writes."""
    database = Schemas(postgres)
    mine, theirs = opened(database), opened(database)

    def overtaken(tx: Tx) -> None:
        before = tx.state("book", "a", Book)
        if before is None or before.page < 9:
            theirs.run(lambda other: (other.state("book", "a", Book), other.save("book", "a", Book(9))))
        tx.save("book", "a", Book(2))

    for _ in ("where nothing stood", "where something stood"):
        with pytest.raises(Conflict):
            mine.run(overtaken)
        assert mine.run(lambda tx: tx.state("book", "a", Book)) == Book(9)
        mine.run(lambda tx: (tx.state("book", "a", Book), tx.save("book", "a", Book(1))))
    with pytest.raises(Conflict):
        mine.run(lambda tx: (tx.count("seen"), theirs.run(lambda t: t.first_times(["m"], 1)), tx.first_times(["m"], 1)))
    assert mine.run(lambda tx: tx.first_times(["m"], 1)) == set()
    mine.stop()
    theirs.stop()
    database.close()


def test_who_asks_for_more_tries_is_not_told_that_another_was_first(postgres: Postgres) -> None:
    database = Schemas(postgres)
    mine, theirs = opened(database), opened(database)
    left = [2]

    def turn(tx: Tx) -> None:
        before = tx.state("book", "a", Book) or Book(0)
        tx.save("book", "a", Book(before.page + 1))

    def overtaken(tx: Tx) -> int:
        before = tx.state("book", "a", Book) or Book(0)
        if left[0]:
            left[0] -= 1
            theirs.run(turn)
        tx.save("book", "a", Book(before.page + 10))
        return before.page

    with pytest.raises(Conflict):
        mine.run(overtaken)
    assert mine.run(overtaken, tries=2) == 2
    assert mine.run(lambda tx: tx.state("book", "a", Book)) == Book(12)
    mine.stop()
    theirs.stop()
    database.close()


def test_a_database_locked_at_the_start_is_unavailable(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "one.sqlite", isolation_level=None)
    foreign.execute("CREATE TABLE x (y)")
    foreign.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="locked"):
        opened(Files(tmp_path))
    foreign.close()


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open"):
        opened(Files(tmp_path / "missing"))


def test_a_wrong_statement_is_an_error_and_shows_no_value(store: Store) -> None:
    with pytest.raises((OperationalError, ProgrammingError)) as trouble:
        store.run(lambda tx: tx.sql.execute(text("SELECT :number FROM nowhere"), {"number": "09012345678"}))
    assert "09012345678" not in str(trouble.value)


def test_what_a_closure_raises_undoes_it_and_comes_out(store: Store) -> None:
    def half(tx: Tx) -> None:
        tx.first_times(["a"], 1)
        tx.set_timer("t", "s", 5, "acme")
        raise KeyError("half way")

    store.run(lambda tx: tx.due_timers(0, 1))
    with pytest.raises(KeyError):
        store.run(half)
    assert store.run(lambda tx: (tx.first_times(["a"], 1), tx.count("timers"))) == ({"a"}, 0)
    assert store.next_timer_us == NEVER_US


def test_ids_and_keys_are_new_once(store: Store) -> None:
    assert [store.run(lambda tx: tx.first_times(["a", "b"], 1)) for _ in range(2)] == [{"a", "b"}, set()]
    assert store.run(lambda tx: tx.first_times(["b", "c"], 1)) == {"c"}
    assert [store.run(lambda tx: tx.once("charge", "a", 1)) for _ in range(2)] == [True, False]
    assert store.run(lambda tx: tx.once("other", "a", 1))


def test_old_ids_are_forgotten_a_bounded_number_at_a_time(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for number in range(25):
            tx.first_times([str(number)], number)
            tx.once("scope", str(number), number)

    store.run(fill)
    gone = [store.run(lambda tx: tx.prune(20, limit=8)) for _ in range(4)]
    assert gone == [16, 16, 8, 0]
    assert store.run(lambda tx: (tx.count("seen"), tx.count("done"))) == (5, 5)
    assert store.run(lambda tx: tx.first_times(["24"], 24)) == set()


def test_the_outbox_keeps_its_order_until_confirmed(store: Store) -> None:
    def message(name: str) -> Outgoing:
        return Outgoing(name, "fact", "acme.leg.ended", "acme", name.encode(), None)

    store.run(lambda tx: tx.post([message("a"), message("b")], cause="x"))
    store.run(lambda tx: tx.post([message("c")]))
    assert [m.id for m in store.run(lambda tx: tx.unposted())] == ["a", "b", "c"]
    assert [m.id for m in store.run(lambda tx: tx.unposted(causes=["x"]))] == ["a", "b"]
    assert store.run(lambda tx: tx.unposted(before_us=1)) == []
    store.run(lambda tx: tx.posted(["b", "unknown"]))
    assert store.run(lambda tx: tx.unposted()) == [message("a"), message("c")]


def test_the_store_knows_when_the_next_timer_is_due(store: Store) -> None:
    store.run(lambda tx: tx.set_timer("t", "a", 2_000, "acme"))
    store.run(lambda tx: tx.set_timer("t", "b", 9_000, "acme"))
    assert [row.subject for row in store.run(lambda tx: tx.due_timers(1_999, 10))] == []
    assert store.next_timer_us == 2_000
    store.run(lambda tx: tx.set_timer("t", "a", 12_000, "acme"))
    store.run(lambda tx: tx.due_timers(2_000, 10))
    assert store.next_timer_us == 9_000, "a moved timer is due at its new time"
    assert [row.subject for row in store.run(lambda tx: tx.due_timers(20_000, 10))] == ["b", "a"]


def revised(as_of_us: int, name: str, gone: bool = False) -> Envelope:
    body = msgspec.structs.replace(msgspec.convert(ACME, Tenant), name=name)
    fact = TenantRevised(revision=name, body=body, gone=gone)
    return Envelope(body=fact, id=name, source="directory", tenant=body.tenant, occurred_at_us=as_of_us)


@given(st.permutations(range(4)))
@settings(max_examples=24, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_newest_word_about_a_client_holds_in_whatever_order_it_came(store: Store, order: list[int]) -> None:
    store.run(lambda tx: tx.sql.execute(delete(tx.tables["projections"])))
    words = [revised(1, "old"), revised(2, "gone", gone=True), revised(3, "back"), revised(4, "gone again", gone=True)]
    for number in order:
        store.run(lambda tx, n=number: projections.keep_tenant(tx, words[n], Cause(words[n], "routing")))  # type: ignore[misc]
    name = ACME["tenant"]
    assert store.run(lambda tx: (projections.tenant(tx, name), projections.tenants(tx))) == (None, [])
    last = revised(5, "here")
    store.run(lambda tx: projections.keep_tenant(tx, last, Cause(last, "routing")))
    assert [t.name for t in store.run(lambda tx: projections.tenants(tx))] == ["here"]


# -- what is written behind --


def row_of(tx: Tx, key: str) -> int | None:
    row = tx.first(tx.tables["done"], ("at_us",), scope="s", key=key)
    return None if row is None else row.at_us


def done(key: str, at_us: int) -> dict[str, object]:
    return {"scope": "s", "key": key, "at_us": at_us}


def test_rows_added_are_seen_by_whoever_asks_and_an_older_one_stays(store: Store) -> None:
    def turn(tx: Tx) -> tuple[object, ...]:
        table = tx.tables["done"]
        for row in (done("a", 1), done("a", 2), done("b", 3)):
            tx.add(table, row)
        seen = row_of(tx, "a"), tx.insert_once(table, done("b", 4)), tx.insert_once(table, done("c", 5))
        tx.add(table, done("d", 6))
        return *seen, tx.sql.execute(text("SELECT count(*) FROM done")).scalar()

    assert store.run(turn) == (1, False, True, 4)
    assert [store.run(lambda tx, key=key: row_of(tx, key)) for key in "abcd"] == [1, 3, 5, 6]


def test_of_several_changes_to_a_row_what_stands_at_last_is_written(store: Store) -> None:
    def turn(tx: Tx) -> int | None:
        table = tx.tables["projections"]
        key = {"kind": "tenant", "name": "acme"}
        with statements(tx) as executed:
            tx.add(table, {**key, "revision": "1", "as_of_us": 1, "body": b"1"})
            tx.change(table, key, {"revision": "2", "as_of_us": 2})
            tx.change(table, key, {"as_of_us": 3})
            tx.change(table, {"kind": "tenant", "name": "nobody"}, {"as_of_us": 9})
            assert executed == []
            tx.write()
        assert [one.split()[0] for one in executed] == ["INSERT", "UPDATE", "UPDATE"]
        row = tx.first(table, **key)
        return None if row is None else (row.revision, row.as_of_us, bytes(row.body))

    assert store.run(turn) == ("2", 3, b"1")
    assert store.run(lambda tx: tx.count("projections")) == 1


def test_a_state_saved_often_is_read_once_and_written_once(store: Store) -> None:
    def turn(tx: Tx) -> list[str]:
        with statements(tx) as executed:
            for _ in range(20):
                book = tx.state("book", "a", Book) or Book(0)
                tx.save("book", "a", Book(book.page + 1))
            tx.write()
        return [one.split()[0] for one in executed]

    assert store.run(turn) == ["SELECT", "INSERT"]
    assert store.run(turn) == ["SELECT", "UPDATE"]
    assert store.run(lambda tx: (tx.state("book", "a", Book), list(tx.states("book", Book)))) == (
        Book(40),
        [("a", Book(40))],
    )


def test_states_of_one_transaction_are_all_written_or_none(store: Store) -> None:
    names = "abcde"

    def save_all(tx: Tx, page: int, spoiled: str = "") -> None:
        for name in names:
            tx.state("book", name, Book)
        if spoiled:
            other = Tx(tx.sql, tx.tables)
            other.state("book", spoiled, Book)
            other.save("book", spoiled, Book(99))
            other.write()
        for name in names:
            tx.save("book", name, Book(page))

    store.run(lambda tx: save_all(tx, 1))
    with pytest.raises(Conflict):
        store.run(lambda tx: save_all(tx, 2, spoiled="c"))
    assert store.run(lambda tx: list(tx.states("book", Book))) == [(name, Book(1)) for name in names]


@contextmanager
def statements(tx: Tx) -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    executed: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        executed.append(statement)

    connection = tx.sql
    event.listen(connection, "before_cursor_execute", note)
    yield executed
    event.remove(connection, "before_cursor_execute", note)
