"""The folder of call records: half-written, vanished, broken, foreign and malicious files, and two processes at it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.eventsocket.cdr.folder import ARCHIVE, BAD, LOCK, CdrFolder, Harvest
from services.eventsocket.cdr.record import MAX_BYTES
from tests import traces

CALL = traces.load(6)
"""A caller and the four legs that were dialled for them."""
DAY_S = 86_400
NOW_S = 1_795_300_000
"""2026-11-21; the file system's clock cannot be set, so files are aged by their stamps."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[CdrFolder]:
    one = CdrFolder(tmp_path)
    assert one.claim()
    yield one
    one.release()


def lay(folder: CdrFolder, name: str, raw: bytes, age_s: float = 10) -> Path:
    """A file that was written to so long ago."""
    path = folder.path / name
    path.write_bytes(raw)
    age(folder, path, age_s)
    return path


def age(folder: CdrFolder, path: Path, age_s: float) -> None:
    os.utime(folder.path / LOCK)
    at_s = (folder.path / LOCK).stat().st_mtime - age_s
    os.utime(path, (at_s, at_s))


def lay_call(folder: CdrFolder, age_s: float = 10) -> list[Path]:
    return [lay(folder, f"{leg}.cdr.json", raw, age_s) for leg, raw in CALL.cdrs.items()]


def found(harvest: Harvest) -> set[str]:
    return {one.record.leg for one in harvest.found}


def files(folder: CdrFolder, below: str = "") -> list[str]:
    root = folder.path / below
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != LOCK)


LEG, RAW = next(iter(CALL.cdrs.items()))


def test_whole_quiet_files_are_read_and_stay_until_they_are_archived(folder: CdrFolder) -> None:
    paths = lay_call(folder)
    assert found(folder.look(100, ())) == set(CALL.cdrs)
    assert found(folder.look(100, ())) == set(CALL.cdrs), "nothing was moved"
    assert found(folder.look(100, {path.name for path in paths})) == set(), "those that are under way"
    for path in paths:
        os.utime(path, (NOW_S, NOW_S))
        folder.archive(path.name)
        folder.archive(path.name)
    assert files(folder) == sorted(f"{ARCHIVE}/2026-11-21/{path.name}" for path in paths)
    assert found(folder.look(100, ())) == set(), "only what lies directly in the folder is read"


def test_what_we_make_there_stays_ours_to_write_when_the_switch_takes_the_folder_over(tmp_path: Path) -> None:
    """At each start the switch's unit makes all of it the switch's user's (chown -R); the agent is in that group."""
    before = os.umask(0o077)
    try:
        folder = CdrFolder(tmp_path)
        assert folder.claim()
        name = lay(folder, f"{LEG}.cdr.json", RAW).name
        folder.archive(name)
        folder.release()
    finally:
        os.umask(before)
    day = next((tmp_path / ARCHIVE).iterdir())
    for made, mode in ((tmp_path / LOCK, 0o660), (tmp_path / ARCHIVE, 0o770), (day, 0o770)):
        assert stat.S_IMODE(made.stat().st_mode) == mode, made.name


def test_a_file_archived_under_a_name_that_stands_there_is_kept_beside_it(folder: CdrFolder) -> None:
    for raw in (b"first", b"second"):
        path = lay(folder, f"{LEG}.cdr.json", raw)
        os.utime(path, (NOW_S, NOW_S))
        folder.archive(path.name)
    kept = folder.path / ARCHIVE / "2026-11-21"
    assert [(kept / name).read_bytes() for name in files(folder, f"{ARCHIVE}/2026-11-21")] == [b"first", b"second"]


