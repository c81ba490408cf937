"""The queue at work: callers of several clients, people of two pools, over the embedded bus and SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from proto.commands import BridgeLegs, HangUp, OriginateCall, RouteCall
from proto.envelope import Envelope
from proto.events import (
    CallHandedOver,
    CallWaiting,
    CommandFinished,
    CommandRefused,
    LegAnswered,
    LegEnded,
    LegsBridged,
    OperatorOffered,
    PlatformRevised,
)
from proto.plan import Wait
from proto.tenant.platform import Platform
from services.answering.model import Pool
from services.answering.service import build
from tests.clients import OUTSIDE, PLATFORM, envelope
from tests.integration.one_room import OneRoom, now, running
from tests.stores import Database

PHONES = [{"id": "2001", "domain": "ops.example"}]


def with_pools(*pools: dict[str, object]) -> Platform:
    body = msgspec.to_builtins(PLATFORM)
    return msgspec.convert({**body, "pools": list(pools)}, Platform)


@pytest.fixture
def room(tmp_path: Path, database: Database) -> Iterator[OneRoom]:
    with running(build(), tmp_path, database) as room:
        yield room


def revise(room: OneRoom, platform: Platform) -> None:
    room.tell(envelope(PlatformRevised(revision=str(now()), body=platform), "_platform", "", now(), id=f"p{now()}"))


def waits(leg: str, tenant: str = "acme", queue: str = "tokyo-pool") -> Envelope:
    fact = CallWaiting(switch="fs1", leg=leg, queue=queue, decision=f"d-{leg}", caller=OUTSIDE)
    return envelope(fact, tenant, f"call-{leg}", now())


def parks(leg: str, tenant: str = "acme", park: int = 2) -> Envelope:
    fact = CallHandedOver(switch="fs1", leg=leg, park=park, to="answering", queue="tokyo-pool", caller=OUTSIDE)
    return envelope(fact, tenant, f"call-{leg}", now())


def answers(leg: str, tenant: str = "acme", call: str = "c1") -> Envelope:
    fact = LegAnswered(switch="fs1", leg=leg, kind="operator", direction="outbound", via="phone")
    return envelope(fact, tenant, call, now())


def reached(operator: str) -> Envelope:
    """The originate is done."""
    return envelope(CommandFinished(switch="fs1", command=operator, name=OriginateCall.NAME), at_us=now())


def ends(leg: str, tenant: str = "acme", call: str = "c1", cause: str = "NORMAL_CLEARING") -> Envelope:
    fact = LegEnded(
        switch="fs1",
        leg=leg,
        kind="operator",
        direction="outbound",
        via="phone",
        payer=tenant,
        caller=OUTSIDE,
        started_at_us=1,
        ended_at_us=2,
        cause=cause,
    )
    return envelope(fact, tenant, call, now())


def test_a_person_freed_from_one_client_takes_another_clients_caller(room: OneRoom) -> None:
    revise(room, with_pools({"pool": "tokyo-pool", "phones": PHONES}))
    room.tell(waits("a", "acme"), waits("b", "bravo"))
    room.await_(OriginateCall)
    first = room.envelopes(OriginateCall)[0]
    assert room.await_(OperatorOffered)[0].operator_leg == first.id, "the new leg's id is the command's id"
    room.tell(answers(first.id), reached(first.id))
    assert room.await_(BridgeLegs)[0] == BridgeLegs(switch="fs1", leg="a", other=first.id)
    room.tell(envelope(LegsBridged(switch="fs1", leg="a", other=first.id), at_us=now()), ends(first.id), parks("a"))
    room.await_(OriginateCall, 2)
    second = room.envelopes(OriginateCall)[1]
    assert (second.tenant, second.call, second.body.payer) == ("bravo", "call-b", "bravo")  # type: ignore[attr-defined]
    assert [(h.leg, h.cause) for h in room.await_(HangUp)] == [("a", "NORMAL_CLEARING")]


def test_a_talk_that_ended_while_the_event_socket_was_away_frees_its_person(room: OneRoom) -> None:
    """The agent tells the ends once it has compared what is up with what it believed; they are estimated."""
    revise(room, with_pools({"pool": "tokyo-pool", "phones": PHONES}))
    room.tell(waits("a", "acme"), waits("b", "bravo"))
    room.await_(OriginateCall)
    operator = room.envelopes(OriginateCall)[0].id
    room.tell(answers(operator), reached(operator))
    room.tell(envelope(LegsBridged(switch="fs1", leg="a", other=operator), at_us=now()))
    room.tell(*(msgspec.structs.replace(ends(leg), estimated=True) for leg in ("a", operator)))
    room.await_(OriginateCall, 2)
    assert room.envelopes(OriginateCall)[1].call == "call-b"
    assert room.heard(HangUp) == []


def test_nobody_free_the_caller_waits_on_and_keeps_the_place(room: OneRoom) -> None:
    revise(room, with_pools({"pool": "tokyo-pool", "phones": PHONES}))
    room.tell(waits("talking"))
    operator = room.await_(OriginateCall) and room.envelopes(OriginateCall)[0].id
    room.tell(reached(operator), envelope(LegsBridged(switch="fs1", leg="talking", other=operator), at_us=now()))
    room.tell(waits("first"), waits("second"), parks("first"))
    again = room.await_(RouteCall)[0]
    assert (again.leg, again.plan) == ("first", (Wait("tokyo-pool", "moh", 60),))
    sent = room.envelopes(RouteCall)[0]
    assert sent.not_after_us is not None
    assert sent.not_after_us - sent.occurred_at_us == 1_500_000
    room.tell(ends(operator))
    assert [o.caller_leg for o in room.await_(OperatorOffered, 2)] == ["talking", "first"]


def test_busy_and_no_answer_ask_the_next_person(room: OneRoom) -> None:
    room.tell(waits("a"))
    room.await_(OriginateCall)
    first = room.envelopes(OriginateCall)[0].id
    busy = CommandRefused(switch="fs1", command=first, name=OriginateCall.NAME, reason="USER_BUSY", by="switch")
    room.tell(envelope(busy, at_us=now()), ends(first, cause="USER_BUSY"))
    assert [c.phone.id for c in room.await_(OriginateCall, 2)] == ["2001", "2002"]
    second = room.envelopes(OriginateCall)[1].id
    room.tell(ends(second, cause="NO_ANSWER"))
    # both rest; when the first has rested it is asked again
    room.timers.fire_due(now() + 11_000_000)
    assert [c.phone.id for c in room.await_(OriginateCall, 3)] == ["2001", "2002", "2001"]


def test_a_caller_who_gives_up_stops_the_ringing_phone_and_nothing_is_left_behind(room: OneRoom) -> None:
    room.tell(waits("a"))
    room.await_(OriginateCall)
    operator = room.envelopes(OriginateCall)[0].id
    room.tell(ends("a", call="call-a"))
    assert [(h.leg, h.cause) for h in room.await_(HangUp)] == [(operator, "LOSE_RACE")]
    room.tell(ends(operator))
    pool = room.store.run(lambda tx: tx.state("pool", "tokyo-pool", Pool))
    assert pool is not None
    assert (pool.callers, pool.offers) == ((), ())
    for kind in ("pool_of", "person"):
        assert room.store.run(lambda tx, k=kind: list(tx.states(k, str))) == []
    assert room.store.run(lambda tx: tx.count("timers")) == 0


def test_an_operators_leg_that_nobody_waits_for_is_hung_up(room: OneRoom) -> None:
    room.tell(answers("stray"))
    assert room.await_(HangUp)[0] == HangUp(switch="fs1", leg="stray", cause="LOSE_RACE")


def test_a_person_of_two_pools_is_offered_once_and_then_to_whoever_waits_in_the_other(room: OneRoom) -> None:
    revise(room, with_pools({"pool": "tokyo-pool", "phones": PHONES}, {"pool": "osaka-pool", "phones": PHONES}))
    room.tell(waits("a"), waits("b", "bravo", "osaka-pool"))
    assert [o.pool for o in room.await_(OperatorOffered)] == ["tokyo-pool"]
    room.tell(ends(room.envelopes(OriginateCall)[0].id, cause="NO_ANSWER"), ends("a", call="call-a"))
    assert [o.pool for o in room.await_(OperatorOffered, 2)] == ["tokyo-pool", "osaka-pool"]


def test_people_added_to_the_pool_take_who_already_waits(room: OneRoom) -> None:
    revise(room, with_pools())
    room.tell(waits("a"))
    assert room.commands() == []
    revise(room, PLATFORM)
    assert room.await_(OperatorOffered)[0].caller_leg == "a"


def test_everything_told_twice_changes_nothing(room: OneRoom) -> None:
    room.tell(waits("a"), waits("a"))
    room.await_(OriginateCall)
    operator = room.envelopes(OriginateCall)[0].id
    answer, bridge = reached(operator), envelope(LegsBridged(switch="fs1", leg="a", other=operator), at_us=now())
    room.tell(answer, answer, bridge, bridge)
    end, park = ends(operator), parks("a")
    room.tell(end, park, end, park)
    room.await_(HangUp)
    assert room.commands() == ["OriginateCall", "BridgeLegs", "HangUp"]
