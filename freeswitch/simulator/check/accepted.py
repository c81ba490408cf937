"""The differences that are accepted for a reason; they stand in accepted.toml beside this file and nowhere else.

Enters: the file, differences. Leaves: what remains to be told, and entries that match nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from freeswitch.simulator.check.compare import Difference

ANY = "(any)"
"""In `between`: whatever value there is; the other side must then lack the header."""


@dataclass(frozen=True)
class Accepted:
    """One entry."""

    events: tuple[str, ...]
    """As in Difference.at, without the position."""
    headers: tuple[str, ...]
    between: tuple[str, str]
    """The two values; either may be the real one."""
    reason: str

    def holds_for(self, one: Difference) -> bool:
        """Whether this difference is the accepted one."""
        if one.at.partition(" ")[2] not in self.events or one.header not in self.headers:
            return False
        if ANY in self.between:
            return (one.real in self.between) != (one.simulated in self.between)
        return {one.real, one.simulated} == set(self.between)


def entries() -> tuple[Accepted, ...]:
    """All of accepted.toml. Raises TypeError for missing or unknown keys, ValueError without reason or two values."""
    text = (files("freeswitch.simulator.check") / "accepted.toml").read_text(encoding="utf-8")
    found = tuple(_entry(**entry) for entry in tomllib.loads(text).get("difference", []))
    for one in found:
        if not one.reason.strip():
            raise ValueError(f"accepted.toml: {one.headers} has no reason")
    return found


def _entry(*, events: Sequence[str], headers: Sequence[str], between: Sequence[str], reason: str) -> Accepted:
    one, other = between
    return Accepted(tuple(events), tuple(headers), (one, other), reason)


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
