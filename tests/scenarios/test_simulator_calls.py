"""The simulated switch against calls captured from a real one: same commands, same people, same story of each leg.

Each scenario gives the simulated phones and carriers the behaviour that the captured ones had, sends the captured
commands over the Event Socket, and compares per leg: which events in which order, why it ended, and our variables.
"""

from __future__ import annotations

import json
import re

import pytest

from freeswitch.simulator import Behaviour, Caller, Carrier, Phone
from freeswitch.simulator.far_ends import people as who
from tests import traces
from tests.scenarios.ears import (
    CALLER,
    Event,
    Listener,
    arrive,
    finish,
    legs,
    plan_of,
    switch,
)


def captured(number: int) -> list[Event]:
    return [json.loads(line) for line in traces.load(number).json_lines.decode(errors="replace").splitlines()]


# States change the same way, but in more and finer steps on the real one.
_ASIDE = {"CHANNEL_STATE", "CHANNEL_CALLSTATE"}


def story(events: list[Event], leg: str, names: set[str]) -> list[str]:
    """What happened on a leg, in order: names, with the application, cause or file that matters."""
    told = []
    for event in events:
        if event.get("Unique-ID") != leg or event["Event-Name"] not in names - _ASIDE:
            continue
        name = event["Event-Name"]
        if name.startswith("CHANNEL_EXECUTE"):
            name += f" {event['Application']}"
        elif name.startswith("CHANNEL_HANGUP"):
            name += f" {event['Hangup-Cause']}"
        elif name.startswith("PLAYBACK"):
            name += f" {event['Playback-File-Path']}"
        elif name == "CHANNEL_PARK":
            name += f" {event.get('Caller-Dialplan', '')} {event['Caller-Profile-Index']}"
        told.append(f"{name} {event['Answer-State']}")
    return told


_OURS = re.compile(r"variable_(tt_\w+|originate_disposition|DIALSTATUS|hangup_cause\w*|sip_hangup_disposition)$")
_IDENTIFIES = ("variable_tt_tenant",)


def outcome(events: list[Event], leg: str) -> dict[str, str]:
    """Our variables and the words for the end, as the leg's own HANGUP_COMPLETE has them."""
    last = [e for e in events if e.get("Unique-ID") == leg and e["Event-Name"] == "CHANNEL_HANGUP_COMPLETE"]
    found = {name: value for name, value in last[-1].items() if _OURS.match(name)} if last else {}
    return {name: value for name, value in found.items() if name not in _IDENTIFIES}


def compare(number: int, seen: list[Event], *, legs_seen: list[str], legs_captured: list[str]) -> None:
    """Leg by leg: the captured story and the simulated one."""
    real = captured(number)
    names = {event["Event-Name"] for event in real}
    for mine, theirs in zip(legs_seen, legs_captured, strict=True):
        assert story(seen, mine, names) == story(real, theirs, names)
        assert outcome(seen, mine) == outcome(real, theirs)


