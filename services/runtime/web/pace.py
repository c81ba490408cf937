"""PURE How often somebody may ask: so many times a minute, and some at once after a rest.

Enters: who asks, and when. Leaves: how long to wait. One number is kept for each: when all that was asked so far would
be done with at an even pace (GCRA, ITU-T I.371). It holds for this process alone, and is forgotten with it.
"""

from __future__ import annotations

MOST_KEPT = 10_000


class Pace:
    """A bound of requests for each of many who ask."""

    def __init__(self, per_minute: int, at_once: int) -> None:
        self._each_us = 60_000_000 // per_minute
        self._ahead_us = self._each_us * (at_once - 1)
        self._done_at_us: dict[str, int] = {}

    def wait_us(self, who: str, now_us: int) -> int:
        """0 if it may be done now, which is counted; else how long until it may."""
        done_at_us = max(self._done_at_us.get(who, 0), now_us)
        too_early_us = done_at_us - now_us - self._ahead_us
        if too_early_us > 0:
            return too_early_us
        if len(self._done_at_us) >= MOST_KEPT:
            self._done_at_us = {one: at_us for one, at_us in self._done_at_us.items() if at_us > now_us}
        self._done_at_us[who] = done_at_us + self._each_us
        return 0
