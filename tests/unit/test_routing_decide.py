"""Where a call goes: numbers, rules, phones, forwarding, 無応答転送, calls out, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.events import CallHandedOver, LegEnded
from proto.plan import ENDS, Forward, HandOver, Phone, Plan, Play, Reject, Ring, TakeMessage, Wait
from proto.table import total
from proto.tenant import Tenant
from proto.values import Party
from services.routing.decide import Decision, decide
from services.routing.explain import explain
from services.routing.model import EVENTS, TABLE, CallState, Routed
from tests.clients import ACME, OUTSIDE, PLATFORM, WITHHELD, WORKDAY, arrival, at, client, envelope

TRUNK1, TRUNK2 = PLATFORM.carriers


def desk(name: str, after_s: int = 0) -> Phone:
    return Phone(name, "pbx.example", after_s)


def route(tenant: Tenant | None = None, **call: Any) -> Decision:
    return decide(None, arrival(**call), tenant or client(), PLATFORM)


def with_route(*actions: dict[str, Any], **changes: Any) -> Tenant:
    return client(routes={**ACME["routes"], "main": [{"do": list(actions)}]}, **changes)


def from_phone(dialled: str, phone: str = "1001", tenant: Tenant | None = None) -> Decision:
    return route(tenant, dialled=dialled, origin="phone", phone=phone, caller=Party(number=phone))


# -- calls from outside --


def test_a_department_rings_then_a_mobile_then_voicemail_in_one_plan() -> None:
    decision = route()
    assert decision.plan == (
        Ring((desk("1001"), desk("1101", 6), desk("1002")), 20),
        Forward("09087654321", TRUNK1, 30, confirm=True),
        TakeMessage("sales"),
    )
    assert decision.caller == OUTSIDE
    assert any("時間内" in line for line in decision.why)


NOT_IN_USE = (Play("not_in_use", early=True), Reject("UNALLOCATED_NUMBER"))


@pytest.mark.requirement("R17")
@pytest.mark.parametrize("call", [{}, {"dialled": "0312345601"}, {"origin": "phone", "phone": "1002"}])
def test_a_suspended_number_is_not_in_use_for_whoever_calls(call: dict[str, Any]) -> None:
    both = frozenset({"0312345678", "0312345601"})
    decision = decide(None, arrival(**call), client(), PLATFORM, both)
    assert decision.plan == NOT_IN_USE and any("利用停止中" in line for line in decision.why)
    assert decide(None, arrival(**call), client(), PLATFORM, frozenset({"05012345678"})).plan != NOT_IN_USE


@pytest.mark.requirement("R17")
def test_a_suspended_number_is_shown_on_no_call_and_110_goes_out_over_it() -> None:
    def out(dialled: str, *suspended: str) -> Decision:
        call = arrival(dialled, origin="phone", phone="1001", caller=Party(number="1001"))
        return decide(None, call, client(), PLATFORM, frozenset(suspended))

    assert out("0355550000").plan[0].present == "0312345678"  # type: ignore[union-attr]
    assert out("0355550000", "0312345678").plan[0].present == "0312345601"  # type: ignore[union-attr]
    assert out("0355550000", "0312345678", "0312345601").plan == (Reject("CALL_REJECTED"),)
    assert out("110", "0312345678", "0312345601").plan[0].present == "0312345678"  # type: ignore[union-attr]
    assert out("110", "0312345678").plan[0].present == "0312345601", "who rings back gets through"  # type: ignore[union-attr]
    forwards = with_route({"forward": "09011112222", "present": "0312345601"})
    for suspended, present in ((frozenset(), "0312345601"), (frozenset({"0312345601"}), "")):
        assert decide(None, arrival(), forwards, PLATFORM, suspended).plan[0].present == present  # type: ignore[union-attr]


@pytest.mark.requirement("R17")
def test_after_the_contracts_last_day_its_numbers_are_not_in_use() -> None:
    over = client(contract={"from": "2026-04-01", "until": "2026-11-20"})
    assert route(over, at_us=at("2026-11-20 23:59")).plan != NOT_IN_USE
    assert route(over, at_us=at("2026-11-21 00:00")).plan == NOT_IN_USE


def test_outside_hours_the_caller_hears_guidance_and_leaves_a_message() -> None:
    assert route(at_us=at("2026-11-22 10:00")).plan == (Play("closed"), TakeMessage("sales"))


def test_a_direct_number_rings_its_one_device_only() -> None:
    assert route(dialled="0312345601").plan == (Ring((desk("1001"),), 30), HandOver("routing"))


def test_a_leased_number_goes_to_the_operators() -> None:
    assert route(dialled="05012345678").plan == (Wait("tokyo-pool"),)


def test_before_anything_is_known_of_any_client_no_number_is_called_not_in_use() -> None:
    """It may well be a client's: the switch's own fallback takes the call."""
    decision = decide(None, arrival("0312345678", tenant="_unknown"), None, None)
    assert decision.plan == ()
    assert decision.state == Routed(), "the same arrival may be decided when told again"


def test_a_number_of_nobody_is_not_in_use() -> None:
    decision = decide(None, arrival("0355550000", tenant="_unknown"), None, PLATFORM)
    assert decision.plan == (Play("not_in_use", early=True), Reject("UNALLOCATED_NUMBER"))


def test_a_number_the_client_gave_back_is_not_in_use() -> None:
    assert route(dialled="0312345699").plan[-1] == Reject("UNALLOCATED_NUMBER")


def test_before_the_clients_file_is_known_the_switchs_own_fallback_decides() -> None:
    decision = decide(None, arrival(), None, PLATFORM)
    assert (decision.plan, decision.state) == ((), Routed())


def test_ten_members_ring_at_once() -> None:
    ids = [str(1201 + n) for n in range(10)]
    tenant = with_route(
        {"ring": "all"},
        ids=[{"id": i, "name": i} for i in ids],
        lines=[{"line": f"l{i}", "ids": [i]} for i in ids],
        groups=[{"group": "all", "lines": [f"l{i}" for i in ids]}],
    )
    ring = route(tenant).plan[0]
    assert isinstance(ring, Ring)
    assert [p.id for p in ring.phones] == ids
    assert ring.order == "together"


def test_members_ring_one_after_the_other() -> None:
    groups = [{"group": "sales", "lines": ["suzuki", "takahashi"], "strategy": "in_order"}]
    tenant = with_route({"ring": "sales", "for_s": 8}, groups=groups)
    assert route(tenant).plan[0] == Ring((desk("1002"), desk("1003")), 8, order="in_turn")


def test_in_order_with_two_devices_keeps_each_lines_desk_and_app_together() -> None:
    groups = [{"group": "sales", "lines": ["sato", "suzuki"], "strategy": "in_order"}]
    tenant = with_route({"ring": "sales", "for_s": 8}, groups=groups)
    assert route(tenant).plan[:2] == (Ring((desk("1001"), desk("1101", 6)), 8), Ring((desk("1002"),), 8))


@pytest.mark.parametrize(("ring", "app_after"), [("desk_first", 6), ("all", 0)])
def test_a_line_with_desk_and_app(ring: str, app_after: int) -> None:
    lines = [{**ACME["lines"][0], "ring": ring}, *ACME["lines"][1:]]
    assert route(with_route({"ring": "sato"}, lines=lines)).plan[0] == Ring((desk("1001"), desk("1101", app_after)), 30)


def test_a_line_outside_its_own_hours_stays_silent_and_the_caller_hears_guidance() -> None:
    lines = [{"line": "sato", "ids": ["1001"], "hours": "office"}]
    tenant = with_route({"ring": "sato"}, lines=lines, groups=[])
    assert route(tenant, at_us=at("2026-11-20 20:00")).plan == (Play("closed"), Reject("NORMAL_CLEARING"))
    assert isinstance(route(tenant).plan[0], Ring)


def test_a_line_that_may_not_receive_is_left_out_of_its_group() -> None:
    lines = [{**ACME["lines"][0], "allow": ["internal", "originate"]}, *ACME["lines"][1:]]
    assert route(client(lines=lines)).plan[0] == Ring((desk("1002"),), 20)


def test_a_forward_goes_by_the_named_carrier_and_shows_the_dialled_number() -> None:
    tenant = with_route({"forward": "0334567890", "carrier": "trunk2", "present": "0312345678"})
    assert route(tenant, caller=WITHHELD).plan[0] == Forward("0334567890", TRUNK2, 30, present="0312345678")


def test_a_forward_never_shows_a_number_that_is_not_the_clients() -> None:
    step = route(with_route({"forward": "0334567890", "present": "0355550000"})).plan[0]
    assert isinstance(step, Forward)
    assert step.present == ""


@pytest.mark.parametrize("target", ["110", "118", "119", "0312345678", "0312345601", "0398765432"])
def test_a_forward_to_emergency_own_or_diverting_number_is_broken(target: str) -> None:
    """0398765432 is the client's own line, which had forwarded the call to us."""
    decision = route(with_route({"forward": target}), diverted_from="0398765432")
    assert not [step for step in decision.plan if isinstance(step, Forward)]
    assert isinstance(decision.plan[-1], Reject)


