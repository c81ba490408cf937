"""The queue: who waits, who is offered whom, who takes the call, and what becomes of who gives up."""

from __future__ import annotations

from proto.commands import BridgeLegs, HangUp, OriginateCall, RouteCall
from proto.events import (
    CommandFinished,
    CommandUnknown,
    LegAnswered,
    OperatorOffered,
    TimerFired,
)
from proto.plan import Phone, Reject, Wait
from proto.values import command_id
from services.answering.model import OfferState
from services.answering.queue import DOUBT_US, REST_TIMER, SILENT_US
from tests.unit.answering_room import PARTY, SECOND, Room, kinds, overdue, pool_of, talking

# -- one caller, one person --


def test_a_caller_is_offered_to_the_person_whose_phone_rings_in_the_clients_name() -> None:
    room = Room("2001")
    originate, offered = room.waits("caller")
    assert isinstance(originate, OriginateCall)
    assert (originate.phone.id, originate.payer, originate.caller, originate.for_s) == ("2001", "acme", PARTY, 10)
    assert isinstance(offered, OperatorOffered)
    assert offered.operator_leg == room.offered("caller") == command_id("test", 0)


def test_the_operator_answers_and_the_two_talk() -> None:
    room = Room("2001")
    room.waits("caller")
    operator = room.offered("caller")
    picked_up = LegAnswered(switch="fs1", leg=operator, kind="operator", direction="outbound", via="phone")
    assert room.hear(picked_up) == [], "bridged before its originate is done, the leg is taken out of it: the job fails"
    originated = CommandFinished(switch="fs1", command=operator, name=OriginateCall.NAME)
    assert room.hear(originated) == [BridgeLegs(switch="fs1", leg="caller", other=operator)]
    assert room.hear(originated) == []
    assert room.bridged("caller", operator) == []
    assert room.pool.offers[0].state is OfferState.TALKING


def test_a_caller_who_goes_while_the_bridge_is_made_frees_the_operator_at_once() -> None:
    """A real switch says +OK to uuid_bridge although the caller hangs up in that moment: no bridge ever comes."""
    room = Room("2001")
    room.waits("caller")
    operator = room.offered("caller")
    room.answers(operator)
    taken = CommandFinished(switch="fs1", command=room.pool.offers[0].command, name=BridgeLegs.NAME)
    assert room.hear(taken) == []
    assert room.pool.offers[0].state is OfferState.JOINED, "a talk whose bridge we did not hear of is not torn"
    assert room.ends("caller") == [HangUp(switch="fs1", leg=operator, cause="LOSE_RACE")]


def test_after_the_talk_the_parked_caller_is_hung_up_and_the_person_serves_the_next() -> None:
    room, operator = talking("2001")
    assert room.waits("second", "bravo") == []
    originate = room.ends(operator)[0]
    assert isinstance(originate, OriginateCall)
    assert originate.payer == "bravo"
    assert [(s.tenant, s.call) for s in room.sent[-2:]] == [("bravo", "call-second")] * 2
    assert room.parks("caller") == [HangUp(switch="fs1", leg="caller")]


def test_a_caller_who_hangs_up_first_leaves_the_operators_leg_to_end_by_itself() -> None:
    room, operator = talking("2001")
    assert room.ends("caller") == []
    assert room.pool.offers[0].state is OfferState.LEAVING
    room.ends(operator)
    assert room.pool.offers == ()


def test_an_operators_leg_that_does_not_end_by_itself_is_hung_up() -> None:
    room, operator = talking("2001")
    room.ends("caller")
    fired = overdue(room)
    assert room.hear(fired) == [HangUp(switch="fs1", leg=operator, cause="LOSE_RACE")]
    assert room.hear(fired) == [], "the same reminder again is an old one"
    room.hear(overdue(room))
    room.hear(overdue(room))
    assert room.pool.offers == (), "after two hang-ups without an answer the person is taken as free"


