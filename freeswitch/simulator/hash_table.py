"""PURE: the order in which the real switch goes through a hash table, such as that of its legs.

Enters: keys in the order in which they came in. Leaves: the same keys in the order of the table. `hupall` and a
shutdown take the legs so. Source: switch_hashtable.c, switch_hashtable.h (switch_hash_default).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

_SIZES = (53, 97, 193, 389, 769, 1543, 3079, 6151, 12289, 24593, 49157, 98317)
_FULL = 0.65
_32_BITS = 0xFFFFFFFF


def iterated(keys: Iterable[str]) -> list[str]:
    """In the order of the table; of keys in one place the newest comes first."""
    known = list(keys)
    size = next((one for one in _SIZES if len(known) <= math.ceil(one * _FULL)), _SIZES[-1])
    places = {key: (_hash(key) % size, -number) for number, key in enumerate(known)}
    return sorted(known, key=places.__getitem__)


def _hash(key: str) -> int:
    sum_ = 0
    for byte in key.encode("utf-8", "surrogateescape"):
        sum_ = (byte + (sum_ << 6) + (sum_ << 16) - sum_) & _32_BITS
    sum_ = (sum_ + (~(sum_ << 9) & _32_BITS)) & _32_BITS
    sum_ ^= ((sum_ >> 14) | (sum_ << 18)) & _32_BITS
    sum_ = (sum_ + (sum_ << 4)) & _32_BITS
    return sum_ ^ (((sum_ >> 10) | (sum_ << 22)) & _32_BITS)
