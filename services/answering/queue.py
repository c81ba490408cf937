"""PURE. One pool: callers wait first come first served, people are offered callers longest idle first.

Enters: the pool's state, its entry in platform.yaml, people busy for other pools, a fact. Leaves: the state after it
and what is sent. A person is never offered twice at once, a caller is bridged once at a time, and whoever waits stays
in the queue until taken or gone. What each signal does to an offer stands in `model.TABLE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from proto import plan
from proto.commands import BridgeLegs, Cause, HangUp, OriginateCall, RouteCall
from proto.envelope import Envelope
from proto.events import (
    CallHandedOver,
    CallWaiting,
    CommandFinished,
    CommandRefused,
    CommandUnknown,
    LegAnswered,
    LegEnded,
    LegsBridged,
    OperatorOffered,
    TimerFired,
)
from proto.message import Message
from proto.tenant.platform import Pool as PoolEntry
from services.answering.model import TABLE, Caller, Move, Offer, OfferState, Pool, Send, Signal

SECOND_US = 1_000_000
WAIT_S = 60
"""Music is bounded: a dead answering service means the fallback, not music for ever."""
SILENT_US = (WAIT_S + 30) * SECOND_US
"""A caller of whom neither music nor park was heard for so long left while we were away: no phone rings for them."""
WAIT_WITHIN_US = 1_500_000
ORIGINATE_WITHIN_US = 5 * SECOND_US
BRIDGE_WITHIN_US = 5 * SECOND_US
HANG_UP_WITHIN_US = 60 * SECOND_US
REST_US = 10 * SECOND_US
"""Who did not take a call is asked again after so long, so that a switched-off phone is not dialled in a circle."""
RING_GRACE_US = 15 * SECOND_US
"""So long after the ringing time we look after an offer that nobody told us the end of."""
LOOK_AFTER_US = 10 * SECOND_US
DOUBT_US = 600 * SECOND_US
"""So long a person counts as busy after a bridge of which nothing more was heard than that the switch took it."""
MAX_REMINDERS = 2
MAX_FAILED_BRIDGES = 2
"""A caller with whom no bridge holds is gone; one who is not parks again within WAIT_S and is taken in again."""

OFFER_TIMER = "offer"
REST_TIMER = "rest"

IdOf = Callable[[int], str]


def person(phone: plan.Phone) -> str:
    """How a person of a pool is known: the phone they answer on."""
    return f"{phone.id}@{phone.domain}"


def timer_subject(offer: Offer) -> str:
    """Names the moment of the offer that a timer looks after; a later moment has another name."""
    return f"{offer.leg}/{offer.state}/{offer.reminders}"


class Floor:
    """A pool while one fact is worked in: a working copy, what is said, and when to look again."""

    def __init__(
        self, name: str, pool: Pool, entry: PoolEntry | None, at_us: int, id_of: IdOf, said: int, busy: frozenset[str]
    ) -> None:
        """`said`: messages that this cause has given already, so that ids go on; `busy`: people of other pools."""
        self.name, self.entry, self.at_us, self.busy = name, entry, at_us, busy
        self.sends: list[Send] = []
        self.wake_at_us: int | None = None
        self._id_of, self._said = id_of, said
        self._callers = {caller.leg: caller for caller in pool.callers}
        self._offers = {offer.leg: offer for offer in pool.offers}
        self._idle = dict(pool.idle_since)
        self._rest = {who: until for who, until in pool.resting_until.items() if until > at_us}

    @property
    def pool(self) -> Pool:
        """The state after the fact."""
        return Pool(tuple(self._callers.values()), tuple(self._offers.values()), self._idle, self._rest)

    # -- facts --

    def hear(self, event: Envelope) -> None:
        """Work one fact in, then give free people to those who wait."""
        fact = event.body
        if isinstance(fact, CallWaiting):
            self._join(event, fact)
        elif isinstance(fact, CallHandedOver):
            self._parked(event, fact)
        elif isinstance(fact, LegAnswered):
            self._signal(fact.leg, Signal.ANSWERED)
        elif isinstance(fact, LegsBridged):
            self._bridged(fact)
        elif isinstance(fact, LegEnded):
            self._ended(fact.leg)
        elif isinstance(fact, CommandFinished | CommandRefused | CommandUnknown):
            self._answered_command(fact)
        elif isinstance(fact, TimerFired) and fact.name == OFFER_TIMER:
            self._overdue(fact.subject)
        self.assign()

    def leave(self, leg: str) -> None:
        """The caller now waits elsewhere."""
        self._ended(leg)
        self.assign()

    def _join(self, event: Envelope, fact: CallWaiting) -> None:
        known, offer = self._callers.get(fact.leg), self._bound(fact.leg)
        if known is not None and (not known.talked or offer is not None):
            # keeps the place; or is talking, and this was told late
            self._callers[fact.leg] = msgspec.structs.replace(known, heard_us=event.occurred_at_us)
            return
        self._callers.pop(fact.leg, None)
        self._callers[fact.leg] = self._caller(event, fact)

    def _parked(self, event: Envelope, fact: CallHandedOver) -> None:
        """The music ran out, or the talk is over: music again in the same place, or good-bye."""
        known = self._callers.get(fact.leg) or self._caller(event, fact)
        caller = msgspec.structs.replace(known, heard_us=event.occurred_at_us)
        offer = self._bound(fact.leg)
        if caller.talked:
            self._callers.pop(fact.leg, None)
            self._hang_up(caller, "NORMAL_CLEARING")
        elif self.entry is None:
            self._callers.pop(fact.leg, None)
            self._route(caller, (plan.Reject("NO_ANSWER"),))
        else:
            self._callers[fact.leg] = caller
            command = self._route(caller, (plan.Wait(self.name, self.entry.music, WAIT_S),))
            self._callers[fact.leg] = msgspec.structs.replace(caller, command=command)
        if offer is not None:
            self._signal(offer.leg, Signal.CALLER_PARKED)

    def _bridged(self, fact: LegsBridged) -> None:
        for one, other in ((fact.leg, fact.other), (fact.other, fact.leg)):
            offer = self._offers.get(one)
            if offer is not None and offer.caller == other:
                self._signal(one, Signal.BRIDGED)

    def _ended(self, leg: str) -> None:
        offer = self._bound(leg)
        if self._callers.pop(leg, None) is not None and offer is not None:
            self._signal(offer.leg, Signal.CALLER_ENDED)
        self._signal(leg, Signal.LEG_ENDED)

    def _answered_command(self, fact: CommandFinished | CommandRefused | CommandUnknown) -> None:
        offer = next((o for o in self._offers.values() if fact.command in (o.leg, o.command)), None)
        if offer is not None:
            signal = _signal_of(fact, offer)
            if signal is not None:
                self._signal(offer.leg, signal)
        if isinstance(fact, CommandRefused) and fact.name == RouteCall.NAME:
            for caller in list(self._callers.values()):
                if caller.command == fact.command:
                    self._ended(caller.leg)  # the fallback has them, or they are gone

    def _overdue(self, subject: str) -> None:
        for offer in list(self._offers.values()):
            if timer_subject(offer) == subject:
                self._signal(offer.leg, Signal.OVERDUE)

    # -- offers --

    def assign(self) -> None:
        """Free people, longest idle first, to waiting callers, longest waiting first."""
        engaged = {offer.caller for offer in self._offers.values() if offer.state is not OfferState.LEAVING}
        for caller in list(self._callers.values()):
            if self.at_us - caller.heard_us > SILENT_US and caller.leg not in engaged:
                del self._callers[caller.leg]
        waiting = [c for c in self._callers.values() if not c.talked and c.leg not in engaged]
        free, resting = self._people()
        for caller, phone in zip(waiting, free, strict=False):
            self._offer(caller, phone)
        self.wake_at_us = min(resting) if resting and len(waiting) > len(free) else None

    def _people(self) -> tuple[list[plan.Phone], list[int]]:
        """Who is free, in the order of their turn; and until when the others rest who are not busy."""
        taken = self.busy | {offer.phone for offer in self._offers.values()}
        there = [phone for phone in (self.entry.phones if self.entry else ()) if person(phone) not in taken]
        free = [phone for phone in there if person(phone) not in self._rest]
        resting = [self._rest[person(phone)] for phone in there if person(phone) in self._rest]
        unique = {person(phone): phone for phone in free}
        return sorted(unique.values(), key=lambda phone: self._idle.get(person(phone), 0)), resting

    def _offer(self, caller: Caller, phone: plan.Phone) -> None:
        assert self.entry is not None
        request = OriginateCall(
            switch=caller.switch,
            phone=msgspec.structs.replace(phone, after_s=0),
            for_s=self.entry.ring_s,
            payer=caller.tenant,
            caller=caller.party,
        )
        leg = self._say(request, caller, ORIGINATE_WITHIN_US)
        self._offers[leg] = Offer(
            leg=leg,
            phone=person(phone),
            caller=caller.leg,
            call=caller.call,
            tenant=caller.tenant,
            switch=caller.switch,
            command=leg,
            due_at_us=self.at_us + self.entry.ring_s * SECOND_US + RING_GRACE_US,
        )
        offered = OperatorOffered(caller_leg=caller.leg, operator_leg=leg, pool=self.name, phone=phone.id)
        self._say(offered, caller, None)

    def _signal(self, leg: str, signal: Signal) -> None:
        offer = self._offers.get(leg)
        if offer is None:
            return
        move = TABLE[offer.state, signal]
        if move is Move.BRIDGE:
            self._bridge(offer)
        elif move is Move.TALK:
            self._talk(offer)
        elif move is Move.TRUST:
            self._change(offer, state=OfferState.JOINED, due_at_us=self.at_us + DOUBT_US)
        elif move is Move.NEXT:
            self._rest[offer.phone] = self.at_us + REST_US
            self._release(offer)
        elif move is Move.RELEASE:
            self._release(offer)
        elif move is Move.DISMISS:
            self._dismiss(offer)
        elif move is Move.RETRY:
            self._retry(offer, signal)
        elif move is Move.FOLLOW:
            self._change(offer, state=OfferState.LEAVING, due_at_us=self.at_us + LOOK_AFTER_US)

    def _bridge(self, offer: Offer) -> None:
        request = BridgeLegs(switch=offer.switch, leg=offer.caller, other=offer.leg)
        command = self._say(request, offer, BRIDGE_WITHIN_US)
        self._change(offer, state=OfferState.BRIDGING, command=command, due_at_us=self.at_us + LOOK_AFTER_US)

    def _talk(self, offer: Offer) -> None:
        self._change(offer, state=OfferState.TALKING, due_at_us=None)
        caller = self._callers.get(offer.caller)
        if caller is not None:
            self._callers[caller.leg] = msgspec.structs.replace(caller, talked=True, failed_bridges=0)

    def _release(self, offer: Offer) -> None:
        del self._offers[offer.leg]
        caller = self._callers.get(offer.caller)
        if caller is not None and caller.talked:  # parks or ends in this moment, if it has not done so unheard
            self._callers[caller.leg] = msgspec.structs.replace(caller, heard_us=self.at_us)
        self._idle[offer.phone] = max(self.at_us, self._idle.get(offer.phone, 0))

    def _dismiss(self, offer: Offer) -> None:
        if offer.reminders >= MAX_REMINDERS:
            self._release(offer)
            return
        command = self._hang_up(offer, "LOSE_RACE")
        self._change(
            offer,
            state=OfferState.LEAVING,
            command=command,
            due_at_us=self.at_us + LOOK_AFTER_US,
            reminders=offer.reminders + 1,
        )

    def _retry(self, offer: Offer, signal: Signal) -> None:
        self._dismiss(offer)
        caller = self._callers.get(offer.caller)
        if signal is Signal.OVERDUE:
            self._rest[offer.phone] = self.at_us + REST_US
        if signal is Signal.NOT_BRIDGED and caller is not None:
            failed = caller.failed_bridges + 1
            if failed >= MAX_FAILED_BRIDGES:
                del self._callers[caller.leg]
            else:
                self._callers[caller.leg] = msgspec.structs.replace(caller, failed_bridges=failed)

    # -- small words --

    def _bound(self, caller: str) -> Offer | None:
        """The offer that holds this caller now."""
        return next(
            (o for o in self._offers.values() if o.caller == caller and o.state is not OfferState.LEAVING), None
        )

    def _change(self, offer: Offer, **changes: object) -> None:
        self._offers[offer.leg] = msgspec.structs.replace(offer, **changes)

    def _caller(self, event: Envelope, fact: CallWaiting | CallHandedOver) -> Caller:
        return Caller(
            leg=fact.leg,
            call=event.call,
            tenant=event.tenant,
            switch=fact.switch,
            party=fact.caller,
            since_us=event.occurred_at_us,
            heard_us=event.occurred_at_us,
        )

    def _route(self, caller: Caller, steps: plan.Plan) -> str:
        request = RouteCall(switch=caller.switch, leg=caller.leg, payer=caller.tenant, caller=caller.party, plan=steps)
        return self._say(request, caller, WAIT_WITHIN_US)

    def _hang_up(self, who: Caller | Offer, cause: Cause) -> str:
        return self._say(HangUp(switch=who.switch, leg=who.leg, cause=cause), who, HANG_UP_WITHIN_US)

    def _say(self, body: Message, who: Caller | Offer, within_us: int | None) -> str:
        """Send for this caller's client and call, whoever's fact caused it. Returns the id of the message."""
        message_id = self._id_of(self._said + len(self.sends))
        not_after = None if within_us is None else self.at_us + within_us
        self.sends.append(Send(body, who.tenant, who.call, not_after))
        return message_id


def names(pool: Pool) -> set[str]:
    """Legs and commands whose facts concern this pool."""
    callers = {key for caller in pool.callers for key in (caller.leg, caller.command)}
    offers = {key for offer in pool.offers for key in (offer.leg, offer.command)}
    return (callers | offers) - {""}


def engaged(pool: Pool) -> set[str]:
    """People whom this pool holds: their phone rings or they talk."""
    return {offer.phone for offer in pool.offers}


def others_with(people: Iterable[str], entries: Iterable[PoolEntry], name: str) -> list[PoolEntry]:
    """The other pools in which somebody of `people` works."""
    wanted = set(people)
    return [e for e in entries if e.pool != name and wanted & {person(phone) for phone in e.phones}]


def _signal_of(fact: CommandFinished | CommandRefused | CommandUnknown, offer: Offer) -> Signal | None:
    """What the answer to a command about an operator's leg means."""
    if isinstance(fact, CommandFinished):
        return {OriginateCall.NAME: Signal.REACHED, BridgeLegs.NAME: Signal.BRIDGE_TAKEN}.get(fact.name)
    if isinstance(fact, CommandUnknown):
        lost = fact.name == OriginateCall.NAME and offer.state is OfferState.RINGING
        return Signal.OVERDUE if lost else None
    if fact.name == HangUp.NAME:
        # The switch says that there is no such leg; the agent's own refusal says nothing about it.
        return Signal.NOT_REACHED if fact.by == "switch" else None
    return {OriginateCall.NAME: Signal.NOT_REACHED, BridgeLegs.NAME: Signal.NOT_BRIDGED}.get(fact.name)
