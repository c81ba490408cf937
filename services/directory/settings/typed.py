"""What people type into forms of the settings -> what stands in a client's file. PURE.

Enters: text with full-width digits and any hyphen. Leaves: numbers as the samples write them, whole numbers, addresses;
or ValueError. Days and hours belong to `week.py`; whether the file as a whole is right, to `check.py`.
"""

from __future__ import annotations

import re
import unicodedata

import phonenumbers

from proto.values import digits_of
from services.directory.tenants.check import EMERGENCY
from services.runtime.telephone import written

_HOME = re.compile(r"0[1-9][0-9]{8,9}")
_ELEVEN = ("020", "050", "060", "070", "080", "090")
"""Of eleven digits, 0800 among them; all others have ten (電気通信番号計画)."""
_ABROAD = re.compile(r"\+[1-9][0-9]{5,14}")
_URL = re.compile(r"https?://[^\s/]+\S{0,400}")


def read_number(typed: str) -> str:
    """`０９０ー１２３４ー５６７８` -> `090-1234-5678`. Raises ValueError for what has too few or too many digits.

    110, 118 and 119 are let through: that nobody forwards to them is said by `check.py`.
    """
    digits = digits_of(typed.strip())
    if digits.startswith("+81"):
        digits = "0" + digits[3:].removeprefix("0")
    if digits in EMERGENCY:
        return digits
    if digits.startswith("+"):
        if not _ABROAD.fullmatch(digits) or not _is_possible(digits):
            raise ValueError(typed)
        return digits
    length = 11 if digits.startswith(_ELEVEN) else 10
    if not _HOME.fullmatch(digits) or len(digits) != length:
        raise ValueError(typed)
    return written(digits)


def _is_possible(digits: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(digits))
    except phonenumbers.NumberParseException:
        return False


def read_seconds(typed: str, most: int, least: int = 1) -> int:
    """`３０` or `30秒` -> 30. Raises ValueError outside of least and most."""
    text = unicodedata.normalize("NFKC", typed).strip().removesuffix("秒").rstrip()
    if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
        raise ValueError(typed)
    return int(text)


def read_addresses(typed: str) -> list[str]:
    """One address of the web per line. Raises ValueError."""
    found = [line.strip() for line in unicodedata.normalize("NFKC", typed).splitlines() if line.strip()]
    if not all(_URL.fullmatch(one) for one in found):
        raise ValueError(typed)
    return list(dict.fromkeys(found))


def is_line_of_text(typed: str) -> bool:
    """Whether this can stand in one line: no control characters; U+3000 is a space that people type."""
    return all(c.isprintable() or c == "\u3000" for c in typed)