@pytest.mark.parametrize(
    ("action", "end"),
    [
        ({"reject": "busy"}, (Reject("USER_BUSY"),)),
        ({"reject": "refused"}, (Reject("CALL_REJECTED"),)),
        ({"reject": "not_in_use"}, (Play("not_in_use", early=True), Reject("UNALLOCATED_NUMBER"))),
        ({"play": "moved"}, (Play("moved"), Reject("NORMAL_CLEARING"))),
        ({"queue": "nobody"}, (Reject("NO_ANSWER"),)),
    ],
)
def test_ends_of_a_route(action: dict[str, Any], end: Plan) -> None:
    assert route(with_route(action)).plan == end


# -- 無応答転送 --


def test_no_answer_goes_from_line_to_line_to_voicemail() -> None:
    assert route(with_route({"ring": "suzuki"})).plan == (
        Ring((desk("1002"),), 15),
        Ring((desk("1003"),), 10),
        TakeMessage("takahashi"),
    )


def test_the_routes_next_step_beats_the_lines_own_no_answer() -> None:
    plan = route(with_route({"ring": "suzuki", "for_s": 5}, {"voicemail": "desk"})).plan
    assert plan == (Ring((desk("1002"),), 5), TakeMessage("desk"))


def test_no_answer_to_an_outside_number() -> None:
    lines = [{"line": "suzuki", "ids": ["1002"], "no_answer": {"after_s": 12, "to": "090-8765-4321"}}]
    plan = route(with_route({"ring": "suzuki"}, lines=lines, groups=[])).plan
    assert plan == (Ring((desk("1002"),), 12), Forward("09087654321", TRUNK1, 30), HandOver("routing"))


