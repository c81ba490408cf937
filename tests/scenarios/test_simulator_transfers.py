"""Callers who are sent on, on the simulated switch: by the phone, by *1, by a carrier, to a colleague, after a talk.

Orders of events were seen on a real FreeSWITCH 1.11 with the same plans and the same far ends.
"""

from __future__ import annotations

from typing import Any

import pytest

from freeswitch.simulator import Behaviour, Channel, Phone, Simulator
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.far_ends import people as who
from freeswitch.simulator.far_ends.people import Deed
from tests.scenarios.ears import (
    CALLER,
    DOMAIN,
    EXT,
    QUICK,
    Listener,
    after,
    arrive,
    callee_of,
    dialled,
    finish,
    legs,
    send,
    switch,
    told,
)


def test_the_phone_transfers_the_caller_and_the_caller_parks_once_more() -> None:
    """Blind transfer (REFER), as captured in 14: it is the caller's leg that goes, with the number dialled as new."""
    phone = Phone("1001", Behaviour(after_s=0.1, does=(Deed(0.2, "transfers", "1002"),)))
    with switch([phone, Phone("1002", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|hangup_after_bridge=true~{EXT.format(1)}~park")
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert (parked["Caller-Destination-Number"], parked["Caller-RDNIS"]) == ("1002", "0312345678")
        assert parked["variable_sip_refer_to"] == f"<sip:1002@{DOMAIN}>"
        assert parked["Caller-Context"] == "public", "the caller's own context, not the phone's"
        assert parked["variable_tt_call"] == "c-1", "what a plan has set survives the transfer"
        ended = listener.name("CHANNEL_HANGUP_COMPLETE", legs(listener.events)[1])
        assert (ended["Hangup-Cause"], ended["variable_sip_hangup_disposition"]) == ("NORMAL_CLEARING", "send_bye")
        send(listener, leg, f"|hangup_after_bridge=true~{EXT.format(2)}~park")
        dialled(simulator, listener, 1).far_hangup()
        finish(listener, leg.uuid)


def test_force_transfer_context_decides_where_a_transferred_caller_goes() -> None:
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|force_transfer_context=default~{EXT.format(1)}~park")
        dialled(simulator, listener).far_refer("<sip:1002@192.0.2.1;transport=udp>")
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert (parked["Caller-Context"], parked["Caller-Destination-Number"]) == ("default", "1002")
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid)


@pytest.mark.parametrize(
    ("first", "second", "went"),
    [
        ("park/inline", "set:tt_a=x/y,park/inline", ("inline", "x/y")),
        ("0311111111", "0322222222/XML/default", ("XML", None)),
    ],
)
def test_both_ends_of_a_talk_are_sent_on_at_once(first: str, second: str, went: tuple[str, str | None]) -> None:
    """uuid_dual_transfer: the leg to the first, whom it talks to to the second; slashes of a plan divide nothing."""
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"~{EXT.format(1)}~park")
        phone = dialled(simulator, listener)
        assert listener.send(f"api uuid_dual_transfer {leg.uuid} {first} {second}") == "+OK\n"
        parked = listener.name("CHANNEL_PARK", phone.uuid)
        assert (parked["Caller-Dialplan"], parked.get("variable_tt_a")) == went
        listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        for one in (leg, phone):
            one.hangup("NORMAL_CLEARING")
            finish(listener, one.uuid)


def _consult(simulator: Simulator, listener: Listener, plan: str) -> tuple[Channel, SipLeg, SipLeg, SipLeg]:
    """The caller talks to 1001, who holds and calls 1002: caller, 1001, the second call of 1001, 1002."""
    leg = arrive(simulator, listener, CALLER)
    send(listener, leg, plan.format(EXT.format(1)))
    first = dialled(simulator, listener)
    first.far_hold()
    listener.name("PLAYBACK_START", leg.uuid)
    consult = simulator.call_from_phone("1001", "1002")
    listener.name("CHANNEL_PARK", consult.uuid)
    send(listener, consult, plan.format(EXT.format(2)))
    return leg, first, consult, dialled(simulator, listener, 1)


def test_the_phone_asks_a_colleague_and_connects_the_two() -> None:
    """Attended transfer (REFER with Replaces): caller and colleague meet by uuid_bridge, nobody parks again."""
    with switch([Phone("1001", QUICK), Phone("1002", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg, first, consult, colleague = _consult(simulator, listener, "|hangup_after_bridge=true~{}~park")
        assert first.far_refer_replaces(consult)
        listener.until(lambda _e: leg.partner is colleague)
        finish(listener, first.uuid, consult.uuid)
        assert after(told(listener, leg.uuid, but=("PLAYBACK_START", "PLAYBACK_STOP")), "BRIDGE")[1:] == [
            "EXECUTE playback",
            "UNBRIDGE",
            "EXECUTE uuid_bridge",
            "BRIDGE",
        ]
        assert told(listener, leg.uuid).count("PARK") == 1
        assert listener.name("CHANNEL_HANGUP_COMPLETE", consult.uuid)["Hangup-Cause"] == "NORMAL_CLEARING"
        met = listener.name("CHANNEL_BRIDGE", leg.uuid, nth=2)
        assert (met["Bridge-A-Unique-ID"], met["Bridge-B-Unique-ID"]) == (leg.uuid, colleague.uuid)
        assert "att_xfer:1001@127.0.0.1/09012345678@127.0.0.1" in str(met["variable_transfer_history"])
        colleague.far_hangup()
        finish(listener, leg.uuid, colleague.uuid)


def test_a_consultation_that_parks_afterwards_does_so_for_two_seconds() -> None:
    """Without hangup_after_bridge the second call of the phone parks, which is nothing to route."""
    with switch([Phone("1001", QUICK), Phone("1002", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg, first, consult, colleague = _consult(simulator, listener, "~{}~park")
        assert first.far_refer_replaces(consult)
        parked = listener.name("CHANNEL_PARK", consult.uuid, nth=2)
        assert (parked["Channel-State"], parked["variable_transfer_disposition"]) == ("CS_PARK", "replaced")
        assert listener.name("CHANNEL_HANGUP_COMPLETE", consult.uuid)["Hangup-Cause"] == "ATTENDED_TRANSFER"
        assert leg.partner is colleague
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid)


def test_two_callers_of_one_phone_are_connected_and_its_second_call_waits_parked() -> None:
    """Both called the phone: its second leg parks for two seconds, which is nothing to route, then it ends."""
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        first, second = (arrive(simulator, listener, CALLER) for _ in range(2))
        send(listener, first, f"~{EXT.format(1)}~park")
        kept = dialled(simulator, listener)
        kept.far_hold()
        listener.name("PLAYBACK_START", first.uuid)
        send(listener, second, f"~{EXT.format(1)}~park")
        asked = dialled(simulator, listener, 1)
        assert kept.far_refer_replaces(asked)
        assert listener.name("CHANNEL_PARK", asked.uuid)["Channel-State"] == "CS_PARK"
        assert listener.name("CHANNEL_HANGUP_COMPLETE", asked.uuid)["Hangup-Cause"] == "ATTENDED_TRANSFER"
        assert first.partner is second
        first.hangup("NORMAL_CLEARING")
        finish(listener, first.uuid)


def test_connected_while_the_colleague_still_rings() -> None:
    """The caller hears music until the colleague answers, then they talk; the phone is long gone."""
    with switch([Phone("1001", QUICK), Phone("1002", Behaviour(after_s=0.8))]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"~{EXT.format(1)}~park")
        first = dialled(simulator, listener)
        consult = simulator.call_from_phone("1001", "1002")
        listener.name("CHANNEL_PARK", consult.uuid)
        send(listener, consult, f"~{EXT.format(2)}~park")
        listener.name("CHANNEL_PROGRESS", consult.uuid)
        assert first.far_refer_replaces(consult)
        listener.until(lambda e: e.get("Application") == "endless_playback" and e["Unique-ID"] == leg.uuid)
        finish(listener, first.uuid)
        colleague = dialled(simulator, listener, 1)
        assert leg.partner is colleague
        colleague.far_hangup()
        finish(listener, leg.uuid, consult.uuid)
        ended = listener.name("CHANNEL_HANGUP_COMPLETE", consult.uuid)
        assert ended["variable_originate_failed_cause"] == "ATTENDED_TRANSFER"


ATT_XFER = "|hangup_after_bridge=true~bind_meta_app:1 b s att_xfer::sofia/internal/1002%127.0.0.1~"


def _asks(simulator: Simulator, listener: Listener) -> tuple[Channel, SipLeg]:
    """The caller talks to 1001, who presses *1."""
    leg = arrive(simulator, listener, CALLER)
    send(listener, leg, f"{ATT_XFER}{EXT.format(1)}~park")
    phone = dialled(simulator, listener)
    for key in "*1":
        phone.far_digit(key)
    return leg, phone


def test_star_1_asks_a_colleague_and_hanging_up_connects() -> None:
    """As captured in 15: the colleague is the A leg then, and its short PARK must not be routed."""
    with switch([Phone("1001", QUICK), Phone("1002", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg, phone = _asks(simulator, listener)
        colleague = dialled(simulator, listener, 1)
        phone.far_hangup()
        met = listener.name("CHANNEL_BRIDGE", colleague.uuid)
        assert (met["Bridge-A-Unique-ID"], met["Bridge-B-Unique-ID"]) == (colleague.uuid, leg.uuid)
        parked = listener.name("CHANNEL_PARK", colleague.uuid)
        assert (parked["Call-Direction"], parked["Channel-State"]) == ("outbound", "CS_PARK")
        listener.until(lambda _e: leg.partner is colleague)
        colleague.far_hangup()
        finish(listener, leg.uuid, colleague.uuid)


@pytest.mark.parametrize("how", ["the colleague hangs up", "#"])
def test_star_1_and_back_to_the_caller(how: str) -> None:
    """After a talk with the colleague the first two are bridged anew, and the phone is the A leg."""
    with switch([Phone("1001", QUICK), Phone("1002", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg, phone = _asks(simulator, listener)
        colleague = dialled(simulator, listener, 1)
        if how == "#":
            phone.far_digit("#")
        else:
            colleague.far_hangup()
        back = listener.name("CHANNEL_BRIDGE", phone.uuid, nth=2)
        assert (back["Bridge-A-Unique-ID"], back["Bridge-B-Unique-ID"]) == (phone.uuid, leg.uuid)
        assert listener.name("CHANNEL_HANGUP_COMPLETE", colleague.uuid)["Hangup-Cause"] == "NORMAL_CLEARING"
        phone.far_hangup()
        finish(listener, leg.uuid, phone.uuid)


def test_star_1_to_a_busy_colleague_changes_nothing() -> None:
    with switch([Phone("1001", QUICK), Phone("1002", who.BUSY)]) as simulator:
        listener = Listener(simulator.port)
        leg, phone = _asks(simulator, listener)
        asked = listener.until(
            lambda e: e["Event-Name"] == "CHANNEL_EXECUTE_COMPLETE" and e["Application"] == "att_xfer"
        )
        assert asked["variable_originate_disposition"] == "USER_BUSY"
        listener.name("PLAYBACK_STOP", leg.uuid)
        assert leg.partner is phone and told(listener, leg.uuid).count("BRIDGE") == 1
        phone.far_hangup()
        finish(listener, leg.uuid)


def test_star_1_then_0_and_all_three_talk() -> None:
    """`0` in the talk with the colleague; when the phone leaves, the caller goes on with the colleague."""
    with switch([Phone("1001", QUICK), Phone("1002", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg, phone = _asks(simulator, listener)
        colleague = dialled(simulator, listener, 1)
        phone.far_digit("0")
        listener.until(lambda _e: leg.partner is phone and told(listener, phone.uuid).count("BRIDGE") == 2)
        heard = listener.name("MEDIA_BUG_START", phone.uuid)
        assert (heard["Media-Bug-Function"], heard["Media-Bug-Target"]) == ("eavesdrop", phone.uuid)
        phone.far_hangup()
        listener.until(lambda _e: leg.partner is colleague)
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid, phone.uuid, colleague.uuid)


def test_hanging_up_while_the_colleague_rings_loses_the_caller() -> None:
    """As the real switch does: att_xfer knows no transfer to a phone that has not answered."""
    with switch([Phone("1001", QUICK), Phone("1002", who.RINGS_OUT)]) as simulator:
        listener = Listener(simulator.port)
        leg, phone = _asks(simulator, listener)
        listener.until(lambda e: e["Event-Name"] == "CHANNEL_PROGRESS" and callee_of(e) == "1002")
        phone.far_hangup()
        finish(listener, leg.uuid)
        assert {told(listener, one)[-2].split()[0] for one in legs(listener.events)} == {"HANGUP_COMPLETE"}


def test_a_call_is_taken_from_a_colleague() -> None:
    """`intercept`: who talked before ends with PICKED_OFF."""
    with switch([Phone("1001", QUICK), Phone("1002")]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|hangup_after_bridge=true~{EXT.format(1)}~park")
        phone = dialled(simulator, listener)
        taking = simulator.call_from_phone("1002", "1001")
        listener.name("CHANNEL_PARK", taking.uuid)
        send(listener, taking, f"~intercept:{leg.uuid}")
        assert listener.name("CHANNEL_HANGUP_COMPLETE", phone.uuid)["Hangup-Cause"] == "PICKED_OFF"
        listener.until(lambda _e: taking.partner is leg)
        taking.far_hangup()
        finish(listener, leg.uuid, taking.uuid)


@pytest.mark.parametrize(
    ("plan", "then"),
    [
        ("|park_after_bridge=true~{}~hangup:USER_BUSY", "PARK"),
        ("|transfer_after_bridge=park:inline~{}~hangup:USER_BUSY", "EXECUTE park"),
        ("|hangup_after_bridge=true~{}~park", "HANGUP NORMAL_CLEARING"),
        ("~{}~hangup:USER_BUSY", "EXECUTE hangup"),
    ],
)
def test_what_becomes_of_the_caller_after_the_talk(plan: str, then: str) -> None:
    with switch([Phone("1001", Behaviour(after_s=0.1, talks_s=0.1))]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, plan.format(EXT.format(1)))
        finish(listener, legs(_until_unbridged(listener, leg))[1])
        listener.until(lambda _e: "UNBRIDGE" in told(listener, leg.uuid)[:-1])
        assert after(told(listener, leg.uuid), "UNBRIDGE")[1] == then
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid)


def _until_unbridged(listener: Listener, leg: Channel) -> list[dict[str, Any]]:
    listener.name("CHANNEL_UNBRIDGE", leg.uuid)
    return listener.events


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (400, "NORMAL_TEMPORARY_FAILURE"),
        (403, "CALL_REJECTED"),
        (404, "UNALLOCATED_NUMBER"),
        (408, "RECOVERY_ON_TIMER_EXPIRE"),
        (410, "NUMBER_CHANGED"),
        (480, "NO_USER_RESPONSE"),
        (484, "INVALID_NUMBER_FORMAT"),
        (488, "INCOMPATIBLE_DESTINATION"),
        (502, "NETWORK_OUT_OF_ORDER"),
        (600, "USER_BUSY"),
        (699, "NORMAL_UNSPECIFIED"),
    ],
)
def test_a_refused_leg_ends_with_the_cause_of_its_sip_code(code: int, cause: str) -> None:
    refuses = Behaviour(refuses=code, after_s=0.02, rings_after_s=None)
    with switch([Phone("1001", refuses)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|continue_on_fail=true~{EXT.format(1)}~park")
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert parked["variable_last_bridge_hangup_cause"] == cause
        assert parked["variable_last_bridge_proto_specific_hangup_cause"] == f"sip:{code}"
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid)


def test_a_carrier_that_says_elsewhere_sends_the_caller_through_the_dialplan_again() -> None:
    """302: the real switch neither follows it nor counts it as a failure of the plan."""
    with switch([Phone("1001", who.ELSEWHERE)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|continue_on_fail=true~{EXT.format(1)}~set:tt_stage=after~park")
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert (parked["Caller-Dialplan"], parked["Caller-Destination-Number"]) == ("XML", "0312345678")
        assert parked["variable_last_bridge_hangup_cause"] == "REDIRECTION_TO_NEW_DESTINATION"
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid)


def test_a_call_that_is_sent_on_and_on_ends_when_its_hops_are_used_up() -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        listener.send(f"api uuid_setvar {leg.uuid} max_forwards 2")
        assert listener.send(f"api uuid_transfer {leg.uuid} m:~:park inline") == "+OK\n"
        assert listener.send(f"api uuid_transfer {leg.uuid} m:~:park inline") == "-ERR\n"
        listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)
        assert leg.hangup_cause == "EXCHANGE_ROUTING_ERROR"
