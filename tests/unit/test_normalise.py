"""Events of the real switch become facts: whose call, which leg belongs to it, who calls, how it ended."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto import events as e
from proto.envelope import Envelope, decode, encode
from services.eventsocket.beliefs import Beliefs
from services.eventsocket.facts import Facts
from services.eventsocket.frames import decode_json
from services.eventsocket.normalise import Normaliser
from services.eventsocket.ownership import Directory
from tests import traces

DIRECTORY = Directory(
    numbers=dict.fromkeys(["0312345678", "0312340001", "0312340002", "0501234567"], "acme") | {"0399990000": "beta"},
    phones={(phone, "127.0.0.1"): "acme" for phone in ("1001", "1002", "1003")} | {("2001", "beta.example"): "beta"},
    tenants=frozenset({"acme", "beta"}),
)
CORE = "d8199b36-4432-4dcb-9f84-79ae3fa45dad"
LEG = "793bc1f6-ad4b-4e8b-81c8-503ac2db1110"


def captured(number: int) -> list[dict[str, Any]]:
    return [decode_json(line) for line in traces.load(number).json_lines.splitlines()]


def facts_of_trace(number: int, about: Normaliser | None = None) -> list[Envelope]:
    about = about or Normaliser("fs1", DIRECTORY)
    return [envelope for event in captured(number) for envelope in about.facts_of(event).envelopes]


def bodies(number: int, kind: type[Any]) -> list[Any]:
    return [envelope.body for envelope in facts_of_trace(number) if isinstance(envelope.body, kind)]


def event(name: str, **variables: str) -> dict[str, Any]:
    """A small event of a trunk call; `x_y` keys are channel variables, others come in `headers`."""
    head = {
        "Event-Name": name,
        "Core-UUID": CORE,
        "Event-Sequence": "7",
        "Event-Date-Timestamp": "1795290366000000",
        "Unique-ID": LEG,
        "Call-Direction": "inbound",
        "Caller-Dialplan": "XML",
        "Caller-Profile-Index": "1",
        "Caller-Caller-ID-Number": "09012345678",
        "Caller-Caller-ID-Name": "09012345678",
        "Caller-Destination-Number": "0312345678",
        "variable_sofia_profile_name": "external",
        "variable_tt_did": "0312345678",
        "variable_tt_stage": "inbound",
    }
    return head | {f"variable_{key}": value for key, value in variables.items()}


def only(facts: Facts) -> Any:
    (envelope,) = facts.envelopes
    return envelope.body


@pytest.mark.parametrize("number", traces.ALL)
def test_every_ended_leg_is_told_once_with_the_switchs_own_times(number: int) -> None:
    """Also legs that never started for us (T33: given up before the INVITE) and calls with no tenant's help (T27)."""
    ended = {
        found["Unique-ID"]: found for found in captured(number) if found["Event-Name"] == "CHANNEL_HANGUP_COMPLETE"
    }
    facts = [f for f in facts_of_trace(number) if isinstance(f.body, e.LegEnded)]
    assert Counter(f.body.leg for f in facts) == dict.fromkeys(ended, 1)
    for fact in facts:
        body, seen = fact.body, ended[fact.body.leg]
        assert isinstance(body, e.LegEnded)
        assert fact.tenant == "acme"
        assert body.payer == "acme"
        assert body.cause == seen["Hangup-Cause"]
        assert body.started_at_us == int(seen["variable_start_uepoch"])
        assert (body.answered_at_us or 0) == int(seen["variable_answer_uepoch"])
        assert body.ended_at_us == int(seen["variable_end_uepoch"])
        assert body.via == ("phone" if seen["Channel-Name"].startswith("sofia/internal/") else "trunk")
        if body.answered_at_us:
            billed = int(seen["variable_billusec"])
            assert abs(body.ended_at_us - body.answered_at_us - billed) <= 1


@pytest.mark.parametrize("number", traces.ALL)
def test_facts_have_derived_unique_ids_and_survive_the_wire(number: int) -> None:
    facts = facts_of_trace(number)
    assert [decode(encode(fact)) for fact in facts] == facts
    assert len({fact.id for fact in facts}) == len(facts)
    assert [fact.id for fact in facts_of_trace(number)] == [fact.id for fact in facts]


