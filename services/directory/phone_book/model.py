"""PURE An entry of a client's phone book, how it is searched for, and in which parts names are told.

Enters: what people typed. Leaves: frozen structs, or what is wrong with them. Rows stand in `entries.py`, files in
`files.py`. Limits: so many entries that a page, a file and a fact stay small.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from proto.values import digits_of

MOST_ENTRIES = 5_000
"""Of one client."""
MOST_NUMBERS = 4
LONGEST = 80
LONGEST_NOTE = 500
_Text = Annotated[str, msgspec.Meta(max_length=LONGEST)]
_Number = Annotated[str, msgspec.Meta(min_length=3, max_length=32, description="a number like 03-1234-5678")]
Wrong = Literal["nobody", "numbers", "number", "long", "line"]


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody outside."""

    name: _Text = ""
    reading: _Text = ""
    company: _Text = ""
    numbers: Annotated[tuple[_Number, ...], msgspec.Meta(max_length=MOST_NUMBERS)] = ()
    """Digits, domestic where they are Japan's."""
    note: Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)] = ""

    @property
    def label(self) -> str:
        """What stands beside a call."""
        return f"{self.name} ({self.company})" if self.name and self.company else self.name or self.company

    @property
    def found_by(self) -> str:
        """Everything by which it is looked for, folded."""
        return " ".join([folded(" ".join((self.name, self.reading, self.company))), *self.numbers])


class Entry(msgspec.Struct, frozen=True):
    """A card with its row."""

    id: str
    card: Card
    changed_at_us: int
    changed_by: str


def read_number(typed: str) -> str:
    """`０３−１２３４−５６７８`, `+81 3-1234-5678` -> `0312345678`; short ones (104) as they are. Raises ValueError."""
    digits = digits_of(typed.strip())
    if digits.startswith("+81"):
        digits = "0" + digits[3:].removeprefix("0")
    if not re.fullmatch(r"[+0][0-9]{3,19}|0[0-9]{2}|[1-9][0-9]{2,7}", digits):  # longer ones have lost their 0 or +
        raise ValueError(typed)
    return digits


def wrong_with(card: Card) -> tuple[str, Wrong] | None:
    """The field that is wrong, and how."""
    if not card.name and not card.company:
        return "name", "nobody"
    if not 1 <= len(card.numbers) <= MOST_NUMBERS:
        return "numbers", "numbers"
    for field in ("name", "reading", "company"):
        value = getattr(card, field)
        if len(value) > LONGEST:
            return field, "long"
        if not value.isprintable():
            return field, "line"
    if len(card.note) > LONGEST_NOTE:
        return "note", "long"
    return None if all(c.isprintable() or c == "\n" for c in card.note) else ("note", "line")


def folded(text: str) -> str:
    """Text as it is searched: width, case and blanks do not matter, nor katakana or hiragana."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    hiragana = "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in plain)
    return re.sub(r"\s+", "", hiragana)


def sought(typed: str) -> str:
    """What to look for: digits of a number as people write it, else folded text; empty looks for all."""
    digits = digits_of(typed.strip())
    if re.fullmatch(r"\+?[0-9]{2,}", digits):
        return "0" + digits[3:] if digits.startswith("+81") else digits
    return folded(typed)


def ending(number: str) -> str:
    """In which part of the book a number is told: by its last two digits, so that a change tells a hundredth."""
    return number[-2:]


def endings(cards: Iterable[Card]) -> set[str]:
    """The parts in which these cards stand."""
    return {ending(number) for card in cards for number in card.numbers}


def names_of(entries: Iterable[Entry], parts: Iterable[str]) -> dict[str, dict[str, str]]:
    """Of each part: number -> name; of two with the same number the one that was changed last."""
    found: dict[str, dict[str, str]] = {part: {} for part in parts}
    for entry in sorted(entries, key=lambda one: (one.changed_at_us, one.id)):
        for number in entry.card.numbers:
            if (names := found.get(ending(number))) is not None:
                names[number] = entry.card.label
    return {part: dict(sorted(names.items())) for part, names in found.items()}
