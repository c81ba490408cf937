"""PURE Numbers as people type and paste them: one a line, separated by commas, or as a range.

Enters: text. Leaves: digits, in the order in which they stand; or Unreadable with the part that is no number. How a
number is shown stands in `words.written`.
"""

from __future__ import annotations

import re
import unicodedata

from proto.values import digits_of

LONGEST_RANGE = 2_000
_SEPARATOR = re.compile(r"[\n\r,、;\t]+")
_RANGE = re.compile(r"\s*(?:~|〜|\.\.+|…|から|to)\s*")
_NUMBER = re.compile(r"0[0-9]{8,13}")


class Unreadable(ValueError):
    """What was typed is no number, or a range that does not go upwards."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def read_numbers(text: str, most: int) -> list[str]:
    """`03-1234-5600~5699, 050-1234-5678` -> digits, each once; nobody reads on behind `most`. Raises Unreadable."""
    found: dict[str, None] = {}
    for part in _SEPARATOR.split(unicodedata.normalize("NFKC", text)):
        if part.strip() and len(found) <= most:
            found |= dict.fromkeys(_range(part.strip()))
    return list(found)


def read_number(text: str) -> str:
    """One number. Raises Unreadable."""
    digits = digits_of(unicodedata.normalize("NFKC", text).strip())
    if digits.startswith("+81"):
        digits = "0" + digits[3:]
    if not _NUMBER.fullmatch(digits):
        raise Unreadable(text[:40])
    return digits


def _range(part: str) -> list[str]:
    """`03-1234-5600~5699`: the end may leave out what it has in common with the beginning."""
    ends = _RANGE.split(part)
    if len(ends) == 1:
        return [read_number(part)]
    first, last = read_number(ends[0]), digits_of(ends[-1])
    if len(ends) != 2 or not last.isascii() or not last.isdigit() or len(last) > len(first):
        raise Unreadable(part[:40])
    begin, end = int(first), int(first[: len(first) - len(last)] + last)
    if not 0 <= end - begin < LONGEST_RANGE:
        raise Unreadable(part[:40])
    return [str(number).zfill(len(first)) for number in range(begin, end + 1)]
