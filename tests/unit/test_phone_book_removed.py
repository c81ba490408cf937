"""An entry that somebody changed, or took away, while somebody else takes it away: no name of it stays anywhere."""

from __future__ import annotations

from services.directory import service as directory
from services.directory.audit.rows import oldest_first
from services.directory.phone_book import entries
from services.directory.phone_book.model import Card
from services.runtime.store import Store, Tx
from tests.stores import Database


def test_what_was_added_since_the_page_was_read_goes_as_well(database: Database) -> None:
    store = Store(database.store("directory"), directory.build().metadata)
    store.start()
    name = store.run(lambda tx: entries.add(tx, "acme", Card("山田", numbers=("0312345611",)), "keiri", 1))
    seen = store.run(lambda tx: entries.find(tx, "acme", name))
    assert seen is not None
    later = Card("山田", numbers=("0312345611", "0312345622"))
    assert store.run(lambda tx: entries.change(tx, "acme", seen, later, "mori", 2))

    def remove(tx: Tx) -> None:
        entries.remove(tx, "acme", seen, "keiri", 3)

    for _ in range(2):  # twice: two people, or one who asks again
        store.run(remove)
    told = store.run(entries.say_all)
    assert {emit.body.ending: emit.body.names for emit in told} == {"11": {}, "22": {}}  # type: ignore[attr-defined]
    gone = [entry.before for entry in oldest_first(store) if entry.what == "phone_book.removed"]
    assert len(gone) == 1 and "0312345622" in (gone[0] or ""), "the log says what was there"
    outbox = store.run(lambda tx: [bytes(row.body) for row in tx.sql.execute(tx.tables["outbox"].select())])
    assert b'"22"' in outbox[-1], "and the names of calls go with it"
    store.stop()
