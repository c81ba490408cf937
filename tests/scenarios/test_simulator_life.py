"""The life of the simulated switch: it shuts down, is killed, starts again; phones and gateways come and go."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import gevent
import pytest

from freeswitch.simulator import Caller, Carrier, Phone, Simulator
from freeswitch.simulator.far_ends import people as who
from tests.scenarios.ears import DOMAIN, PASSWORD, Event, Listener, arrive, finish, switch

CALLER = Caller("09012345678")


def _subclass(listener: Listener, name: str, nth: int = 1) -> Event:
    seen: list[Event] = []

    def is_it(event: Event) -> bool:
        if event.get("Event-Subclass") == name and all(event is not one for one in seen):
            seen.append(event)
        return len(seen) == nth and seen[-1] is event

    return listener.until(is_it)


def test_a_killed_switch_says_nothing_and_comes_back_as_another_core(tmp_path: Path) -> None:
    one = Simulator(password=PASSWORD, domain=DOMAIN, carriers=[Carrier("trunk1")], cdr=tmp_path)
    port = one.start()
    try:
        listener = Listener(port)
        leg = arrive(one, listener, CALLER)
        core, before = listener.send("api global_getvar core_uuid"), len(listener.events)
        one.kill()
        with pytest.raises((EOFError, OSError)):
            listener.send("api status")
        assert len(listener.events) == before and not list(tmp_path.iterdir())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        assert one.restart() == port
        again = Listener(port)
        assert again.send("api global_getvar core_uuid") != core
        assert again.send(f"api uuid_exists {leg.uuid}") == "false"
        assert again.send("api show channels as json") == '{"row_count": 0}\n'
        after = arrive(one, again, CALLER)
        assert int(again.name("CHANNEL_PARK", after.uuid)["Event-Sequence"]) < 100
    finally:
        one.stop()


def test_shutting_down_ends_every_leg_with_its_record_and_the_connection_with_a_notice(tmp_path: Path) -> None:
    """As captured in 26."""
    trunk = Carrier("trunk1", gateway="trunk1")
    one = Simulator(password=PASSWORD, domain=DOMAIN, carriers=[trunk], phones=[Phone("1001")], cdr=tmp_path)
    one.start()
    try:
        listener = Listener(one.port)
        leg = arrive(one, listener, CALLER)
        assert listener.send("api fsctl shutdown") == "+OK\n"
        assert _subclass(listener, "sofia::gateway_delete")["Gateway"] == "trunk1"
        ended = listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)
        assert ended["Hangup-Cause"] == "SYSTEM_SHUTDOWN"
        names = [event["Event-Name"] for event in listener.events]
        assert names.index("SHUTDOWN") < names.index("CHANNEL_HANGUP")
        assert [path.name for path in tmp_path.iterdir()] == [f"{leg.uuid}.cdr.json"]
        assert b"The system is being shut down." in listener._commands.read()
    finally:
        one.stop()


@pytest.mark.parametrize("how", ["now", "restart", "now restart"])
def test_other_ways_to_end(how: str) -> None:
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        arrive(simulator, listener, CALLER)
        core = listener.send("api global_getvar core_uuid")
        listener.send(f"api fsctl shutdown {how}")
        with pytest.raises((EOFError, OSError, KeyError)):
            while True:
                listener.send("api status")
        told = {event["Event-Name"] for event in listener.events}
        assert ("SHUTDOWN" in told) is ("now" not in how)
        if "restart" in how:
            assert Listener(simulator.port).send("api global_getvar core_uuid") != core


@pytest.mark.parametrize(("how", "told", "takes_calls"), [("elegant", "elegant", True), ("asap", "ASAP", False)])
def test_a_patient_shutdown_waits_for_the_last_call_and_can_be_called_off(
    how: str, told: str, takes_calls: bool
) -> None:
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        waits = gevent.spawn(Listener(simulator.port).send, f"api fsctl shutdown {how}")
        assert listener.name("SHUTDOWN_REQUESTED")["Event-Info"] == told
        assert listener.send("api fsctl ready_check") == str(takes_calls).lower()
        assert (listener.send("api fsctl shutdown_check"), waits.ready()) == ("true", False)
        dialled = listener.send("api originate sofia/internal/1001%127.0.0.1 &park()")
        assert (dialled == "-ERR DESTINATION_OUT_OF_ORDER\n") is not takes_calls
        assert listener.send("api fsctl shutdown cancel") == "+OK\n"
        assert waits.get(timeout=30) == "+OK\n"  # not before
        assert listener.send("api fsctl ready_check") == "true"
        waits = gevent.spawn(Listener(simulator.port).send, f"api fsctl shutdown {how}")
        listener.name("SHUTDOWN_REQUESTED", nth=2)
        listener.send(f"api uuid_kill {leg.uuid}")
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["Hangup-Cause"] == "NORMAL_CLEARING"
        assert waits.get(timeout=30) == "+OK\n"
        listener.name("SHUTDOWN")


def test_phones_sign_on_and_off_fail_and_are_flushed() -> None:
    """As captured in 24; what the core lists outlives a flush, what can be dialled does not."""
    with switch([Phone("1001", registered=False), Phone("1002")]) as simulator:
        listener = Listener(simulator.port)
        registrar, phone = simulator.switch.registrar, simulator.switch.phone("1001")
        simulator.switch.register("1001")
        attempt, came = _subclass(listener, "sofia::register_attempt"), _subclass(listener, "sofia::register")
        assert attempt["auth-result"] == "RENEWED" and int(attempt["Event-Sequence"]) < int(came["Event-Sequence"])
        assert (came["from-user"], came["from-host"], came["status"]) == ("1001", DOMAIN, "Registered(UDP)")
        assert listener.send("api sofia_contact 1001@127.0.0.1") == "sofia/internal/sip:1001@127.0.0.1:5161"
        registrar.refuse(phone)
        assert _subclass(listener, "sofia::register_failure")["to-user"] == "1001"
        flushed = listener.send("api sofia profile internal flush_inbound_reg 1001@127.0.0.1")
        assert flushed == "+OK flushing all registrations matching specified call_id\n"
        assert _subclass(listener, "sofia::expire")["user"] == "1001"
        assert listener.send("api sofia_contact 1001@127.0.0.1") == "error/user_not_registered"
        listener.rows("registrations", 2)
        simulator.switch.unregister("1002")
        assert _subclass(listener, "sofia::unregister")["expires"] == "0"
        assert [row["reg_user"] for row in listener.rows("registrations", 1)] == ["1001"]


def test_a_gateway_of_the_configuration_comes_with_a_rescan_and_goes_with_killgw() -> None:
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        assert listener.send("api sofia status gateway trunk9") == "Invalid Gateway!\n"
        simulator.switch.carriers.append(Carrier("trunk9", gateway="trunk9", host="127.0.0.1:5097"))
        assert listener.send("api sofia profile external rescan") == "Reload XML [Success]\n+OK scan complete\n"
        assert _subclass(listener, "sofia::gateway_add")["Gateway"] == "trunk9"
        listener.name("RELOADXML")
        simulator.switch.gateways.tell("trunk9", "REGED", up=True)
        state = _subclass(listener, "sofia::gateway_state")
        assert (state["State"], state["Ping-Status"]) == ("REGED", "UP")
        assert "State   \tREGED\n" in listener.send("api sofia status gateway trunk9")
        killed = listener.send("api sofia profile external killgw trunk9")
        assert killed == "+OK gateway marked for deletion.\n"
        assert _subclass(listener, "sofia::gateway_state", 2)["State"] == "DOWN"
        assert _subclass(listener, "sofia::gateway_delete")["Gateway"] == "trunk9"
        assert listener.send("api sofia status gateway trunk9") == "Invalid Gateway!\n"


def test_tasks_by_number_and_by_group() -> None:
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        assert listener.send(f"api sched_hangup +100 {leg.uuid}") == "+OK\n"
        assert listener.send("api sched_api +100 night echo hi").startswith("+OK Added: ")
        rows = json.loads(listener.send("api show tasks as json"))["rows"]
        assert [row["task_group"] for row in rows] == ["mod_hash", leg.uuid, leg.uuid, "night"]
        assert listener.send(f"api sched_del {rows[3]['task_id']}") == "+OK Deleted: 1\n"
        assert listener.send(f"api sched_del {leg.uuid}") == "+OK Deleted: 2\n"
        assert listener.send("api sched_hangup +0 " + leg.uuid + " USER_BUSY") == "+OK\n"
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["Hangup-Cause"] == "USER_BUSY"


def test_what_a_message_to_a_leg_executes() -> None:
    """sendmsg with the application's data in the body and a name for the execution."""
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        head = f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: set\nEvent-UUID: e-1"
        assert listener.send(f"{head}\ncontent-type: text/plain\ncontent-length: 9\n\ntt_x=a b ") == "+OK"
        ran = listener.until(lambda event: event.get("Application-Data") == "tt_x=a b ")
        assert (ran["Event-Name"], ran["Application-UUID"]) == ("CHANNEL_EXECUTE", "e-1")
        assert listener.send("sendmsg " + leg.uuid + "\ncall-command: nosuch") == "+OK"
        end = f"sendmsg {leg.uuid}\ncall-command: hangup\nhangup-cause: CALL_REJECTED"
        assert listener.send(end) == "+OK"
        assert listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)["Hangup-Cause"] == "CALL_REJECTED"
        assert listener.send(f"sendmsg {leg.uuid}") == f"-ERR invalid session id [{leg.uuid}]"


