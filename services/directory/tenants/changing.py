"""Changes to the clients' files by a command or a page: noted with who and why, checked, written, taken back.

Enters: the store, the folder, the texts that files shall have. Leaves: files, which take effect as if somebody had
saved them; or `Refused`, and nothing has changed. How edits keep comments belongs to `edit.py`, the watch to
`directory/service.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from services.directory.service import in_force
from services.directory.tenants import texts
from services.directory.tenants.problems import Problem
from services.directory.tenants.writing import alone, differing, read_or_none, refusals, replace_file
from services.runtime.store import Store, Tx
from services.runtime.threads import in_thread

TRIES = 10
"""The running processes work on the same rows."""


class Refused(Exception):
    """Why nothing was changed; with problems where the texts themselves are wrong."""

    def __init__(self, text: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(text)
        self.problems = tuple(problems)


def put(
    store: Store,
    folder: Path,
    new: Mapping[str, bytes],
    who: str,
    why: str,
    now_us: int,
    expected: Mapping[str, str | None] | None = None,
) -> None:
    """Give files new texts, all or (if one is refused) none. Raises Refused, OSError, Unavailable.

    `expected`: file -> digest of the text that must still stand there (None: no file), else somebody was faster.
    """
    now = store.run(in_force, TRIES)
    if problems := in_thread(lambda: refusals(new, now)):
        raise Refused("would not take effect", problems)
    _check_standing(folder, expected or {})
    changed = differing(folder, new)

    def note_all(tx: Tx) -> None:
        for file, text in changed.items():
            texts.note(tx, file, text, who, why, now_us)

    def write_all() -> None:
        with alone(folder):  # others may have come so far meanwhile, in this process or another
            _check_standing(folder, expected or {})
            for file, text in changed.items():
                replace_file(folder / file, text)

    store.run(note_all, TRIES)
    in_thread(write_all)  # a command that writes a thousand files has the folder for itself meanwhile


def put_each(
    store: Store,
    folder: Path,
    new: Mapping[str, bytes],
    who: str,
    why: str,
    now_us: int,
    expected: Mapping[str, str | None],
    wrote: Callable[[str], None],
) -> dict[str, str]:
    """Give many files new texts, one after the other and beside the hub; `wrote` is told each file that is dealt with.

    Each file is written wholly or not at all; of those that somebody changed meanwhile the reason comes back. Raises as
    `put`, before anything is written, if one of them would not take effect.
    """
    now = store.run(in_force, TRIES)
    if problems := in_thread(lambda: refusals(new, now)):
        raise Refused("would not take effect", problems)

    def note_all(tx: Tx) -> None:
        for file, text in new.items():
            texts.note(tx, file, text, who, why, now_us)

    store.run(note_all, TRIES)
    left: dict[str, str] = {}
    for file, text in new.items():
        try:
            in_thread(partial(_write, folder, file, text, expected))
        except Refused as refused:
            left[file] = str(refused)
        wrote(file)
    return left


def _write(folder: Path, file: str, text: bytes, expected: Mapping[str, str | None]) -> None:
    with alone(folder):
        _check_standing(folder, {file: expected[file]} if file in expected else {})
        replace_file(folder / file, text)


def _check_standing(folder: Path, expected: Mapping[str, str | None]) -> None:
    for file, digest in expected.items():
        stands = read_or_none(folder / file)
        if (None if stands is None else texts.digest_of(stands)) != digest:
            raise Refused(f"{file} was changed meanwhile and has not taken effect so")


def take_back(
    store: Store,
    folder: Path,
    tenant: str,
    to: int | None,
    who: str,
    why: str,
    now_us: int,
    force: bool = False,
    *,
    of: int | None = None,
) -> tuple[str, int]:
    """Write the text of an earlier revision again: the one before, or `to`; its file and number.

    The same once more takes the taking back back. `force` writes over what somebody changed since; `of` is the change
    that is meant, refused if another has taken effect meanwhile. Raises as `put`.
    """

    def find(tx: Tx) -> tuple[texts.Entry | None, tuple[texts.Entry, bytes] | None]:
        last = texts.latest(tx, tenant)
        wanted = to if to is not None else last.number - 1 if last is not None else 0
        return last, texts.text_of(tx, tenant, wanted)

    last, found = store.run(find, TRIES)
    if last is None:
        raise Refused(f"no text of {tenant} is kept")
    if of not in (None, last.number):
        raise Refused(f"{tenant} was changed meanwhile")
    if found is None:
        raise Refused(
            f"{tenant} has no revision {to}" if to is not None else f"nothing is kept from before {tenant}'s first"
        )
    entry, text = found
    file = entry.file if last.gone else last.file
    expected = {} if force else {file: None if last.gone else last.digest}
    put(store, folder, {file: text}, who, why or f"back to {entry.number}", now_us, expected)
    return file, entry.number
