"""What many visitors see alike, made once for all of them.

Enters: a key that names everything on which the text depends (above all whose data is in it), the number of the last
news that concerns it, and how it is made. Leaves: the text. One that is older than that news, or than a second, is made
anew; whoever asks while it is being made waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gevent.event import AsyncResult

from services.runtime import clock

HOLDS_US = 1_000_000
"""For changes of which no news is told: another process wrote them, or the clock."""
Key = TypeVar("Key", bound=Hashable)
Text = TypeVar("Text")


@dataclass
class _Made:
    news: int
    at_us: int
    text: AsyncResult = field(default_factory=AsyncResult)


class Shared(Generic[Key, Text]):
    """Texts by key. Only on the hub."""

    def __init__(self, holds_us: int = HOLDS_US) -> None:
        self._made: dict[Key, _Made] = {}
        self._holds_us = holds_us

    def get(self, key: Key, news: int, make: Callable[[], Text]) -> Text:
        """The text, no older than `news`. Raises what `make` raises, to all who wait for it."""
        now_us = clock.monotonic_us()
        made = self._made.get(key)
        if made is None or made.news < news or now_us - made.at_us >= self._holds_us:
            self._forget(now_us)
            made = self._make(key, _Made(news, now_us), make)
        text: Text = made.text.get()
        return text

    def _make(self, key: Key, made: _Made, make: Callable[[], Text]) -> _Made:
        self._made.pop(key, None)
        self._made[key] = made  # behind all older ones
        try:
            made.text.set(make())
        except BaseException as error:
            made.text.set_exception(error)
            if self._made.get(key) is made:
                del self._made[key]
        return made

    def _forget(self, now_us: int) -> None:
        while self._made:
            oldest = next(iter(self._made))
            if now_us - self._made[oldest].at_us < self._holds_us:
                return
            del self._made[oldest]

    def __len__(self) -> int:
        """Texts that are kept."""
        return len(self._made)
