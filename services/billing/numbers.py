"""A dialled number as the price tables know it. PURE.

Enters: what was sent to the carrier, with 184/186, carrier prefixes or +81. Leaves: `0…` for Japan, `+…` for abroad.
Who owns a number, and how it is shown to people, belongs elsewhere (JAPAN: numbering).
"""

from __future__ import annotations

import re

from proto.values import digits_of

_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_CARRIER_PREFIX = re.compile(r"(0091[0-9]{2}|002[0-9]{2}|00[0-9]{2})(?=0)")
"""00XY, 002YZ and 0091XY choose a carrier; the number itself follows with its own 0 (soumu.go.jp, numbering plan)."""
EMERGENCY = frozenset({"110", "118", "119"})


def normalise(dialled: str) -> str:
    """`184 0033 0312345678`, `+81 3-1234-5678` -> `0312345678`; `010 1 212…` -> `+1212…`; empty if it is no number."""
    number = digits_of(dialled[:64])
    if _NUMBER.fullmatch(number) is None:
        return ""
    if number[:3] in ("184", "186") and len(number) > 3:
        number = number[3:]
    number = _CARRIER_PREFIX.sub("", number, count=1) if number.startswith("00") else number
    return national(number)


def national(number: str) -> str:
    """`010…` as `+…`, and `+81…` as `0…`. Prefixes of price rules are brought to the same form."""
    if number.startswith("010"):
        number = "+" + number[3:]
    if number.startswith("+81"):
        number = "0" + number[3:].removeprefix("0")
    return number
