"""Loops that nobody starts again outlive whatever they meet, also what nobody thought of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from services.connectors import courier
from services.connectors import service as connectors
from services.directory import service as directory
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from tests.integration import test_webhooks as webhooks
from tests.stores import Database


def until(holds: Callable[[], object]) -> None:
    with gevent.Timeout(10, AssertionError("not in time")):
        while not holds():
            gevent.sleep(0.01)


def failing_once(real: Callable[..., object], failed: list[str]) -> Callable[..., object]:
    """Raises what no loop expects, then does its work."""

    def stand_in(*arguments: object, **named: object) -> object:
        if not failed:
            failed.append("failed")
            raise ZeroDivisionError("nobody thought of this")
        return real(*arguments, **named)

    return stand_in


@pytest.mark.parametrize("step", ["claim", "post"])
def test_the_courier_goes_on_after_a_bug(database: Database, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    failed: list[str] = []
    monkeypatch.setattr(courier, step, failing_once(getattr(courier, step), failed))
    monkeypatch.setattr("services.connectors.deliveries.LEASE_US", 50_000)
    store = Store(database.store("connectors"), connectors.build().metadata)
    store.start()
    try:
        with webhooks.receiver() as server, webhooks.courier(store):
            webhooks.hear(store, webhooks.client(server.url), "tenant-1")
            webhooks.hear(store, webhooks.ENDED, "history-1")
            until(lambda: webhooks.states(store) == ["sent"])
    finally:
        store.stop()
    assert failed


def test_the_tenant_files_are_watched_after_a_bug_too(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "platform.yaml").write_text("switches: [{switch: fs1}]\ncarriers: [{name: trunk, gateway: trunk}]\n")
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.start([])
    store = Store(database.store("directory"), directory.build().metadata)
    store.start()
    read: list[object] = []
    files = directory.Files(store, bus, folder, report=read.append, every_s=0.02)
    files.start()
    try:
        failed: list[str] = []
        monkeypatch.setattr(directory, "read_folder", failing_once(directory.read_folder, failed))
        (folder / "acme.yaml").write_text("tenant: acme\nname: A\ncontract: {from: 2026-04-01}\n")
        until(lambda: len(read) == 2)
        assert failed
    finally:
        files.stop()
        store.stop()
        bus.stop()
