"""PURE A phone book as a file: CSV that a spreadsheet keeps as it is and that is read again, vCard 4.0 and 3.0.

Enters: entries; sheets. Leaves: bytes; cards with every error by row. CSV written here is read again as the same cards;
vCards (RFC 6350, RFC 2426) are written only. What a cell may hold stands in `imports/columns.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from services.directory.imports.columns import OF_ONE_CLIENT
from services.directory.imports.model import Lang, Note, Pair, Record, Sheet
from services.directory.imports.records import records_of
from services.directory.imports.values import number_shown
from services.directory.phone_book.model import MOST_NUMBERS, Card, Entry, Wrong, wrong_with
from services.runtime.csv_file import BOM, line

Version = Literal["3.0", "4.0"]
SAYS: dict[Wrong, Pair] = {
    "nobody": ("に氏名も会社名もありません", "names neither a person nor a company"),
    "numbers": ("に電話番号がないか、多すぎます", "has no number, or too many"),
    "number": ("は電話番号ではありません", "is no telephone number"),
    "long": ("は長すぎます", "is too long"),
    "line": ("に使えない文字があります", "holds a sign that is not allowed"),
}
_FOLD = 75
"""Octets of a line (RFC 6350, 3.2)."""


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


def vcards(entries: Iterable[Entry], version: Version) -> bytes:
    """One vCard per entry."""
    return "".join(_vcard(entry, version) for entry in entries).encode()


def _vcard(entry: Entry, version: Version) -> str:
    card, new = entry.card, version == "4.0"
    reading = "".join(c for c in card.reading if c.isalnum() or c == " ")
    sort = f';SORT-AS="{reading}"' if new and reading else ""
    lines = [
        "BEGIN:VCARD",
        f"VERSION:{version}",
        f"UID:{'urn:toritsugi:' if new else ''}{entry.id}",
        f"FN:{_text(card.name or card.company)}",
        f"N{sort}:{_text(card.name)};;;;",
    ]
    if card.reading and not new:
        lines.append(f"SORT-STRING:{_text(card.reading)}")
    if card.reading:  # what phones read it by, in either version
        lines.append(f"X-PHONETIC-LAST-NAME:{_text(card.reading)}")
    if card.company:
        lines.append(f"ORG:{_text(card.company)}")
    for number in card.numbers:
        lines.append(f"TEL;VALUE=uri;TYPE=voice:{_uri(number)}" if new else f"TEL;TYPE=VOICE:{number_shown(number)}")
    if card.note:
        lines.append(f"NOTE:{_text(card.note)}")
    lines.append("END:VCARD")
    return "".join(f"{_folded(one)}\r\n" for one in lines)


def _uri(number: str) -> str:
    """RFC 3966: global where it is known to be."""
    if number.startswith("+"):
        return f"tel:{number}"
    if number.startswith("0") and number_shown(number) != number and len(number) in (10, 11):
        return f"tel:+81{number[1:]}"
    return f"tel:{number};phone-context=+81"


def _text(value: str) -> str:
    """RFC 6350, 3.4."""
    escaped = re.sub(r"([\\,;])", r"\\\1", value)
    return re.sub(r"\r\n|\r|\n", r"\\n", escaped)


def _folded(text: str) -> str:
    """Lines of at most 75 octets, never cut within a character."""
    parts: list[str] = []
    here = ""
    for character in text:
        if len((here + character).encode()) > _FOLD - bool(parts):
            parts.append(here)
            here = ""
        here += character
    return "\r\n ".join([*parts, here])
