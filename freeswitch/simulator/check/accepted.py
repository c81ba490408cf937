"""The differences that are accepted for a reason; they stand in accepted.toml beside this file and nowhere else.

Enters: the file, differences. Leaves: what remains to be told, and entries that match nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

from freeswitch.simulator.check.compare import Difference


@dataclass(frozen=True)
class Accepted:
    """One entry."""

    event: str
    """As in Difference.at, without the position."""
    header: str
    real: str
    simulated: str
    reason: str

    def holds_for(self, one: Difference) -> bool:
        """Whether this difference is the accepted one."""
        found = (one.at.partition(" ")[2], one.header, one.real, one.simulated)
        return found == (self.event, self.header, self.real, self.simulated)


def entries() -> tuple[Accepted, ...]:
    """All of accepted.toml. Raises TypeError for an entry with missing or unknown keys, ValueError without a reason."""
    text = (files("freeswitch.simulator.check") / "accepted.toml").read_text(encoding="utf-8")
    found = tuple(Accepted(**entry) for entry in tomllib.loads(text).get("difference", []))
    for one in found:
        if not one.reason.strip():
            raise ValueError(f"accepted.toml: {one.event} {one.header} has no reason")
    return found


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


__all__ = ["Accepted", "entries", "split"]
