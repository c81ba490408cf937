"""Two processes work on the rows of one person at once: tries to log in all count, and nothing ends in an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from proto.topics import all_queues
from services.directory.people import rows as people
from services.directory.people import tries
from services.directory.service import build
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store, Tx
from tests.postgres import Postgres
from tests.stores import Schemas


def test_a_try_that_another_process_overtakes_is_counted_beside_it(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only on PostgreSQL: of two that write the same row the second is told so."""
    database = Schemas(postgres)
    mine, theirs = (Store(database.store("directory"), build().metadata) for _ in range(2))
    mine.start()
    theirs.start()
    count, at_once = tries.count_try, [True, True]

    def overtaken(tx: Tx, keys: tries.Keys, now_us: int) -> tries.Try:
        tx.count("login_failures")  # what stands at the beginning of this transaction
        if at_once:
            at_once.pop()
            theirs.run(lambda other: count(other, keys, now_us))
        return count(tx, keys, now_us)

    monkeypatch.setattr(tries, "count_try", overtaken)
    try:
        assert tries.log_in(mine, "nobody", "guess", "192.0.2.1", 1_000_000) == tries.Wrong()

        def failures(tx: Tx) -> set[int]:
            return set(tx.sql.execute(select(tx.tables["login_failures"].c.failures)).scalars())

        assert mine.run(failures) == {3}
    finally:
        mine.stop()
        theirs.stop()
        database.close()


def test_a_new_password_is_told_though_a_worker_sends_the_same_at_the_same_time(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database = Schemas(postgres)
    mine, theirs = (Store(database.store("directory"), build().metadata) for _ in range(2))
    mine.start()
    theirs.start()
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.start(all_queues(()))
    people.ensure_first_person(mine)
    people.reset_login(mine)
    posted, at_once = Tx.posted, [True]

    def overtaken(tx: Tx, ids: Sequence[str]) -> None:
        if at_once:
            at_once.pop()
            tx.count("outbox")
            theirs.run(lambda other: posted(other, ids))
        posted(tx, ids)

    monkeypatch.setattr(Tx, "posted", overtaken)
    try:
        people.tell(mine, bus)
        assert mine.run(lambda tx: tx.unposted()) == []
    finally:
        bus.stop()
        mine.stop()
        theirs.stop()
        database.close()
