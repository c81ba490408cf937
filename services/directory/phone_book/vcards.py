"""PURE A phone book as vCards: 4.0 and 3.0 written; these and 2.1, as older Japanese phones have it, read.

Enters: entries; a file's bytes. Leaves: bytes; a sheet as a spreadsheet would have it, a row per vCard, so that the
same checks are done (`files.py`), and notes on what was left out. How lines are coded stands in `vcard_lines.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from services.directory.imports.columns import OF_ONE_CLIENT
from services.directory.imports.model import Lang, Note, Pair, Place, Row, Sheet
from services.directory.imports.sheets import LONGEST_CELL, Unreadable
from services.directory.imports.values import number_shown
from services.directory.phone_book.model import MOST_NUMBERS, Entry
from services.directory.phone_book.vcard_lines import Line, Undecodable, escaped, folded, lines

Version = Literal["3.0", "4.0"]
_HEADINGS = ("name", "reading", "company", *(f"number{n}" for n in range(1, MOST_NUMBERS + 1)), "note")
_PHONETIC = ("X-PHONETIC-LAST-NAME", "X-PHONETIC-MIDDLE-NAME", "X-PHONETIC-FIRST-NAME")
_READ = frozenset({"FN", "N", "ORG", "TEL", "NOTE", "SORT-STRING", "SOUND", *_PHONETIC})
_NOT_TOLD = frozenset({"BEGIN", "END", "VERSION", "UID", "REV", "PRODID", "KIND", "PROFILE", "CATEGORIES", "CLASS"})
"""Of no use to whoever looks somebody up: nobody misses them."""
_MOST_TOLD = 12
_MOST_LINES = 200_000
"""Of a file; what is read of them is kept at many times its size."""
Answers = dict[str, list[Line]]
"""The lines of one vCard, by name."""


class _Left(Exception):
    """A vCard of which nothing is taken, and why."""

    def __init__(self, ja: str, en: str, level: Literal["error", "warning"] = "error") -> None:
        super().__init__(en)
        self.say: Pair = (ja, en)
        self.level: Literal["error", "warning"] = level


# -- reading -------------------------------------------------------------------------------------------------------


def is_vcards(data: bytes) -> bool:
    """Whether the file begins as one of vCards does."""
    return re.match(rb"(?:\xef\xbb\xbf)?\s*BEGIN\s*:\s*VCARD\s", data[:200], re.IGNORECASE) is not None


def read_vcards(data: bytes, lang: Lang, most: int) -> tuple[tuple[Sheet, ...], list[Note]]:
    """A sheet with a row per vCard, counted from 1, and what was left out. Raises Unreadable."""
    titles = {column.key: column.ja if lang == "ja" else column.en for column in OF_ONE_CLIENT.columns}
    if data.count(b"\n") + data.count(b"\r") > 2 * _MOST_LINES:
        raise Unreadable(
            f"{_MOST_LINES:,}行を超えています。ファイルを分けてください",
            f"has more than {_MOST_LINES:,} lines: split it",
        )
    rows = [Row(0, tuple(titles[key] for key in _HEADINGS))]
    notes: list[Note] = []
    unread: set[str] = set()
    for number, card in enumerate(_cards(data), 1):
        if number > most:
            raise Unreadable(f"{most:,}件を超えています。ファイルを分けてください", f"has more than {most:,}: split it")
        here = Place("", "", number)
        try:
            cells, more = _cells(card)
            rows.append(Row(number, cells))
        except _Left as left:
            notes.append(Note(place=here, say=left.say, value=_named(card), level=left.level))
            continue
        if more:
            say = (f"の5つ目からの電話番号({more})は取り込みません", f"has {more} numbers more than four: left out")
            notes.append(Note(place=here, say=say, value=_named(card), level="warning"))
        unread |= {name for name in card.keys() - _READ - _NOT_TOLD if re.fullmatch(r"(?!X-)[A-Z-]{1,20}", name)}
    if unread:
        names = ", ".join(sorted(unread)[:_MOST_TOLD])
        say = (f"電話帳にない項目は読みません: {names}", f"what a phone book does not have is not read: {names}")
        notes.append(Note(place=Place(""), say=say, level="warning"))
    return (Sheet("", "", tuple(rows)),), notes


def _cards(data: bytes) -> Iterator[Answers]:
    """The lines of each vCard. One within another (AGENT) is nobody's number; a line that is none has no name."""
    card: Answers = {}
    depth, encoded = 0, False
    for line in lines(data):
        word = line.raw.strip().upper() if line.name in ("BEGIN", "END") else b""
        if (line.name, word) == ("BEGIN", b"VCARD"):
            depth += 1
            card = {} if depth == 1 else card
        elif (line.name, word) == ("END", b"VCARD"):
            depth = max(0, depth - 1)
            if depth == 0:
                card["END"] = [line]
                yield card
                card = {}
        elif depth == 1 and (line.name or not encoded):  # a picture goes on without a blank before its lines in 2.1
            card.setdefault(line.name, []).append(line)
            encoded = line.says("BASE64")
    if depth:
        yield card


