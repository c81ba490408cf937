"""The folder of one switch into which the agent writes: files replaced whole, never seen half.

Enters: text by relative path. Leaves: files, and which of them are new. A file is written beside, brought to the disk,
then renamed; a crash leaves the old one or the new one. What stands in them is no business of this module.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from contextlib import suppress
from pathlib import Path

SYNC_EACH = 200
"""More new files than this are brought to the disk by one sync of all."""
FALLBACKS = "fallback"


class ConfFolder:
    """`toritsugi/agent` in the switch's conf_dir. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, texts: Mapping[str, str]) -> frozenset[str]:
        """Replace those that differ, in this order; their names."""
        changed = [name for name, text in texts.items() if not self._holds(name, text)]
        self._replace({name: texts[name] for name in changed})
        return frozenset(changed)

    def replace_fallbacks(self, before: Set[str], now: Mapping[str, str]) -> None:
        """In force at once: the switch reads a number's file when a call needs it. What nobody wants goes first."""
        for name in before - now.keys():
            (self.path / name).unlink(missing_ok=True)
        changed = now
        try:
            changed = {name: text for name, text in now.items() if not self._holds(name, text)}
            self._replace(changed)
        except OSError:  # a full disk: rather the apology than the target of yesterday
            for name in changed:
                for file in (self.path / name, _beside(self.path / name)):
                    with suppress(OSError):
                        file.unlink(missing_ok=True)
            raise

    def keep_fallbacks(self, wanted: Set[str]) -> None:
        """Remove every other one: a number that went while nobody wrote must not be forwarded any more."""
        for folder in sorted((self.path / FALLBACKS).glob("*")):
            for file in folder.iterdir():
                if f"{FALLBACKS}/{folder.name}/{file.name}" not in wanted:
                    file.unlink(missing_ok=True)

    def text(self, name: str) -> str:
        """What a file says now; empty if there is none."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def _holds(self, name: str, text: str) -> bool:
        try:
            return (self.path / name).read_bytes() == text.encode()
        except FileNotFoundError:
            return False

    def _replace(self, texts: Mapping[str, str]) -> None:
        one_by_one = len(texts) <= SYNC_EACH
        for name, text in texts.items():
            self._beside(self.path / name, text, one_by_one)
        if texts and not one_by_one:
            os.sync()
        for name in texts:
            _beside(self.path / name).replace(self.path / name)
        for folder in {(self.path / name).parent for name in texts} if one_by_one else ():
            _sync(folder)

    def _beside(self, path: Path, text: str, sync: bool) -> None:
        self._folder(path.parent)
        _beside(path).unlink(missing_ok=True)  # what a crash left may be another user's by now
        handle = os.open(_beside(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            self._for_the_switch(handle, 0o640)
            file.write(text)
            file.flush()
            if sync:
                os.fsync(file.fileno())

    def _folder(self, path: Path) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            return
        self._folder(path.parent)
        path.mkdir(exist_ok=True)
        self._for_the_switch(path, 0o2770)

    def _for_the_switch(self, file: int | Path, mode: int) -> None:
        """For the group that this folder has, whoever writes and whatever it keeps to itself (umask).

        Folders may be written by it: at each start of FreeSWITCH its unit makes them the switch's user's (chown -R),
        and the agent is in its group.
        """
        with suppress(PermissionError):  # not of that group: then the folder's own setgid bit must do it
            os.chown(file, -1, self.path.stat().st_gid)
        os.chmod(file, mode)  # noqa: PTH101


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
