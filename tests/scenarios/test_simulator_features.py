"""What people do in the middle of calls, on the simulated switch: transfer, hold, park, menus, limits, credit.

Orders of events were seen on a real FreeSWITCH 1.11 with the same plans and the same far ends.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from freeswitch.simulator import Behaviour, Caller, Channel, Phone, Simulator
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.far_ends import people as who
from freeswitch.simulator.far_ends.people import Deed
from tests.scenarios.test_simulator_calls import DOMAIN, Listener, arrive, finish, legs, switch

CALLER = Caller("09012345678")
PLAN = "'m:~:sched_cancel~multiset:^^|tt_call=c-1{}' inline"
EXT = "bridge:[tt_leg=ext]sofia/internal/100{}%127.0.0.1"
QUICK = Behaviour(after_s=0.1)


def send(listener: Listener, leg: Channel, plan: str) -> None:
    """A plan that must be taken: `|variables~applications`."""
    assert listener.send(f"api uuid_transfer {leg.uuid} {PLAN.format(plan)}") == "+OK\n"


def dialled(simulator: Simulator, listener: Listener, nth: int = 0) -> SipLeg:
    """The nth leg that the switch has dialled, once it talks."""
    listener.until(lambda _e: len([e for e in listener.events if _is_new_callee(e)]) > nth)
    created = [e for e in listener.events if _is_new_callee(e)]
    leg = simulator.switch.channels[created[nth]["Unique-ID"]]
    listener.until(lambda _e: leg.bridged.is_set())
    return leg


def _is_new_callee(event: dict[str, Any]) -> bool:
    return event["Event-Name"] == "CHANNEL_CREATE" and event["Call-Direction"] == "outbound"


def told(listener: Listener, leg: str, *, but: tuple[str, ...] = ()) -> list[str]:
    """What was told of a leg, in order: names with the application, the cause or the action that matters."""
    found = []
    for event in listener.events:
        name = event["Event-Name"].removeprefix("CHANNEL_")
        if event.get("Unique-ID") != leg or name in ("STATE", "CALLSTATE", "EXECUTE_COMPLETE", "CALL_UPDATE", *but):
            continue
        if detail := event.get("Application") or (event.get("Hangup-Cause") if "HANGUP" in name else ""):
            name += f" {detail}"
        found.append(f"{name} {event['Action']}" if "Action" in event else name)
    return found


def after(story: list[str], first: str) -> list[str]:
    return story[story.index(first) :]


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


def test_hold_plays_music_to_the_other_and_ends_it() -> None:
    """As captured in 16."""
    does = (Deed(0.2, "holds"), Deed(0.4, "takes up"), Deed(0.6, "hangs up"))
    with switch([Phone("1001", Behaviour(after_s=0.1, does=does))]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|hangup_after_bridge=true~{EXT.format(1)}~park")
        finish(listener, leg.uuid)
        phone = legs(listener.events)[1]
        assert after(told(listener, phone), "HOLD") == [
            "HOLD",
            "UNHOLD",
            "HANGUP NORMAL_CLEARING",
            "HANGUP_COMPLETE NORMAL_CLEARING",
            "DESTROY",
        ]
        held, taken_up = listener.name("CHANNEL_HOLD", phone), listener.name("CHANNEL_UNHOLD", phone)
        assert (held["Channel-Call-State"], taken_up["Channel-Call-State"]) == ("HELD", "UNHELD")
        music = [e for e in listener.events if e["Event-Name"].startswith("PLAYBACK")]
        assert [(e["Unique-ID"], e["Event-Name"]) for e in music] == [
            (leg.uuid, "PLAYBACK_START"),
            (leg.uuid, "PLAYBACK_STOP"),
        ]
        end = listener.name("CHANNEL_HANGUP_COMPLETE", phone)
        assert 0.3e6 < int(end["Caller-Channel-Hold-Accum"]) < 1.5e6
        assert end["variable_hold_events"].startswith("{{")


def test_a_caller_whom_we_hold_has_our_from_in_its_variables() -> None:
    """The answer to our re-INVITE swaps the two ends (sofia.c, extract_header_vars)."""
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"~{EXT.format(1)}~park")
        dialled(simulator, listener)
        before = [listener.send(f"api uuid_getvar {leg.uuid} sip_{end}_user") for end in ("from", "to")]
        assert listener.send(f"api uuid_hold {leg.uuid}").startswith("+OK")
        held = [listener.send(f"api uuid_getvar {leg.uuid} sip_{end}_user") for end in ("from", "to")]
        assert (before[0], held) == (CALLER.number, before[::-1])


def test_a_caller_ends_the_message_with_a_key() -> None:
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, "|playback_terminators=#~answer~record:/r/vm.wav 60~hangup")
        listener.name("RECORD_START", leg.uuid)
        simulator.switch.channels[leg.uuid].far_digit("#")
        finish(listener, leg.uuid)
        stopped = listener.name("RECORD_STOP", leg.uuid)
        assert int(stopped["variable_record_ms"]) < 10_000, "not the 60 s that were allowed"
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["variable_playback_terminator_used"] == "#"


def test_who_hangs_up_while_holding_ends_the_call_of_the_other_too() -> None:
    """Even where the plan would go on after the bridge."""
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"~{EXT.format(1)}~park")
        phone = dialled(simulator, listener)
        phone.far_hold()
        listener.name("PLAYBACK_START", leg.uuid)
        phone.far_hangup()
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["Hangup-Cause"] == "NORMAL_CLEARING"
        assert told(listener, leg.uuid).count("PARK") == 1


def test_a_caller_who_holds_is_no_longer_held_when_the_phone_hangs_up() -> None:
    """UNHOLD before UNBRIDGE: the bridge of who holds takes that back as it ends (audio_bridge_thread)."""
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"|hangup_after_bridge=true~{EXT.format(1)}~park")
        phone = dialled(simulator, listener)
        simulator.switch.channels[leg.uuid].far_hold()
        listener.name("PLAYBACK_START", phone.uuid)
        phone.far_hangup()
        finish(listener, leg.uuid)
        assert after(told(listener, leg.uuid), "HOLD")[:4] == ["HOLD", "UNHOLD", "UNBRIDGE", "HANGUP NORMAL_CLEARING"]


def test_a_caller_who_holds_is_sent_on_and_whom_it_kept_waiting_ends() -> None:
    """The new caller profile has no hold any more, and the answer to our re-INVITE has our From."""
    with switch([Phone("1001", QUICK), Phone("1002", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = simulator.switch.channels[arrive(simulator, listener, CALLER).uuid]
        send(listener, leg, f"|hangup_after_bridge=true~{EXT.format(1)}~park")
        phone = dialled(simulator, listener)
        leg.far_hold()
        listener.name("PLAYBACK_START", phone.uuid)
        send(listener, leg, f"~{EXT.format(2)}~park")
        assert listener.name("CHANNEL_HANGUP_COMPLETE", phone.uuid)["Hangup-Cause"] == "NORMAL_CLEARING"
        taken_back = listener.name("CHANNEL_UNHOLD", leg.uuid)
        assert (taken_back["Caller-Channel-Last-Hold"], taken_back["Caller-Channel-Hold-Accum"]) == ("0", "0")
        colleague = dialled(simulator, listener, 1)
        assert leg.partner is colleague
        assert leg.get("sip_to_user") == CALLER.number
        leg.far_hangup()
        finish(listener, leg.uuid, colleague.uuid)


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
        assert (heard["Media-Bug-Function"], heard["Media-Bug-Target"]) == ("eavesdrop", colleague.uuid)
        phone.far_hangup()
        listener.until(lambda _e: leg.partner is colleague)
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid, phone.uuid, colleague.uuid)


def test_hanging_up_while_the_colleague_rings_loses_the_caller() -> None:
    """As the real switch does: att_xfer knows no transfer to a phone that has not answered."""
    with switch([Phone("1001", QUICK), Phone("1002", who.RINGS_OUT)]) as simulator:
        listener = Listener(simulator.port)
        leg, phone = _asks(simulator, listener)
        listener.until(lambda e: e["Event-Name"] == "CHANNEL_PROGRESS" and _callee_of(e) == "1002")
        phone.far_hangup()
        finish(listener, leg.uuid)
        assert {told(listener, one)[-2].split()[0] for one in legs(listener.events)} == {"HANGUP_COMPLETE"}


def _callee_of(event: dict[str, Any]) -> str:
    return str(event.get("Caller-Destination-Number", "")).partition("%")[0]


def test_a_call_is_parked_on_a_slot_and_fetched_from_there() -> None:
    """As captured in 23."""
    with switch([Phone("1002")]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, "~answer~valet_park:acme 8001")
        listener.until(lambda e: e.get("Event-Subclass") == "valet_parking::info")
        extension = f'    <extension uuid="{leg.uuid}">8001</extension>\n'
        assert listener.send("api valet_info acme") == f'<lots>\n  <lot name="acme">\n{extension}  </lot>\n</lots>\n'
        fetching = simulator.call_from_phone("1002", "8001")
        listener.name("CHANNEL_PARK", fetching.uuid)
        send(listener, fetching, "~answer~valet_park:acme 8001")
        listener.until(lambda _e: leg.partner is fetching)
        assert after(told(listener, leg.uuid), "EXECUTE valet_park") == [
            "EXECUTE valet_park",
            "CUSTOM hold",
            "PLAYBACK_START",
            "CUSTOM bridge",
            "PLAYBACK_STOP",
            "CUSTOM exit",
            "EXECUTE uuid_bridge",
            "BRIDGE",
        ]
        assert listener.send("api valet_info") == '<lots>\n  <lot name="acme">\n  </lot>\n</lots>\n'
        fetching.far_hangup()
        finish(listener, leg.uuid, fetching.uuid)


def test_nobody_fetches_the_call_and_it_goes_to_its_orbit() -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        orbit = "|valet_parking_timeout=1|valet_parking_orbit_exten=0399999999|valet_parking_orbit_dialplan=XML"
        send(listener, leg, f"{orbit}|valet_parking_orbit_context=public~answer~valet_park:acme 8001")
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert parked["Caller-Destination-Number"] == "0399999999"
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid)


def test_a_call_is_fetched_from_a_slot_that_is_not_announced_yet() -> None:
    """`auto` takes the slot at once and announces it 1.5 s later; the call has been parked all the same."""
    with switch([Phone("1002")]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, "~answer~valet_park:acme auto in 8001 8009")
        listener.until(lambda e: e.get("Application") == "valet_park")
        fetching = simulator.call_from_phone("1002", "8001")
        listener.name("CHANNEL_PARK", fetching.uuid)
        send(listener, fetching, "~answer~valet_park:acme 8001")
        listener.until(lambda _e: leg.partner is fetching)
        story = after(told(listener, leg.uuid), "EXECUTE valet_park")
        assert story[1:4] == ["CUSTOM bridge", "CUSTOM hold", "CUSTOM exit"]
        fetching.far_hangup()
        finish(listener, leg.uuid, fetching.uuid)


MENU = "play_and_get_digits:1 1 2 1000 # silence_stream://50 silence_stream://50 tt_choice [12]"


@pytest.mark.parametrize(
    ("keys", "choice", "result", "invalid"),
    [
        ("2", "2", "success", None),
        ("91", "1", "success", "9"),
        ("99", None, "success", "9"),
        ("", None, "failure", None),
    ],
)
def test_a_menu_takes_the_keys_it_knows(keys: str, choice: str | None, result: str, invalid: str | None) -> None:
    """As captured in 20: what was pressed stands in the next PARK; nothing usable leaves the variable out."""
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(listener, leg, f"~answer~{MENU}~park")
        listener.name("PLAYBACK_START", leg.uuid)
        for key in keys:
            simulator.switch.channels[leg.uuid].far_digit(key)
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert parked.get("variable_tt_choice") == choice
        assert parked["variable_read_result"] == result
        assert parked.get("variable_tt_choice_invalid") == invalid
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid)


def _limited(simulator: Simulator, listener: Listener, beyond: str) -> Channel:
    leg = arrive(simulator, listener, CALLER)
    send(listener, leg, f"~limit:hash acme did 1 {beyond}~ring_ready~park")
    return leg


def test_one_call_too_many_is_busy_until_the_first_has_gone() -> None:
    """As captured in 11."""
    with switch() as simulator:
        listener = Listener(simulator.port)
        first = _limited(simulator, listener, "!USER_BUSY")
        usage = listener.until(lambda e: e.get("Event-Subclass") == "limit::usage")
        assert (usage["realm"], usage["key"], usage["usage"], usage["max"]) == ("acme", "did", "1", "1")
        listener.name("CHANNEL_PARK", first.uuid, nth=2)
        second = _limited(simulator, listener, "!USER_BUSY")
        assert listener.name("CHANNEL_HANGUP_COMPLETE", second.uuid)["Hangup-Cause"] == "USER_BUSY"
        assert listener.send("api limit_usage hash acme did") == "1"
        first.hangup("NORMAL_CLEARING")
        finish(listener, first.uuid)
        assert listener.send("api limit_usage hash acme did") == "0"
        third = _limited(simulator, listener, "!USER_BUSY")
        listener.name("CHANNEL_PARK", third.uuid, nth=2)


def test_one_call_too_many_goes_another_way_and_a_transfer_frees_the_place() -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        first = _limited(simulator, listener, "park inline")
        listener.name("CHANNEL_PARK", first.uuid, nth=2)
        second = _limited(simulator, listener, "park inline")
        parked = listener.name("CHANNEL_PARK", second.uuid, nth=2)
        assert (parked["Caller-Dialplan"], parked["Caller-Profile-Index"]) == ("inline", "3")
        assert "EXECUTE ring_ready" not in told(listener, second.uuid), "the rest of its plan is dropped"
        send(listener, first, "~park")
        listener.name("CHANNEL_PARK", first.uuid, nth=3)
        assert listener.send("api limit_usage hash acme did") == "0"
        for leg in (first, second):
            leg.hangup("NORMAL_CLEARING")
        finish(listener, first.uuid, second.uuid)


def test_credit_runs_out_with_a_warning() -> None:
    """As captured in 12: both hear the tone, the caller's leg ends with the cause, the phone's with NORMAL_CLEARING."""
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        timers = "|execute_on_answer_1=sched_hangup +2 ALLOTTED_TIMEOUT|execute_on_answer_2=sched_broadcast +1 {} both"
        send(listener, leg, f"{timers.format('tone_stream://%(100,0,1400)')}~{EXT.format(1)}~park")
        phone = dialled(simulator, listener)
        finish(listener, leg.uuid, phone.uuid)
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["Hangup-Cause"] == "ALLOTTED_TIMEOUT"
        assert listener.name("CHANNEL_HANGUP_COMPLETE", phone.uuid)["Hangup-Cause"] == "NORMAL_CLEARING"
        assert "PLAYBACK_START" in told(listener, leg.uuid) and "PLAYBACK_START" in told(listener, phone.uuid)
        story = told(listener, leg.uuid)
        order = ["ANSWER", "EXECUTE sched_hangup", "EXECUTE sched_broadcast", "BRIDGE"]
        assert [one for one in story if one in order] == order


def test_a_recording_pauses_and_follows_the_caller() -> None:
    with switch([Phone("1001", QUICK)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        follows = "[recording_follow_transfer=true,execute_on_answer=record_session /r/c-1.wav]"
        send(listener, leg, f"~bridge:{follows}sofia/internal/1001%127.0.0.1~park")
        phone = dialled(simulator, listener)
        for action in ("pause", "resume", "mask", "unmask"):
            assert listener.send(f"api uuid_record {phone.uuid} {action} /r/c-1.wav") == "+OK Success\n"
        denied = "-ERR Cannot pause recording session!\n"
        assert listener.send(f"api uuid_record {phone.uuid} pause /r/other.wav") == denied
        phone.far_refer("1002")
        listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        leg.hangup("NORMAL_CLEARING")
        stopped = listener.name("RECORD_STOP")
        assert (stopped["Unique-ID"], stopped["Record-File-Path"]) == (leg.uuid, "/r/c-1.wav")
        assert len([e for e in listener.events if e["Event-Name"] == "RECORD_START"]) == 1


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


HOSTILE = ["a b", "a,tt_tenant=victim", "${system(id)}", "x" * 2000, "9" * 400, "9" * 5000, "][", "\\", "'", "*", "0"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_data_of_an_application_brings_the_switch_down(text: str) -> None:
    """Whatever stands in a plan, the leg goes on or ends, and the Event Socket answers."""
    plans = (
        "limit:hash {} {} 1 !{}",
        "valet_park:{} {}",
        "bind_meta_app:{} {} {} {}",
        "play_and_get_digits:{} {} {}",
        "playback:tone_stream://%({},{},440);loops={}",
        "record:a.wav {} {} {}",
        "set:max_forwards={}~sched_hangup:${unset}~sleep:{}",
    )
    with switch() as simulator:
        listener = Listener(simulator.port)
        for plan in plans:
            leg = arrive(simulator, listener, CALLER)
            listener.send(f"api uuid_transfer {leg.uuid} {PLAN.format('~' + plan.replace('{}', text))}")
            listener.send(f"api uuid_kill {leg.uuid}")
            finish(listener, leg.uuid)
        assert json.loads(listener.send("api show channels as json")) == {"row_count": 0}