@pytest.mark.parametrize(
    ("number", "arrivals", "handed"),
    [
        (1, ["0312345678"], []),
        (3, ["0312345678"], [("routing", "voicemail_done", "USER_BUSY")]),
        (5, ["0312345678"], [("routing", "no_target", "USER_NOT_REGISTERED")]),
        (7, ["0312340001"], []),
        (14, ["0312345678", "1002"], []),
        (15, ["0312345678"], []),
        (17, ["0312345678"], [("routing", "queue", "")]),
        (19, ["0312345678"], []),
        (27, [], []),
        (28, ["0312345678"] * 2, [("answering", "inbound", "USER_BUSY")] * 2),
        (29, ["0312345678"] * 2, []),
    ],
)
def test_who_decides_next(number: int, arrivals: list[str], handed: list[tuple[str, str, str]]) -> None:
    """New calls and blind transfers go to routing; the end of a plan to whom it names; nobody named: routing."""
    assert [body.dialled for body in bodies(number, e.CallArrived)] == arrivals
    assert [(b.to, b.stage, b.disposition) for b in bodies(number, e.CallHandedOver)] == handed


def test_a_blind_transfer_is_an_arrival_although_the_old_decision_stands_on_the_leg() -> None:
    first, second = bodies(14, e.CallArrived)
    assert (first.transferred, first.park, second.transferred, second.park) == (False, 1, True, 3)
    assert {f.call for f in facts_of_trace(14) if f.call} == {first.leg}


@pytest.mark.parametrize(("number", "conversations"), [(1, 1), (6, 1), (14, 1), (15, 1), (17, 1), (18, 0), (10, 0)])
def test_a_conversation_begins_once_per_caller(number: int, conversations: int) -> None:
    """T06: early media is bridged before the answer. T10: the mobile's answer alone is none."""
    facts = facts_of_trace(number)
    assert len([f for f in facts if isinstance(f.body, e.CallAnswered)]) == conversations
    started = {f.body.leg for f in facts if isinstance(f.body, e.CallArrived)}
    assert {f.body.leg for f in facts if isinstance(f.body, e.CallAnswered)} <= started


def test_dialled_legs_inherit_the_call_of_the_leg_that_dialled_them() -> None:
    """T15: the target of an attended transfer has no variable of ours at all."""
    target = next(body for body in bodies(15, e.LegEnded) if body.destination == "08033334444")
    assert (target.joined, target.kind, target.payer) == ("inherited", "outbound", "acme")
    assert len({f.call for f in facts_of_trace(15) if f.call}) == 1


def test_the_caller_stays_the_caller_after_a_transfer() -> None:
    """T15: the switch writes the target's number into the caller's own profile."""
    assert {body.caller.number for body in bodies(15, e.LegEnded)} == {"09012345678"}


def test_waiting_is_told_once_per_decision() -> None:
    """T17: an announcement is played into the music."""
    (waiting,) = bodies(17, e.CallWaiting)
    assert (waiting.decision, waiting.dialled) == ("d-0017-1", "0312345678")


def test_operators_own_park_is_nobodys_arrival() -> None:
    parked = [found for found in captured(17) if found["Event-Name"] == "CHANNEL_PARK"]
    assert len(parked) == 3
    assert len(bodies(17, e.CallArrived) + bodies(17, e.CallHandedOver)) == 2


def test_an_emergency_call_belongs_to_the_phone_it_came_from() -> None:
    legs = {body.kind: body for body in bodies(27, e.LegEnded)}
    assert legs["emergency"].destination == "119"
    assert legs["inbound"].decision == "static"
    assert {f.tenant for f in facts_of_trace(27)} == {"acme"}


def test_a_withheld_number_stands_in_no_fact() -> None:
    """T35: it is in P-Asserted-Identity, in the dialled leg's profile and in every event."""
    facts = [f for f in facts_of_trace(35) if getattr(f.body, "origin", "trunk") == "trunk"]
    trunk = {f.call for f in facts if isinstance(f.body, e.CallArrived)}
    told = [f for f in facts if f.call in trunk]
    assert len(told) > 10
    assert not any(b"09012345678" in encode(f) or b"nonymous" in encode(f) for f in told)
    callers = {f.body.caller.presentation for f in told if isinstance(f.body, e.LegEnded)}
    assert callers == {"withheld"}


