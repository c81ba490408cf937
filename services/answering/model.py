"""What answering knows of one pool: callers in their order, and the offers of callers to people.

Enters: nothing. Leaves: the pool's state as one versioned value, the states of an offer, and the total table from which
`queue` picks its move. Pools span clients, so each caller carries the client, call and switch that commands need.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from proto.message import Message
from proto.table import total
from proto.values import Party


class OfferState(StrEnum):
    """An offer is one operator leg: a person's phone that rings, or talks, for one caller."""

    RINGING = "ringing"
    BRIDGING = "bridging"
    """Answered; the bridge was asked for."""
    JOINED = "joined"
    """The switch took the bridge; that the two talk has not been heard yet."""
    TALKING = "talking"
    LEAVING = "leaving"
    """The caller is no longer theirs; the leg is on its way out. The person is busy until it has ended."""


class Signal(StrEnum):
    """What can happen to an offer."""

    ANSWERED = "answered"
    """The phone was picked up, while the originate is still under way."""
    REACHED = "reached"
    """The originate is done: the leg stands parked and can be bridged."""
    BRIDGE_TAKEN = "bridge_taken"
    """The switch took the command to bridge; it says so even if the caller goes in this moment."""
    BRIDGED = "bridged"
    NOT_REACHED = "not_reached"
    """The originate was refused: busy, no answer, rejected, unregistered, expired."""
    NOT_BRIDGED = "not_bridged"
    LEG_ENDED = "leg_ended"
    CALLER_ENDED = "caller_ended"
    CALLER_PARKED = "caller_parked"
    """The caller stands parked again: the music ran out, or the talk is over."""
    OVERDUE = "overdue"


class Move(StrEnum):
    """What is done with the offer."""

    BRIDGE = "bridge"
    TALK = "talk"
    TRUST = "trust"
    """Either they talk now or one of them ends; only if neither is ever heard, the person is freed in the end."""
    NEXT = "next"
    """Not taken: the person rests, the caller keeps the place in the queue."""
    RELEASE = "release"
    """The person is free."""
    DISMISS = "dismiss"
    """Hang up the operator's leg; the person is free when it has ended."""
    RETRY = "retry"
    """Dismiss, and the caller waits for the next person."""
    FOLLOW = "follow"
    """The talk is over on the caller's side; the operator's leg normally ends by itself."""
    CONTINUE = "continue"
    IGNORE = "ignore"