def test_no_phone_rings_for_ever_for_a_caller_who_left_while_we_were_away() -> None:
    """Their end was never told (a kill, a lost link); whoever truly waits parks again each time the music ends."""
    room = Room("2001")
    room.waits("gone")
    rings = 0
    while room.pool.callers:
        room.refuses(room.offered("gone"), OriginateCall.NAME, "NO_ANSWER")
        again = TimerFired(service="answering", name=REST_TIMER, subject="tokyo", due_at_us=room.now)
        rings += 1
        room.hear(again, after_s=11)
        assert rings < 20
    assert rings >= 6, "not before the music must have ended"
    room.waits("there")
    for _ in range(5):
        room.now += 60 * SECOND
        room.parks("there")
        room.waits("there", decision="again")
    assert [caller.leg for caller in room.pool.callers] == ["there"]


# -- nobody takes it --


def test_a_bridge_of_which_nothing_more_is_heard_holds_nobody_for_ever() -> None:
    room = Room("op1")
    room.waits("c1")
    operator = room.offered("c1")
    (bridge,) = room.answers(operator)
    assert isinstance(bridge, BridgeLegs)
    room.hear(CommandFinished(switch="fs1", command=room.pool.offers[0].command, name=BridgeLegs.NAME))
    (offer,) = room.pool.offers
    assert offer.state is OfferState.JOINED
    assert room.hear(overdue(room), after_s=DOUBT_US / SECOND) == []
    assert (room.pool.offers, room.pool.callers) == ((), ()), "not hung up, and not offered to anybody else"


def test_a_caller_whose_end_was_not_heard_is_not_kept_for_ever() -> None:
    room = Room("op1")
    room.waits("c1")
    operator = room.offered("c1")
    room.answers(operator)
    room.bridged("c1", operator)
    room.ends(operator)
    assert [caller.leg for caller in room.pool.callers] == ["c1"], "about to park or to end"
    room.now += SILENT_US
    room.waits("c2")
    assert [caller.leg for caller in room.pool.callers] == ["c2"]


def test_busy_no_answer_and_rejection_pass_the_caller_to_the_next_person() -> None:
    room = Room("2001", "2002", "2003")
    room.waits("caller")
    asked = []
    for reason in ("NO_ANSWER", "USER_BUSY"):
        asked.append(room.phone(room.offered("caller")))
        assert kinds(room.refuses(room.offered("caller"), OriginateCall.NAME, reason)) == [
            "OriginateCall",
            "OperatorOffered",
        ]
    asked.append(room.phone(room.offered("caller")))
    assert room.ends(room.offered("caller"), "CALL_REJECTED") == [], "nobody is left to ask"
    assert asked == ["2001@ops.example", "2002@ops.example", "2003@ops.example"]
    assert room.wake_at_us is not None
    again = TimerFired(service="answering", name=REST_TIMER, subject="tokyo", due_at_us=room.wake_at_us)
    assert kinds(room.hear(again, after_s=11)) == ["OriginateCall", "OperatorOffered"]


def test_the_end_of_a_leg_and_the_refusal_of_its_originate_count_once() -> None:
    room = Room("2001", "2002")
    room.waits("caller")
    first = room.offered("caller")
    room.refuses(first, OriginateCall.NAME)
    second = room.offered("caller")
    assert room.ends(first) == []
    assert room.offered("caller") == second


def test_nobody_told_us_how_the_ringing_ended() -> None:
    room = Room("2001", "2002")
    room.waits("caller")
    first = room.offered("caller")
    assert kinds(room.hear(overdue(room))) == ["HangUp", "OriginateCall", "OperatorOffered"]
    assert room.phone(room.offered("caller")) == "2002@ops.example"
    assert [o.leg for o in room.pool.offers if o.state is OfferState.LEAVING] == [first]


def test_an_originate_lost_with_the_connection_is_hung_up_and_not_repeated_on_that_phone() -> None:
    room = Room("2001")
    room.waits("caller")
    lost = CommandUnknown(switch="fs1", command=room.offered("caller"), name=OriginateCall.NAME)
    assert kinds(room.hear(lost)) == ["HangUp"]


# -- the caller gives up --