def test_lines_that_forward_to_each_other_ring_once_each() -> None:
    lines = [
        {"line": "a", "ids": ["1001"], "no_answer": {"to": "b"}},
        {"line": "b", "ids": ["1002"], "no_answer": {"to": "a"}},
    ]
    decision = route(with_route({"ring": "a"}, lines=lines, groups=[]))
    assert decision.plan == (Ring((desk("1001"),), 20), Ring((desk("1002"),), 20), HandOver("routing"))
    assert any("打ち切る" in line for line in decision.why)


def test_a_long_chain_is_bounded() -> None:
    count = 9
    lines = [{"line": f"l{n}", "ids": [str(1300 + n)], "no_answer": {"to": f"l{n + 1}"}} for n in range(count)]
    plan = route(with_route({"ring": "l0"}, lines=lines, groups=[])).plan
    assert len([step for step in plan if isinstance(step, Ring)]) == 6


# -- calls that phones make --


def test_a_colleague_is_called_by_id_and_sees_who_calls() -> None:
    decision = from_phone("1003")
    assert decision.plan == (Ring((desk("1003"),), 10), TakeMessage("takahashi"))
    assert decision.caller == Party(number="1001", name="佐藤 花子")


def test_a_call_to_an_own_number_stays_in_the_house() -> None:
    plan = from_phone("0312345678").plan
    assert plan[0] == Ring((desk("1101", 6), desk("1002")), 20)


