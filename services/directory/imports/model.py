"""PURE What an import consists of: sheets of cells, notes on them, and what would be made of them.

Enters: nothing. Leaves: frozen structs. How bytes become sheets stands in `sheets.py`, what a cell may hold in
`columns.py` and `values.py`, how rows become a client's file in `clients.py` and `proposal.py`.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, Literal

import msgspec

from services.directory.phone_book.model import Card
from services.directory.tenants.problems import on_one_line

Lang = Literal["ja", "en"]
Pair = tuple[str, str]
"""Japanese and English."""
Raw = str | int | float | bool | date | datetime | time | None
"""A cell as the file has it."""


class Place(msgspec.Struct, frozen=True):
    """Where something stands, as people find it again."""

    file: str
    sheet: str = ""
    """Empty: the file is no workbook."""
    row: int = 0
    """Counted from 1, the headings' row included; 0: the sheet as a whole."""
    column: str = ""
    """As its heading is written."""

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.sheet, self.row or "", self.column) if part)


class Row(msgspec.Struct, frozen=True):
    """One line of a sheet that is not empty."""

    number: int
    cells: tuple[Raw, ...]


class Sheet(msgspec.Struct, frozen=True):
    """A CSV file or one sheet of a workbook; the first row holds the headings."""

    file: str
    name: str
    rows: tuple[Row, ...]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong (error) or was taken in a way that should be seen (warning)."""

    place: Place
    say: Pair
    value: str | None = None
    allowed: str = ""
    hint: str = ""
    level: Literal["error", "warning"] = "error"
    client: str = ""
    """Whose row it is; empty: nobody's, so that no client can be called right."""

    def sentence(self, lang: Lang) -> str:
        """What is wrong, without its place."""
        shown = [f'"{_short(self.value)}"'] if self.value is not None else []
        text = " ".join([*shown, self.say[lang == "en"]])
        if self.allowed:
            text += f"; {('使えるもの', 'allowed')[lang == 'en']}: {self.allowed}"
        return on_one_line(f"{text} ({self.hint})" if self.hint else text)

    def line(self, lang: Lang) -> str:
        """One line for a terminal."""
        warning = "" if self.level == "error" else ("注意: ", "warning: ")[lang == "en"]
        return f"{on_one_line(str(self.place))}: {warning}{self.sentence(lang)}"

    def as_json(self, lang: Lang) -> dict[str, Any]:
        """For programs: the place in parts."""
        place = self.place
        return {
            "level": self.level,
            "client": self.client,
            "file": place.file,
            "sheet": place.sheet,
            "row": place.row,
            "column": place.column,
            "value": None if self.value is None else _short(self.value),
            "text": self.say[lang == "en"],
            "allowed": self.allowed,
            "hint": self.hint,
        }


class Record(msgspec.Struct, frozen=True):
    """A row whose cells were read: values by the keys of its kind's columns, only of cells that hold something."""

    place: Place
    client: str
    values: dict[str, Any]
    headings: dict[str, str]
    """How each column's heading is written here."""

    def at(self, key: str = "") -> Place:
        """The place of one cell."""
        return msgspec.structs.replace(self.place, column=self.headings.get(key, ""))

    def error(self, key: str, say: Pair, allowed: str = "", hint: str = "") -> Note:
        """This cell is wrong."""
        value = self.values.get(key)
        shown = None if value is None else ", ".join(value) if isinstance(value, tuple) else str(value)
        return Note(place=self.at(key), say=say, value=shown, allowed=allowed, hint=hint, client=self.client)


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one client."""

    client: str
    name: str
    what: Literal["new", "completed", "same"]
    """same: everything stands already."""
    file: str
    text: bytes
    expected: str | None
    """Digest of the text that must still stand there; None: no file."""
    numbers: tuple[str, ...]
    devices: int
    cards: tuple[Card, ...] = ()
    """Entries of its phone book that do not stand yet."""
    wrong: bool = False
    """It has an error, so that nothing of it is written."""


class Proposal(msgspec.Struct, frozen=True):
    """An import as it would come out; nothing is written yet."""

    clients: tuple[Made, ...]
    notes: tuple[Note, ...]

    @property
    def errors(self) -> tuple[Note, ...]:
        """What must be mended."""
        return tuple(note for note in self.notes if note.level == "error")

    @property
    def can_skip(self) -> bool:
        """Whether every error is one client's, and somebody else is right."""
        return all(note.client for note in self.errors) and any(not made.wrong for made in self.clients)

    def to_write(self, skip_wrong: bool) -> tuple[Made, ...]:
        """The clients that may be written now: all, or none while anything is wrong, or those that are right."""
        if self.errors and not (skip_wrong and self.can_skip):
            return ()
        return tuple(made for made in self.clients if not made.wrong and made.what != "same")


def errors(notes: list[Note]) -> bool:
    """Whether one of them is an error."""
    return any(note.level == "error" for note in notes)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