@pytest.mark.parametrize(
    ("headers", "presentation"),
    [
        ({"Caller-Privacy-Hide-Number": "true"}, "withheld"),
        ({"variable_sip_Privacy": "id;critical"}, "withheld"),
        ({"variable_sip_Privacy": "none"}, "shown"),
        ({"variable_sip_from_user": "Anonymous"}, "withheld"),
        ({"Caller-Caller-ID-Number": "anonymous"}, "withheld"),
        ({"Caller-Caller-ID-Number": "Restricted"}, "withheld"),
        ({"Caller-Caller-ID-Number": "anonymous", "Caller-Caller-ID-Name": "Coin line/payphone"}, "payphone"),
        ({"Caller-Caller-ID-Number": "anonymous", "Caller-Caller-ID-Name": "Unavailable"}, "unavailable"),
        ({}, "shown"),
    ],
)
def test_three_reasons_for_no_number(headers: dict[str, str], presentation: str) -> None:
    caller = only(Normaliser("fs1", DIRECTORY).facts_of(event("CHANNEL_PARK") | headers)).caller
    assert caller.presentation == presentation
    assert caller.number == ("09012345678" if presentation == "shown" else "")
    assert caller.name == ""


def test_forwarded_calls_say_from_whom() -> None:
    """T34: Diversion, else History-Info."""
    assert bodies(34, e.CallArrived)[0].diverted_from == "0399998888"
    about = Normaliser("fs1", DIRECTORY)
    history = event("CHANNEL_PARK", sip_history_info="<sip:0311112222@h>;index=1, <sip:0312345678@h>;index=1.1")
    assert only(about.facts_of(history)).diverted_from == "0311112222"
    hidden = event("CHANNEL_PARK", sip_h_Diversion="<sip:0311112222@h>;privacy=full")
    assert only(Normaliser("fs1", DIRECTORY).facts_of(hidden)).diverted_from == ""


@pytest.mark.parametrize(
    ("did", "tenant", "named", "alarm"),
    [
        ("0312345678", "acme", "acme", ""),
        ("0312345678", "acme", "", ""),
        ("0312345678", "acme", "beta", "tenant_mismatch"),
        ("+81312345678", "acme", "acme", ""),
        ("0399990000", "beta", "acme", "tenant_mismatch"),
        ("0300000000", "_unknown", "acme", "unknown_number"),
    ],
)
def test_the_owner_of_the_number_is_the_tenant(did: str, tenant: str, named: str, alarm: str) -> None:
    """There is no default client, and what the dialplan claims is only alarmed about."""
    arrival = event("CHANNEL_PARK", tt_did=did, tt_tenant=named) | {"Caller-Destination-Number": did}
    facts = Normaliser("fs1", DIRECTORY).facts_of(arrival)
    assert (facts.envelopes[0].tenant, facts.alarm) == (tenant, alarm)


def test_a_phone_belongs_to_its_tenant_and_domain() -> None:
    arrival = event(
        "CHANNEL_PARK",
        sofia_profile_name="internal",
        user_name="2001",
        domain_name="Beta.Example",
        sip_authorized="true",
        tt_did="117",
    )
    (envelope,) = Normaliser("fs1", DIRECTORY).facts_of(arrival).envelopes
    assert envelope.tenant == "beta"
    assert isinstance(envelope.body, e.CallArrived)
    assert (envelope.body.origin, envelope.body.phone, envelope.body.dialled) == ("phone", "2001", "117")


@pytest.mark.parametrize(
    "says",
    [
        {"sip_from_user": "2001", "sip_from_host": "beta.example"},
        {"sip_from_user": "2001", "sip_from_host": "beta.example", "sip_auth_realm": "beta.example"},
        {"sip_from_user": "2001", "domain_name": "beta.example", "sip_authorized": "true"},
        {"user_name": "2001", "domain_name": "beta.example"},
        {"user_name": "2001", "domain_name": "beta.example", "sip_authorized": "false"},
        {"user_name": "2001", "sip_from_host": "beta.example", "sip_authorized": "true"},
    ],
)
def test_who_only_says_to_be_a_phone_is_nobodys(says: dict[str, str]) -> None:
    """From and realm are the caller's own words; only a log-in that the switch has checked makes a phone."""
    arrival = event("CHANNEL_PARK", sofia_profile_name="internal", **says)
    facts = Normaliser("fs1", DIRECTORY).facts_of(arrival)
    assert facts.alarm == "unknown_number"
    assert facts.envelopes[0].tenant == "_unknown"


