"""PURE A telephone number as people in Japan write it.

Enters: digits, perhaps with +. Leaves: the same with hyphens, never with a figure more or less. What somebody typed is
brought to digits by `proto.values.digits_of`.
"""

from __future__ import annotations

from functools import lru_cache

import phonenumbers

from proto.values import digits_of


@lru_cache(maxsize=10_000)
def written(number: str) -> str:
    """`0312345678` -> `03-1234-5678`; what is no number of a country's plan stays as it is."""
    try:
        parsed = phonenumbers.parse(number, "JP")
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_possible_number(parsed):
        return number
    home = parsed.country_code == 81
    form = phonenumbers.PhoneNumberFormat.NATIONAL if home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    text = str(phonenumbers.format_number(parsed, form))
    digits = f"0{number[3:]}" if number.startswith("+81") else number
    return text if digits_of(text) == digits else number  # 0210000000 would come out without its 0
