"""The folder into which one switch writes its call records: looked through, archived, tidied. Everything here blocks.

Enters: a folder of plain files, and whatever else lies there. Leaves: whole records in small portions; files moved into
`archive/<day>/` or `bad/`; old ones erased. One process at a time holds the folder (flock), so two agents take turns.
What is in a file belongs to `record.py`, when files are moved to `reader.py`; ages are by the file system's clock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from services.eventsocket.cdr.record import MAX_BYTES, BrokenRecord, CallRecord, leg_of_file, read

LOCK = ".toritsugi.lock"
ARCHIVE = "archive"
BAD = "bad"
QUIET_S = 2.0
"""A file written to so lately is left alone: the switch writes in place, and its event comes first meanwhile."""
BROKEN_AFTER_S = 60.0
"""A file that has been quiet for so long and is no record will not become one."""
NAMES_AT_ONCE = 4_000
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Found:
    """A whole record and the file it came from."""

    name: str
    record: CallRecord
    age_s: float


@dataclass
class Harvest:
    """What one look through the folder came to."""

    found: list[Found] = field(default_factory=list)
    unripe: set[str] = field(default_factory=set)
    """Legs whose files are still being written, as far as they were seen."""
    bad: list[tuple[str, str]] = field(default_factory=list)
    """Files that were put aside, and why."""
    trouble: list[tuple[str, str]] = field(default_factory=list)
    """Files that could not be read or put aside now; they stay where they are."""
    more: bool = False
    """The folder was not looked through to its end."""


class CdrFolder:
    """One switch's folder. Used by one thread at a time; no method waits for anything but the disk."""

    def __init__(self, path: Path, quiet_s: float = QUIET_S, broken_after_s: float = BROKEN_AFTER_S) -> None:
        self.path = path
        self._quiet_s = quiet_s
        self._broken_after_s = broken_after_s
        self._lock: int | None = None
        self._names: Iterator[os.DirEntry[str]] | None = None

    # -- whose it is --

    def claim(self) -> bool:
        """Whether this process holds the folder, now or already. Raises OSError: no folder, or it may not write."""
        if self._lock is None:
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
            try:
                _for_the_group(handle, 0o660)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            except OSError:
                os.close(handle)
                raise
            self._lock = handle
        return True

    def release(self) -> None:
        """Another process may take over."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._names = None

    # -- reading --

    def look(self, limit: int, held: Collection[str]) -> Harvest:
        """Up to `limit` records and their relatives, from where the last look ended. `held`: names to pass over."""
        harvest, now_s = Harvest(), self._now_s()
        seen: set[str] = set()
        for name in self._next_names(harvest):
            if name not in held and name not in seen:
                self._take(name, now_s, harvest, seen)
            if len(harvest.found) >= limit:
                harvest.more = True
                break
        self._take_relatives(now_s, harvest, seen, held)
        return harvest

    def _now_s(self) -> float:
        """By the clock that stamps the files, which may be a file server's."""
        assert self._lock is not None, "claimed first"
        os.utime(self._lock)
        return os.fstat(self._lock).st_mtime

    def _next_names(self, harvest: Harvest) -> Iterator[str]:
        """Goes on where it ended, so that files which cannot be taken keep none waiting behind them."""
        if self._names is None:
            self._names = os.scandir(self.path)
        for _ in range(NAMES_AT_ONCE):
            entry = next(self._names, None)
            if entry is None:
                self._names = None
                return
            if leg_of_file(entry.name):
                yield entry.name
        harvest.more = True

    def _take(self, name: str, now_s: float, harvest: Harvest, seen: set[str]) -> None:
        seen.add(name)
        leg = leg_of_file(name)
        try:
            raw, modified_s = _plain_file(self.path / name)
        except OSError as error:
            if error.errno != errno.ENOENT:
                harvest.trouble.append((name, _reason(error)))
            return
        if raw is None:
            return
        age_s = abs(now_s - modified_s)  # a stamp of the future is no fresh one
        if age_s < self._quiet_s:
            harvest.unripe.add(leg)
            return
        try:
            harvest.found.append(Found(name, read(raw, leg), age_s))
        except BrokenRecord as error:
            if age_s < self._broken_after_s:
                harvest.unripe.add(leg)
            else:
                self._put_aside(name, str(error), harvest)

    def _take_relatives(self, now_s: float, harvest: Harvest, seen: set[str], held: Collection[str]) -> None:
        """The legs of a call are told together: those that the records name are read too, if they are there."""
        asked: set[str] = set()
        at = 0
        while at < len(harvest.found):
            record = harvest.found[at].record
            at += 1
            for leg in {record.parent, *record.relatives} - asked - {""}:
                asked.add(leg)
                for name in (f"{leg}.cdr.json", f"a_{leg}.cdr.json"):
                    if name not in seen and name not in held:
                        self._take(name, now_s, harvest, seen)

    # -- moving --

    def archive(self, name: str) -> None:
        """Into `archive/<day>/`, the day (UTC) of the file's last change. Gone already: nothing. Raises OSError."""
        self._move(name, lambda modified_s: Path(ARCHIVE) / _day(modified_s))

    def _put_aside(self, name: str, why: str, harvest: Harvest) -> None:
        try:
            self._move(name, lambda _: Path(BAD))
            harvest.bad.append((name, why))
        except OSError as error:
            harvest.trouble.append((name, f"{why}; it cannot be put aside: {_reason(error)}"))

    def _move(self, name: str, where: Callable[[float], Path]) -> None:
        source = self.path / name
        with suppress(FileNotFoundError):
            folder = self.path / where(source.lstat().st_mtime)
            if folder.is_symlink() or (folder.parent.is_symlink() and folder.parent != self.path):
                raise OSError(errno.ELOOP, "a link stands where the archive should be")
            for made in (folder.parent, folder):
                if not made.is_dir():
                    made.mkdir(mode=0o770, exist_ok=True)
                    _for_the_group(made, 0o770)
            target, number = folder / name, 1
            while os.path.lexists(target):
                number += 1
                target = folder / f"{name}.{number}"
            source.rename(target)

    # -- erasing --

    def erase_older_than(self, days: int) -> int:
        """Erase what was put away more than so many days ago (JAPAN: 通信の秘密). How many files. Raises OSError."""
        before_s = self._now_s() - days * 86_400
        last_day = _day(before_s)
        old = [one for one in _entries(self.path / ARCHIVE) if _DAY.fullmatch(one.name) and one.name < last_day]
        erased = sum(_erase(Path(folder.path)) for folder in old if folder.is_dir(follow_symlinks=False))
        for entry in _entries(self.path / BAD):
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < before_s:
                Path(entry.path).unlink()
                erased += 1
        return erased


def _for_the_group(file: int | Path, mode: int) -> None:
    """Whatever we keep to ourselves (umask): at its start the switch's unit may make all here its user's (chown -R)."""
    with suppress(PermissionError):  # it has been done, and we are of the group that may write
        os.chmod(file, mode)  # noqa: PTH101


def _plain_file(path: Path) -> tuple[bytes | None, float]:
    """Its bytes (a little more than may be read, of a huge one) and last change; None for what is no plain file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return None, 0.0
        raise
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        return None, 0.0
    with os.fdopen(handle, "rb") as file:
        return file.read(MAX_BYTES + 1), about.st_mtime


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _erase(folder: Path) -> int:
    """Files that were put there, and the folder if nothing else is in it."""
    number = 0
    for entry in _entries(folder):
        if entry.is_file(follow_symlinks=False) and ".cdr.json" in entry.name:
            Path(entry.path).unlink()
            number += 1
    with suppress(OSError):
        folder.rmdir()
    return number


def _day(at_s: float) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return date(1970, 1, 1).isoformat()


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