def test_01_the_phone_answers_and_hangs_up() -> None:
    with switch([Phone("1001", Behaviour(after_s=0.2, talks_s=0.2))]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        assert listener.send(f"api uuid_transfer {leg.uuid} {plan_of(1)}") == "+OK\n"
        finish(listener, leg.uuid)
        finish(listener, *legs(listener.events))
        compare(1, listener.events, legs_seen=legs(listener.events), legs_captured=legs(captured(1)))
        create = listener.name("CHANNEL_CREATE", legs(listener.events)[1])
        assert create["variable_tt_exp"] == "both"
        assert create["variable_originating_leg_uuid"] == create["Other-Leg-Unique-ID"] == leg.uuid


def test_01_headers_are_those_of_the_real_switch() -> None:
    """No event lacks a header that every consumer may rely on, and none has one that the real switch never sends."""
    with switch([Phone("1001", Behaviour(after_s=0.2, talks_s=0.2))]) as simulator:
        simulator.switch.keeps_presence = True  # as the captured one did; our own profiles do not
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(1)}")
        finish(listener, leg.uuid)
        real = captured(1)
        newer = {"variable_sip_copy_custom_headers", "variable_limit_ignore_transfer"}  # of our dialplan since
        for name in ("CHANNEL_CREATE", "CHANNEL_PARK", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_HANGUP_COMPLETE"):
            for mine, theirs in zip(_all(listener.events, name), _all(real, name), strict=True):
                assert _named(mine) == _named(theirs)
                assert _named(mine, "variable_") <= _named(theirs, "variable_") | newer


def test_callers_beyond_the_limit_are_refused_at_once_but_no_emergency_call() -> None:
    """tt_arrivals_per_second of the shipped dialplan: 2 in a second; five call, in two seconds at most."""
    with switch(arrivals_per_second=2) as simulator:
        listener = Listener(simulator.port)
        callers = [simulator.call(CALLER, "0312345678", carrier=simulator.switch.carriers[0]) for _ in range(5)]
        emergency = simulator.call_from_phone("1001", "110")
        listener.name("CHANNEL_BRIDGE", emergency.uuid)
        ended = {e["Unique-ID"]: e for e in _all(listener.events, "CHANNEL_HANGUP_COMPLETE")}
        parked = {e["Unique-ID"] for e in _all(listener.events, "CHANNEL_PARK")}
        assert 2 <= len(parked) <= 4
        refused = {leg.uuid for leg in callers} - parked
        assert {ended[leg]["Hangup-Cause"] for leg in refused} == {"SWITCH_CONGESTION"}


def test_a_caller_who_is_transferred_is_not_refused_for_those_who_call_meanwhile() -> None:
    """A phone's REFER brings a carrier's leg back into its own context, public (sofia.c), past the limit."""
    with switch(arrivals_per_second=1) as simulator:
        listener = Listener(simulator.port)
        leg = simulator.call(CALLER, "0312345678", carrier=simulator.switch.carriers[0])
        listener.name("CHANNEL_PARK", leg.uuid)
        for times in range(2, 5):  # at once: at least two of them in one second
            assert listener.send(f"api uuid_transfer {leg.uuid} 1002") == "+OK\n"
            listener.name("CHANNEL_PARK", leg.uuid, nth=times)


def test_a_full_house_refuses_carriers_and_phones_but_no_emergency_call() -> None:
    """tt_calls_at_once of the shipped dialplan: 2 are up, one of them already with its plan; a third hears 503."""
    with switch(calls_at_once=2) as simulator:
        listener = Listener(simulator.port)
        carrier = simulator.switch.carriers[0]
        first, second = simulator.call(CALLER, "0312345678", carrier=carrier), simulator.call_from_phone("1001", "1002")
        for leg in (first, second):
            listener.name("CHANNEL_PARK", leg.uuid)
        assert listener.send(f"api uuid_transfer {first.uuid} park inline") == "+OK\n"
        listener.name("CHANNEL_PARK", first.uuid, nth=2)
        for refused in (
            simulator.call(CALLER, "0312345678", carrier=carrier),
            simulator.call_from_phone("1003", "1002"),
        ):
            assert listener.name("CHANNEL_HANGUP_COMPLETE", refused.uuid)["Hangup-Cause"] == "NORMAL_CIRCUIT_CONGESTION"
        emergency = simulator.call_from_phone("1003", "110")
        listener.name("CHANNEL_BRIDGE", emergency.uuid)
        listener.send(f"api uuid_kill {first.uuid}")
        listener.name("CHANNEL_HANGUP_COMPLETE", first.uuid)
        listener.name("CHANNEL_PARK", simulator.call_from_phone("1003", "1002").uuid)


def _all(events: list[Event], name: str) -> list[Event]:
    return sorted((e for e in events if e["Event-Name"] == name), key=lambda e: e["Call-Direction"])


def _named(event: Event, prefix: str = "") -> set[str]:
    return {name for name in event if name.startswith(prefix) and (prefix or not name.startswith("variable_"))}


def test_02_three_phones_ring_and_one_wins() -> None:
    phones = [
        Phone("1001", who.RINGS_OUT),
        Phone("1002", Behaviour(after_s=0.4)),
        Phone("1003", Behaviour(answers=False, rings_after_s=0.1)),
    ]
    with switch(phones) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", talks_s=0.2))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(2)}")
        finish(listener, leg.uuid)
        roles = traces.load(2).scenario["legs"]
        order = [leg.uuid, *(_leg_called(listener, f"100{n}") for n in (1, 2, 3))]
        compare(2, listener.events, legs_seen=order, legs_captured=[roles[r] for r in ("caller", "r1", "r2", "r3")])


def _leg_called(listener: Listener, phone: str) -> str:
    return str(listener.until(lambda e: e.get("Caller-Destination-Number", "").startswith(f"{phone}%"))["Unique-ID"])


def test_03_nobody_answers_then_busy_then_voicemail() -> None:
    busy = Carrier("busy", host="127.0.0.1:5091", otherwise=who.BUSY)
    with switch([Phone("1001", who.RINGS_OUT)], [busy]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", message_s=0.3))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(3)}")
        listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert listener.send(f"api uuid_kill {leg.uuid}") == "+OK\n"
        finish(listener, leg.uuid)
        compare(3, listener.events, legs_seen=legs(listener.events), legs_captured=legs(captured(3)))


