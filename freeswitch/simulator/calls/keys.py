"""PURE: keys of a leg that nobody has read yet, and all that were read.

Enters: keys as they come. Leaves: those that wait, oldest first, and what the call record says was dialled. Who reads
them and when belongs to channel.py. Source: switch_channel.c (switch_channel_queue_dtmf, switch_channel_flush_dtmf).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

PRESSED_SAMPLES = 960
"""How long a key of a phone is held here, unless it says otherwise."""
SENT_SAMPLES = 2000
"""How long one lasts that a command sends (SWITCH_DEFAULT_DTMF_DURATION)."""
LEAST_SAMPLES = 400
MOST_WAITING = 1000


@dataclass(frozen=True)
class Key:
    """One key."""

    digit: str
    samples: int = PRESSED_SAMPLES
    source: str = "RTP"
    """`APP`: a command sent it in the place of the far end."""


class Keys:
    """Of one leg."""

    def __init__(self) -> None:
        self._waiting: deque[Key] = deque(maxlen=MOST_WAITING)
        self.log = ""
        """All that were read, or thrown away while the leg was up."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, key: Key) -> None:
        """It waits; beyond what fits the oldest is lost."""
        self._waiting.append(key)

    def take(self) -> Key:
        """The oldest. Raises IndexError."""
        key = self._waiting.popleft()
        self.log += key.digit
        return key

    def flush(self) -> None:
        """Nobody will read those that wait."""
        while self._waiting:
            self.take()
