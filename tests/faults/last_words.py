"""What a process says in the moment of its death, and what its next life finds: was it the moment that was meant?

Enters: one file a service, of all its lives. Leaves: lines in JSON: `Death` by who dies, `Found` and `Again` by the
next life; and what does not fit among them. Who dies, and when, belongs to `dying.py`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.faults.orders import Moment


class Death(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """One that was killed by itself, as it was told to."""

    moment: Moment
    at_us: int
    ids: list[str]
    """Messages in hand."""
    leaving: list[str]
    """Their answers, with those that an earlier life had left in the outbox."""
    facts: list[str]
    """Of the answers, those that everybody hears, and that nobody can have heard before this life."""


class Found(msgspec.Struct, tag=True, frozen=True):
    """What stood in the store when the next life opened it."""

    stored: int
    """How many of the messages in hand were stored as seen."""
    waiting: int
    """How many of the answers, each counted once, stood in the outbox."""


class Again(msgspec.Struct, tag=True, frozen=True):
    """Messages that had been in hand and were delivered once more, marked as such by the broker."""

    ids: list[str]


Line = Death | Found | Again


class LastWords:
    """The file, for one life of the process that writes it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        lines = read(path)
        self.death = lines[-1] if lines and isinstance(lines[-1], Death) else None
        """Of the life before, about which nobody has said anything yet."""
        self.owed = owed(lines)

    def say(self, line: Line) -> None:
        """At once in the file, from any thread."""
        os.write(self._file, msgspec.json.encode(line) + b"\n")


def read(path: Path) -> list[Line]:
    """All that was said so far."""
    return msgspec.json.decode(b"[" + b",".join(path.read_bytes().splitlines()) + b"]", type=list[Line])


def owed(lines: Sequence[Line]) -> set[str]:
    """Messages that somebody died with and that have not come again since."""
    found: set[str] = set()
    for line in lines:
        if isinstance(line, Death):
            found |= set(line.ids)
        elif isinstance(line, Again):
            found -= set(line.ids)
    return found


def doubts(lines: Sequence[Line]) -> list[str]:
    """Deaths after which the store was not as it is at that moment; `lines` of a service that lives again."""
    found = []
    for death, after in zip(lines, [*lines[1:], None], strict=True):
        if not isinstance(death, Death) or not death.ids:
            continue
        stored = 0 if death.moment == "before commit" else len(death.ids)
        waiting = 0 if death.moment == "before commit" else len(set(death.leaving))
        if after != Found(stored, waiting):
            found.append(f"{death}: {after}, not {Found(stored, waiting)}")
    return found
