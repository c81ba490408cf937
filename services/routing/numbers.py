"""PURE. How dialled digits are read in Japan: prefixes for hiding and showing the caller, emergency, short, abroad.

Enters: digits as a phone dialled them. Leaves: the number without prefix, and what kind it is. Sources: 番号計画
(総務省, 電気通信番号計画); 184/186 are 発信者番号通知 of each call. Prices by prefix belong to billing.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

EMERGENCY = frozenset({"110", "118", "119"})

Kind = Literal["emergency", "domestic", "short", "international", "other"]

_PREFIXED = re.compile(r"(184|186)(\+?[0-9]{3,})")


class Dialled(NamedTuple):
    """Digits split into prefix and number. `prefix` is 184, 186 or empty."""

    prefix: str
    number: str


def split_prefix(digits: str) -> Dialled:
    """`18409011112222` -> 184, 09011112222."""
    match = _PREFIXED.fullmatch(digits)
    return Dialled(match.group(1), domestic(match.group(2))) if match else Dialled("", domestic(digits))


def domestic(number: str) -> str:
    """`+81312345678` -> `0312345678`; everything else as it is."""
    return "0" + number[3:] if number.startswith("+81") and number[3:4] != "0" else number


def kind(number: str) -> Kind:
    """What a number without prefix is."""
    if number in EMERGENCY:
        return "emergency"
    if number.startswith(("+", "010")):
        return "international"
    if re.fullmatch(r"0[0-9]{8,13}", number):
        return "domestic"
    # 184 and 186 without a number behind them lead nowhere
    return "short" if re.fullmatch(r"1[0-9]{2}", number) and number not in ("184", "186") else "other"