def test_04_the_caller_gives_up_while_it_rings() -> None:
    with switch([Phone("1001", who.RINGS_OUT)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", patience_s=0.3))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(4)}")
        finish(listener, leg.uuid)
        finish(listener, *legs(listener.events))
        compare(4, listener.events, legs_seen=legs(listener.events), legs_captured=legs(captured(4)))


def test_05_no_phone_is_registered_and_the_call_parks_again() -> None:
    with switch([Phone("1001", registered=False), Phone("1002", registered=False)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", patience_s=0.4))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(5)}")
        finish(listener, leg.uuid)
        compare(5, listener.events, legs_seen=legs(listener.events), legs_captured=legs(captured(5)))


def test_06_three_carriers_fail_and_the_fourth_answers_after_early_media() -> None:
    carriers = [
        Carrier("c404", host="127.0.0.1:5091", otherwise=who.NO_SUCH_NUMBER),
        Carrier("c486", host="127.0.0.1:5092", otherwise=who.BUSY),
        Carrier("c503", host="127.0.0.1:5093", otherwise=who.OUT_OF_SERVICE),
    ]
    with switch([], carriers) as simulator:
        simulator.switch.carriers[0].otherwise = Behaviour(after_s=0.4, early_media=True)
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678"))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(6)}")
        listener.name("CHANNEL_ANSWER", leg.uuid)
        leg.far_hangup()
        finish(listener, *legs(listener.events))
        compare(6, listener.events, legs_seen=legs(listener.events), legs_captured=legs(captured(6)))


def test_07_nobody_decides_and_the_fallback_apologises() -> None:
    with switch() as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER, "0312340001")
        finish(listener, leg.uuid)
        compare(7, listener.events, legs_seen=[leg.uuid], legs_captured=legs(captured(7)))


def test_09_the_mobile_must_press_1() -> None:
    mobile = Carrier(
        "mobile", host="127.0.0.1:5092", otherwise=Behaviour(after_s=0.3, presses="1", presses_after_s=1.3)
    )
    with switch([], [mobile]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", talks_s=0.3))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(9)}")
        finish(listener, leg.uuid)
        finish(listener, *legs(listener.events))
        compare(9, listener.events, legs_seen=legs(listener.events), legs_captured=legs(captured(9)))


def test_17_an_operator_is_called_and_the_caller_parks_again_afterwards() -> None:
    with switch([Phone("1001", Behaviour(after_s=0.3))]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        _, _, originate, join = (one.command for one in traces.load(17).commands)
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(17)}")
        listener.name("PLAYBACK_START", leg.uuid)
        assert listener.send(f"api uuid_broadcast {leg.uuid} tone_stream://%(300,100,660) aleg") == "+OK Message sent\n"
        listener.name("PLAYBACK_STOP", leg.uuid)
        job = "6ce893b8-ddda-464b-8f73-fb16f4cd02f4"
        assert listener.send(originate) == f"+OK Job-UUID: {job}"
        operator = "952d9725-a3da-4b25-9764-8414d86ce0b1"
        listener.name("CHANNEL_PARK", operator)
        done = listener.name("BACKGROUND_JOB")
        assert (done["Job-UUID"], done["_body"]) == (job, f"+OK {operator}\n")
        assert listener.send(join.replace(join.split()[2], leg.uuid)) == f"+OK {operator}\n"
        assert listener.name("CHANNEL_BRIDGE", leg.uuid)["Bridge-B-Unique-ID"] == operator
        listener.name("CALL_UPDATE", leg.uuid)
        simulator.switch.channels[operator].far_hangup()
        listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        leg.far_hangup()
        finish(listener, leg.uuid, operator)
        order = [e["Event-Name"] for e in listener.events if e.get("Unique-ID", operator) == operator]
        assert order.index("BACKGROUND_JOB") < order.index("CHANNEL_PARK")
        roles = traces.load(17).scenario["legs"]
        pairs = [roles["caller"], roles["operator"]]
        compare(17, listener.events, legs_seen=[leg.uuid, operator], legs_captured=pairs)


def test_an_operator_bridged_in_the_moment_of_the_answer_talks_but_the_originate_has_failed() -> None:
    """As a real switch does: uuid_bridge takes the leg out of the originate, whose job says ORIGINATOR_CANCEL."""
    with switch([Phone("1001", Behaviour(after_s=0.3))]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, CALLER)
        _, _, originate, join = (one.command for one in traces.load(17).commands)
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(17)}")
        listener.send(originate)
        operator = "952d9725-a3da-4b25-9764-8414d86ce0b1"
        listener.name("CHANNEL_ANSWER", operator)
        assert listener.send(join.replace(join.split()[2], leg.uuid)) == f"+OK {operator}\n"
        assert listener.name("BACKGROUND_JOB")["_body"] == "-ERR ORIGINATOR_CANCEL\n"
        assert listener.name("CHANNEL_BRIDGE", leg.uuid)["Bridge-B-Unique-ID"] == operator
        leg.far_hangup()
        finish(listener, leg.uuid, operator)
        assert "CHANNEL_PARK" not in [e["Event-Name"] for e in listener.events if e.get("Unique-ID") == operator]