@pytest.mark.parametrize("loops", ["-1", "2"])
def test_what_is_over_in_no_time_is_not_repeated(loops: str) -> None:
    """As on the real switch, which repeats only what lasts half a second (switch_ivr_parse_event)."""
    with switch([]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        execute = f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: "
        assert listener.send(f"{execute}set\nexecute-app-arg: tt_x=1\nloops: {loops}") == "+OK"
        assert listener.send(f"{execute}set\nexecute-app-arg: tt_y=1") == "+OK"
        listener.until(lambda event: event.get("Application-Data") == "tt_y=1")
        executed = [event for event in listener.events if event["Event-Name"] == "CHANNEL_EXECUTE"]
        assert [event["Application-Data"] for event in executed if event["Application"] == "set"] == [
            "tt_x=1",
            "tt_y=1",
        ]
        assert listener.send(f"api uuid_kill {leg.uuid}") == "+OK\n"
        finish(listener, leg.uuid)


def test_a_call_that_its_own_connection_follows() -> None:
    """myevents: only that leg, its variables by getvar, and the connection ends with it unless it lingers."""
    with switch([Phone("1001", who.RINGS_OUT)]) as simulator:
        listener, lingering = Listener(simulator.port), Listener(simulator.port, names="NOSUCH")
        leg = arrive(simulator, listener, CALLER)
        assert listener.send(f"myevents {leg.uuid} json") == "+OK Events Enabled"
        assert listener.send("getvar tt_did") == "0312345678"
        assert lingering.send(f"myevents {leg.uuid}") == "+OK Events Enabled"
        assert lingering.send("linger") == "+OK will linger"
        listener.send(f"api uuid_kill {leg.uuid}")
        rest = listener._commands.read()
        assert f"Controlled-Session-UUID: {leg.uuid}\nContent-Disposition: disconnect".encode() in rest
        stays = lingering._commands
        assert any(line == b"Content-Disposition: linger\n" for line in iter(stays.readline, b""))
        stays.write(b"exit\n\n")
        stays.flush()
        assert b"Reply-Text: +OK bye" in stays.read()


def test_a_switch_that_is_paused_or_full_takes_no_calls() -> None:
    """Refused before there is a leg: no event tells of it, an originate fails."""
    dial = "api originate sofia/internal/1001%127.0.0.1 &park()"
    with switch([Phone("1001")]) as simulator:
        listener = Listener(simulator.port)
        assert listener.send("api fsctl pause inbound") == "+OK\n"
        assert simulator.call(CALLER, "0312345678").gone.is_set()
        assert listener.send("api fsctl pause outbound") == "+OK\n"
        assert listener.send(dial) == "-ERR DESTINATION_OUT_OF_ORDER\n"
        assert listener.send("api fsctl resume") == "+OK\n"
        leg = arrive(simulator, listener, CALLER)
        assert listener.send("api fsctl max_sessions 1") == "+OK max sessions: 1\n"
        assert listener.send(dial) == "-ERR DESTINATION_OUT_OF_ORDER\n"
        assert {event["Unique-ID"] for event in listener.events if "Unique-ID" in event} == {leg.uuid}
