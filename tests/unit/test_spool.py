"""What was heard waits for the bus: in order, bounded in memory, across restarts."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gevent
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.typing import EventDict

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
    with gevent.Timeout(30):
        while not spilled:
            gevent.sleep(0.005)
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
    with gevent.Timeout(30):
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


# -- a disk that is full -----------------------------------------------------------------------------------------------


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size`: a write ends in its middle, as on a full disk (setrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def said() -> Iterator[list[EventDict]]:
    """What is logged, kept in memory: no file takes it meanwhile."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, said: list[EventDict]) -> None:
    monkeypatch.setattr(spool_module, "DISK_PAUSE_S", 0.01)


ROOM = 1000
"""Bytes, for about 70 records."""


@pytest.mark.usefixtures("impatient")
def test_a_full_disk_holds_nobody_up_is_said_once_and_left_behind_when_there_is_room(
    tmp_path: Path, said: list[EventDict]
) -> None:
    spool = spool_at(tmp_path / "s")
    with full_after(ROOM):
        for record in records(0, 500):
            spool.put(record)
        gevent.sleep(0.1)
        assert take(spool, 20) == records(0, 20), "with the bus there, memory alone does"
        for record in records(500, 600):
            spool.put(record)
        gevent.sleep(0.1)
        assert (len(spool), spool.lost) == (580, 0)
    with gevent.Timeout(30):
        while said[-1]["event"] != "the disk takes the spool again":
            gevent.sleep(0.01)
    assert take(spool, 580) == records(20, 600)
    assert (tmp_path / "s").stat().st_size == 0
    spool.stop()
    assert [line["event"] for line in said] == ["spool cannot be written", "the disk takes the spool again"]


@pytest.mark.usefixtures("impatient")
def test_a_crash_on_a_full_disk_leaves_whole_records_and_no_half_one(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "s", 200)
    for record in records(0, 150):
        spool.put(record)
    with full_after(ROOM):
        spool.keep()
    assert (tmp_path / "s").stat().st_size == ROOM, "filled to the last byte"
    again = spool_at(tmp_path / "s", 200)
    kept = len(again)
    assert kept > 50
    assert take(again, kept) == records(0, kept)
    again.stop()
    assert take(spool, 150) == records(0, 150)
    assert (tmp_path / "s").stat().st_size == 0, "what the bus has, no later crash finds"


@pytest.mark.parametrize(("limit", "done"), [(10, 30), (200, 30), (200, 0)])
@pytest.mark.usefixtures("impatient")
def test_an_end_on_a_full_disk_keeps_what_there_is_room_for(tmp_path: Path, limit: int, done: int) -> None:
    """A new file does not fit beside the old one; the oldest of what is on no disk does. The rest cannot be kept."""
    spool = spool_at(tmp_path / "s", limit)
    for record in records(0, 60):
        spool.put(record)
    spool.keep()
    with gevent.Timeout(30):
        while spool.in_memory > limit:
            gevent.sleep(0.01)
    take(spool, done)
    for record in records(60, 150):
        spool.put(record)
    with full_after((tmp_path / "s").stat().st_size + 100):
        spool.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["s"], "nothing half lies about on a full disk"
    again = spool_at(tmp_path / "s", 200)
    found = take(again, len(again))
    first = int(found[0].split()[1])
    assert found == records(first, first + len(found)), "in order, without a gap"
    assert first <= done
    assert first + len(found) >= 60
    again.stop()


@pytest.mark.usefixtures("impatient")
def test_what_neither_disk_nor_memory_takes_is_lost_aloud_and_the_rest_stays_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[EventDict]
) -> None:
    monkeypatch.setattr(spool_module, "UNWRITTEN_BYTES", 1000)
    lost: list[int] = []
    spool = Spool(tmp_path / "s", 10, on_lost=lost.append)
    spool.start()
    with full_after(100):
        for record in records(0, 500):
            spool.put(record)
        gevent.sleep(0.05)
    kept = len(spool)
    assert sum(lost) == spool.lost == 500 - kept
    assert 50 < kept < 150
    with gevent.Timeout(30):
        while spool.in_memory > 10:
            gevent.sleep(0.01)
    spool.put(b"record after")
    assert take(spool, kept + 1) == [*records(0, kept), b"record after"]
    assert [line for line in said if line["event"] == "the disk does not take the spool: records are lost"]
    spool.stop()


def test_zeros_that_a_power_cut_left_are_no_records(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "s")
    for record in records(0, 3):
        spool.put(record)
    spool.put(b"")
    spool.stop()
    with (tmp_path / "s").open("ab") as file:
        file.write(bytes(4096))
    again = spool_at(tmp_path / "s")
    assert take(again, len(again)) == records(0, 3)
    again.stop()


@pytest.mark.usefixtures("impatient")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["put", "burst", "take", "keep", "restart", "yield", "full", "room"]), max_size=40))
def test_any_order_of_events_keeps_the_order_of_records(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    """`full`: the disk takes 40 bytes more, until `room`, or until the end of this life."""
    path = tmp_path_factory.mktemp("spool") / "s"
    spool, put, taken = spool_at(path, 4), 0, 0
    with ExitStack() as disk:
        for act in acts:
            if act in ("room", "restart"):
                disk.close()
            if act == "restart":
                spool.stop()
                spool = spool_at(path, 4)
            elif act == "full":
                disk.close()
                disk.enter_context(full_after(path.stat().st_size + 40))
            elif act == "keep":
                spool.keep()
            elif act == "yield":
                gevent.sleep(0)
            elif act == "take":
                number = min(3, put - taken)
                assert take(spool, number) == records(taken, taken + number)
                taken += number
            elif act != "room":
                for record in records(put, put + (7 if act == "burst" else 1)):
                    spool.put(record)
                    put += 1
    assert (len(spool), spool.lost) == (put - taken, 0)
    assert take(spool, put - taken) == records(taken, put)
    spool.stop()
