"""Carries an import out: what stands is asked, sheets become a proposal, and its clients' files are written.

Enters: files' bytes, directory's store, the clients' folder. Leaves: a `Proposal`; files that take effect as if
somebody had saved them, each wholly or not at all. What rows mean stands in `clients.py` and `destinations.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from services.directory import texts
from services.directory.changing import TRIES, Refused, put_each
from services.directory.imports.file_text import text_of
from services.directory.imports.model import Made, Note, Place, Proposal, Sheet
from services.directory.imports.proposal import Standing, proposal
from services.directory.imports.sheets import Unreadable, read_sheets
from services.directory.service import in_force
from services.directory.settle import InForce
from services.directory.writing import refusals
from services.runtime.store import Store, Tx
from services.runtime.threads import in_thread

MOST_FILES = 20


def propose(store: Store, files: Mapping[str, bytes]) -> Proposal:
    """What these files would make; nothing is changed. Raises Unavailable."""

    def look(tx: Tx) -> tuple[InForce, dict[str, Standing]]:
        found = [one for one in texts.standing(tx).values() if not one.gone]
        kept = [texts.text_of(tx, one.tenant, one.number) for one in found]
        return in_force(tx), {
            entry.tenant: Standing(entry.file, text, entry.digest) for entry, text in filter(None, kept)
        }

    now, standing = store.run(look, TRIES)
    return in_thread(lambda: _propose(files, now, standing))


def _propose(files: Mapping[str, bytes], now: InForce, standing: Mapping[str, Standing]) -> Proposal:
    sheets: list[Sheet] = []
    unread: list[Note] = []
    for name, data in files.items():
        try:
            sheets += read_sheets(name, data)
        except Unreadable as error:
            unread.append(Note(place=Place(name), say=error.say))
    if unread:
        return Proposal((), tuple(unread))
    return proposal(sheets, now, standing, text_of, lambda new: refusals(new, now))


class Outcome(msgspec.Struct, frozen=True):
    """What an import has done."""

    written: tuple[str, ...]
    """Clients."""
    left: dict[str, str]
    """Clients that were changed by somebody else meanwhile -> why."""


def carry_out(
    store: Store,
    folder: Path,
    made: Iterable[Made],
    who: str,
    why: str,
    now_us: int,
    wrote: Callable[[Made], None],
) -> Outcome:
    """Write these clients' files. Raises Refused (nothing was written), OSError, Unavailable."""
    by_file = {one.file: one for one in made}
    left = put_each(
        store,
        folder,
        {file: one.text for file, one in by_file.items()},
        who,
        why,
        now_us,
        {file: one.expected for file, one in by_file.items()},
        lambda file: wrote(by_file[file]),
    )
    written = tuple(one.client for file, one in by_file.items() if file not in left)
    return Outcome(written, {by_file[file].client: reason for file, reason in left.items()})


__all__ = ["MOST_FILES", "Outcome", "Refused", "carry_out", "propose"]
