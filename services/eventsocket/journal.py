"""What we believe of the legs that are up, kept over a kill -9: an append-only file beside the spool.

Enters: legs of which something changed, after the bus has what was told of them. Leaves: the same at the next start.
One JSON line a write, no fsync: the file is for a process that dies; after a machine that dies the switch is new too.
What was not written yet, a snapshot finds again. A disk that fails is told, never raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BufferedWriter
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.eventsocket.beliefs import Beliefs, Leg
from services.runtime.log import get_logger
from services.runtime.threads import in_thread

LINES = 1_000
"""At least so many lines are written before the file is made anew with the legs that are up."""
log = get_logger("journal")


class _Line(msgspec.Struct, omit_defaults=True):
    alive_us: int = 0
    legs: list[Leg] = []


class Entry(NamedTuple):
    """What changed between two times, as the file shall hold it."""

    line: bytes
    anew: bool
    """It is everything there is: the file begins anew with it."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


class Journal:
    """The file of one switch; used by one greenlet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BufferedWriter | None = None
        self._lines = 0
        self._alive_us = 0
        self._failed = False

    def take_over(self, beliefs: Beliefs) -> None:
        """Fill `beliefs` with what an earlier life left; a line that was not finished is passed over."""
        try:
            legs, alive_us = in_thread(self._read)
        except OSError as error:
            log.error("what was up before the start cannot be read", reason=error.strerror)
            return
        beliefs.take_over(legs, alive_us)
        if legs:
            log.info("legs taken over", legs=len(legs))

    def entry_of(self, beliefs: Beliefs) -> Entry | None:
        """What changed since the last time this was asked, as of now; to be kept once it is told."""
        touched, beliefs.touched = beliefs.touched, set()
        legs = [leg for name in touched if (leg := beliefs.get(name)) is not None]
        if not legs and beliefs.alive_us == self._alive_us:
            return None
        self._alive_us = beliefs.alive_us
        anew = self._file is None or self._lines >= max(LINES, 4 * len(beliefs.up))
        return Entry(_encode(_Line(beliefs.alive_us, list(beliefs.legs_up()) if anew else legs)) + b"\n", anew)

    def keep(self, entries: Iterable[Entry | None]) -> None:
        """Write these, oldest first."""
        lines = [one for one in entries if one is not None]
        first = max((place for place, one in enumerate(lines) if one.anew), default=None)
        if first is None and self._file is None:
            return  # there is nothing to append to; the next entry begins anew
        if lines:
            self._write(b"".join(one.line for one in lines[first:]), len(lines[first:]), anew=first is not None)

    def close(self) -> None:
        """Nothing more is written."""
        if self._file is not None:
            in_thread(self._file.close)
            self._file = None

    def _write(self, lines: bytes, number: int, *, anew: bool) -> None:
        self._lines = number if anew else self._lines + number
        try:
            in_thread(lambda: self._begin(lines) if anew else self._append(lines))
            self._failed = False
        except OSError as error:
            self._file = None  # made anew by the next write
            if not self._failed:
                log.error("what is up cannot be kept over a crash", reason=error.strerror)
            self._failed = True

    # -- in a native thread --

    def _begin(self, lines: bytes) -> None:
        fresh = self._path.with_suffix(".fresh")
        if self._file is not None:
            self._file.close()
        fresh.parent.mkdir(parents=True, exist_ok=True)
        self._file = fresh.open("wb")
        self._append(lines)
        fresh.replace(self._path)

    def _append(self, lines: bytes) -> None:
        assert self._file is not None
        self._file.write(lines)
        self._file.flush()

    def _read(self) -> tuple[Sequence[Leg], int]:
        legs: dict[str, Leg] = {}
        alive_us = 0
        if self._path.exists():
            for raw in self._path.read_bytes().split(b"\n"):
                try:
                    line = _decode(raw)
                except (ValueError, RecursionError):  # no JSON, none of ours, or no UTF-8
                    continue
                alive_us = line.alive_us or alive_us  # the last one: a clock may have been set back
                legs.update((leg.id, leg) for leg in line.legs)
        return [leg for leg in legs.values() if not leg.over], alive_us
