"""Clients move in out of a spreadsheet while the house runs, and the next call to one of their numbers rings there."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeswitch.simulator import Caller, Phone
from services.directory.imports.carry import carry_out, propose
from services.runtime import clock
from tests.scenarios.house import MONDAY_10_00_US, the_house
from tests.spreadsheets import number_of, of_clients, workbook
from tests.stores import Database

SUNDAY_10_00_US = MONDAY_10_00_US - 24 * 3600 * 1_000_000


@pytest.mark.parametrize("start_us", [MONDAY_10_00_US, SUNDAY_10_00_US])
def test_the_next_call_to_an_imported_number_rings(tmp_path: Path, house_database: Database, start_us: int) -> None:
    with the_house(tmp_path, house_database, start_us) as played:
        phones = {one.address: one for one in (Phone(own, domain="kaisha002.example.jp") for own in ("101", "102"))}
        played.simulator.switch.phones.update(phones)
        files, store = played.house.files, played.house.stores["directory"]
        assert files is not None
        book = workbook(of_clients(3, "9:00-18:00"))
        made = propose(store, {"moving.xlsx": book}).to_write(False)
        carry_out(store, files.folder, made, "root", "moving", clock.now_us(), lambda _one: None)
        files.reload()
        for keeper in ("eventsocket.fs1", "routing", "answering", "recording", "billing", "history"):
            played.until(lambda at=keeper: "kaisha002" in [row["name"] for row in played.rows(at, "projections")])  # type: ignore[misc]
        leg = played.simulator.call(Caller("0901234567", talks_s=30), number_of(2).replace("-", ""))
        played.until_over(leg)
        (call,) = played.rows("history", "calls")
        in_hours = start_us == MONDAY_10_00_US
        assert (call["tenant"], call["result"]) == ("kaisha002", "answered" if in_hours else "message")
        assert (call["answered_by"] in ("101", "102")) == in_hours, "on Sunday the announcement, then a message"
