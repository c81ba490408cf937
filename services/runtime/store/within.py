"""A transaction that is open already, where something wants a store to open one.

Enters: a transaction. Leaves: what a closure gives, as part of it. So an effect that has a transaction of its own joins
one that holds more, such as the answer to whoever asked for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from services.runtime.store.transaction import Tx

T = TypeVar("T")


class Runs(Protocol):
    """A store, or `Within`."""

    def run(self, work: Callable[[Tx], T], tries: int = 1) -> T:
        """`work` in a transaction; its result."""


@dataclass(frozen=True)
class Within:
    """In place of a store: whoever opened the transaction tries again."""

    tx: Tx

    def run(self, work: Callable[[Tx], T], tries: int = 1) -> T:
        """At once."""
        return work(self.tx)
