"""Carries an import out: what stands is asked, sheets become a proposal, and its clients' files are written.

Enters: files' bytes, directory's store, the clients' folder. Leaves: a `Proposal`; files that take effect as if
somebody had saved them, each wholly or not at all. What rows mean stands in `clients.py` and `destinations.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePath

import msgspec

from services.directory.imports.file_text import text_of
from services.directory.imports.model import Made, Note, Place, Proposal, Sheet
from services.directory.imports.proposal import Standing, proposal
from services.directory.imports.records import Records, records_of
from services.directory.imports.sheets import Unreadable, read_sheets
from services.directory.phone_book import entries
from services.directory.phone_book.model import Card
from services.directory.service import in_force
from services.directory.tenants import texts
from services.directory.tenants.changing import TRIES, Refused, put_each
from services.directory.tenants.settle import InForce
from services.directory.tenants.writing import refusals
from services.runtime.store import Store, Tx
from services.runtime.threads import in_thread

MOST_FILES = 20


def by_name(sent: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """Files under names that tell them apart: of two `clients.csv` the second becomes `clients (2).csv`."""
    found: dict[str, bytes] = {}
    for name, data in sent:
        path, count, free = PurePath(name), 1, name
        while free in found:
            count += 1
            free = f"{path.stem} ({count}){path.suffix}"
        found[free] = data
    return found


def propose(store: Store, files: Mapping[str, bytes]) -> Proposal:
    """What these files would make; nothing is changed. Raises Unavailable."""
    read = in_thread(lambda: _read(files))
    if isinstance(read, Proposal):
        return read
    named = {record.client for record in read[0]["phone_book"]}

    def look(tx: Tx) -> tuple[InForce, dict[str, Standing], dict[str, set[Card]]]:
        found = [one for one in texts.standing(tx).values() if not one.gone]
        kept = [texts.text_of(tx, one.tenant, one.number) for one in found]
        standing = {entry.tenant: Standing(entry.file, text, entry.digest) for entry, text in filter(None, kept)}
        books = {client: {entry.card for entry in entries.everyone(tx, client)} for client in named}
        return in_force(tx), standing, books

    now, standing, books = store.run(look, TRIES)
    return in_thread(lambda: proposal(read, now, standing, books, text_of, lambda new: refusals(new, now)))


def _read(files: Mapping[str, bytes]) -> tuple[Records, list[Note]] | Proposal:
    """Records and notes; of files that cannot be read at all, the notes alone."""
    sheets: list[Sheet] = []
    unread: list[Note] = []
    for name, data in files.items():
        try:
            sheets += read_sheets(name, data)
        except Unreadable as error:
            unread.append(Note(place=Place(name), say=error.say))
    return Proposal((), tuple(unread)) if unread else records_of(sheets)


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
    """Write these clients' files and phone books. Raises Refused (nothing was written), OSError, Unavailable."""
    all_made = tuple(made)
    by_file = {one.file: one for one in all_made if one.text}

    def filed(file: str) -> None:
        if not by_file[file].cards:  # else it is dealt with once its phone book is
            wrote(by_file[file])

    left = put_each(
        store,
        folder,
        {file: one.text for file, one in by_file.items()},
        who,
        why,
        now_us,
        {file: one.expected for file, one in by_file.items()},
        filed,
    )
    reasons = {by_file[file].client: reason for file, reason in left.items()}
    for one in all_made:
        if one.cards and one.client not in reasons:
            try:
                store.run(partial(_add_cards, one, who, now_us), TRIES)
            except entries.Full:
                reasons[one.client] = "the phone book is full"
        if one.cards or not one.text:
            wrote(one)
    return Outcome(tuple(one.client for one in all_made if one.client not in reasons), reasons)


def _add_cards(made: Made, who: str, now_us: int, tx: Tx) -> None:
    entries.add_many(tx, made.client, made.cards, who, now_us)


__all__ = ["MOST_FILES", "Outcome", "Refused", "by_name", "carry_out", "propose"]
