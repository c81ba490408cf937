"""The audit log: an entry stands or falls with its change, and whoever touches an old one is found out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from services.cli import main
from services.directory import service as directory
from services.directory.audit.chain import START, Broken, Entry, Whole, check, digest, link
from services.directory.audit.files import as_csv
from services.directory.audit.rows import Wanted, audited, entries, erase, oldest_first
from services.runtime.csv_file import line
from services.runtime.store import Store, Tx
from tests.stores import Database

HOUR_US = 3_600_000_000


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """Directory's store with four entries, two of them acme's."""
    store = Store(database.store("directory"), directory.build().metadata)
    store.start()
    for hour, tenant in enumerate(("acme", "_platform", "acme", "beta"), 1):
        store.run(lambda tx, at=hour * HOUR_US, of=tenant: note(tx, at, of))  # type: ignore[misc]
    yield store
    store.stop()


def note(tx: Tx, at_us: int, tenant: str) -> int:
    """What a change would write."""
    before, after = {"role": "employee"}, {"role": "=HYPERLINK(1)"}
    return audited(tx, "admin", "person.changed", tenant, "+819012345678", before, after, now_us=at_us)


def all_entries(store: Store) -> list[Entry]:
    return list(oldest_first(store))


@pytest.mark.requirement("D10")
def test_an_entry_says_who_did_what_when_for_whom_and_how_it_was_before(store: Store) -> None:
    newest = store.run(lambda tx: entries(tx, Wanted(tenant="acme"), 1))[0]
    assert (newest.seq, newest.who, newest.what, newest.at_us) == (3, "admin", "person.changed", 3 * HOUR_US)
    assert (newest.about, newest.before) == ("+819012345678", '{"role":"employee"}')
    verdict = check(oldest_first(store))
    assert verdict == Whole(4, f"4:{all_entries(store)[-1].chain}")


def test_a_change_that_is_rolled_back_leaves_no_entry(store: Store) -> None:
    def fails(tx: Tx) -> None:
        note(tx, 5 * HOUR_US, "acme")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.run(fails)
    assert len(all_entries(store)) == 4


def test_a_secret_is_refused_whoever_hands_it_over(store: Store) -> None:
    with pytest.raises(ValueError, match="secrets never stand"):
        store.run(lambda tx: audited(tx, "a", "b", "acme", "c", after={"new_password": "x"}, now_us=1))


TAMPERED: dict[str, tuple[Callable[[Tx], object], Broken]] = {
    "content": (
        lambda tx: _set(tx, 2, after='{"role":"read_only"}'),
        Broken(2, "its content was changed"),
    ),
    "person": (
        lambda tx: _set(tx, 3, who="somebody"),
        Broken(3, "it is not the one that was written after the one before it"),
    ),
    "one gone": (lambda tx: tx.delete(tx.tables["audit"], seq=2), Broken(2, "it is missing")),
    "erased in silence": (
        lambda tx: _set(tx, 1, about=None, before=None, after=None, salt=None),
        Broken(1, "its content was erased, and no entry says so"),
    ),
}


def _set(tx: Tx, seq: int, **values: str | None) -> None:
    table = tx.tables["audit"]
    tx.sql.execute(update(table).where(table.c.seq == seq).values(**values))


@pytest.mark.requirement("D10")
@pytest.mark.parametrize("how", TAMPERED)
def test_the_first_entry_that_somebody_touched_is_named(store: Store, how: str) -> None:
    tamper, found = TAMPERED[how]
    store.run(tamper)
    assert check(oldest_first(store)) == found


def _sealed(texts: list[str]) -> list[Entry]:
    """A log of such entries."""
    found, last = list[Entry](), START
    for seq, text in enumerate(texts, 1):
        content = digest("salt", text, None, None)
        last = link(last, seq, seq, "admin", "a.b", "acme", content)
        found.append(Entry(seq, seq, "admin", "a.b", "acme", text, None, None, "salt", content, last))
    return found


FORGED = {
    "at_us": 0,
    "who": "x",
    "what": "x.y",
    "tenant": "x",
    "about": "\u3042",
    "before": "x",
    "after": "x",
    "salt": "x",
}


@given(st.lists(st.text(), min_size=1, max_size=9), st.data())
def test_whatever_is_changed_in_whichever_entry_it_is_the_one_that_is_named(
    texts: list[str], data: st.DataObject
) -> None:
    log = _sealed(texts)
    assert check(log) == Whole(len(log), f"{len(log)}:{log[-1].chain}")
    at = data.draw(st.integers(0, len(log) - 1))
    name = data.draw(st.sampled_from([*FORGED, "digest", "chain"]))
    forged = msgspec.structs.replace(log[at], **{name: FORGED.get(name, "0" * 64)})
    verdict = check([*log[:at], forged, *log[at + 1 :]])
    assert forged == log[at] or (isinstance(verdict, Broken) and verdict.seq == at + 1)


def test_a_cut_off_end_is_found_by_a_head_that_was_kept_elsewhere(store: Store) -> None:
    kept = check(oldest_first(store))
    assert isinstance(kept, Whole)
    table = store.run(lambda tx: tx.tables["audit"])
    store.run(lambda tx: tx.sql.execute(delete(table).where(table.c.seq > 2)) and None)
    assert isinstance(check(oldest_first(store)), Whole), "nothing in the log itself tells it"
    assert check(oldest_first(store), kept.head) == Broken(3, "it is missing: the log once was longer")
    for hour in (3, 4):
        store.run(lambda tx, at=hour: note(tx, at, "acme"))  # type: ignore[misc]
    assert check(oldest_first(store), kept.head) == Broken(4, "it is not the one of the head that was kept")


def test_private_parts_are_erased_with_their_salt_and_the_chain_stays_whole(store: Store) -> None:
    head = all_entries(store)[-1]
    assert store.run(lambda tx: erase(tx, "admin", "acme", 3 * HOUR_US, 9 * HOUR_US)) == 1
    first, *_, last = all_entries(store)
    assert (first.about, first.before, first.after, first.salt) == (None, None, None, None)
    assert (first.who, first.what) == ("admin", "person.changed")
    assert (last.what, last.tenant, last.after) == ("audit.erased", "acme", '{"entries":1,"until":1}')
    assert check(oldest_first(store), f"{head.seq}:{head.chain}") == Whole(5, f"5:{last.chain}")
    assert store.run(lambda tx: erase(tx, "admin", "acme", 3 * HOUR_US, 9 * HOUR_US)) == 0, "nothing left, no entry"


def test_a_salt_is_of_one_entry_alone(store: Store) -> None:
    """Or the digest of an erased number could be found by trying all numbers."""
    assert len({entry.salt for entry in all_entries(store)}) == 4
    assert len({entry.digest for entry in all_entries(store)}) == 4


def test_entries_are_read_by_client_person_and_time_newest_first_and_page_by_page(store: Store) -> None:
    def found(wanted: Wanted, limit: int = 9, before: int | None = None) -> list[int]:
        return store.run(lambda tx: [one.seq for one in entries(tx, wanted, limit, before)])

    assert found(Wanted()) == [4, 3, 2, 1]
    assert found(Wanted(), 2, before=4) == [3, 2]
    assert found(Wanted(tenants=("acme",))) == [3, 1]
    assert found(Wanted(tenants=("acme",), tenant="beta")) == []
    assert found(Wanted(tenants=())) == []
    assert found(Wanted(who="somebody")) == []
    assert found(Wanted(since_us=2 * HOUR_US, until_us=4 * HOUR_US)) == [3, 2]


def test_a_file_for_spreadsheets_holds_no_formula(store: Store) -> None:
    text = "".join(as_csv(oldest_first(store)))
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4"]
    assert (rows[0]["at"], rows[0]["about"]) == ("1970-01-01T10:00:00.000+09:00", "'+819012345678")


@given(st.lists(st.text(), min_size=1))
def test_no_cell_begins_as_a_formula_and_every_one_comes_back(cells: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(line(cells), newline=""))
    assert [cell.removeprefix("'") for cell in row] == [cell.removeprefix("'") for cell in cells]
    assert not [cell for cell in row if cell[:1] in "=+-@\t\r\n" and cell]


def type_in(database: Database, *arguments: str) -> Result:
    """`toritsugi audit …` beside the store."""
    folder = str(getattr(database, "folder", "."))
    return CliRunner().invoke(main, ["audit", *arguments, "--database", database.url, "--data", folder])


def test_the_command_names_the_first_broken_entry_and_exports_what_is_wanted(store: Store, database: Database) -> None:
    whole = type_in(database, "check")
    head = json.loads(whole.stdout)["head"]
    assert (whole.exit_code, head[:2]) == (0, "4:")
    assert type_in(database, "check", "--head", head).exit_code == 0
    lines = type_in(database, "export", "--tenant", "acme", "--since", "1970-01-01 11:00").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [3]
    assert type_in(database, "export", "--format", "csv").stdout.startswith("\ufeffseq,at,who,")
    assert type_in(database, "erase", "acme", "--before", "1970-01-02").exit_code == 0
    assert all_entries(store)[-1].who.startswith("console:")
    store.run(lambda tx: _set(tx, 2, who="somebody"))
    broken = type_in(database, "check")
    assert (broken.exit_code, json.loads(broken.stdout)["seq"]) == (1, 2)


@pytest.mark.parametrize("arguments", [("check", "--head", "4"), ("export", "--since", "yesterday")])
def test_what_is_no_head_and_no_day_is_refused(store: Store, database: Database, arguments: tuple[str, ...]) -> None:
    assert type_in(database, *arguments).exit_code == 2