def test_a_file_that_is_being_written_is_left_alone_and_none_waits_for_it(folder: CdrFolder) -> None:
    lay_call(folder)
    half = lay(folder, f"{LEG}.cdr.json", RAW[: len(RAW) // 2], age_s=5)
    harvest = folder.look(100, ())
    assert found(harvest) == set(CALL.cdrs) - {LEG}
    assert harvest.unripe == {LEG}
    half.write_bytes(RAW)
    assert folder.look(100, ()).unripe == {LEG}, "whole, but the switch may only just have written it"
    age(folder, half, 3)
    assert found(folder.look(100, ())) == set(CALL.cdrs)


@pytest.mark.parametrize("raw", [b"", RAW[:-20], b"\x00" * 500, b"{}", RAW.replace(b"hangup_time", b"hangup_tim")])
def test_a_broken_file_is_put_aside_in_the_end_and_not_lost(folder: CdrFolder, raw: bytes) -> None:
    path = lay(folder, f"{LEG}.cdr.json", raw, age_s=59)
    assert folder.look(100, ()).bad == []
    assert path.exists()
    age(folder, path, 61)
    harvest = folder.look(100, ())
    assert [name for name, _ in harvest.bad] == [path.name]
    assert (folder.path / BAD / path.name).read_bytes() == raw
    assert folder.look(100, ()) == Harvest()


def test_a_huge_file_is_put_aside_without_being_read_whole(folder: CdrFolder) -> None:
    path = lay(folder, f"{LEG}.cdr.json", b"")
    os.truncate(path, 50 * 1024 * MAX_BYTES)  # sparse: 200 GB
    age(folder, path, 100)
    ((name, why),) = folder.look(100, ()).bad
    assert name == path.name
    assert f"at most {MAX_BYTES}" in why


def test_links_pipes_folders_and_foreign_files_are_neither_read_nor_moved(folder: CdrFolder, tmp_path: Path) -> None:
    secret = tmp_path.with_name("secret")
    secret.write_bytes(RAW)
    (folder.path / f"{LEG}.cdr.json").symlink_to(secret)
    (folder.path / "a_loop.cdr.json").symlink_to("a_loop.cdr.json")
    (folder.path / "folder.cdr.json").mkdir()
    os.mkfifo(folder.path / "pipe.cdr.json")
    for name in ("notes.txt", f".{LEG}.cdr.json", f"{LEG}.cdr.json.gz", "x\nERROR y.cdr.json", "2026-11-21.csv"):
        lay(folder, name, RAW, age_s=1000)
    before = files(folder)
    harvest = folder.look(100, ())
    assert harvest == Harvest()
    assert files(folder) == before
    assert secret.read_bytes() == RAW


def test_an_archive_that_is_a_link_to_elsewhere_takes_no_file(folder: CdrFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path.with_name("elsewhere")
    elsewhere.mkdir()
    (folder.path / ARCHIVE).symlink_to(elsewhere)
    path = lay(folder, f"{LEG}.cdr.json", RAW)
    with pytest.raises(OSError, match="link"):
        folder.archive(path.name)
    assert path.exists()
    assert list(elsewhere.iterdir()) == []


def test_files_that_vanish_while_they_are_looked_at_are_no_trouble(folder: CdrFolder) -> None:
    paths = lay_call(folder)
    harvest = folder.look(2, ())
    for path in paths:
        path.unlink(missing_ok=True)
    assert harvest.trouble == []
    harvest = folder.look(100, ())
    assert (harvest.found, harvest.trouble, harvest.bad) == ([], [], [])


def test_the_relatives_of_a_leg_are_read_with_it_beyond_the_portion(folder: CdrFolder) -> None:
    lay_call(folder)
    assert found(folder.look(1, ())) == set(CALL.cdrs)


def test_files_that_cannot_be_taken_keep_none_waiting_behind_them(
    folder: CdrFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.eventsocket.cdr.folder.NAMES_AT_ONCE", 3)
    for number in range(20):
        lay(folder, f"half-{number}.cdr.json", b"{", age_s=30)
    lay_call(folder)
    seen: set[str] = set()
    for _ in range(25):
        seen |= found(folder.look(100, ()))
    assert seen == set(CALL.cdrs)


def test_thousands_of_files_are_read_in_portions(folder: CdrFolder) -> None:
    for number in range(3000):
        leg = f"leg-{number}"
        lay(folder, f"{leg}.cdr.json", RAW.replace(LEG.encode(), leg.encode()))
    archived = 0
    for _ in range(100):
        harvest = folder.look(200, ())
        assert len(harvest.found) <= 200
        for one in harvest.found:
            folder.archive(one.name)
        archived += len(harvest.found)
        if archived == 3000:
            return
    raise AssertionError(archived)


def test_the_folder_is_held_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from services.eventsocket.cdr.folder import CdrFolder\n"
        "print(CdrFolder(Path(sys.argv[1])).claim(), flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    folder = CdrFolder(tmp_path)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not folder.claim()
    finally:
        other.kill()
        other.wait()
    assert folder.claim()
    assert folder.claim(), "and keeps it"
    folder.release()


def test_what_was_put_away_is_erased_after_its_days_and_nothing_else(folder: CdrFolder) -> None:
    for days in (91, 89):
        path = lay(folder, f"leg-{days}.cdr.json", RAW, age_s=days * DAY_S)
        folder.archive(path.name)
        aside = folder.path / BAD / f"bad-{days}.cdr.json"
        aside.parent.mkdir(exist_ok=True)
        aside.write_bytes(b"{")
        age(folder, aside, days * DAY_S)
    waiting = lay(folder, "waiting.cdr.json", RAW, age_s=500 * DAY_S)
    (folder.path / ARCHIVE / "2001-01-01").mkdir()
    (folder.path / ARCHIVE / "2001-01-01" / "mine.txt").write_text("somebody else's")
    (folder.path / ARCHIVE / "notes").mkdir()
    assert folder.erase_older_than(90) == 2
    kept = files(folder)
    assert [name.rsplit("/", 1)[-1] for name in kept] == [
        "mine.txt",
        "leg-89.cdr.json",
        "bad-89.cdr.json",
        waiting.name,
    ]
