"""Calls of the last days under other files: which would go elsewhere, and what they would cost (R33)."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from proto.tenant.platform import PriceRule, PriceTable, PriceVersion
from proto.values import Party
from services.cli import main
from services.directory.audit.rows import oldest_first
from services.runtime import clock
from tests import stories
from tests.clients import ACME, PLATFORM, client
from tests.pages_house import PagesHouse
from tests.stores import Database

HOUR_US = 3600 * 1_000_000
PRICES = PriceTable(
    "standard",
    (PriceVersion("2026-01-01", (PriceRule(name="mobile", prefixes=("0",), unit_s=60, unit=Decimal("10.5")),)),),
)
TO_OSAKA = {"main": [{"do": [{"forward": "0661112222"}]}]}


class Office:
    """A house with calls of an hour ago, and a folder with files that nobody has applied."""

    def __init__(self, house: PagesHouse, folder: Path, database: Database) -> None:
        self.house, self.drafts = house, folder / "drafts"
        self._at = ("--data", str(folder), "--database", database.url)
        self.drafts.mkdir()
        house.add_client(client())
        self.draft(client())

    def draft(self, tenant: msgspec.Struct) -> None:
        files = {"platform": msgspec.structs.replace(PLATFORM, prices=(PRICES,)), "acme": tenant}
        for name, body in files.items():
            (self.drafts / f"{name}.yaml").write_bytes(msgspec.json.encode(body))  # JSON is YAML

    def called(self, call: str, hours_ago: float, caller: Party = Party(number="09011112222")) -> None:  # noqa: B008
        start_us = clock.now_us() - round(hours_ago * HOUR_US)
        self.house.tell(stories.forwarded(call, start_us=start_us, caller=caller).facts)
        self.house.drained()

    def replayed(self, *options: str) -> Result:
        asked = ("route", "replay", "--with", str(self.drafts), "--lang", "en", *options, *self._at)
        result = CliRunner().invoke(main, asked)
        assert result.exit_code == 0, result.output
        return result


@pytest.fixture
def office(house: PagesHouse, tmp_path: Path, database: Database) -> Office:
    return Office(house, tmp_path, database)


@pytest.mark.requirement("R33")
def test_yesterdays_calls_that_would_go_elsewhere_and_what_they_would_cost(office: Office) -> None:
    office.called("call-1", hours_ago=1)
    office.called("call-2", hours_ago=2, caller=Party(presentation="withheld"))
    office.called("call-of-last-week", hours_ago=24 * 7)
    same = office.replayed()
    assert same.stdout.startswith("0 of 2 calls would go elsewhere\n"), "other prices lead no call elsewhere"

    office.draft(client(routes={**ACME["routes"], **TO_OSAKA}))
    assert office.replayed().stdout.count("+ be forwarded to 06-6111-2222 for 30 s  (? yen)") == 2, "no price table"
    contract = {**ACME["contract"], "prices": "standard"}
    office.draft(client(routes={**ACME["routes"], **TO_OSAKA}, contract=contract))
    said = office.replayed().stdout
    assert "2 of 2 calls would go elsewhere" in said and "090-1111-2222 → 03-1234-5678" in said
    assert said.count("+ be forwarded to 06-6111-2222 for 30 s  (31.5 yen)") == 2, "three begun minutes at 10.5 yen"
    assert "and would cost 63 yen" in said
    assert "withheld → 03-1234-5678" in said
    assert "3 of 3 calls" in office.replayed("--since", "8d").stdout

    told = [json.loads(line) for line in office.replayed("--json").stdout.splitlines()]
    assert [(one["call"], one["after"]["cost"]) for one in told] == [("call-2", "31.5"), ("call-1", "31.5")]


def test_whoever_replays_calls_stands_in_the_audit_log(office: Office) -> None:
    office.called("call-1", hours_ago=1)
    office.replayed()
    office.house.until(lambda: any(e.what == "call.looked" for e in oldest_first(office.house.directory)))
    seen = [entry for entry in oldest_first(office.house.directory) if entry.what == "call.looked"]
    assert [(entry.who[:8], entry.about) for entry in seen] == [("console:", "replay")]


def test_a_client_that_would_be_gone_takes_no_calls(office: Office) -> None:
    office.called("call-1", hours_ago=1)
    (office.drafts / "acme.yaml").unlink()
    said = office.replayed().stdout
    assert "1 of 1 calls would go elsewhere" in said and "+ hear the announcement not_in_use" in said


def test_a_folder_with_mistakes_replays_nothing(office: Office) -> None:
    (office.drafts / "acme.yaml").write_text("tenant: acme\nnmae: x\n", encoding="utf-8")
    asked = ("route", "replay", "--with", str(office.drafts), *office._at)
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 1 and "nmae" in result.stderr and result.stdout == ""
