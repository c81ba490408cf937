"""Call records on their way through a real agent: told once, archived when the bus has them, kept otherwise."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import prometheus_client
import pytest

from proto import events as e
from services.eventsocket.cdr.reader import CallRecords, CdrSettings
from tests import traces
from tests.integration.agent_world import World

CALL = traces.load(1)
CALLER, PHONE = CALL.scenario["legs"]["caller"], CALL.scenario["legs"]["ext1001"]
CORE = json.loads(CALL.cdrs[CALLER])["core-uuid"]


class Desk(World):
    """The world of an agent, with a folder of call records beside it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.records = folder / "cdr"
        self.records.mkdir()
        self.readers: list[CallRecords] = []

    def read(self, quiet_s: float = 0.0) -> CallRecords:
        assert self.agent is not None
        reader = CallRecords("fs1", CdrSettings(self.records, every_s=0.02, quiet_s=quiet_s), self.agent)
        reader.start()
        self.readers.append(reader)
        return reader

    def crash(self) -> None:
        """The reader and the agent are gone, and what the bus did not have is on disk at best."""
        for reader in self.readers:
            reader.stop()
        self.readers.clear()
        self.stop_agent()

    def close(self) -> None:
        self.bus.away = False
        self.crash()
        super().close()

    def leave(self, *legs: str) -> None:
        for leg in legs:
            (self.records / f"{leg}.cdr.json").write_bytes(CALL.cdrs[leg])

    def waiting(self) -> list[str]:
        return sorted(path.name.partition(".")[0] for path in self.records.glob("*.cdr.json"))

    def archived(self) -> list[str]:
        return sorted(path.name.partition(".")[0] for path in self.records.glob("archive/*/*.cdr.json"))

    def turns(self, reader: CallRecords, number: int = 3) -> None:
        """So many turns have begun, so one less is over."""
        claim, begun = reader._folder.claim, []
        reader._folder.claim = lambda: (begun.append(1), claim())[1]  # type: ignore[method-assign]
        self.holds(lambda: len(begun) >= number)
        reader._folder.claim = claim  # type: ignore[method-assign]

    def ends(self) -> list[tuple[str, str]]:
        """Legs and calls of all ends that were told, in order."""
        return [(fact.body.leg, fact.call) for fact in self.told if isinstance(fact.body, e.LegEnded)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.tell_tenants()
    desk.start_agent()
    desk.listening()
    yield desk
    desk.close()


@pytest.mark.requirement("B16")
def test_a_call_that_nobody_heard_of_is_told_from_its_records_and_they_are_archived(desk: Desk) -> None:
    desk.leave(CALLER, PHONE)
    desk.read()
    (caller, phone) = desk.until(e.LegEnded, 2)
    assert desk.ends() == [(CALLER, "c-0001"), (PHONE, "c-0001")]
    assert (caller.tenant, phone.tenant, caller.estimated) == ("acme", "acme", False)
    desk.holds(lambda: desk.archived() == sorted([CALLER, PHONE]))
    assert desk.waiting() == []


def test_while_the_bus_is_away_the_files_stay(desk: Desk) -> None:
    desk.bus.away = True
    desk.leave(CALLER, PHONE)
    reader = desk.read()
    desk.holds(lambda: desk.bus.refused > 1)
    desk.turns(reader)
    assert desk.waiting() == sorted([CALLER, PHONE])
    desk.bus.away = False
    desk.until(e.LegEnded, 2)
    desk.holds(lambda: desk.waiting() == [])
    assert desk.ends() == [(CALLER, "c-0001"), (PHONE, "c-0001")], "read once, told once"


@pytest.mark.requirement("B16")
def test_a_crash_between_reading_and_telling_loses_nothing_and_tells_under_the_same_ids(desk: Desk) -> None:
    desk.bus.away = True
    desk.leave(CALLER, PHONE)
    reader = desk.read()
    desk.holds(lambda: desk.bus.refused > 1)
    desk.turns(reader)
    desk.crash()
    desk.bus.away = False
    desk.start_agent()
    desk.read()
    desk.holds(lambda: desk.waiting() == [])
    ids = {fact.id for fact in desk.until(e.LegEnded, 2)}
    assert ids == {f"{CORE}-cdr.{leg}" for leg in (CALLER, PHONE)}


def test_of_two_agents_at_one_folder_one_reads_and_the_other_takes_over(desk: Desk) -> None:
    first, second = desk.read(), desk.read()
    desk.leave(CALLER, PHONE)
    desk.until(e.LegEnded, 2)
    desk.holds(lambda: desk.waiting() == [])
    first.stop()
    desk.readers.remove(first)
    call = traces.load(4)
    for leg, raw in call.cdrs.items():
        (desk.records / f"{leg}.cdr.json").write_bytes(raw)
    desk.until(e.LegEnded, 2 + len(call.cdrs))
    desk.holds(lambda: desk.waiting() == [])
    assert len(desk.ends()) == len(set(desk.ends())) == 2 + len(call.cdrs)
    assert second in desk.readers


def test_a_leg_waits_for_the_record_of_the_one_that_dialled_it(desk: Desk) -> None:
    """It is from there that it has its call, its client and who pays."""
    desk.leave(PHONE)
    reader = desk.read()
    desk.turns(reader)
    assert desk.waiting() == [PHONE]
    desk.leave(CALLER)
    desk.until(e.LegEnded, 2)
    assert desk.ends() == [(CALLER, "c-0001"), (PHONE, "c-0001")]


def test_a_leg_whose_dialler_leaves_no_record_is_told_in_the_end(desk: Desk) -> None:
    desk.leave(PHONE)
    os.utime(desk.records / f"{PHONE}.cdr.json", (1_795_290_400, 1_795_290_400))
    desk.read()
    (ended,) = desk.until(e.LegEnded)
    assert (ended.body.joined, ended.call, ended.tenant) == ("inherited", CALLER, "_unknown")
    assert ended.body.caller.presentation == "withheld", "nobody says that the number may be shown"


def test_records_that_cannot_be_archived_are_told_once_and_archived_later(desk: Desk) -> None:
    obstacle = desk.records / "archive"
    obstacle.write_text("a file where the folder should be")
    desk.leave(CALLER, PHONE)
    reader = desk.read()
    desk.until(e.LegEnded, 2)
    desk.turns(reader, 5)
    assert desk.waiting() == sorted([CALLER, PHONE])
    obstacle.unlink()
    desk.holds(lambda: desk.archived() == sorted([CALLER, PHONE]))
    assert len(desk.ends()) == 2


def test_a_broken_record_is_told_to_people_and_the_others_go_on(desk: Desk) -> None:
    broken = desk.records / "broken.cdr.json"
    broken.write_bytes(b"{")
    os.utime(broken, (1_795_290_400, 1_795_290_400))
    desk.leave(CALLER, PHONE)
    before = figure("toritsugi_cdr_files_total", what="bad")
    desk.read()
    desk.until(e.LegEnded, 2)
    desk.holds(lambda: (desk.records / "bad" / "broken.cdr.json").exists())
    desk.holds(lambda: figure("toritsugi_cdr_files_total", what="bad") == before + 1)


def test_a_folder_that_is_not_there_yet_is_read_when_it_is(desk: Desk) -> None:
    desk.records.rmdir()
    desk.turns(desk.read())
    desk.records.mkdir()
    desk.leave(CALLER, PHONE)
    desk.until(e.LegEnded, 2)


@pytest.mark.requirement("B16")
def test_a_record_that_contradicts_the_event_is_counted_and_ends_nothing_twice(desk: Desk) -> None:
    desk.switch.says("CHANNEL_PARK", 1, leg=CALLER)
    desk.switch.says("CHANNEL_HANGUP_COMPLETE", 2, leg=CALLER)
    desk.until(e.LegEnded)
    before = figure("toritsugi_ends_differ_total")
    desk.leave(CALLER)
    desk.read()
    desk.holds(lambda: desk.archived() == [CALLER])
    assert figure("toritsugi_ends_differ_total") == before + 1
    assert desk.ends() == [(CALLER, CALLER)]


def figure(name: str, **labels: str) -> float:
    return prometheus_client.REGISTRY.get_sample_value(name, {"switch": "fs1"} | labels) or 0.0


def test_nothing_is_told_before_the_switch_has_said_what_is_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a call that goes on, one leg may have ended: told alone, it would be the whole call, and over."""
    assert desk.agent is not None
    desk.holds(lambda: desk.agent.sees_all)
    desk.switch.server.stop()
    desk.until(e.SwitchLost)
    assert not desk.agent.sees_all
    desk.leave(CALLER, PHONE)
    desk.turns(desk.read())
    assert desk.waiting() == sorted([CALLER, PHONE])
    monkeypatch.setattr("services.eventsocket.cdr.reader.UNSEEN_S", 0.0)
    desk.until(e.LegEnded, 2)
    desk.holds(lambda: desk.waiting() == [])
