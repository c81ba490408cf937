"""A bar of the bench: what ours took, what the named peer took, and how the table of all bars looks.

Enters: measured values. Leaves: text. How something is measured belongs to the other files of this folder.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Bar:
    """One comparison. `ratio` = ours / peer: what it should be stands in `bar`'s own description."""

    bar: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    samples: int

    @property
    def ratio(self) -> float:
        """Ours divided by the peer's."""
        return self.ours / self.peer if self.peer else float("inf")


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    """The middle; NaN of nothing."""
    return statistics.median(values) if values else float("nan")


def table(bars: Sequence[Bar]) -> str:
    """For people: one line per bar, columns aligned."""
    head = ("bar", "ours", "peer", "ratio", "unit", "n", "peer is")
    rows = [
        (b.bar, f"{b.ours:.2f}", f"{b.peer:.2f}", f"{b.ratio:.2f}", b.unit, str(b.samples), b.peer_name) for b in bars
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)
    )


def json_lines(bars: Sequence[Bar]) -> str:
    """For programs: one object per line."""
    return "\n".join(json.dumps({**asdict(b), "ratio": round(b.ratio, 4)}, ensure_ascii=False) for b in bars)
