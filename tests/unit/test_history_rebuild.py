"""Lines of calls made anew from what is known of each call: as they were, whatever happened to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from proto.envelope import Envelope
from services.cli import main
from services.history import rebuild, service
from services.history.rebuild import Done
from services.runtime.store import Store, Tx
from tests import stories
from tests.stores import Database


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """History's, with every story told."""
    store = Store(database.store("history"), service.build().metadata)
    store.start()
    told = [fact for number, make in enumerate(stories.STORIES) for fact in make(f"c{number}").facts]
    store.run(lambda tx: hear(tx, told))
    yield store
    store.stop()


def hear(tx: Tx, facts: list[Envelope]) -> None:
    for fact in facts:
        service.hear(tx, fact, fact.id)  # type: ignore[arg-type]


def lines(store: Store) -> list[tuple[object, ...]]:
    """Everything that the pages list."""

    def ask(tx: Tx) -> list[tuple[object, ...]]:
        calls, legs = tx.tables["calls"], tx.tables["legs"]
        told = [
            *tx.sql.execute(select(calls).order_by(calls.c.call)),
            *tx.sql.execute(select(legs).order_by(legs.c.leg)),
        ]
        return [tuple(row) for row in told]

    return store.run(ask)


@pytest.mark.requirement("D1")
def test_lines_that_were_lost_or_changed_are_as_the_facts_made_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "PIECE", 2)
    before = lines(store)
    assert list(rebuild.rebuild(store))[-1] == Done(len(stories.STORIES), 0)

    def spoil(tx: Tx) -> None:
        calls, legs = tx.tables["calls"], tx.tables["legs"]
        tx.sql.execute(update(calls).where(calls.c.call == "c0").values(result="missed", other_number=""))
        tx.sql.execute(delete(calls).where(calls.c.call == "c1"))
        tx.sql.execute(delete(legs).where(legs.c.call == "c3"))

    store.run(spoil)
    assert lines(store) != before
    assert list(rebuild.rebuild(store))[-1] == Done(len(stories.STORIES), 3)
    assert lines(store) == before


def test_it_is_typed_beside_the_running_house(store: Store, database: Database, tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["history", "rebuild", "--data", str(tmp_path), "--database", database.url])
    assert answer.exit_code == 0, answer.output
    assert f"{len(stories.STORIES)} calls, 0 of them changed" in answer.output
