"""What was heard waits for the bus: in order, bounded in memory, across restarts."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.eventsocket import spool as spool_module
from services.eventsocket.spool import Spool


def spool_at(path: Path, in_memory: int = 10) -> Spool:
    spool = Spool(path, in_memory)
    spool.start()
    return spool


def take(spool: Spool, number: int) -> list[bytes]:
    taken: list[bytes] = []
    while len(taken) < number:
        items = spool.peek(number - len(taken), timeout_s=1.0)
        assert items
        taken += [item.raw for item in items]
        spool.done(len(items))
    return taken


def records(start: int, end: int) -> list[bytes]:
    return [b"record %d" % number for number in range(start, end)]


def test_little_stays_in_memory_and_keeps_its_time(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "s")
    spool.put(b"one", received_us=17)
    assert [(item.raw, item.received_us) for item in spool.peek(5)] == [(b"one", 17)]
    assert (tmp_path / "s").stat().st_size == 0
    spool.done(1)
    assert spool.peek(5, timeout_s=0.01) == []
    spool.stop()


def test_much_goes_to_the_disk_in_order(tmp_path: Path) -> None:
    spilled: list[int] = []
    spool = Spool(tmp_path / "s", 10, spilled.append)
    spool.start()
    for record in records(0, 500):
        spool.put(record)
    gevent.sleep(0)
    assert take(spool, 300) == records(0, 300)
    for record in records(500, 600):
        spool.put(record)
    assert take(spool, 300) == records(300, 600)
    assert sum(spilled) > 400
    assert len(spool) == 0
    assert (tmp_path / "s").stat().st_size == 0
    spool.stop()


@pytest.mark.parametrize(("put", "done"), [(5, 0), (5, 2), (100, 0), (100, 3), (100, 50), (10, 10)])
def test_a_restart_loses_nothing(tmp_path: Path, put: int, done: int) -> None:
    spool = spool_at(tmp_path / "s")
    for record in records(0, put):
        spool.put(record)
    take(spool, done)
    spool.stop()
    again = spool_at(tmp_path / "s")
    assert len(again) == put - done
    again.put(b"new")
    assert take(again, put - done + 1) == [*records(done, put), b"new"]
    again.stop()


def test_a_crash_while_the_bus_is_away_loses_nothing_and_a_half_record_is_dropped(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "s")
    for record in records(0, 5):
        spool.put(record)
    spool.keep()
    with (tmp_path / "s").open("ab") as file:
        file.write(b"\x00\x00\x00\x09rec")
    again = spool_at(tmp_path / "s")
    assert take(again, 5) == records(0, 5)
    again.stop()
    spool.put(b"later")
    assert take(spool, 6) == [*records(0, 5), b"later"]


def test_an_outage_keeps_all_that_came_during_it_not_only_what_was_there_at_its_begin(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "s")
    spool.put(b"record 0")
    spool.keep()
    spool.put(b"record 1")
    spool.put(b"record 2")
    spool.keep()
    spool.keep()
    again = spool_at(tmp_path / "s")
    assert take(again, len(again)) == records(0, 3)
    again.stop()


def test_what_spills_over_a_full_memory_leaves_nothing_behind_in_it_alone(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "s", 3)
    for record in records(0, 10):
        spool.put(record)
    with gevent.Timeout(5):
        while spool.in_memory > 3:
            gevent.sleep(0.005)
    again = spool_at(tmp_path / "s")
    assert take(again, len(again)) == records(0, 10), "a crash now"
    again.stop()


def test_a_disk_that_fails_is_no_error_of_the_caller_and_is_used_again_when_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "DISK_PAUSE_S", 0.01)
    path = tmp_path / "folder" / "s"
    spool = spool_at(path, 4)
    for record in records(0, 3):
        spool.put(record)
    spool.keep()
    path.rename(tmp_path / "away")
    path.mkdir()  # whoever opens it as a file now gets an OSError
    for record in records(3, 12):
        spool.put(record)
    spool.keep()
    assert take(spool, 4) == records(0, 4)
    gevent.sleep(0.05)
    path.rmdir()
    (tmp_path / "away").rename(path)
    assert take(spool, 8) == records(4, 12)
    spool.stop()
    assert len(spool_at(path)) == 0


def test_what_is_on_a_disk_that_cannot_be_read_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "DISK_PAUSE_S", 0.01)
    path = tmp_path / "folder" / "s"
    spool = spool_at(path)
    for record in records(0, 5):
        spool.put(record)
    spool.stop()
    again = spool_at(path)
    path.rename(tmp_path / "away")
    path.mkdir()
    assert again.peek(5) == []
    path.rmdir()
    (tmp_path / "away").rename(path)
    assert take(again, 5) == records(0, 5)
    again.put(b"one")
    again.keep()
    path.rename(tmp_path / "away")
    path.mkdir()
    again.done(1)
    assert (len(again), again.lost) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["put", "burst", "take", "keep", "restart", "yield"]), max_size=40))
def test_any_order_of_events_keeps_the_order_of_records(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("spool") / "s"
    spool, put, taken = spool_at(path, 4), 0, 0
    for act in acts:
        if act == "restart":
            spool.stop()
            spool = spool_at(path, 4)
        elif act == "keep":
            spool.keep()
        elif act == "yield":
            gevent.sleep(0)
        elif act == "take":
            number = min(3, put - taken)
            assert take(spool, number) == records(taken, taken + number)
            taken += number
        else:
            for record in records(put, put + (7 if act == "burst" else 1)):
                spool.put(record)
                put += 1
    assert len(spool) == put - taken
    assert take(spool, put - taken) == records(taken, put)
    spool.stop()
