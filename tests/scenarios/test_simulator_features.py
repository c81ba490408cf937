"""What people do in the middle of calls, on the simulated switch: hold, park, menus, limits, credit.

Orders of events were seen on a real FreeSWITCH 1.11 with the same plans and the same far ends.
"""

from __future__ import annotations

import json

import pytest

from freeswitch.simulator import Behaviour, Channel, Phone, Simulator
from freeswitch.simulator.far_ends.people import Deed
from tests.scenarios.ears import (
    CALLER,
    EXT,
    PLAN,
    QUICK,
    Listener,
    after,
    arrive,
    dialled,
    finish,
    legs,
    send,
    switch,
    told,
)


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


def test_what_the_directory_says_of_a_user_is_set_on_a_call_and_blocked_keys_reach_nobody() -> None:
    with switch([Phone("1001", QUICK, variables={"accountcode": "1001"})]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        send(
            listener,
            leg,
            "~set_user:1001~block_dtmf~answer~play_and_get_digits:1 1 1 1000 # silence_stream://100 x tt_d~park",
        )
        listener.name("PLAYBACK_STOP", leg.uuid)
        leg.far_digit("4")
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert (parked["variable_accountcode"], parked["variable_user_name"]) == ("1001", "1001")
        assert parked["variable_read_result"] != "success"
        leg.hangup("NORMAL_CLEARING")
        finish(listener, leg.uuid)


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
        assert listener.send("api limit_usage hash acme did") == "1", "our dialplan sets limit_ignore_transfer"
        send(listener, first, "|limit_ignore_transfer=false~park")
        listener.name("CHANNEL_PARK", first.uuid, nth=4)
        send(listener, first, "~park")
        listener.name("CHANNEL_PARK", first.uuid, nth=5)
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
