"""PURE Records against what stands -> what an import would make: each client's text, and every note by row.

Enters: records, what is in force, the texts of the files that stand, how a text is made. Leaves: a `Proposal`. Texts
are checked as any file is (`writing.refusals`); what that finds is told at the cell it came from. Writing stands in
`carry.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from marshmallow import ValidationError

from proto.schemas import flatten
from proto.schemas import read as read_as
from proto.tenant import Tenant
from services.directory.imports.clients import Draft, alike, drafts
from services.directory.imports.destinations import add_numbers
from services.directory.imports.model import Made, Note, Place, Proposal, Record, errors
from services.directory.imports.records import Records, by_client
from services.directory.imports.said import in_japanese
from services.directory.phone_book.files import card_of
from services.directory.phone_book.model import MOST_ENTRIES, Card
from services.directory.tenants.problems import Path, Problem
from services.directory.tenants.settle import InForce


class Standing(msgspec.Struct, frozen=True):
    """A client's file as it took effect."""

    file: str
    text: bytes
    digest: str


Refusals = Callable[[Mapping[str, bytes]], list[Problem]]
"""What would keep these texts from taking effect, beside what is in force."""
TextOf = Callable[[dict[str, Any], Standing | None, dict[str, Any] | None], bytes]
"""The text of a file with these values: a new one, or that which stands, changed. Raises ValueError."""


def proposal(
    read: tuple[Records, list[Note]],
    now: InForce,
    standing: Mapping[str, Standing],
    books: Mapping[str, Collection[Card]],
    text_of: TextOf,
    refusals: Refusals,
) -> Proposal:
    """What would be made of some sheets. `books`: the phone books that stand, of clients that have one."""
    records, notes = read[0], [*read[1]]
    known = {name: held.body for name, held in now.tenants.items()}
    found, more = drafts(records, known)
    notes += _not_said_yet(more, notes)
    pools = [] if now.platform is None else [pool.pool for pool in now.platform.pools]
    numbers, people = by_client(records["numbers"]), by_client(records["phone_book"])
    unread = {note.client for note in notes if note.level == "error"}
    for draft in found:
        draft.unread = draft.client in unread
        add_numbers(draft, numbers.get(draft.client, ()), pools)
        notes += draft.notes
    made = []
    for draft in found:
        cards = _cards(people.get(draft.client, []), books, notes)
        made.append((_made(draft, standing.get(draft.client), cards, text_of, notes), draft))
    texts = {one.file: one.text for one, _ in made if one.text}
    by_file = {one.file: draft for one, draft in made}
    for problem in refusals(texts):
        if problem.file in by_file:
            notes.append(_told(by_file[problem.file], problem.path, problem))
    if not found and not errors(notes):
        say = ("取り込む行がありません", "there is nothing to import")
        notes.append(Note(place=Place("-"), say=say))
    wrong = {note.client for note in notes if note.level == "error"}
    clients = tuple(msgspec.structs.replace(one, wrong=one.client in wrong) for one, _ in made)
    return Proposal(clients, tuple(sorted(notes, key=_order)))


def _not_said_yet(more: list[Note], notes: list[Note]) -> list[Note]:
    """Rows of a client whose own row is wrong are not wrong for that."""
    wrong = {note.client for note in notes if note.level == "error" and note.client}
    return [note for note in more if note.client not in wrong]


def _order(note: Note) -> tuple[Any, ...]:
    return (note.place.file, note.place.sheet, note.place.row, note.level)


def _cards(records: list[Record], books: Mapping[str, Collection[Card]], notes: list[Note]) -> tuple[Card, ...]:
    """Entries of a client's phone book that do not stand yet."""
    standing = books.get(records[0].client, ()) if records else ()
    cards: list[Card] = []
    for record in records:
        card, wrong = card_of(record)
        notes += wrong
        cards.append(card)
    new = tuple(card for card in dict.fromkeys(cards) if card not in standing)
    if new and len(standing) + len(new) > MOST_ENTRIES:
        say = (f"の電話帳が{MOST_ENTRIES:,}件を超えます", f"would have more than {MOST_ENTRIES:,} entries")
        notes.append(records[0].error("client", say))
    return new


def _made(draft: Draft, stands: Standing | None, cards: tuple[Card, ...], text_of: TextOf, notes: list[Note]) -> Made:
    """The client as it would be; without a text if it has errors already, or its values make no file."""
    file = stands.file if stands is not None else f"{draft.client}.yaml"
    same, text = draft.standing is not None and alike(Tenant, draft.plain, draft.standing), b""
    if not draft.unread and not errors(draft.notes) and not same:
        text = _text(draft, stands, text_of, notes)
    return Made(
        client=draft.client,
        name=str(draft.plain.get("name", "")),
        what="same" if same and not cards else "new" if draft.standing is None else "completed",
        file=file,
        text=text,
        expected=None if stands is None else stands.digest,
        numbers=tuple(one["number"] for one in draft.plain.get("numbers", ())),
        devices=len(draft.plain.get("ids", ())),
        cards=cards,
    )


def _text(draft: Draft, stands: Standing | None, text_of: TextOf, notes: list[Note]) -> bytes:
    try:
        return text_of(draft.plain, stands, draft.standing)
    except ValueError as error:
        notes += _why_not(draft, error)
    return b""


def _why_not(draft: Draft, error: ValueError) -> list[Note]:
    """Which values make no file, each at its cell."""
    try:
        read_as(Tenant, draft.plain)
    except ValidationError as wrong:
        told = flatten(wrong.messages)
        return [_told(draft, path, Problem(text=str(text), path=path)) for path, text in told]
    record, _ = draft.origin(())
    say = ("のファイルは人の手で変えてください", "must be changed by hand")
    return [record.error("client", say, hint=str(error))]


def _told(draft: Draft, path: Path, problem: Problem) -> Note:
    """A mistake in the file that would be, at the cell that it came from."""
    record, key = draft.origin(path)
    value = None if problem.value is None else str(problem.value)
    return Note(
        place=record.at(key),
        say=(in_japanese(problem.text), problem.text),
        value=value,
        allowed=problem.allowed,
        hint=problem.hint,
        level=problem.level,
        client=draft.client,
    )
