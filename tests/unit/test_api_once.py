"""Which answer a repeated write gets: two processes with the same key, one that died, one that comes late."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from services.directory import service as directory
from services.runtime.store import Store, Tx
from services.runtime.web.api import once
from services.runtime.web.api.once import Kept, Write
from services.runtime.web.problems import Refused
from tests.stores import Database

WRITE = Write("token", "key", "digest")
DONE = Kept(200, "etag", b"{}")
NOW_US = 1_795_309_200_000_000
TRIES = 10


@pytest.fixture
def processes(database: Database) -> Iterator[list[Store]]:
    """Directory's store as two processes have it."""
    stores = [Store(database.store("directory"), directory.build().metadata) for _ in range(2)]
    for store in stores:
        store.start()
    yield stores
    for store in stores:
        store.stop()


def begin(store: Store, at_us: int = NOW_US, write: Write = WRITE) -> Kept | int | None:
    """What was answered before; None: it is to be done; the status of a refusal."""
    try:
        return store.run(lambda tx: once.begin(tx, write, at_us), TRIES)
    except Refused as refused:
        return refused.code


def finish(store: Store, began_us: int = NOW_US) -> int | None:
    """None: the answer is kept; the status of a refusal."""

    def effect(tx: Tx) -> None:
        tx.once("effect", str(began_us), began_us)
        once.finish(tx, WRITE, began_us, DONE)

    try:
        store.run(effect, TRIES)
    except Refused as refused:
        return refused.code
    return None


def test_of_two_processes_that_get_a_write_at_once_one_does_it(processes: list[Store]) -> None:
    for n in range(10):
        write = WRITE._replace(key=f"key{n}")
        both = [gevent.spawn(begin, store, NOW_US, write) for store in processes]
        gevent.joinall(both, timeout=30, raise_error=True)
        assert sorted(one.value or 0 for one in both) == [0, 409]  # type: ignore[type-var]


def test_an_answer_is_given_again_until_a_day_has_passed(processes: list[Store]) -> None:
    here, there = processes
    assert begin(here) is None
    assert begin(there) == 409
    assert finish(here) is None
    assert begin(there) == DONE
    assert begin(there, write=WRITE._replace(digest="another")) == 422
    assert begin(there, write=WRITE._replace(token="another")) is None, "a key is its token's"  # noqa: S106
    assert begin(there, NOW_US + once.KEPT_US) == DONE
    assert begin(there, NOW_US + once.KEPT_US + 1) is None


def test_whoever_was_taken_over_from_and_comes_late_changes_nothing(processes: list[Store]) -> None:
    here, there = processes
    later_us = NOW_US + once.UNDER_WAY_US
    assert begin(here) is None
    assert begin(there, later_us) is None
    assert finish(here) == 409
    assert here.run(lambda tx: tx.was_done("effect", str(NOW_US))) is False, "what it did is rolled back"
    here.run(lambda tx: once.forget(tx, WRITE, NOW_US))
    assert finish(there, later_us) is None
    assert begin(here, later_us + 1) == DONE


def test_what_was_refused_may_come_again(processes: list[Store]) -> None:
    here, there = processes
    assert begin(here) is None
    here.run(lambda tx: once.forget(tx, WRITE, NOW_US))
    assert begin(there, write=WRITE._replace(digest="another")) is None
