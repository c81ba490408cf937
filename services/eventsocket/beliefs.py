"""What we believe of the legs that are up: whose, of which call, who calls. Pure, bounded, in memory only.

Enters: what `normalise.py` learns of each leg. Leaves: the same again when a later event says less, or says it wrongly
(a transfer overwrites tt_did and the caller's number; a dialled leg has no tt_call of its own). After a restart the
variables on the events tell most of it again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from proto.events import Direction, Joined, Via
from proto.values import UNKNOWN_TENANT, Party

MAX_LEGS = 20_000
"""Ended legs stay as long as there is room: the legs they dialled may end after them."""


@dataclass(slots=True)
class Leg:
    """One channel."""

    id: str
    direction: Direction
    via: Via
    kind: str
    call: str
    tenant: str = UNKNOWN_TENANT
    payer: str = ""
    joined: Joined = "own"
    caller: Party = field(default_factory=Party)
    destination: str = ""
    answered: bool = False
    talking: bool = False
    bridged_to: str = ""
    waiting_for: str = ""
    """The decision whose waiting was already told."""


class Beliefs:
    """Every leg heard of lately; the longest unheard is forgotten first."""

    def __init__(self, limit: int = MAX_LEGS) -> None:
        self._legs: OrderedDict[str, Leg] = OrderedDict()
        self._limit = limit
        self.up: set[str] = set()
        """Legs that have not ended, as far as we heard."""

    def __len__(self) -> int:
        return len(self._legs)

    def get(self, leg: str) -> Leg | None:
        """The leg, if we know it."""
        found = self._legs.get(leg)
        if found is not None:
            self._legs.move_to_end(leg)
        return found

    def learn(self, leg: Leg) -> Leg:
        """Keep a new leg."""
        self._legs[leg.id] = leg
        self.up.add(leg.id)
        while len(self._legs) > self._limit:
            self.up.discard(self._legs.popitem(last=False)[0])
        return leg

    def ended(self, leg: str) -> None:
        """The leg is over; it is remembered for those it dialled."""
        self.up.discard(leg)
