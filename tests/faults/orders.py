"""What a service process is to suffer from inside, said by whoever runs the faults: a few numbers in shared memory.

Enters: orders of the test. Leaves: the same numbers in the service's process, read each time anew, so that a fault can
begin and end while the process runs. What they do there belongs to `mortal.py`.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Literal, get_args

Moment = Literal["", "before commit", "before publish", "before ack", "after a lost ack"]
"""Of one message's way through a service: its state is computed and not stored; stored, and its answers are not with
the bus; these are, and the message is not acknowledged. The last is for commands, which are acknowledged before they
are carried out: the acknowledgement reaches nobody, they are carried out, and come again."""
MOMENTS: tuple[Moment, ...] = get_args(Moment)
_SIZE = 4 * 8


class Orders:
    """One process's orders; every number has one writer."""

    def __init__(self, path: Path) -> None:
        """Makes the file if there is none."""
        with path.open("a+b") as file:
            file.truncate(_SIZE)
            self._memory = mmap.mmap(file.fileno(), _SIZE)

    def _get(self, number: int) -> int:
        return int(struct.unpack_from("@q", self._memory, 8 * number)[0])

    def _set(self, number: int, value: int) -> None:
        struct.pack_into("@q", self._memory, 8 * number, value)

    @property
    def clock_ahead_us(self) -> int:
        """By how much this process's wall clock is wrong."""
        return self._get(0)

    @clock_ahead_us.setter
    def clock_ahead_us(self, value: int) -> None:
        self._set(0, value)

    @property
    def disorder(self) -> int:
        """0: none; else the seed by which facts are doubled, shuffled and joined by poison."""
        return self._get(1)

    @disorder.setter
    def disorder(self, seed: int) -> None:
        self._set(1, seed)

    def die(self, moment: Moment, passes: int = 1) -> None:
        """kill -9 at this moment, when it comes for the `passes`-th time. "" takes the order back."""
        self._set(3, passes)
        self._set(2, MOMENTS.index(moment))

    def is_now(self, moment: Moment) -> bool:
        """Whether the process is to die in this moment; it has come once more."""
        if self._get(2) != MOMENTS.index(moment):
            return False
        self._set(3, self._get(3) - 1)
        return self._get(3) <= 0