def test_after_a_restart_our_own_variables_tell_most_of_it() -> None:
    """No leg is known any more: the plan's tt_call, tt_tenant and tt_payer stand on the event."""
    ended = event("CHANNEL_HANGUP_COMPLETE", tt_call="call-1", tt_tenant="acme", tt_payer="beta", tt_leg="forward") | {
        "Call-Direction": "outbound",
        "Hangup-Cause": "NORMAL_CLEARING",
    }
    (envelope,) = Normaliser("fs1", DIRECTORY).facts_of(ended).envelopes
    assert isinstance(envelope.body, e.LegEnded)
    assert (envelope.tenant, envelope.call, envelope.body.payer, envelope.body.kind) == (
        "acme",
        "call-1",
        "beta",
        "forward",
    )


def test_a_leg_nobody_knows_is_still_told() -> None:
    ended = event("CHANNEL_HANGUP_COMPLETE") | {"Call-Direction": "outbound"}
    (envelope,) = Normaliser("fs1", DIRECTORY).facts_of(ended).envelopes
    assert (envelope.tenant, envelope.call) == ("_unknown", LEG)


def test_recordings_are_told_with_our_request_if_there_was_one() -> None:
    (stopped,) = bodies(13, e.RecordingStopped)
    assert (stopped.recording, stopped.length_ms, stopped.size_bytes) == ("", 1820, 58310)
    (message,) = bodies(3, e.RecordingStopped)
    assert message.stage == "voicemail"
    asked = event("RECORD_START") | {"Record-File-Path": "/r/acme/r-1.wav", "Recording-Variable-tt_rec": "r-1"}
    assert only(Normaliser("fs1", DIRECTORY).facts_of(asked)).recording == "r-1"


def test_phones_come_and_go() -> None:
    told = [f for f in facts_of_trace(24) if isinstance(f.body, e.PhoneRegistered | e.PhoneUnregistered)]
    assert [type(f.body).__name__ for f in told] == ["PhoneRegistered"] * 3 + ["PhoneUnregistered"] * 2
    assert [getattr(f.body, "reason", "") for f in told] == ["", "", "", "unregistered", "expired"]
    assert {f.tenant for f in told} == {"acme"}


HOSTILE = st.one_of(
    st.text(max_size=2000),
    st.sampled_from(
        [
            "A\r\nEvent-Name: FAKE",
            "x,tt_tenant=victim",
            "${system(id)}",
            "x]sofia/external/evil@h,[tt_q=1",
            "\u202e\u2066\x00\x1b[2J",
            "'; DROP TABLE legs; --",
            "a" * 2000,
        ]
    ),
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_whatever_a_caller_sends_is_data(name: str, number: str, header: str) -> None:
    """It changes no tenant, call or kind of fact; what is kept is printable, short, and digits where digits belong."""
    hostile = event("CHANNEL_PARK", sip_from_user=number, sip_h_Diversion=header, sip_from_display=name) | {
        "Caller-Caller-ID-Name": name,
        "Caller-Caller-ID-Number": number,
        "Caller-Orig-Caller-ID-Name": name,
    }
    (envelope,) = Normaliser("fs1", DIRECTORY).facts_of(hostile).envelopes
    assert (envelope.tenant, envelope.call, envelope.id) == ("acme", LEG, f"{CORE}-7")
    assert isinstance(envelope.body, e.CallArrived)
    caller = envelope.body.caller
    assert len(caller.name) <= 128
    assert caller.name.isprintable()
    assert set(caller.number + envelope.body.diverted_from) <= set("+0123456789*#")
    assert decode(encode(envelope)) == envelope


@given(st.dictionaries(st.sampled_from([*event("X"), "Other-Leg-Unique-ID", "variable_tt_call"]), HOSTILE))
def test_no_event_trips_the_rules(headers: dict[str, str]) -> None:
    about = Normaliser("fs1", DIRECTORY)
    for name in ("CHANNEL_CREATE", "CHANNEL_PARK", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_HANGUP_COMPLETE"):
        for envelope in about.facts_of(event(name) | headers | {"Event-Name": name}).envelopes:
            assert decode(encode(envelope)) == envelope


def test_beliefs_are_bounded() -> None:
    about = Normaliser("fs1", DIRECTORY, Beliefs(limit=10))
    for number in range(50):
        about.facts_of(event("CHANNEL_PARK") | {"Unique-ID": f"leg-{number}"})
    assert len(about.beliefs) == 50, "a leg that is up is never forgotten"
    for number in range(50):
        about.facts_of(event("CHANNEL_HANGUP_COMPLETE") | {"Unique-ID": f"leg-{number}"})
    assert len(about.beliefs) == 10