def test_18_the_caller_leaves_the_queue_and_the_offer_is_withdrawn() -> None:
    with switch([Phone("1001", who.RINGS_OUT)]) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", waits_s=0.5))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(18)}")
        _, originate, kill = (one.command for one in traces.load(18).commands)
        listener.send(originate)
        listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)
        assert listener.send(kill) == "+OK\n"
        assert listener.name("BACKGROUND_JOB")["_body"] == "-ERR LOSE_RACE\n"
        operator = kill.split()[2]
        finish(listener, leg.uuid, operator)
        roles = traces.load(18).scenario["legs"]
        pairs = [roles["caller"], roles["operator"]]
        compare(18, listener.events, legs_seen=[leg.uuid, operator], legs_captured=pairs)


def test_27_emergency_needs_no_service() -> None:
    with switch([Phone("1001", tenant="acme")]) as simulator:
        simulator.switch.carriers[0].otherwise = Behaviour(after_s=0.3)
        listener = Listener(simulator.port)
        leg = simulator.call_from_phone("1001", "119", Caller("1001", talks_s=0.2))
        finish(listener, leg.uuid)
        finish(listener, *legs(listener.events))
        compare(27, listener.events, legs_seen=legs(listener.events), legs_captured=legs(captured(27))[:2])
        assert "CHANNEL_PARK" not in {event["Event-Name"] for event in listener.events}
        assert listener.name("CHANNEL_CREATE", leg.uuid)["variable_tt_tenant"] == "acme"


def test_28_a_park_with_tt_next_is_taken_up_or_falls_back() -> None:
    with switch([Phone("1001", Behaviour(refuses=486, after_s=0.2))]) as simulator:
        listener = Listener(simulator.port)
        roles = traces.load(28).scenario["legs"]
        leg = arrive(simulator, listener, Caller("09012345678", waits_s=0.4))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(28)}")
        parked = listener.name("CHANNEL_PARK", leg.uuid, nth=2)
        assert parked["variable_tt_next"] == "answering"
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(28, 1)}")
        finish(listener, leg.uuid)
        other = arrive(simulator, listener, CALLER)
        listener.send(f"api uuid_transfer {other.uuid} {plan_of(28, 2)}")
        finish(listener, other.uuid)
        callers = [roles[name] for name in ("caller", "caller2")]
        compare(28, listener.events, legs_seen=[leg.uuid, other.uuid], legs_captured=callers)


@pytest.mark.parametrize(
    ("nth", "behaviour"),
    [
        (0, who.BUSY),
        (1, Behaviour(refuses=603, after_s=0.1, rings_after_s=None)),
        (2, who.NO_SUCH_NUMBER),
        (3, who.ANSWERS),
        (4, who.RINGS_OUT),
    ],
)
def test_30_only_listed_causes_let_a_plan_go_on(nth: int, behaviour: Behaviour) -> None:
    carriers = [Carrier(f"c{port}", host=f"127.0.0.1:{port}", otherwise=behaviour) for port in (5091, 5092, 5093, 5095)]
    with switch([Phone("1003", registered=False)], carriers) as simulator:
        listener = Listener(simulator.port)
        leg = arrive(simulator, listener, Caller("09012345678", patience_s=0.6 if nth in (0, 3) else None))
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(30, nth)}")
        finish(listener, leg.uuid)
        finish(listener, *legs(listener.events))
        real = captured(30)
        first = [one for one in legs(real) if _direction(real, one) == "inbound"][nth]
        second = [one for one in legs(real) if _originator(real, one) == first]
        mine = [one for one in legs(listener.events) if "CHANNEL_HANGUP_COMPLETE" in story_names(listener.events, one)]
        compare(30, listener.events, legs_seen=mine, legs_captured=[first, *second])


def story_names(events: list[Event], leg: str) -> set[str]:
    return {event["Event-Name"] for event in events if event.get("Unique-ID") == leg}


def _direction(events: list[Event], leg: str) -> str:
    return str(next(e["Call-Direction"] for e in events if e.get("Unique-ID") == leg))


def _originator(events: list[Event], leg: str) -> str:
    return str(next((e["Other-Leg-Unique-ID"] for e in events if _is_dialled(e, leg)), ""))


def _is_dialled(event: Event, leg: str) -> bool:
    return event.get("Unique-ID") == leg and event.get("Other-Type") == "originator"
