"""A PostgreSQL that stands still while its kernel still answers: no server's time-out helps, and no socket's."""

from __future__ import annotations

import gevent
import pytest
from sqlalchemy import MetaData, make_url, text

from services.runtime.bus import Unavailable
from services.runtime.store import Store, postgresql
from tests.postgres import Postgres
from tests.stores import Schemas


def test_a_server_that_stands_still_is_unavailable_and_then_works_again(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql._OnItsThread, "answer_s", 0.5)
    database = Schemas(postgres)
    store = Store(database.store("one"), MetaData())
    store.start()
    postgres.pause()
    try:
        with gevent.Timeout(20), pytest.raises(Unavailable, match=r"no answer within 0\.5 s"):
            store.run(lambda tx: tx.count("outbox"))
    finally:
        postgres.resume()
    assert store.run(lambda tx: tx.count("outbox")) == 0
    store.stop()
    database.close()


def test_an_upgrade_may_take_as_long_as_it_needs(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql._OnItsThread, "answer_s", 0.3)
    database = Schemas(postgres)
    engine = postgresql.make_engine(make_url(database.store("one")))
    with engine.connect() as connection:
        postgresql.wait_for_ever(connection)
        connection.execute(text("SELECT pg_sleep(1)"))
    engine.dispose()
    database.close()
