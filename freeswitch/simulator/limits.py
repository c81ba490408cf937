"""PURE: how many legs stand behind each key of the application `limit`, and how many came within an interval.

Enters: legs that come and go, the second in which they do. Leaves: counts, or None where there is no room. Source:
mod_hash.c (limit_incr_hash, limit_release_hash).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Usage:
    """After a leg was let in."""

    legs: int
    rate: int
    added: bool
    """False: the leg was counted already."""


@dataclass
class _Item:
    legs: set[str] = field(default_factory=set)
    rate: int = 0
    checked_s: int = 0


class Limits:
    """All keys of one switch."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], _Item] = {}

    def take(self, leg: str, realm: str, key: str, most: int, interval_s: int, now_s: int) -> Usage | None:
        """Lets a leg in, or not. `most` -1 only counts; with an interval it is the most that may come within it."""
        item = self._items.setdefault((realm, key), _Item())
        added = leg not in item.legs
        if interval_s > 0:
            if item.checked_s <= now_s - interval_s:
                item.rate, item.checked_s = 1, now_s
            else:
                item.rate += 1
                if 0 <= most < item.rate:
                    return None
        elif 0 <= most < len(item.legs) + added:
            return None
        item.legs.add(leg)
        return Usage(len(item.legs), item.rate, added)

    def usage(self, realm: str, key: str) -> tuple[int, int]:
        """Legs now, and those of the running interval."""
        item = self._items.get((realm, key), _Item())
        return len(item.legs), item.rate

    def begin_interval(self, realm: str, key: str, now_s: int) -> None:
        """The interval of a key begins anew, with none."""
        item = self._items.get((realm, key))
        if item is not None:
            item.rate, item.checked_s = 0, now_s

    def release(self, leg: str) -> None:
        """A leg has ended, or was sent elsewhere."""
        for name, item in list(self._items.items()):
            item.legs.discard(leg)
            if not item.legs and not item.rate:
                del self._items[name]