def test_a_call_out_shows_the_first_representative_number() -> None:
    decision = from_phone("0667891234")
    assert decision.plan == (Forward("0667891234", TRUNK1, 120, present="0312345678"), HandOver("routing"))
    assert decision.caller.number == "0312345678"


def test_a_line_shows_its_own_number_if_it_may() -> None:
    lines = [{**ACME["lines"][0], "present": "0312345601"}, {"line": "b", "ids": ["1002"], "present": "0312345601"}]
    tenant = client(lines=lines, groups=[])
    shown = [from_phone("0667891234", phone, tenant).plan[0] for phone in ("1001", "1002")]
    assert [step.present for step in shown if isinstance(step, Forward)] == ["0312345601", "0312345678"]


@pytest.mark.parametrize(("prefix", "withhold"), [("184", True), ("186", False), ("", False)])
def test_184_hides_and_186_shows(prefix: str, withhold: bool) -> None:
    decision = from_phone(prefix + "0667891234")
    assert decision.plan[0] == Forward("0667891234", TRUNK1, 120, present="0312345678", withhold=withhold)
    assert decision.caller.presentation == ("withheld" if withhold else "shown")
    assert decision.caller.number == ("" if withhold else "0312345678")


@pytest.mark.parametrize("dialled", ["184", "186"])
def test_a_prefix_without_a_number_is_not_sent_to_the_carrier(dialled: str) -> None:
    assert from_phone(dialled).plan[-1] == Reject("UNALLOCATED_NUMBER")


def test_a_leased_number_never_originates() -> None:
    only_leased = [ACME["numbers"][2]]
    lines = [{**ACME["lines"][0], "present": "05012345678"}]
    assert from_phone("0667891234", tenant=client(numbers=only_leased)).plan == (Reject("CALL_REJECTED"),)
    step = from_phone("0667891234", tenant=client(lines=lines, groups=[])).plan[0]
    assert isinstance(step, Forward)
    assert step.present == "0312345678"


@pytest.mark.parametrize(
    ("allow", "dialled", "refused"),
    [
        (["receive"], "1003", True),
        (["internal"], "0667891234", True),
        (["originate"], "1003", True),
        (["originate"], "0667891234", False),
        (["internal"], "1003", False),
    ],
)
def test_permissions_of_a_line(allow: list[str], dialled: str, refused: bool) -> None:
    lines = [{"line": "a", "ids": ["1001"], "allow": allow}, {"line": "b", "ids": ["1003"]}]
    plan = from_phone(dialled, tenant=client(lines=lines, groups=[])).plan
    assert (plan == (Reject("CALL_REJECTED"),)) is refused


def test_abroad_unknown_ids_and_unknown_devices_are_refused() -> None:
    assert from_phone("0101212555").plan == (Reject("CALL_REJECTED"),)
    assert from_phone("7777").plan[-1] == Reject("UNALLOCATED_NUMBER")
    assert from_phone("0667891234", phone="9999").plan == (Reject("CALL_REJECTED"),)


@pytest.mark.parametrize("dialled", ["110", "118", "119", "184110", "186119"])
def test_an_emergency_call_that_strays_here_is_dialled_at_once_past_every_permission(dialled: str) -> None:
    lines = [{"line": "a", "ids": ["1001"], "allow": ["receive"], "hours": "office"}]
    step = from_phone(dialled, tenant=client(lines=lines, groups=[])).plan[0]
    assert step == Forward(dialled[-3:], TRUNK1, 120, present="0312345678", withhold=dialled.startswith("184"))


def test_an_emergency_call_without_a_fixed_number_is_told_to_use_a_mobile() -> None:
    plan = from_phone("119", tenant=client(numbers=[{"number": "05011112222"}])).plan
    assert plan == (Play("emergency_use_mobile", early=True), Reject("CALL_REJECTED"))


