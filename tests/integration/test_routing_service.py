"""Routing at work: facts from the bus, plans on the switch's queue, over the embedded bus and SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proto.commands import RouteCall
from proto.events import CallHandedOver, CallRouted, LegEnded
from proto.plan import Forward, HandOver, Play, Reject, Ring, TakeMessage
from proto.values import Party
from services.routing.model import Routed
from services.routing.service import build
from tests.clients import ACME, OUTSIDE, arrival, at, client, envelope, revisions
from tests.integration.one_room import OneRoom, now, running
from tests.stores import Database


@pytest.fixture
def routing(tmp_path: Path, database: Database) -> Iterator[OneRoom]:
    with running(build(), tmp_path, database) as room:
        yield room


def plans(room: OneRoom, count: int) -> list[CallRouted]:
    return room.await_(CallRouted, count)


def ended(leg: str, at_us: int) -> LegEnded:
    return LegEnded(
        switch="fs1",
        leg=leg,
        kind="inbound",
        direction="inbound",
        via="trunk",
        payer="acme",
        caller=OUTSIDE,
        started_at_us=at_us,
        ended_at_us=at_us,
        cause="NORMAL_CLEARING",
    )


def test_one_arrival_gives_one_plan_in_time_charged_to_the_client(routing: OneRoom) -> None:
    moment = now()
    routing.tell(arrival("0312345601", moment, leg="leg-1"))
    command = routing.await_(RouteCall)[0]
    routed = plans(routing, 1)[0]
    assert (command.leg, command.payer, command.caller) == ("leg-1", "acme", OUTSIDE)
    assert command.plan == routed.plan
    sent = routing.envelopes(RouteCall)[0]
    assert (sent.id, sent.not_after_us, sent.call) == (routed.command, moment + 1_500_000, "c1")


def test_an_arrival_told_twice_is_decided_once_whatever_its_id(routing: OneRoom) -> None:
    first = arrival(at_us=now())
    again = envelope(first.body, at_us=first.occurred_at_us, id="told-by-the-other-agent")
    routing.tell(first, first, again)
    routing.tell(arrival(at_us=now(), leg="leg-b"))
    routing.await_(RouteCall, 2)
    plans(routing, 2)


@pytest.mark.requirement("R13")
def test_reception_hours_holidays_special_days_and_a_persons_own_hours(routing: OneRoom) -> None:
    """Per number: guidance outside; per extension: no ring outside. 勤労感謝の日 and the break count as closed."""
    hours = {"office": {**ACME["hours"]["office"], "special": [{"on": "2026-11-22", "open": ["10:00-12:00"]}]}}
    lines = [ACME["lines"][0], {"line": "suzuki", "ids": ["1002"], "hours": "early"}, ACME["lines"][2]]
    revised = client(hours={**hours, "early": {"daily": ["6:00-9:30"]}}, lines=lines)
    later = envelope(revisions(revised)[0].body, "acme", "", at("2026-11-21 00:00"), id="revised/again")
    routing.tell(later)
    moments = ["2026-11-24 10:00", "2026-11-24 09:15", "2026-11-22 10:30", "2026-11-22 12:00", "2026-11-23 10:00"]
    for n, moment in enumerate([*moments, "2026-12-30 10:00"]):
        routing.tell(arrival(at_us=at(moment), leg=f"leg-{n}"))
    heard = [_shape(routed) for routed in plans(routing, 6)]
    closed = "guidance, message"
    assert heard == [
        "ring 1001+1101",  # 1002's own hours are over
        "ring 1001+1101+1002",
        "ring 1001+1101",  # a Sunday with special hours; 1002 has hours of every day, until 9:30
        closed,
        closed,
        closed,
    ]


def _shape(routed: CallRouted) -> str:
    first = routed.plan[0]
    if isinstance(first, Ring):
        return "ring " + "+".join(phone.id for phone in first.phones)
    assert [type(step) for step in routed.plan] == [Play, TakeMessage]
    return "guidance, message"


@pytest.mark.requirement("R16")
def test_a_leased_number_never_originates(routing: OneRoom) -> None:
    only_leased = client(
        numbers=[ACME["numbers"][2]], lines=[{**ACME["lines"][0], "present": "05012345678"}], groups=[]
    )
    routing.tell(envelope(revisions(only_leased)[0].body, "acme", "", at("2026-11-21 00:00"), id="revised/leased"))
    caller = Party(number="1001")
    routing.tell(arrival("0667891234", now(), origin="phone", phone="1001", caller=caller))
    assert plans(routing, 1)[0].plan == (Reject("CALL_REJECTED"),)


def test_no_answer_goes_on_after_seconds_and_breaks_a_loop(routing: OneRoom) -> None:
    lines = [
        {"line": "sato", "ids": ["1001"], "no_answer": {"after_s": 5, "to": "suzuki"}},
        {"line": "suzuki", "ids": ["1002"], "no_answer": {"after_s": 7, "to": "sato"}},
    ]
    looped = client(lines=lines, groups=[])
    routing.tell(envelope(revisions(looped)[0].body, "acme", "", at("2026-11-21 00:00"), id="revised/loop"))
    routing.tell(arrival("0312345601", now()))
    first, second, end = plans(routing, 1)[0].plan
    assert isinstance(first, Ring)
    assert isinstance(second, Ring)
    assert (first.for_s, second.for_s, end) == (5, 7, HandOver("routing"))


def test_184_hides_the_number_from_who_is_called_not_from_the_carrier(routing: OneRoom) -> None:
    routing.tell(arrival("1840667891234", now(), origin="phone", phone="1001", caller=Party(number="1001")))
    command = routing.await_(RouteCall)[0]
    step = command.plan[0]
    assert isinstance(step, Forward)
    assert (step.number, step.present, step.withhold) == ("0667891234", "0312345678", True)
    assert command.caller == Party(presentation="withheld")


def test_a_number_of_nobody_is_told_not_in_use(routing: OneRoom) -> None:
    routing.tell(arrival("0355550000", now(), tenant="_unknown"))
    assert routing.await_(RouteCall)[0].plan == (Play("not_in_use", early=True), Reject("UNALLOCATED_NUMBER"))


def test_a_client_not_heard_of_yet_is_left_to_the_switchs_fallback(routing: OneRoom) -> None:
    routing.tell(arrival("0399990000", now(), tenant="bravo"), arrival(at_us=now(), leg="leg-b"))
    assert [command.leg for command in routing.await_(RouteCall)] == ["leg-b"]


def test_a_plan_that_ran_out_ends_the_call_and_the_leg_is_forgotten(routing: OneRoom) -> None:
    moment = now()
    routing.tell(arrival(at_us=moment, leg="leg-a"))
    parked = CallHandedOver(switch="fs1", leg="leg-a", park=2, to="routing", disposition="USER_BUSY", caller=OUTSIDE)
    other = CallHandedOver(switch="fs1", leg="leg-q", park=2, to="answering", caller=OUTSIDE)
    routing.tell(envelope(parked, at_us=moment), envelope(other, at_us=moment))
    assert [c.plan for c in routing.await_(RouteCall, 2)][1] == (Reject("USER_BUSY"),)
    routing.tell(envelope(ended("leg-a", moment), at_us=moment), envelope(ended("leg-dialled", moment), at_us=moment))
    assert routing.store.run(lambda tx: tx.state("leg", "leg-a", Routed)) is None


def test_a_blind_transfer_is_a_second_decision_for_the_same_leg(routing: OneRoom) -> None:
    routing.tell(arrival(at_us=now()), arrival("1002", now(), park=3, transferred=True))
    ring = plans(routing, 2)[1].plan[0]
    assert isinstance(ring, Ring)
    assert [phone.id for phone in ring.phones] == ["1002"]