class Caller(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody in the queue, or talking to a person of the pool."""

    leg: str
    call: str
    tenant: str
    switch: str
    party: Party
    since_us: int
    """The place in the queue: when this caller first began to wait."""
    heard_us: int = 0
    """The last music or park; who waits is heard of again each time the bounded music ends."""
    talked: bool = False
    failed_bridges: int = 0
    command: str = ""
    """Our last RouteCall for this leg: if it is refused, somebody else has the caller."""


class Offer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One operator leg. Its id is the id of the OriginateCall."""

    leg: str
    phone: str
    """`id@domain` of the person."""
    caller: str
    """Leg of the caller; kept for LEAVING, where it no longer binds."""
    call: str
    tenant: str
    switch: str
    state: OfferState = OfferState.RINGING
    command: str = ""
    """Our last command about this leg."""
    due_at_us: int | None = None
    """When to look after it, should nobody tell us anything; None while they talk and every event is heard."""
    reminders: int = 0


class Pool(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything about one queue: one row, compared and set as a whole."""

    callers: tuple[Caller, ...] = ()
    """First come, first served."""
    offers: tuple[Offer, ...] = ()
    idle_since: dict[str, int] = {}
    """Person -> end of their last leg; who is missing has not worked yet."""
    resting_until: dict[str, int] = {}
    """Person who did not take an offer -> when they are asked again, others first."""


class Send(msgspec.Struct, frozen=True):
    """A message of this room with the client and call it belongs to: not always those of its cause."""

    body: Message
    tenant: str
    call: str
    not_after_us: int | None = None


_S, _X = OfferState, Signal

TABLE = total(
    OfferState,
    Signal,
    {
        # Bridged before its originate is done, the leg is taken out of it, and the job fails with ORIGINATOR_CANCEL
        # (switch_ivr_originate.c, peer_eligible).
        (_S.RINGING, _X.ANSWERED): Move.IGNORE,
        (_S.RINGING, _X.REACHED): Move.BRIDGE,
        (_S.RINGING, _X.BRIDGE_TAKEN): Move.IGNORE,
        (_S.RINGING, _X.BRIDGED): Move.TALK,  # the answer was told late
        (_S.RINGING, _X.NOT_REACHED): Move.NEXT,
        (_S.RINGING, _X.NOT_BRIDGED): Move.IGNORE,
        (_S.RINGING, _X.LEG_ENDED): Move.NEXT,
        (_S.RINGING, _X.CALLER_ENDED): Move.DISMISS,
        (_S.RINGING, _X.CALLER_PARKED): Move.CONTINUE,
        (_S.RINGING, _X.OVERDUE): Move.RETRY,
        (_S.BRIDGING, _X.ANSWERED): Move.IGNORE,
        (_S.BRIDGING, _X.REACHED): Move.IGNORE,
        (_S.BRIDGING, _X.BRIDGE_TAKEN): Move.TRUST,
        (_S.BRIDGING, _X.BRIDGED): Move.TALK,
        (_S.BRIDGING, _X.NOT_REACHED): Move.IGNORE,
        (_S.BRIDGING, _X.NOT_BRIDGED): Move.RETRY,
        (_S.BRIDGING, _X.LEG_ENDED): Move.NEXT,
        (_S.BRIDGING, _X.CALLER_ENDED): Move.DISMISS,
        # The park armed the fallback, which would tear the bridge: music again, and this person is let go.
        (_S.BRIDGING, _X.CALLER_PARKED): Move.RETRY,
        (_S.BRIDGING, _X.OVERDUE): Move.RETRY,
        (_S.JOINED, _X.ANSWERED): Move.IGNORE,
        (_S.JOINED, _X.REACHED): Move.IGNORE,
        (_S.JOINED, _X.BRIDGE_TAKEN): Move.IGNORE,
        (_S.JOINED, _X.BRIDGED): Move.TALK,
        (_S.JOINED, _X.NOT_REACHED): Move.IGNORE,
        (_S.JOINED, _X.NOT_BRIDGED): Move.RETRY,
        (_S.JOINED, _X.LEG_ENDED): Move.NEXT,
        (_S.JOINED, _X.CALLER_ENDED): Move.DISMISS,
        (_S.JOINED, _X.CALLER_PARKED): Move.RETRY,
        (_S.JOINED, _X.OVERDUE): Move.RELEASE,  # whatever became of it was not heard; nobody is hung up for that
        (_S.TALKING, _X.ANSWERED): Move.IGNORE,
        (_S.TALKING, _X.REACHED): Move.IGNORE,
        (_S.TALKING, _X.BRIDGE_TAKEN): Move.IGNORE,
        (_S.TALKING, _X.BRIDGED): Move.IGNORE,
        (_S.TALKING, _X.NOT_REACHED): Move.IGNORE,
        (_S.TALKING, _X.NOT_BRIDGED): Move.IGNORE,
        (_S.TALKING, _X.LEG_ENDED): Move.RELEASE,
        (_S.TALKING, _X.CALLER_ENDED): Move.FOLLOW,
        (_S.TALKING, _X.CALLER_PARKED): Move.FOLLOW,
        (_S.TALKING, _X.OVERDUE): Move.RELEASE,
        (_S.LEAVING, _X.ANSWERED): Move.IGNORE,
        (_S.LEAVING, _X.REACHED): Move.IGNORE,
        (_S.LEAVING, _X.BRIDGE_TAKEN): Move.IGNORE,
        (_S.LEAVING, _X.BRIDGED): Move.IGNORE,
        (_S.LEAVING, _X.NOT_REACHED): Move.RELEASE,
        (_S.LEAVING, _X.NOT_BRIDGED): Move.IGNORE,
        (_S.LEAVING, _X.LEG_ENDED): Move.RELEASE,
        (_S.LEAVING, _X.CALLER_ENDED): Move.IGNORE,
        (_S.LEAVING, _X.CALLER_PARKED): Move.IGNORE,
        (_S.LEAVING, _X.OVERDUE): Move.DISMISS,
    },
)
