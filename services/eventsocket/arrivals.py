"""When each arrival was read, to tell how long its answer took.

Enters: legs as their arrivals are read. Leaves: the time since then, once. What is done with it belongs to
`commander.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.runtime import clock


@dataclass
class Arrivals:
    """When the agent read each arrival (monotonic µs), to tell how long its answer took. Bounded."""

    limit: int = 10_000
    _read_us: dict[str, int] = field(default_factory=dict)

    def note(self, leg: str, read_us: int) -> None:
        """An arrival was read."""
        self._read_us.pop(leg, None)
        self._read_us[leg] = read_us
        while len(self._read_us) > self.limit:
            del self._read_us[next(iter(self._read_us))]

    def taken(self, leg: str) -> int | None:
        """Microseconds since the arrival of this leg, once."""
        read_us = self._read_us.pop(leg, None)
        return None if read_us is None else clock.monotonic_us() - read_us
