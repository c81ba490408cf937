"""The end of a leg, whoever tells it first: the switch's event, or its call record. Pure.

Enters: records shaped like CHANNEL_HANGUP_COMPLETE, from either. Leaves: LegEnded, once; and whether the second to tell
it says the same. Which facts stand beside it belongs to `normalise.py`; billing compares again over restarts.
"""

from __future__ import annotations

from collections import OrderedDict

from proto.events import LegEnded
from services.eventsocket.beliefs import Leg
from services.eventsocket.parties import token
from services.eventsocket.said import Ended

End = tuple[str, int | None, int]
"""Cause, answered, ended: what a charge depends on, and what both sources must agree in."""
MAX_ENDS = 20_000


class ToldEnds:
    """The exact ends told lately; the oldest is forgotten first."""

    def __init__(self, limit: int = MAX_ENDS) -> None:
        self._ends: OrderedDict[str, End] = OrderedDict()
        self._limit = limit

    def get(self, leg: str) -> End | None:
        """What was told of this leg's end, if it was."""
        return self._ends.get(leg)

    def told(self, fact: LegEnded) -> None:
        """This end is being told, and it is exact."""
        self._ends[fact.leg] = exactly(fact)
        while len(self._ends) > self._limit:
            self._ends.popitem(last=False)


def exactly(fact: LegEnded) -> End:
    """What another source must say too."""
    return fact.cause, fact.answered_at_us, fact.ended_at_us


def end_of(switch: str, leg: Leg, said: Ended) -> LegEnded:
    """The fact, with the switch's own times; that of the event where those are missing."""
    by = said.hung_up_by
    return LegEnded(
        switch=switch,
        leg=leg.id,
        kind=leg.kind,
        direction=leg.direction,
        via=leg.via,
        payer=leg.payer or leg.tenant,
        caller=leg.caller,
        destination=leg.destination,
        started_at_us=said.created_us or said.at_us,
        answered_at_us=said.answered_us or None,
        ended_at_us=said.ended_us or said.at_us,
        cause=token(said.cause) or "NORMAL_UNSPECIFIED",
        sip_status=said.sip_status or None,
        hung_up_by="far" if by.startswith("recv_") else "switch" if by.startswith("send_") else "",
        decision=token(said.decision),
        joined=leg.joined,
    )