def test_a_caller_who_gives_up_while_a_phone_rings() -> None:
    room = Room("2001")
    room.waits("caller")
    operator = room.offered("caller")
    assert room.ends("caller") == [HangUp(switch="fs1", leg=operator, cause="LOSE_RACE")]
    assert room.answers(operator) == [], "picked up in that moment: nobody to bridge to"
    assert room.waits("second") == [], "the phone still rings for the first"
    assert kinds(room.ends(operator)) == ["OriginateCall", "OperatorOffered"]


def test_a_bridge_that_fails_lets_the_operator_go_and_keeps_the_caller() -> None:
    room = Room("2001", "2002")
    room.waits("caller")
    operator = room.offered("caller")
    room.answers(operator)
    bridge = room.pool.offers[0].command
    said = room.refuses(bridge, BridgeLegs.NAME, "Invalid uuid")
    assert said[0] == HangUp(switch="fs1", leg=operator, cause="LOSE_RACE")
    assert kinds(said[1:]) == ["OriginateCall", "OperatorOffered"]


def test_a_caller_with_whom_no_bridge_holds_is_gone_until_they_park_again() -> None:
    room = Room("2001", "2002", "2003")
    room.waits("caller")
    for _ in range(2):
        room.answers(room.offered("caller"))
        bound = next(o for o in room.pool.offers if o.state is OfferState.BRIDGING)
        room.refuses(bound.command, BridgeLegs.NAME, "Invalid uuid")
    assert room.pool.callers == ()
    assert kinds(room.parks("caller"))[0] == "RouteCall"
    assert [c.leg for c in room.pool.callers] == ["caller"]


# -- the bounded wait --


def test_music_that_ran_out_starts_again_and_the_place_is_kept() -> None:
    room = Room()
    room.waits("first")
    room.waits("second")
    again = room.parks("first")[0]
    assert isinstance(again, RouteCall)
    assert again.plan == (Wait("tokyo", "moh", 60),)
    assert room.sent[-1].not_after_us == room.now + 1_500_000
    room.waits("first", decision="d2")
    room.entry = pool_of("2001")
    assert room.waits("third")[0] == OriginateCall(
        switch="fs1", phone=Phone("2001", "ops.example"), for_s=10, payer="acme", caller=PARTY
    )
    assert room.pool.offers[0].caller == "first"


def test_music_that_runs_out_while_a_bridge_is_made_lets_that_operator_go() -> None:
    """The park has armed the fallback: the bridge would be torn four seconds later."""
    room = Room("2001")
    room.waits("caller")
    operator = room.offered("caller")
    room.answers(operator)
    assert kinds(room.parks("caller")) == ["RouteCall", "HangUp"]
    assert kinds(room.ends(operator)) == ["OriginateCall", "OperatorOffered"]


def test_a_caller_whom_the_fallback_has_taken_is_not_offered_any_more() -> None:
    room = Room("2001")
    room.waits("caller")
    operator = room.offered("caller")
    room.parks("caller")
    command = room.pool.callers[0].command
    said = room.refuses(command, RouteCall.NAME, "expired", "agent")
    assert said == [HangUp(switch="fs1", leg=operator, cause="LOSE_RACE")]
    assert room.pool.callers == ()


def test_a_queue_that_no_longer_exists_ends_the_wait() -> None:
    room = Room()
    room.waits("caller")
    room.entry = None
    said = room.parks("caller")
    assert isinstance(said[0], RouteCall)
    assert said[0].plan == (Reject("NO_ANSWER"),)


def test_the_longest_idle_is_asked_first() -> None:
    room = Room("2001", "2002")
    for leg, phone in (("a", "2001"), ("b", "2002")):
        room.waits(leg)
        assert room.phone(room.offered(leg)) == f"{phone}@ops.example"
    for leg in ("b", "a"):  # 2002 is free before 2001
        operator = room.offered(leg)
        room.answers(operator)
        room.bridged(leg, operator)
        room.ends(operator)
    room.waits("c")
    assert room.phone(room.offered("c")) == "2002@ops.example"


def test_a_person_held_by_another_pool_is_not_asked() -> None:
    room = Room("2001", busy=frozenset({"2001@ops.example"}))
    assert room.waits("caller") == []
