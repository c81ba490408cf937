"""What we believe of the legs that are up: whose, of which call, who calls, until when they were surely up. Pure.

Enters: what `normalise.py` learns of each leg, and signs of life of the link. Leaves: the same again when a later event
says less, or says it wrongly (a transfer overwrites tt_did and the caller's number; a dialled leg has no tt_call of its
own). `journal.py` keeps what stands here over a crash; `snapshot.py` compares it with the switch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Literal

import msgspec

from proto.events import Direction, Joined, Via
from proto.values import UNKNOWN_TENANT, Party

MAX_ENDED = 5_000
"""So many ended legs are remembered (about 1 KB each): the legs they dialled may be heard of, or end, a little later.
Legs that are up always are."""
NEVER_US = 1 << 62
STEPPED_US = 1_000_000
"""Signs of life come in order: one so much older than the last is of a clock that was set back."""


class Leg(msgspec.Struct, omit_defaults=True):
    """One channel."""

    id: str
    direction: Direction
    via: Via
    kind: str
    call: str
    tenant: str = UNKNOWN_TENANT
    payer: str = ""
    joined: Joined = "own"
    caller: Party = msgspec.field(default_factory=Party)
    destination: str = ""
    rang: bool = False
    answered: bool = False
    talking: bool = False
    held: bool = False
    bridged_to: str = ""
    waiting_for: str = ""
    """The decision whose waiting was already told."""
    decision: str = ""
    """tt_decision as last heard."""
    recording: str = ""
    """The file that is being written, as far as heard."""
    recording_asked: str = ""
    """The id of our request for it."""
    park: int = 0
    """The last park that was told."""
    core: str = ""
    """The Core-UUID under which it lives: a switch that was started anew has none of these legs."""
    started_us: int = 0
    answered_us: int = 0
    heard_us: int = 0
    """When it was last heard of, by the switch's clock: by an event, a dump, or a snapshot that lists it."""
    event_us: int = 0
    """The stamp of its last event: a dump of before that is old news."""
    dump_us: int = 0
    """The stamp of the last dump that was worked in."""
    concluded: list[str] = msgspec.field(default_factory=list)
    """What dumps told of it: an event of before the last one, which comes late, does not tell it again."""
    doubted: bool = False
    """The link was lost since: that it is heard again says nothing of this leg."""
    over: Literal["", "exact", "estimated"] = ""


class Beliefs:
    """Every leg that is up, and those that ended lately."""

    def __init__(self, limit: int = MAX_ENDED) -> None:
        """`limit`: so many ended legs are remembered."""
        self._legs: dict[str, Leg] = {}
        self.get: Callable[[str], Leg | None] = self._legs.get
        """The leg of this name, if we know it."""
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._limit = limit
        self._alive_us = 0
        self._found_us = NEVER_US
        self.up: set[str] = set()
        """Legs that have not ended, as far as we know."""
        self.touched: set[str] = set()
        """Legs of which something changed; whoever keeps them on disk empties it."""

    def __len__(self) -> int:
        return len(self._legs)

    def legs_up(self) -> list[Leg]:
        """Every leg that has not ended."""
        return [self._legs[leg] for leg in self.up]

    def learn(self, leg: Leg) -> Leg:
        """Keep a new leg."""
        self._legs[leg.id] = leg
        self.up.add(leg.id)
        self.touched.add(leg.id)
        return leg

    def ended(self, leg: str, over: Literal["exact", "estimated"] = "exact") -> None:
        """The leg is over; it is remembered for those it dialled."""
        found = self._legs.get(leg)
        if found is not None:
            found.over = over
            self.up.discard(leg)
            self.touched.add(leg)
            self._ended[leg] = None
            while len(self._ended) > self._limit:
                self._legs.pop(self._ended.popitem(last=False)[0], None)

    def revived(self, leg: Leg) -> None:
        """It was taken for ended, and is up."""
        leg.over = ""
        self._ended.pop(leg.id, None)
        self.up.add(leg.id)
        self.touched.add(leg.id)

    # -- until when was it surely up --

    def heard(self, leg: Leg, at_us: int) -> None:
        """An event of the leg, stamped so. One of before the link was found again proves nothing of now."""
        if at_us > leg.heard_us:
            leg.heard_us = at_us
        if at_us > leg.event_us:
            leg.event_us = at_us
        if at_us >= self._found_us:
            leg.doubted = False
        self.touched.add(leg.id)

    def link_found(self, at_us: int) -> None:
        """From here on every end is heard."""
        self._found_us = at_us

    def link_alive(self, at_us: int) -> None:
        """The link has delivered all that happened until then: who is not said to have ended was up.

        A time well before the last one: the switch's clock was set back (`fsctl sync_clock`), and what was seen at a
        time that is to come again was seen now at the latest. Else an estimated end would lie in the future.
        """
        if at_us < self._alive_us - STEPPED_US:
            self._set_back(at_us)
        self._alive_us = max(self._alive_us, at_us)

    def _set_back(self, at_us: int) -> None:
        self._alive_us = at_us
        if self._found_us != NEVER_US:
            self._found_us = min(self._found_us, at_us)
        for leg in self.legs_up():
            leg.heard_us, leg.event_us, leg.dump_us = (min(t, at_us) for t in (leg.heard_us, leg.event_us, leg.dump_us))
            self.touched.add(leg.id)

    def link_lost(self) -> None:
        """From here on legs may end unheard."""
        for leg in self.legs_up():
            leg.heard_us, leg.doubted = self.last_sight_us(leg), True
            self.touched.add(leg.id)
        self._found_us = NEVER_US

    def still_up(self, legs: Iterable[str], at_us: int) -> None:
        """A snapshot asked for at this time lists them."""
        for name in legs:
            leg = self._legs.get(name)
            if leg is not None and not leg.over:
                leg.heard_us, leg.doubted = max(leg.heard_us, at_us), False
                self.touched.add(name)

    def last_sight_us(self, leg: Leg) -> int:
        """The last moment at which it was surely up, by the switch's clock."""
        return leg.heard_us if leg.doubted else max(leg.heard_us, self._alive_us)

    # -- over a crash --

    @property
    def alive_us(self) -> int:
        """Until when everything was heard."""
        return self._alive_us

    def take_over(self, legs: Collection[Leg], alive_us: int) -> None:
        """What an earlier life believed: all of it may have ended meanwhile."""
        for leg in legs:
            self.learn(leg)
        self._alive_us = alive_us
        self.link_lost()
