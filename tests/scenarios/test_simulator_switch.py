"""The simulated switch beyond single captured calls: its API, snapshots, hostile callers, a day's traffic."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import gevent
import pytest

import freeswitch
from freeswitch.simulator import Behaviour, Caller, Carrier, Phone, Simulator
from freeswitch.simulator.far_ends import people as who
from tests.scenarios.ears import DOMAIN, PASSWORD, Listener, arrive, finish, legs, plan_of, switch

CALLER = Caller("09012345678")
CALLS = 31
PLAN = "'m:~:sched_cancel~multiset:^^|tt_call=c-1|hangup_after_bridge=true|continue_on_fail=true~{}~park' inline"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("uuid_transfer gone 'm:~:park' inline", "-ERR No such channel!\n"),
        ("uuid_kill gone", "-ERR No such channel!\n"),
        ("uuid_getvar gone tt_call", "-ERR No such channel!\n"),
        ("uuid_dump gone json", "-ERR No such channel!\n"),
        ("uuid_bridge gone also-gone", "-ERR Invalid uuid\n"),
        ("uuid_broadcast gone a.wav aleg", "-ERR invalid uuid\n"),
        ("uuid_record gone start /r/a.wav", "-ERR Cannot locate session!\n"),
        ("uuid_exists gone", "false"),
        ("sched_del gone", "+OK Deleted: 0\n"),
        ("show channels as json", '{"row_count": 0}\n'),
        ("nosuch", "-ERR nosuch Command not found!\n"),
        ("originate sofia/internal/1009%127.0.0.1 &park()", "-ERR USER_NOT_REGISTERED\n"),
        ("originate sofia/gateway/nosuch/0901 &park()", "-ERR INVALID_GATEWAY\n"),
        ("originate user/1001 &park()", "-ERR MANDATORY_IE_MISSING\n"),
        ("expand echo ${system(id)}", "<API execute Permission Denied>"),
        ("sofia status gateway nosuch", "Invalid Gateway!\n"),
    ],
)
def test_replies_of_a_switch_without_calls(command: str, reply: str) -> None:
    with switch() as simulator:
        assert Listener(simulator.port).send(f"api {command}") == reply


def test_questions_about_a_call_that_is_up() -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        assert listener.send(f"api uuid_exists {leg.uuid}") == "true"
        assert listener.send(f"api uuid_getvar {leg.uuid} tt_decision") == "_undef_"
        assert listener.send(f"api uuid_setvar_multi {leg.uuid} a=O'Brien, Ltd;b=x${{c}};d=1") == "+OK\n"
        assert listener.send(f"api uuid_getvar {leg.uuid} a") == "O'Brien, Ltd"
        assert listener.send(f"api uuid_getvar {leg.uuid} b") == "_undef_"
        assert listener.send(f"api sched_del {leg.uuid}") == "+OK Deleted: 1\n"
        dump = json.loads(listener.send(f"api uuid_dump {leg.uuid} json"))
        assert (dump["variable_tt_did"], dump["variable_a"]) == ("0312345678", "O'Brien, Ltd")
        rows = json.loads(listener.send("api show channels as json"))["rows"]
        assert [(row["uuid"], row["callstate"], row["application"]) for row in rows] == [(leg.uuid, "RINGING", "park")]
        core = listener.send("api global_getvar core_uuid")
        assert core == listener.events[0]["Core-UUID"]
        assert abs(int(listener.send("api strmicroepoch")) - time.time_ns() // 1000) < 1_000_000
        assert listener.send(f"api uuid_record {leg.uuid} stop /r/a.wav") == "-ERR Cannot stop record session!\n"
        assert listener.send("api hupall") == "+OK hangup all channels with cause MANAGER_REQUEST\n"
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["Hangup-Cause"] == "MANAGER_REQUEST"


def test_events_that_nobody_asked_for_count_in_the_sequence_all_the_same() -> None:
    with switch() as simulator:
        narrow = Listener(simulator.port, names="CHANNEL_CREATE CHANNEL_PARK")
        legs_up = [arrive(simulator, narrow, CALLER), arrive(simulator, narrow, CALLER)]
        assert [event["Unique-ID"] for event in narrow.events] == [leg.uuid for leg in legs_up for _ in range(2)]
        arrived, parked, again, parked_again = (int(event["Event-Sequence"]) for event in narrow.events)
        assert parked - arrived > 5
        assert parked_again - again == parked - arrived


def test_snapshot_of_a_bridged_call_and_of_a_ringing_one() -> None:
    with switch([Phone("1001", Behaviour(after_s=0.1)), Phone("1002", who.RINGS_OUT)]) as simulator:
        listener = Listener(simulator.port)
        talking, ringing = arrive(simulator, listener, CALLER), arrive(simulator, listener, Caller("08011112222"))
        listener.send(f"api uuid_transfer {talking.uuid} {PLAN.format('bridge:sofia/internal/1001%127.0.0.1')}")
        listener.send(f"api uuid_transfer {ringing.uuid} {PLAN.format('bridge:sofia/internal/1002%127.0.0.1')}")
        listener.name("CHANNEL_BRIDGE", talking.uuid)
        listener.name("CHANNEL_PROGRESS", ringing.uuid)
        channels = json.loads(listener.send("api show channels as json"))["rows"]
        assert len(channels) == 4
        assert {row["call_uuid"] for row in channels if row["direction"] == "outbound"} == {talking.uuid, ringing.uuid}
        assert all(row["dest"].startswith("m:~:") for row in channels if row["direction"] == "inbound")
        calls = json.loads(listener.send("api show calls as json"))["rows"]
        assert {(row["uuid"], bool(row["b_uuid"])) for row in calls} >= {(talking.uuid, True), (ringing.uuid, False)}


def test_an_unknown_application_ends_the_call_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        assert listener.send(f"api uuid_transfer {leg.uuid} {PLAN.format('nosuchapp:x')}") == "+OK\n"
        end = listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)
        assert end["Hangup-Cause"] == "DESTINATION_OUT_OF_ORDER"
        assert simulator.switch.unknown_apps == ["nosuchapp"]
    assert "nosuchapp" in caplog.text


def test_desk_phone_first_and_the_app_only_if_that_is_not_answered() -> None:
    """As captured in 33: an app leg whose delay is not over has OUTGOING and an end, but no CREATE."""
    with switch([Phone("1001", Behaviour(after_s=0.2)), Phone("1002")]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", talks_s=0.1))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(33)}")
        finish(listener, leg.uuid)
        app = legs(listener.events)[2]
        told = [e["Event-Name"] for e in listener.events if e["Unique-ID"] == app and "STATE" not in e["Event-Name"]]
        assert told == ["CHANNEL_OUTGOING", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY"]
        assert listener.name("CHANNEL_HANGUP_COMPLETE", app)["Hangup-Cause"] == "LOSE_RACE"


def test_who_answers_and_leaves_without_the_key_is_no_winner_and_the_plan_goes_on() -> None:
    with switch([Phone("1001", Behaviour(after_s=0.1, talks_s=0.2))]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        ask = "set:group_confirm_key=1~set:group_confirm_file=silence_stream://100~bridge:sofia/internal/1001%127.0.0.1"
        listener.send(f"api uuid_transfer {leg.uuid} {PLAN.format(ask)}")
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert parked["variable_last_bridge_hangup_cause"] == "NORMAL_CLEARING"
        assert not leg.times.answered
        listener.send(f"api uuid_kill {leg.uuid}")
        finish(listener, leg.uuid)


def test_bounded_music_parks_again_with_tt_next() -> None:
    """How a queue waits: if nobody sends the next plan, the fallback takes the caller."""
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        wait = "set:tt_next=answering~set:playback_timeout_sec=1~answer~playback:local_stream://moh"
        listener.send(f"api uuid_transfer {leg.uuid} {PLAN.format(wait + '~sched_transfer:+4 fallback XML fallback')}")
        stopped = listener.name("PLAYBACK_STOP", leg.uuid)
        assert 900 <= int(stopped["variable_playback_ms"]) <= 1500
        assert listener.name("CHANNEL_PARK", leg.uuid, nth=2)["variable_tt_next"] == "answering"
        assert listener.send(f"api uuid_transfer {leg.uuid} {PLAN.format('hangup:NORMAL_CLEARING')}") == "+OK\n"
        finish(listener, leg.uuid)


def test_recording_writes_the_file_it_was_asked_for_and_no_other(tmp_path: Path) -> None:
    root, file = tmp_path / "recordings", tmp_path / "recordings" / "acme" / "r-1.wav"
    simulator = Simulator(password=PASSWORD, domain=DOMAIN, recordings=root)
    simulator.start()
    try:
        listener = Listener(simulator.port)
        leg = simulator.call(CALLER, "0312345678")
        listener.name("CHANNEL_PARK", leg.uuid)
        assert listener.send(f"api uuid_record {leg.uuid} start {file} 60 {{tt_rec=r-1}}") == "+OK Success\n"
        assert listener.name("RECORD_START", leg.uuid)["Recording-Variable-tt_rec"] == "r-1"
        outside = tmp_path / "outside.wav"
        listener.send(f"api uuid_record {leg.uuid} start {root}/../outside.wav")
        assert listener.send(f"api uuid_record {leg.uuid} stop all") == "+OK Success\n"
        stopped = listener.name("RECORD_STOP", leg.uuid)
        assert (stopped["Record-File-Path"], stopped["Recording-Variable-tt_rec"]) == (str(file), "r-1")
        assert file.read_bytes()[:4] == b"RIFF"
        assert not outside.exists()
    finally:
        simulator.stop()


@pytest.mark.parametrize("number", ["0312345678 tt_tenant=victim", "${system(id)}", "a\nb", "x" * 2000, ""])
def test_a_dialled_text_that_is_no_number_never_parks(number: str) -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = simulator.call(CALLER, number)
        end = listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)
        assert end["Hangup-Cause"] == "UNALLOCATED_NUMBER"
        assert "variable_tt_tenant" not in end and "variable_tt_did" not in end


def test_a_caller_without_number_to_show() -> None:
    """As captured in 35: the network tells the number, marked as private."""
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", withheld=True))
        parked = listener.name("CHANNEL_PARK", leg.uuid)
        assert parked["Caller-Privacy-Hide-Number"] == "true"
        assert parked["variable_sip_from_user"] == "anonymous"
        assert parked["variable_sip_Privacy"] == "id"


def test_a_reference_in_a_caller_name_is_defused_before_anyone_can_expand_it() -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", name="${system(id)}"))
        parked = listener.name("CHANNEL_PARK", leg.uuid)
        assert parked["Caller-Caller-ID-Name"] == "%{system(id)}"
        assert "variable_sip_from_display" not in parked


@pytest.mark.parametrize(
    ("dialled", "shown"), [("110", "0312345678"), ("186118", "0312345678"), ("184119", "anonymous")]
)
def test_emergency_calls_are_bridged_at_once_whether_the_number_is_hidden_or_shown(dialled: str, shown: str) -> None:
    with switch([Phone("1001", tenant="acme")]) as simulator:
        listener = Listener(simulator.port)
        leg = simulator.call_from_phone("1001", dialled, Caller("1001", talks_s=0.1))
        finish(listener, leg.uuid)
        _, dialled_leg = legs(listener.events)
        seen = listener.name("CHANNEL_CREATE", dialled_leg)
        assert seen["Caller-Destination-Number"] == dialled[-3:]
        assert seen["variable_tt_leg"] == "emergency"
        assert seen["Caller-Caller-ID-Number"] == shown
        assert "CHANNEL_PARK" not in {event["Event-Name"] for event in listener.events}


@pytest.mark.requirement("R28")
@pytest.mark.parametrize("dialled", ["110", "184119"])
def test_an_emergency_line_that_takes_no_call_is_said_at_once(dialled: str) -> None:
    """Seen on a real switch with a dead carrier: silence and an error code would cost minutes."""
    with switch([Phone("1001", tenant="acme")]) as simulator:
        gateway = simulator.switch.gateways.find("trunk1")
        assert gateway is not None
        gateway.carrier.otherwise = who.OUT_OF_SERVICE
        listener = Listener(simulator.port)
        leg = simulator.call_from_phone("1001", dialled, Caller("1001"))
        finish(listener, leg.uuid)
        heard = [one["Application"] for one in listener.events if one["Event-Name"] == "CHANNEL_EXECUTE"]
        assert heard == ["multiset", "bridge", "answer", "playback", "hangup"]


def test_the_same_id_in_two_domains_is_two_phones() -> None:
    two = [Phone("1001", who.RINGS_OUT), Phone("1001", Behaviour(after_s=0.1), domain="b.example", tenant="b")]
    with switch(two) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        listener.send(f"api uuid_transfer {leg.uuid} {PLAN.format('bridge:sofia/internal/1001%b.example')}")
        assert listener.name("CHANNEL_BRIDGE", leg.uuid)["Other-Leg-Destination-Number"] == "1001%b.example"


def test_shutdown_ends_every_call_then_the_connection() -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        assert listener.send("api fsctl shutdown") == "+OK\n"
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["Hangup-Cause"] == "SYSTEM_SHUTDOWN"


def test_phones_come_and_go() -> None:
    with switch([Phone("1001", registered=False)]) as simulator:
        listener = Listener(simulator.port)
        assert listener.send("api show registrations as json") == '{"row_count": 0}\n'
        simulator.switch.register("1001")
        came = listener.until(lambda e: e.get("Event-Subclass") == "sofia::register")
        assert (came["from-user"], came["from-host"], came["username"]) == ("1001", DOMAIN, "1001")
        assert listener.rows("registrations", 1)[0]["reg_user"] == "1001"
        simulator.switch.unregister("1001")
        listener.until(lambda e: e.get("Event-Subclass") == "sofia::unregister")


def test_the_books_of_the_traffic_agree_with_the_events() -> None:
    """Every leg that the simulator counts has exactly one HANGUP_COMPLETE, also after hanging up in the middle."""
    phones = [Phone(f"100{n}", tenant="acme") for n in range(1, 5)]
    with switch(phones, [Carrier("t2", gateway="t2", host="127.0.0.1:5091")]) as simulator:
        listener = Listener(simulator.port, names="CHANNEL_PARK CHANNEL_HANGUP_COMPLETE CHANNEL_CREATE")
        router = gevent.spawn(_route_all, listener)
        traffic = simulator.traffic(calls_per_second=25, seed=7)
        traffic.start()
        with gevent.Timeout(60):  # however slow the machine: enough calls, some of which ring further and are answered
            while len(traffic.counts().arrived) < CALLS or not _goes_on(listener, traffic.counts().legs_answered):
                gevent.sleep(0.02)
        traffic.stop_intake()
        assert traffic.hang_up_all(timeout_s=30)
        router.kill()
        books = traffic.counts()
        listener.until(lambda _e: _ends(listener) == sorted(books.ended))
        assert books.calls_arrived == len(books.arrived) >= CALLS
        assert books.legs_ended == len(books.ended) > books.calls_arrived
        answered = [e for e in listener.events if e.get("variable_answer_uepoch", "0") != "0"]
        assert {e["Unique-ID"] for e in answered} == books.answered
        assert books.arrived <= books.ended
        assert simulator.switch.unknown_apps == []


def _goes_on(listener: Listener, answered: int) -> bool:
    return answered > 3 and [e["Event-Name"] for e in listener.events].count("CHANNEL_CREATE") > CALLS + 10


def _ends(listener: Listener) -> list[str]:
    return sorted(e["Unique-ID"] for e in listener.events if e["Event-Name"] == "CHANNEL_HANGUP_COMPLETE")


def _route_all(listener: Listener) -> None:
    """Rings two phones, then forwards, then takes a message."""
    plan = PLAN.format(
        "bridge:[leg_timeout=2]sofia/internal/1001%127.0.0.1,[leg_timeout=2]sofia/internal/1002%127.0.0.1"
        "~bridge:[leg_timeout=2]sofia/gateway/t2/09011112222~answer~record:/r/vm.wav 5~hangup"
    )
    at = 0
    while True:
        while at < len(listener.events):
            event = listener.events[at]
            at += 1
            if event["Event-Name"] == "CHANNEL_PARK" and "variable_tt_call" not in event:
                listener.send(f"api uuid_transfer {event['Unique-ID']} {plan}")
        listener.came.clear()
        listener.came.wait()


def test_the_same_seed_makes_the_same_calls() -> None:
    def some(seed: int) -> list[str]:
        with switch() as simulator:
            traffic = simulator.traffic(calls_per_second=200, seed=seed)
            called: list[str] = []
            traffic.start()
            simulator.switch.on_arrival = lambda leg: called.append(leg.profile.destination)
            with gevent.Timeout(10):
                while len(called) < 40:
                    gevent.sleep(0.02)
            return called[:40]

    assert some(1) == some(1) != some(2)


def test_configuration_files_are_whole_and_hold_no_secret() -> None:
    folder = Path(freeswitch.__file__).parent / "conf"
    found = sorted(folder.rglob("*.xml"))
    assert len(found) >= 6
    for file in found:
        text = file.read_text(encoding="utf-8")
        without_comments = ElementTree.tostring(ElementTree.fromstring(text), encoding="unicode")
        assert 'ClueCon"' not in text
        assert re.search(r"\$\{[^}]*\(", without_comments) is None, "it calls no API"
    socket = ElementTree.parse(folder / "autoload_configs" / "event_socket.conf.xml")
    values = {one.get("name"): one.get("value") for one in socket.iter("param")}
    assert values["listen-ip"] == "127.0.0.1"
    assert values["apply-inbound-acl"] == "loopback.auto"
    assert values["password"] == "$${tt_event_socket_password}"  # noqa: S105
    switch_conf = ElementTree.parse(folder / "autoload_configs" / "switch.conf.xml")
    assert {one.get("name"): one.get("value") for one in switch_conf.iter("param")}["api-expansion"] == "false"
