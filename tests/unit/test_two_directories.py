"""Two processes of directory start at the same moment on a database in which nothing stands."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from proto.topics import service_queue
from services.directory import service as directory
from services.directory.people import rows as people
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from tests.postgres import Postgres
from tests.stores import Schemas

CLIENTS = 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "platform.yaml").write_text(
        "switches: [{switch: fs1}]\ncarriers: [{name: trunk, gateway: trunk}]\n", encoding="utf-8"
    )
    for number in range(CLIENTS):
        text = f"tenant: client{number}\nname: 株式会社{number}\ncontract: {{from: 2026-04-01}}\n"
        (folder / f"client{number}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_both_begin_and_each_client_has_one_revision_and_the_house_one_first_person(
    folder: Path, tmp_path: Path, postgres: Postgres
) -> None:
    database = Schemas(postgres)
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.start([service_queue("directory")])
    stores = [Store(database.store("directory"), directory.build().metadata) for _ in range(2)]
    files = [directory.Files(store, bus, folder) for store in stores]
    shown: list[str] = []

    def begin(store: Store, one: directory.Files) -> str | None:
        store.start()
        one.start()
        return people.ensure_first_person(store, shown.append)[1]

    starts = [gevent.spawn(begin, *pair) for pair in zip(stores, files, strict=True)]
    gevent.joinall(starts, raise_error=True, timeout=30)
    made = [start.value for start in starts if start.value is not None]
    assert len(made) == 1, "one password is worth something"
    assert made[0] in shown
    assert stores[0].run(lambda tx: tx.count("revisions")) == CLIENTS + 1
    assert stores[0].run(lambda tx: tx.count("people")) == 1
    for one in files:
        one.stop()
    for store in stores:
        store.stop()
    bus.stop()
    database.close()
