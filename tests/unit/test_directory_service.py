"""Directory over the real bus and a real store: what others hear when a tenant file changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent
import pytest

from proto.envelope import Envelope, decode
from proto.events import PlatformRevised, ServiceStarted, TenantRevised
from proto.topics import outgoing, service_queue
from services.directory import service as directory
from services.directory.tenants.problems import Problem
from services.runtime.bus import Consumer
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from services.runtime.worker import Worker
from tests.stores import Database

PLATFORM = "switches: [{switch: fs1}]\ncarriers: [{name: trunk, gateway: trunk}]\n"
TENANT = "tenant: {0}\nname: {1}\ncontract: {{from: 2026-04-01}}\n"


@dataclass
class House:
    """Directory and somebody who listens as routing does."""

    folder: Path
    data: Path
    bus: EmbeddedBus
    store: Store
    files: directory.Files
    worker: Worker
    ear: Consumer
    said: list[Problem]

    def write(self, name: str, text: str, second: int = 1) -> None:
        path = self.folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        os.utime(path, (second, second))

    def hears(self, count: int) -> list[Envelope]:
        """The next `count` revisions, in order. Fails if they do not come, or if more come."""
        found: list[Envelope] = []
        with gevent.Timeout(10, AssertionError(f"heard only {len(found)} of {count}")):
            while len(found) < count:
                deliveries = self.ear.get(50, timeout_s=1)
                found += [decode(delivery.body) for delivery in deliveries]
                self.ear.ack(deliveries)
        assert len(found) == count
        return found

    def hears_nothing_more(self) -> None:
        assert self.bus.depth("routing.0") == 0


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[House]:
    folder = tmp_path / "tenants"
    folder.mkdir()
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.start([service_queue("directory"), service_queue("routing")])
    room = directory.build()
    store = Store(database.store("directory"), room.metadata)
    store.start()
    said: list[Problem] = []
    files = directory.Files(store, bus, folder, report=lambda problems: said.__setitem__(slice(None), problems))
    worker = Worker(room, store, bus, "directory.0")
    made = House(folder, tmp_path, bus, store, files, worker, bus.consume("routing.0"), said)
    made.write("platform", PLATFORM)
    made.write("acme", TENANT.format("acme", "アクメ"))
    yield made
    files.stop()
    worker.stop()
    made.ear.close()
    bus.stop()
    store.stop()


def test_at_the_start_clients_and_then_the_platform_are_told_once(house: House) -> None:
    """The platform comes last: whoever knows it knows every client, and may call a number nobody's."""
    house.files.reload()
    acme, platform = house.hears(2)
    assert isinstance(platform.body, PlatformRevised) and platform.tenant == "_platform"
    assert isinstance(acme.body, TenantRevised) and acme.tenant == "acme" and not acme.body.gone
    house.files.reload()
    house.hears_nothing_more()


def test_comments_and_order_make_no_new_revision_but_a_change_does(house: House) -> None:
    house.files.reload()
    house.hears(2)
    house.write("acme", "# 注\nname: アクメ\ncontract: {from: 2026-04-01}\ntenant: acme\n", 5)
    house.files.reload()
    house.hears_nothing_more()
    house.write("acme", TENANT.format("acme", "新アクメ"), 6)
    house.files.reload()
    (changed,) = house.hears(1)
    assert isinstance(changed.body, TenantRevised) and changed.body.body.name == "新アクメ"


def test_a_file_set_back_to_what_it_was_is_news_again(house: House) -> None:
    """Were the id made from the revision alone, everybody would drop the third fact as seen."""
    told = []
    for second, name in ((1, "アクメ"), (5, "新アクメ"), (9, "アクメ")):
        house.write("acme", TENANT.format("acme", name), second)
        house.files.reload()
        told += [e for e in house.hears(2 if second == 1 else 1) if isinstance(e.body, TenantRevised)]
    first, _, third = told
    assert isinstance(first.body, TenantRevised) and isinstance(third.body, TenantRevised)
    assert first.body.revision == third.body.revision
    assert first.id != third.id and first.occurred_at_us < third.occurred_at_us


def test_a_bad_file_keeps_the_last_good_copy_even_over_a_restart(house: House) -> None:
    house.files.reload()
    house.hears(2)
    house.write("acme", "tenant: acme\nname: [\n", 5)
    house.files.reload()
    house.hears_nothing_more()
    assert [(p.file, p.level) for p in house.said] == [("acme.yaml", "error")]
    again = directory.Files(house.store, house.bus, house.folder)
    settled = again.reload()
    assert settled.tenants["acme"].body.name == "アクメ"
    house.hears_nothing_more()


def test_a_removed_file_is_told_as_gone_and_a_returned_one_as_back(house: House) -> None:
    house.files.reload()
    house.hears(2)
    (house.folder / "acme.yaml").unlink()
    house.files.reload()
    (gone,) = house.hears(1)
    assert isinstance(gone.body, TenantRevised) and gone.body.gone
    house.write("acme", TENANT.format("acme", "アクメ"), 9)
    house.files.reload()
    (back,) = house.hears(1)
    assert isinstance(back.body, TenantRevised) and not back.body.gone and back.id != gone.id


def test_who_starts_later_is_told_everything_under_the_same_ids(house: House) -> None:
    house.files.reload()
    first = house.hears(2)
    house.worker.start()
    hello = Envelope(
        body=ServiceStarted(service="routing", instance="1"),
        id="hello",
        source="routing",
        tenant="_platform",
        occurred_at_us=99,
    )
    house.bus.publish([outgoing(hello)])
    again = house.hears(2)
    assert [(e.id, e.tenant, e.occurred_at_us, e.body) for e in again] == [
        (e.id, e.tenant, e.occurred_at_us, e.body) for e in first
    ]


def test_a_change_is_noticed_by_itself(house: House) -> None:
    house.files.every_s = 0.05
    house.files.start()
    house.hears(2)
    house.write("beta", TENANT.format("beta", "ベータ"), 7)
    (beta,) = house.hears(1)
    assert beta.tenant == "beta"


def test_what_the_bus_did_not_take_is_said_when_it_is_back(house: House) -> None:
    """The first life ended between commit and publish: the next one says it."""
    folder = directory.read_folder(house.folder)
    house.store.run(lambda tx: directory.take(tx, folder, 5))
    house.hears_nothing_more()
    house.files.start()
    assert {envelope.tenant for envelope in house.hears(2)} == {"_platform", "acme"}