def _cells(card: Answers) -> tuple[tuple[str, ...], int]:
    """By the headings, and how many numbers there are beyond those that can be kept. Raises _Left."""
    if "END" not in card:
        raise _Left(
            "終わり(END:VCARD)がありません。ファイルが途中で切れています", "has no END:VCARD: the file is cut off"
        )
    if "" in card:
        raise _Left("読めない行があります", "holds a line that is none of a vCard")
    try:
        company = " ".join(part for part in _first(card, "ORG") if part)
        parts = [part for part in _first(card, "N")[:3] if part]
        name = next((text for line in card.get("FN", ()) if (text := line.whole())), "")
        name = ("" if not parts and name == company else name) or " ".join(parts)
        numbers = list(dict.fromkeys(filter(None, map(_number, card.get("TEL", ())))))
        note = "\n".join(filter(None, (line.whole() for line in card.get("NOTE", ()))))
        reading = _reading(card)
    except Undecodable:
        raise _Left("文字コードが違うか、長すぎます", "is not coded as it says, or too long") from None
    if not numbers:
        raise _Left("電話番号がないため取り込みません", "has no number: left out", "warning")
    kept = [*numbers[:MOST_NUMBERS], *[""] * (MOST_NUMBERS - len(numbers))]
    cells = tuple(text[:LONGEST_CELL] for text in (name, reading, company, *kept, note))
    return cells, max(0, len(numbers) - MOST_NUMBERS)


def _first(card: Answers, name: str) -> list[str]:
    return card[name][0].texts() if name in card else []


def _number(line: Line) -> str:
    """`tel:+81-3-9876-5432;ext=1` -> `+81-3-9876-5432` (RFC 3966); other text as it stands."""
    text = line.whole()
    return text[4:].partition(";")[0].strip() if text[:4].lower() == "tel:" else text


def _reading(card: Answers) -> str:
    """As the phones of today say it, as those of Japan did, as 3.0 and 4.0 sort by it."""
    if modern := [text for name in _PHONETIC if name in card and (text := card[name][0].whole())]:
        return " ".join(modern)
    older = [line for line in card.get("SOUND", ()) if line.says("X-IRMC-N")]
    if older and (said := [part for part in older[0].texts()[:3] if part]):
        return " ".join(said)
    if "SORT-STRING" in card:
        return card["SORT-STRING"][0].whole()
    return " ".join(card["N"][0].params.get("SORT-AS", ())).replace(",", " ") if "N" in card else ""


def _named(card: Answers) -> str | None:
    """By what a person knows the entry again, where that can be read."""
    for name in ("FN", "N", "ORG"):
        for line in card.get(name, ()):
            try:
                if text := " ".join(filter(None, line.texts())):
                    return "".join(c if c.isprintable() else " " for c in text)
            except Undecodable:
                continue
    return None


# -- writing -------------------------------------------------------------------------------------------------------


def vcards(entries: Iterable[Entry], version: Version) -> bytes:
    """One vCard per entry."""
    return "".join(_vcard(entry, version) for entry in entries).encode()


def _vcard(entry: Entry, version: Version) -> str:
    card, new = entry.card, version == "4.0"
    reading = "".join(c for c in card.reading if c.isalnum() or c == " ")
    sort = f';SORT-AS="{reading}"' if new and reading else ""
    said = [
        "BEGIN:VCARD",
        f"VERSION:{version}",
        f"UID:{'urn:toritsugi:' if new else ''}{entry.id}",
        f"FN:{escaped(card.name or card.company)}",
        f"N{sort}:{escaped(card.name)};;;;",
    ]
    if card.reading and not new:
        said.append(f"SORT-STRING:{escaped(card.reading)}")
    if card.reading:  # what phones read it by, in either version
        said.append(f"X-PHONETIC-LAST-NAME:{escaped(card.reading)}")
    if card.company:
        said.append(f"ORG:{escaped(card.company)}")
    for number in card.numbers:
        said.append(f"TEL;VALUE=uri;TYPE=voice:{_uri(number)}" if new else f"TEL;TYPE=VOICE:{number_shown(number)}")
    if card.note:
        said.append(f"NOTE:{escaped(card.note)}")
    said.append("END:VCARD")
    return "".join(f"{folded(one)}\r\n" for one in said)


def _uri(number: str) -> str:
    """RFC 3966: global where it is known to be."""
    if number.startswith("+"):
        return f"tel:{number}"
    if number.startswith("0") and number_shown(number) != number and len(number) in (10, 11):
        return f"tel:+81{number[1:]}"
    return f"tel:{number};phone-context=+81"
