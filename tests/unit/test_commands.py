"""What a person asks the stores at a terminal: charges explained, webhooks listed, sent again, enabled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text, update

from services.billing import service as billing
from services.cli import main
from services.connectors import deliveries
from services.connectors import service as connectors
from services.runtime.store import Store
from tests.integration import test_webhooks as webhooks
from tests.stores import Database
from tests.unit import test_billing_ledger as ledger


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.fixture
def charged(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Billing's store with one charged leg, beside a running process."""
    monkeypatch.setenv("TORITSUGI_DATABASE", database.url)
    store = Store(database.store("billing"), billing.build().metadata)
    store.start()
    ledger.tell_terms(store)
    ledger.hear(store, ledger.leg(length_us=421_500_000), "core-1")
    yield store
    store.stop()


@pytest.mark.requirement("B17")
def test_a_charge_is_explained_from_what_is_stored(charged: Store, tmp_path: Path) -> None:
    said = typed("charges", "explain", "leg-1", "--data", str(tmp_path))
    assert said.exit_code == 0, said.output
    derivation = json.loads(said.stdout)["derivation"]
    assert derivation["again"]["arithmetic"] == "421.5 s / 180 s -> 3; 3 x 9.35 = 28.05 JPY (incl. tax)"
    assert derivation["entry"]["amount"] == derivation["again"]["amount"] == "28.05"
    assert derivation["differences"] == []


@pytest.mark.requirement("B16")
def test_held_charges_are_listed_and_confirmed_by_somebody_once(charged: Store, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    assert typed("charges", "held", *data).stdout == ""
    ledger.hear(charged, msgspec.structs.replace(ledger.leg(), leg="leg-2"), "guess-2", estimated=True)
    (listed,) = map(json.loads, typed("charges", "held", *data).stdout.splitlines())
    assert (listed["leg"], listed["estimated"]) == ("leg-2", True)
    assert typed("charges", "confirm", "leg-2", *data).exit_code == 2, "without a name nothing is confirmed"
    said = typed("charges", "confirm", "leg-2", "--by", "佐藤", "--seconds", "421.5", *data)
    assert said.exit_code == 0, said.output
    assert (json.loads(said.stdout)["amount"], json.loads(said.stdout)["estimated"]) == ("28.05", False)
    assert json.loads(typed("charges", "explain", "leg-2", *data).stdout)["confirmed_by"] == "佐藤"
    again = typed("charges", "confirm", "leg-2", "--by", "鈴木", *data)
    assert (again.exit_code, typed("charges", "held", *data).stdout) == (1, "")


def test_a_figure_that_cannot_be_derived_again_ends_with_1(charged: Store, tmp_path: Path) -> None:
    def forge(tx: billing.Tx) -> None:
        tx.sql.execute(text(ledger.WITHOUT_GUARD[tx.sql.dialect.name]))
        tx.sql.execute(update(tx.tables["ledger"]).values(amount="9.35"))

    charged.run(forge)
    said = typed("charges", "explain", "leg-1", "--data", str(tmp_path))
    assert said.exit_code == 1
    assert json.loads(said.stdout)["derivation"]["differences"] == ["amount"]


def test_a_leg_without_a_charge_and_a_folder_without_a_ledger_are_told_apart(
    charged: Store, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert (
        "no row of the ledger has leg nobody's"
        in typed("charges", "explain", "nobody's", "--data", str(tmp_path)).output
    )
    if database.kind == "sqlite":
        assert "does not exist" in typed("charges", "explain", "leg-1", "--data", str(tmp_path / "empty")).output


def test_webhooks_are_listed_sent_again_and_enabled(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORITSUGI_DATABASE", database.url)
    store = Store(database.store("connectors"), connectors.build().metadata)
    store.start()
    data = ("--data", str(tmp_path))
    try:
        with webhooks.receiver(410, 200) as server, webhooks.courier(store):
            webhooks.hear(store, webhooks.client(server.url), "tenant-1")
            webhooks.hear(store, webhooks.ENDED, "history-1")
            webhooks.until(lambda: webhooks.states(store) == ["disabled"])
            (line,) = typed("webhooks", "list", "acme", *data).stdout.splitlines()
            assert (json.loads(line)["call"], json.loads(line)["state"]) == ("call-1", "disabled")
            assert typed("webhooks", "enable", "acme", server.url, *data).exit_code == 0
            assert typed("webhooks", "replay", "acme", "call-1", *data).exit_code == 0
            webhooks.until(lambda: webhooks.states(store) == ["sent"])
        (endpoint,) = store.run(lambda tx: deliveries.endpoints(tx, "acme"))
        assert typed("webhooks", "secret", "acme", *data).stdout == f"{endpoint.url}\t{endpoint.secret}\n"
    finally:
        store.stop()
    assert "no delivery of call none" in typed("webhooks", "replay", "acme", "none", *data).output
    assert "no endpoint http://x/" in typed("webhooks", "enable", "acme", "http://x/", *data).output
