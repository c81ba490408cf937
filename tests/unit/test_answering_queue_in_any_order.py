"""The queue in whatever order the facts come: nobody is offered twice, forgotten, or bridged twice."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proto.commands import BridgeLegs, HangUp, OriginateCall, RouteCall
from proto.events import (
    CallHandedOver,
    CallWaiting,
    CommandFinished,
    CommandRefused,
    LegAnswered,
    LegEnded,
    LegsBridged,
    TimerFired,
)
from proto.message import Message
from proto.values import command_id
from services.answering.model import TABLE, OfferState, Send, Signal
from services.answering.queue import OFFER_TIMER, REST_TIMER, SILENT_US, person, timer_subject
from tests.unit.answering_room import PARTY, Room, ended


def test_every_state_of_an_offer_answers_every_signal() -> None:
    assert set(TABLE) == set(itertools.product(OfferState, Signal))


CALLERS = ("c0", "c1", "c2", "c3")


class Watched(Room):
    """A room that is checked after each fact."""

    def __init__(self, *phones: str) -> None:
        super().__init__(*phones)
        self.present: set[str] = set()
        self.heard: dict[str, int] = {}

    def hear(self, body: Message, tenant: str = "acme", call: str = "", after_s: float = 0) -> list[Message]:
        held = {o.caller for o in self.pool.offers if o.state in (OfferState.BRIDGING, OfferState.TALKING)}
        said = super().hear(body, tenant, call, after_s)
        self._note(body, said)
        for message in said:
            if isinstance(message, BridgeLegs):
                assert message.leg not in held, "bridged while already being bridged"
        people = [offer.phone for offer in self.pool.offers]
        assert len(people) == len(set(people)), "one person offered twice at once"
        bound = [o.caller for o in self.pool.offers if o.state is not OfferState.LEAVING]
        assert len(bound) == len(set(bound)), "one caller offered to two people"
        waiting = [c.leg for c in self.pool.callers if not c.talked and c.leg not in bound]
        assert self.entry is not None
        free = {person(p) for p in self.entry.phones} - set(people) - set(self.pool.resting_until)
        assert not (waiting and free), "somebody waits while somebody is free"
        there = {leg for leg in self.present if self.now - self.heard[leg] <= SILENT_US}
        assert there <= {c.leg for c in self.pool.callers}, "a caller was forgotten"
        if waiting and not free and self.pool.resting_until and len(people) < len(self.entry.phones):
            assert self.wake_at_us is not None, "nobody would ask the resting again"
        return said

    def _note(self, body: Message, said: list[Message]) -> None:
        """Who must still be known: came, and neither left nor was let go by us."""
        if isinstance(body, CallWaiting | CallHandedOver):
            self.present.add(body.leg)
            self.heard[body.leg] = self.now
        if isinstance(body, LegEnded):
            self.present.discard(body.leg)
        self.present -= {m.leg for m in said if isinstance(m, HangUp)}
        if isinstance(body, CommandRefused) and body.name in (RouteCall.NAME, BridgeLegs.NAME):
            self.present &= {c.leg for c in self.pool.callers}


def any_fact(data: st.DataObject, room: Watched, operators: list[str], commands: list[Send]) -> Message:
    caller = data.draw(st.sampled_from(CALLERS))
    operator = data.draw(st.sampled_from(operators or ["none"]))
    choice = data.draw(st.integers(0, 8))
    if choice == 0:
        decision = str(data.draw(st.integers(0, 3)))
        return CallWaiting(switch="fs1", leg=caller, queue="tokyo", decision=decision, caller=PARTY)
    if choice == 1:
        return CallHandedOver(switch="fs1", leg=caller, park=2, to="answering", queue="tokyo", caller=PARTY)
    if choice == 2:
        return LegAnswered(switch="fs1", leg=operator, kind="operator", direction="outbound", via="phone")
    if choice == 3:
        return LegsBridged(switch="fs1", leg=caller, other=operator)
    if choice == 4:
        return ended(data.draw(st.sampled_from([*CALLERS, operator])))
    if choice == 5 and room.pool.offers:
        subject = timer_subject(data.draw(st.sampled_from(room.pool.offers)))
        return TimerFired(service="answering", name=OFFER_TIMER, subject=subject, due_at_us=room.now)
    if choice == 6 or not commands:
        return TimerFired(service="answering", name=REST_TIMER, subject="tokyo", due_at_us=room.now)
    position = data.draw(st.integers(0, len(room.sent) - 1))
    command, name = command_id("test", position), room.sent[position].body.NAME
    if choice == 7:
        return CommandFinished(switch="fs1", command=command, name=name)
    reason: Any = data.draw(st.sampled_from(["switch", "agent"]))
    return CommandRefused(switch="fs1", command=command, name=name, reason="x", by=reason)


@settings(max_examples=120, deadline=None)
@given(st.data(), st.integers(0, 3))
def test_in_any_order_nobody_is_offered_twice_nobody_is_forgotten_nobody_is_bridged_twice(
    data: st.DataObject, people: int
) -> None:
    room = Watched(*[f"200{n}" for n in range(people)])
    history: list[Message] = []
    for _ in range(data.draw(st.integers(1, 40))):
        operators: list[str] = [
            command_id("test", n) for n, s in enumerate(room.sent) if isinstance(s.body, OriginateCall)
        ]
        again = history and data.draw(st.booleans()) and data.draw(st.booleans())
        fact = data.draw(st.sampled_from(history)) if again else any_fact(data, room, operators, room.sent)
        history.append(fact)
        room.hear(fact, call="call-x", after_s=data.draw(st.sampled_from([0, 0.02, 3, 12])))


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 6))
def test_whoever_waits_long_enough_is_answered(data: st.DataObject, people: int, count: int) -> None:
    """An honest switch: phones answer, are busy or do not answer; every caller stays until somebody talked to them."""
    room = Watched(*[f"200{n}" for n in range(people)])
    met: set[str] = set()
    for n in range(count):
        room.waits(f"c{n}")
    for turn in range(60 * count):
        if not room.pool.callers and not room.pool.offers:
            break
        for offer in room.pool.offers:
            stubborn = turn < 20 * count and data.draw(st.booleans())
            if offer.state is OfferState.RINGING and stubborn:
                room.refuses(offer.leg, OriginateCall.NAME)
            elif offer.state is OfferState.RINGING:
                room.answers(offer.leg)
            elif offer.state is OfferState.BRIDGING:
                room.bridged(offer.caller, offer.leg)
                met.add(offer.caller)
            elif offer.state is OfferState.TALKING:
                room.ends(offer.leg)
                room.parks(offer.caller)
            else:
                room.ends(offer.leg)
        for caller in room.pool.callers:
            if not caller.talked:
                room.waits(caller.leg, decision=f"turn-{turn}")
        fired = TimerFired(service="answering", name=REST_TIMER, subject="tokyo", due_at_us=room.now)
        room.hear(fired, after_s=11)
    assert met == {f"c{n}" for n in range(count)}
    assert room.pool.callers == ()
