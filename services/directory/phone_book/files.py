"""PURE A phone book as a file: CSV that a spreadsheet keeps as it is, and the same checks for whatever file is sent.

Enters: entries; sheets, also those made of vCards (`vcards.py`). Leaves: bytes; cards with every error by row. What is
written here is read again as the same cards. What a cell may hold stands in `imports/columns.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from services.directory.imports.columns import OF_ONE_CLIENT
from services.directory.imports.model import Lang, Note, Pair, Record, Sheet
from services.directory.imports.records import records_of
from services.directory.imports.values import number_shown
from services.directory.phone_book.model import MOST_NUMBERS, Card, Entry, Wrong, wrong_with
from services.runtime.csv_file import BOM, line

SAYS: dict[Wrong, Pair] = {
    "nobody": ("に氏名も会社名もありません", "names neither a person nor a company"),
    "numbers": ("に電話番号がないか、多すぎます", "has no number, or too many"),
    "number": ("は電話番号ではありません", "is no telephone number"),
    "long": ("は長すぎます", "is too long"),
    "line": ("に使えない文字があります", "holds a sign that is not allowed"),
}


def csv_bytes(entries: Iterable[Entry], lang: Lang) -> bytes:
    """Headings and a line per entry, as Excel opens them."""
    head = [column.ja if lang == "ja" else column.en for column in OF_ONE_CLIENT.columns]
    lines = [line(head), *(line(_cells(entry.card)) for entry in entries)]
    return (BOM + "".join(lines)).encode()


def _cells(card: Card) -> list[str]:
    numbers = [number_shown(number) for number in card.numbers] + [""] * (MOST_NUMBERS - len(card.numbers))
    return [card.name, card.reading, card.company, *numbers, card.note]


def cards_of(sheets: Sequence[Sheet]) -> tuple[list[Card], list[Note]]:
    """The cards of a client's own file, and everything that is wrong with it."""
    records, notes = records_of(sheets, only=OF_ONE_CLIENT)
    found = []
    for record in records["phone_book"]:
        card, wrong = card_of(record)
        notes += wrong
        found.append(card)
    return found, notes


def card_of(record: Record) -> tuple[Card, list[Note]]:
    """One row."""
    values: dict[str, Any] = record.values
    numbers = [values[key] for n in range(1, MOST_NUMBERS + 1) if (key := f"number{n}") in values]
    texts = {key: values.get(key, "") for key in ("name", "reading", "company", "note")}
    card = Card(numbers=tuple(dict.fromkeys(numbers)), **texts)
    wrong = wrong_with(card)
    if wrong is None:
        return card, []
    field, why = wrong
    return card, [record.error("number1" if field == "numbers" else field, SAYS[why])]
