"""Transition tables that are total: every state answers every event, in writing.

Enters: the states, the events and the rows of a service's `model.py`. Leaves: the table, or an error at import that
names the missing pair. What a transition does belongs to the service's `decide.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, TypeVar

S = TypeVar("S")
E = TypeVar("E")
T = TypeVar("T")


def total(states: Iterable[S], events: Iterable[E], rows: Mapping[tuple[S, Any], T]) -> dict[tuple[S, E], T]:
    """`rows`, if each state has exactly one for each event. Raises ValueError that names what is missing or surplus."""
    wanted = set(product(states, events))
    missing, surplus = wanted - rows.keys(), rows.keys() - wanted
    if missing or surplus:
        raise ValueError(f"transition table: missing {sorted(map(str, missing))}, surplus {sorted(map(str, surplus))}")
    return dict(rows)