# -- transfers, and plans that ran out --


def test_a_blind_transfer_rings_the_colleague_with_the_first_caller_shown() -> None:
    first = decide(None, arrival(), client(), PLATFORM)
    second = decide(first.state, arrival("1002", park=3, transferred=True), client(), PLATFORM)
    assert second.plan[0] == Ring((desk("1002"),), 15)
    assert second.caller == OUTSIDE


def test_the_same_park_told_again_decides_nothing() -> None:
    first = decide(None, arrival(), client(), PLATFORM)
    assert decide(first.state, arrival(), client(), PLATFORM).plan == ()


def test_a_caller_from_outside_cannot_dial_ids() -> None:
    assert route(dialled="1001").plan[-1] == Reject("UNALLOCATED_NUMBER")


def handed_over(disposition: str, to: str = "routing") -> Decision:
    fact = CallHandedOver(switch="fs1", leg="leg-a", park=2, to=to, disposition=disposition, caller=OUTSIDE)
    return decide(Routed(CallState.ROUTED, 1), envelope(fact), client(), PLATFORM)


@pytest.mark.parametrize(
    ("disposition", "cause"),
    [
        ("USER_BUSY", "USER_BUSY"),
        ("NO_ANSWER", "NO_ANSWER"),
        ("ALLOTTED_TIMEOUT", "NO_ANSWER"),
        ("USER_NOT_REGISTERED", "NO_ANSWER"),
        ("SUCCESS", "NORMAL_CLEARING"),
        ("", "NORMAL_CLEARING"),
    ],
)
def test_a_plan_that_ran_out_ends_the_call_with_its_reason(disposition: str, cause: str) -> None:
    assert handed_over(disposition).plan == (Reject(cause),)  # type: ignore[arg-type]


def test_a_call_handed_to_answering_is_not_ours() -> None:
    assert handed_over("", to="answering").plan == ()


# -- the shape of every decision --


def test_every_state_answers_every_event() -> None:
    assert set(TABLE) == set(itertools.product(CallState, EVENTS))
    with pytest.raises(ValueError, match="missing"):
        total(CallState, EVENTS, {key: move for key, move in TABLE.items() if key[1] is not LegEnded})


def test_explain_is_the_same_decision_without_a_call() -> None:
    plan, why = explain(client(), PLATFORM, "0312345678", OUTSIDE, WORKDAY)
    assert (plan, why) == (route().plan, route().why)
    assert explain(None, PLATFORM, "0355550000", OUTSIDE, WORKDAY)[0][-1] == Reject("UNALLOCATED_NUMBER")


ACTIONS = st.sampled_from(
    [
        {"ring": "sales"},
        {"ring": "suzuki"},
        {"ring": "1101"},
        {"ring": "nobody"},
        {"forward": "09087654321"},
        {"forward": "110"},
        {"voicemail": "box"},
        {"queue": "tokyo-pool"},
        {"queue": "gone"},
        {"play": "closed"},
        {"reject": "busy"},
    ]
)


@given(
    st.lists(ACTIONS, min_size=1, max_size=6),
    st.integers(at("2026-01-01 00:00"), at("2028-12-31 00:00")),
    st.sampled_from(["0312345678", "0312345601", "1001", "184", "119", "", "***"]),
    st.sampled_from([("trunk", ""), ("phone", "1001"), ("phone", "zzz")]),
)
def test_no_plan_is_ever_left_open(
    actions: list[dict[str, Any]], moment: int, dialled: str, origin: tuple[str, str]
) -> None:
    call = {"dialled": dialled, "origin": origin[0], "phone": origin[1], "at_us": moment}
    decision = route(with_route(*actions), **call)
    assert isinstance(decision.plan[-1], (*ENDS, TakeMessage))
    assert not [step for step in decision.plan[:-1] if isinstance(step, (*ENDS, TakeMessage))]
    assert decision.why
