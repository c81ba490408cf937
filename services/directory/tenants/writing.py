"""Writes a client's file: checked before, wholly or not at all, never over somebody else's unfinished work.

Enters: what is in force, a folder, the text that a file shall have. Leaves: the file, or the problems because of which
it stays. When it takes effect belongs to `directory/service.py`, which watches the folder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from services.directory.tenants.documents import PLATFORM_FILE, Document, Folder
from services.directory.tenants.problems import Problem, errors
from services.directory.tenants.settle import InForce, settle
from services.directory.tenants.yaml_files import with_texts


def refusals(texts: Mapping[str, bytes], now: InForce) -> list[Problem]:
    """What would keep these texts from taking effect beside what is in force (not beside what lies in the folder)."""
    platform = Document(PLATFORM_FILE, now.platform, {}) if now.platform is not None else None
    clients = tuple(Document(held.file, held.body, {}) for held in now.tenants.values())
    standing = Folder(platform, clients, (), ())
    found = errors(settle(with_texts(standing, texts), now).problems)
    if all(problem.file in texts for problem in found):
        return found
    known = {_what(problem) for problem in errors(settle(standing, now).problems)}
    return [problem for problem in found if problem.file in texts or _what(problem) not in known]


def _what(problem: Problem) -> tuple[str, str, str]:
    return problem.file, problem.key, problem.text


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One writer of the folder at a time, whichever process it is in; nothing inside may wait. Raises OSError."""
    with (folder / ".writing").open("a") as file:  # a leading dot: the watch does not read it
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replace_file(path: Path, text: bytes) -> None:
    """Replace a file in one step, with the rights that it had: a reader sees the old or the new one. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")  # a leading dot: the watch does not read it
    try:
        with unfinished.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            was = path.stat()
            unfinished.chmod(was.st_mode & 0o777)
            with suppress(PermissionError):
                os.chown(unfinished, was.st_uid, was.st_gid)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def differing(folder: Path, texts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those texts that the folder's files do not have. Raises OSError."""
    return {name: text for name, text in texts.items() if read_or_none(folder / name) != text}


def read_or_none(path: Path) -> bytes | None:
    """The bytes of a file; None where there is none. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def texts_of(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The bytes of these files. Raises OSError."""
    return {name: (folder / name).read_bytes() for name in names}
