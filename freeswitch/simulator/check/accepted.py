"""The differences that are accepted for a reason; they stand in accepted.toml beside this file and nowhere else.

Enters: the file, differences. Leaves: what remains to be told, and entries that match nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from freeswitch.simulator.check.compare import ABSENT, Difference

ANY = "(any)"
"""Whatever value there is; the other side must then be one of the two below, which say that nothing was noted."""
AS_BEFORE = "(as before)"
"""What the leg's event before said: the same value, or none; or what a leg told it that had ended earlier."""


@dataclass(frozen=True)
class Accepted:
    """One entry."""

    events: tuple[str, ...]
    """As in Difference.at, without the position; `CHANNEL_EXECUTE` alone is that of any application."""
    headers: tuple[str, ...]
    real: str
    simulated: str
    reason: str
    either_way: bool = False
    """The two values may also be the other way round."""

    def holds_for(self, one: Difference) -> bool:
        """Whether this difference is the accepted one."""
        event = one.at.partition(" ")[2]
        if not {event, event.partition(" ")[0]} & {*self.events} or one.header not in self.headers:
            return False
        if self.real == AS_BEFORE:
            return one.real in one.before and _is(self.simulated, one.simulated)
        if _is(self.real, one.real) and _is(self.simulated, one.simulated):
            return True
        return self.either_way and _is(self.real, one.simulated) and _is(self.simulated, one.real)


def _is(expected: str, value: str) -> bool:
    return value != ABSENT if expected == ANY else value == expected


def entries() -> tuple[Accepted, ...]:
    """All of accepted.toml. Raises TypeError for missing or unknown keys, ValueError without a reason, or if `(any)`
    stands beside anything but `(absent)` or `(as before)`."""
    text = (files("freeswitch.simulator.check") / "accepted.toml").read_text(encoding="utf-8")
    found = tuple(_entry(**entry) for entry in tomllib.loads(text).get("difference", []))
    for one in found:
        if not one.reason.strip():
            raise ValueError(f"accepted.toml: {one.headers} has no reason")
        if ANY in (one.real, one.simulated) and not {ABSENT, AS_BEFORE} & {one.real, one.simulated}:
            raise ValueError(f"accepted.toml: {one.headers} accepts everything")
    return found


def _entry(*, events: Sequence[str], headers: Sequence[str], **rest: Any) -> Accepted:
    return Accepted(tuple(events), tuple(headers), **rest)


def split(found: Iterable[Difference], allowed: Iterable[Accepted]) -> tuple[list[Difference], set[Accepted]]:
    """What is not accepted, and which entries were needed."""
    entries_, remaining, used = tuple(allowed), [], set()
    for one in found:
        entry = next((entry for entry in entries_ if entry.holds_for(one)), None)
        if entry is None:
            remaining.append(one)
        else:
            used.add(entry)
    return remaining, used


__all__ = ["ANY", "Accepted", "entries", "split"]
