"""The port to the dead letters for a person at a terminal: read, given back to their queue, or thrown away.

Enters: what shall become of each letter. Leaves: letters, and what became of them. A process that dies in between
leaves each letter where it was, or settled; at worst a message is given back twice. Transports: `rabbit_letters.py`,
`embedded_letters.py`. Who did it, and why, is kept by `services/letters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

from proto.topics import Outgoing
from services.runtime.bus import DeadLetter

Fate = Outgoing | Literal["keep", "discard"]
"""A message: it goes to the letter's queue, and the letter is forgotten."""
Settled = Literal["replayed", "waits", "discarded", "no queue"]
"""waits: it is replayed as soon as the process that holds the bus runs. no queue: that of the letter does not stand,
so the letter stays."""


class LetterBox(Protocol):
    """What was put aside. All methods raise Unavailable."""

    def read(self) -> Iterator[DeadLetter]:
        """Oldest first; they stay. One body is in memory at a time. To be closed if it is not read to its end."""

    def settle(self, fate: Callable[[DeadLetter], Fate]) -> Iterator[tuple[DeadLetter, Settled]]:
        """Ask for the fate of each letter, oldest first, and tell of each that was not to be kept what became of it.

        A message goes to the letter's queue and to no other, and is there before its letter is forgotten. Whoever reads
        the queue drops one whose id it has handled, so a second time does no harm.
        """
