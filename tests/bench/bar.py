"""A bar of the bench: what ours took, what the named peer took, and how the table of all bars looks.

Enters: measured values. Leaves: text. How something is measured belongs to the other files of this folder.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Bar:
    """One comparison, in `unit`. `ratio` is always ours / peer."""

    bar: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    samples: int
    better: Literal["lower", "higher"] = "lower"
    """Of `ours`."""
    goal: float | None = None
    """What the ratio must be: at most (better lower) or at least (better higher). None: shown, not judged."""

    @property
    def ratio(self) -> float:
        """Ours divided by the peer's."""
        return self.ours / self.peer if self.peer else float("inf")

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None if there is none."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal

    @property
    def wanted(self) -> str:
        """The goal for people: `≥ 12` says that the ratio must be so, higher being better."""
        sign = "≥" if self.better == "higher" else "≤"
        return f"{self.better} is better" if self.goal is None else f"ratio {sign} {self.goal:g}"


def per_second(bar: str, ours: float, peer: float, peer_name: str, unit: str, samples: int, goal: float | None) -> Bar:
    """A bar of rates: higher is better, ours must be `goal` times the peer's."""
    return Bar(bar, ours, peer, peer_name, f"{unit}/s", samples, "higher", goal)


def within(bar: str, ours: float, limit: float, unit: str, samples: int) -> Bar:
    """A bar whose peer is a fixed limit: ours must not exceed it."""
    return Bar(bar, ours, limit, "the goal", unit, samples, "lower", 1.0)


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
    head = ("bar", "ours", "peer", "unit", "ratio", "goal", "met", "n", "peer is")
    rows = [
        (
            b.bar,
            _figure(b.ours),
            _figure(b.peer),
            b.unit,
            f"{b.ratio:.2f}",
            b.wanted,
            {True: "yes", False: "NO", None: ""}[b.met],
            str(b.samples),
            b.peer_name,
        )
        for b in bars
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def json_lines(bars: Sequence[Bar]) -> str:
    """For programs: one object per line."""
    return "\n".join(
        json.dumps({**asdict(b), "ratio": round(b.ratio, 4), "met": b.met}, ensure_ascii=False) for b in bars
    )
