"""The switch's own call records tell what its events tell: all of them, whatever callers wrote into them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto import events as e
from proto.envelope import Envelope
from proto.values import Party
from services.eventsocket.cdr.record import BrokenRecord, CallRecord, families, leg_of_file, life, parents_first, read
from services.eventsocket.frames import decode_json
from services.eventsocket.normalise import Normaliser
from services.eventsocket.records import leg_gone, raw_of
from tests import traces
from tests.unit.test_normalise import DIRECTORY, captured

PLACEHOLDER = (18, 19, 39, 61, 93, 104)
"""A leg that we began without a number to show: its events name 0000000000 as the caller, its record nobody."""

STRANGER = (130,)
OTHERS_CALL = (102, 119)
"""A leg that was dialled and then sent into a plan of its own, or that took another's place (Replaces): of who called
its record tells less than its events."""

JOINED_AGAIN = (146,)
"""The same two met a second time, after a consultation: the record knows only of that."""


def records(number: int) -> list[CallRecord]:
    return [read(raw, leg) for leg, raw in traces.load(number).cdrs.items()]


def told(found: list[CallRecord], about: Normaliser | None = None) -> list[Envelope]:
    """As the agent does it: family by family, over the spool's bytes."""
    about = about or Normaliser("fs1", DIRECTORY)
    lives = [record for family in families(found) for record in life(family)]
    return [envelope for record in lives for envelope in about.facts_of(decode_json(raw_of(record))).envelopes]


def ends(facts: list[Envelope]) -> dict[str, Envelope]:
    found = [fact for fact in facts if isinstance(fact.body, e.LegEnded)]
    assert len(found) == len({fact.body.leg for fact in found}), "an end is told once"
    return {fact.body.leg: fact for fact in found}


def changed(number: int, role: str, **variables: Any) -> bytes:
    leg = traces.load(number).scenario["legs"][role]
    cdr = json.loads(traces.load(number).cdrs[leg])
    cdr["variables"] |= variables
    return json.dumps(cdr, ensure_ascii=False).encode()


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("number", traces.ALL + traces.FURTHER)
def test_call_records_alone_tell_the_same_ends_as_the_events(number: int) -> None:
    about = Normaliser("fs1", DIRECTORY)
    heard = ends([fact for event in captured(number) for fact in about.facts_of(event).envelopes])
    alone = ends(told(records(number)))
    # Who is refused for a wrong password has no record.
    heard = {leg: fact for leg, fact in heard.items() if number not in STRANGER or leg in alone}
    assert alone.keys() == heard.keys()
    calls = {fact.call: alone[leg].call for leg, fact in heard.items()}
    for leg, fact in heard.items():
        body, again = fact.body, alone[leg].body
        assert isinstance(body, e.LegEnded)
        if number in PLACEHOLDER and body.caller.number == "0000000000":
            body = msgspec.structs.replace(body, caller=Party())
        assert isinstance(again, e.LegEnded)
        if number in OTHERS_CALL and again.caller != body.caller:
            assert (again.ended_at_us, again.cause) == (body.ended_at_us, body.cause)
            continue
        assert again == body
        assert (alone[leg].tenant, alone[leg].call) == (fact.tenant, calls[fact.call])
        assert alone[leg].source == "switch/fs1/cdr"
        assert not alone[leg].estimated


@pytest.mark.parametrize("number", traces.ALL + traces.FURTHER)
def test_call_records_alone_tell_who_talked_with_whom_and_from_when(number: int) -> None:
    about = Normaliser("fs1", DIRECTORY)

    def talks(facts: list[Envelope]) -> dict[tuple[str, str], int]:
        return {(f.body.leg, f.body.by): f.occurred_at_us for f in facts if isinstance(f.body, e.CallAnswered)}

    heard = talks([fact for event in captured(number) for fact in about.facts_of(event).envelopes])
    alone = talks(told(records(number)))
    recorded = traces.load(number).cdrs.keys()  # a switch that is killed writes none of the legs that are up
    heard = {pair: at_us for pair, at_us in heard.items() if recorded >= set(pair)}
    assert alone.keys() == heard.keys()
    # The record is stamped when the legs are joined, the event when it is made: a busy machine lay between them.
    assert all(
        abs(alone[pair] - at_us) < 50_000 or (number in JOINED_AGAIN and alone[pair] > at_us)
        for pair, at_us in heard.items()
    )


def test_of_two_legs_that_a_command_joined_the_record_tells_which_was_joined_to_which() -> None:
    """An operator's leg that we began, and a caller's that is made one of the same kind here."""
    caller, operator = (traces.load(17).scenario["legs"][role] for role in ("caller", "operator"))
    for first, second in ((caller, operator), (operator, caller)):
        found = []
        for leg in (caller, operator):
            cdr = json.loads(traces.load(17).cdrs[leg])
            cdr["channel_data"]["direction"] = "outbound"
            cdr["variables"]["sofia_profile_name"] = "internal"
            for chapter in cdr["callflow"]:
                profile = chapter["caller_profile"] | {"chan_name": "sofia/internal/1001"}
                chapter["caller_profile"] = profile
                met = profile.pop("originatee", None) or profile.pop("originator", None)
                if met:
                    profile["originatee" if leg == first else "originator"] = met
            found.append(read(json.dumps(cdr).encode(), leg))
        talks = [fact.body for fact in told(found) if isinstance(fact.body, e.CallAnswered)]
        assert [(talk.leg, talk.by) for talk in talks] == [(first, second)]


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("number", traces.ALL)
def test_what_events_have_told_a_call_record_does_not_tell_again_and_the_other_way_round(number: int) -> None:
    about = Normaliser("fs1", DIRECTORY)
    for event in captured(number):
        about.facts_of(event)
    for record in life(records(number)):
        facts = about.facts_of(record)
        assert (facts.envelopes, facts.alarm) == ((), "")
    about = Normaliser("fs1", DIRECTORY)
    assert told(records(number), about) or number == 24
    late = [about.facts_of(event) for event in captured(number) if event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE"]
    assert [(facts.envelopes, facts.alarm) for facts in late] == [((), "")] * len(late)


@pytest.mark.parametrize(
    "wrong", [{"hangup_cause": "USER_BUSY"}, {"answered_time": "1795290366477260"}, {"hangup_time": "1795290367517287"}]
)
def test_a_call_record_that_says_otherwise_than_the_event_is_an_alarm_and_no_second_end(wrong: dict[str, str]) -> None:
    about = Normaliser("fs1", DIRECTORY)
    for event in captured(1):
        about.facts_of(event)
    leg = "793bc1f6-ad4b-4e8b-81c8-503ac2db1110"
    cdr = json.loads(traces.load(1).cdrs[leg])
    cdr["variables"] |= {name: value for name, value in wrong.items() if name in cdr["variables"]}
    cdr["callflow"][0]["times"] |= {name: value for name, value in wrong.items() if name.endswith("_time")}
    facts = about.facts_of(read(json.dumps(cdr).encode(), leg).ended)
    assert (facts.envelopes, facts.alarm) == ((), "end_differs")


@pytest.mark.parametrize("number", traces.ALL)
def test_the_order_of_files_changes_nothing(number: int) -> None:
    def said(found: list[CallRecord]) -> set[tuple[str, str, str]]:
        return {(fact.id, fact.call, fact.tenant) for fact in told(found)}

    assert said(records(number)) == said(records(number)[::-1])


def test_nobody_thinks_the_call_over_while_its_other_legs_are_to_come() -> None:
    """History closes a call when every leg it knows has ended: so all that were dialled are told before any end."""
    names = [fact.body.NAME for fact in told(records(6))]
    assert names == ["leg.started"] * 4 + ["call.answered"] + ["leg.ended"] * 5 or names.index("leg.ended") > max(
        n for n, name in enumerate(names) if name == "leg.started"
    )


@pytest.mark.parametrize("number", [1, 15, 23, 35])
def test_percent_encoded_values_are_the_same_values(number: int) -> None:
    """`encode-values` is on where nobody switched it off (mod_json_cdr.c); callflow is never encoded."""
    for leg, raw in traces.load(number).cdrs.items():
        cdr = json.loads(raw)
        cdr["variables"] = {name: quote(value, safe="/-_.!~*'()") for name, value in cdr["variables"].items()}
        assert read(json.dumps(cdr).encode(), leg) == read(raw, leg)


def test_a_percent_sign_in_a_plain_value_stays_one() -> None:
    raw = changed(1, "caller", sip_h_Diversion="<sip:0%33@x>")
    assert read(raw, traces.load(1).scenario["legs"]["caller"]).ended["variable_sip_h_Diversion"] == "<sip:0%33@x>"


# -- hostile and broken ------------------------------------------------------------------------------------------------

A_LEG = traces.load(1).scenario["legs"]["caller"]
HOSTILE = [
    "x\r\nEvent-Name: CHANNEL_PARK\n\n",
    "${uuid_kill(1)}",
    "\ud800",
    "ARRAY::a|:b",
    "\x00\x1b[2J",
    "A" * 2000,
    "%0d%0a",
    "\u202e",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_caller_wrote_never_makes_its_record_unreadable(text: str) -> None:
    """Else a display name would be enough to telephone for nothing."""
    cdr = json.loads(traces.load(1).cdrs[A_LEG])
    cdr["callflow"][-1]["caller_profile"]["caller_id_name"] = text
    cdr["variables"] |= {"sip_from_display": text, "sip_h_X-a": text, "sip_h_Diversion": text}
    raw = json.dumps(cdr).encode()
    (fact,) = ends(told([read(raw, A_LEG)])).values()
    assert isinstance(fact.body, e.LegEnded)
    assert fact.body.caller.number == "09012345678"
    assert all(char.isprintable() for char in fact.body.caller.name)
    assert len(fact.body.caller.name) <= 128


def test_bytes_that_are_no_utf_8_are_read_all_the_same() -> None:
    raw = traces.load(1).cdrs[A_LEG].replace(b'"caller_id_name":"09012345678"', b'"caller_id_name":"\x8e\xb4\xff"')
    assert b"\xff" in raw
    (fact,) = ends(told([read(raw, A_LEG)])).values()
    assert fact.body.answered_at_us == 1795290366477259


def test_of_a_name_that_stands_twice_the_first_counts_as_in_the_switch() -> None:
    raw = (
        traces.load(1)
        .cdrs[A_LEG]
        .replace(b'"hangup_cause":"NORMAL_CLEARING"', b'"hangup_cause":"NORMAL_CLEARING","hangup_cause":"USER_BUSY"')
    )
    assert read(raw, A_LEG).ended["Hangup-Cause"] == "NORMAL_CLEARING"


def test_a_withheld_number_stays_withheld_where_the_record_lacks_the_switchs_mark() -> None:
    role = next(role for role, leg in traces.load(35).scenario["legs"].items() if leg.startswith("be36af19"))
    dialled = traces.load(35).scenario["legs"][role]
    (alone,) = ends(told([read(traces.load(35).cdrs[dialled], dialled)])).values()
    assert alone.body.caller == Party(presentation="withheld")
    for privacy in ("full", "yes", "number"):
        raw = changed(1, "caller", **{"sip_Remote-Party-ID": f"<sip:090@x>;party=calling;privacy={privacy}"})
        (fact,) = ends(told([read(raw, A_LEG)])).values()
        assert fact.body.caller == Party(presentation="withheld")


@given(st.integers(min_value=0), st.binary(max_size=40))
def test_a_half_written_file_is_broken_and_never_half_a_record(at: int, rest: bytes) -> None:
    whole = traces.load(1).cdrs[A_LEG].rstrip()
    cut = whole[: at % len(whole)] + (rest if not rest.strip() else b"")
    with pytest.raises(BrokenRecord):
        read(cut, A_LEG)


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_json_of_another_kind_is_broken(value: object) -> None:
    with pytest.raises(BrokenRecord):
        read(json.dumps(value).encode(), A_LEG)


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"{}", b"[" * 100_000, b'{"variables":{}}', b"\x00" * 100, b'{"variables":[],"callflow":[{}]}'],
)
def test_what_is_no_call_record_is_broken(raw: bytes) -> None:
    with pytest.raises(BrokenRecord):
        read(raw, A_LEG)


def test_a_record_under_the_name_of_another_leg_is_broken() -> None:
    with pytest.raises(BrokenRecord, match="another leg"):
        read(traces.load(1).cdrs[A_LEG], "6d6cc3ab-e3d0-41b0-8077-d07f4518d874")


@pytest.mark.parametrize(
    ("name", "leg"),
    [
        (f"{A_LEG}.cdr.json", A_LEG),
        (f"a_{A_LEG}.cdr.json", A_LEG),
        ("b_x.cdr.json", ""),
        ("../x.cdr.json", ""),
        (".x.cdr.json", ""),
        ("x.cdr.json.tmp", ""),
        ("x.json", ""),
        ("x\n.cdr.json", ""),
        ("x.cdr.json\n", ""),
        ("-x.cdr.json", ""),
        ("x" * 65 + ".cdr.json", ""),
        ("é.cdr.json", ""),
    ],
)
def test_only_files_named_as_the_switch_names_them_are_records(name: str, leg: str) -> None:
    assert leg_of_file(name) == leg


# -- families ----------------------------------------------------------------------------------------------------------

_LEGS = [f"leg-{n}" for n in range(6)]
_SOME = st.lists(
    st.builds(
        CallRecord,
        leg=st.sampled_from(_LEGS),
        parent=st.sampled_from(["", "gone", *_LEGS]),
        relatives=st.lists(st.sampled_from(_LEGS), max_size=2).map(tuple),
        started_at_us=st.integers(0, 3),
        ended=st.just({}),
    ),
    max_size=6,
    unique_by=lambda record: record.leg,
)


@given(_SOME)
def test_a_leg_stands_behind_the_one_that_dialled_it(found: list[CallRecord]) -> None:
    """Also in files that somebody made up, in which legs dial one another in a ring."""
    ordered = parents_first(found)
    assert Counter(record.leg for record in ordered) == Counter(record.leg for record in found)
    parents = {record.leg: record.parent for record in found}
    place = {record.leg: n for n, record in enumerate(ordered)}
    for leg, parent in parents.items():
        line, up = [leg], parent
        while up in parents and up not in line:
            line.append(up)
            up = parents[up]
        if up not in line and parent in place:
            assert place[parent] < place[leg]


@given(_SOME)
def test_families_share_no_leg_and_leave_none_out(found: list[CallRecord]) -> None:
    together = families(found)
    assert Counter(r.leg for family in together for r in family) == Counter(r.leg for r in found)
    home = {record.leg: n for n, family in enumerate(together) for record in family}
    for record in found:
        for relative in (record.parent, *record.relatives):
            assert home.get(relative, home[record.leg]) == home[record.leg]


# -- recordings --------------------------------------------------------------------------------------------------------


def test_a_recording_whose_end_was_not_heard_is_ended_by_the_call_record() -> None:
    """The record says how long the last recording was, and not which file: that was heard when it began."""
    about = Normaliser("fs1", DIRECTORY)
    events = captured(13)
    for event in events:
        if event["Event-Name"] == "RECORD_STOP":
            heard = about.facts_of(event).envelopes[-1].body
            break
        about.facts_of(event)
    about = Normaliser("fs1", DIRECTORY)
    for event in events:
        if event["Event-Name"] == "RECORD_STOP":
            break
        about.facts_of(event)
    (stopped,) = [fact for fact in told(records(13), about) if isinstance(fact.body, e.RecordingStopped)]
    assert stopped.body == heard
    assert stopped.source == "switch/fs1/cdr"


def test_a_message_left_while_nobody_listened_is_told_with_its_file() -> None:
    (stopped,) = [fact for fact in told(records(3)) if isinstance(fact.body, e.RecordingStopped)]
    heard = Normaliser("fs1", DIRECTORY)
    facts = [fact for event in captured(3) for fact in heard.facts_of(event).envelopes]
    (known,) = [fact for fact in facts if isinstance(fact.body, e.RecordingStopped)]
    assert stopped.body == known.body
    assert abs(stopped.occurred_at_us - known.occurred_at_us) < 100_000


# -- after a guess -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("number", [1, 6, 15, 27])
def test_after_estimated_ends_the_call_records_tell_the_exact_ones_once(number: int) -> None:
    about = Normaliser("fs1", DIRECTORY)
    events = [event for event in captured(number) if event["Event-Name"] != "CHANNEL_HANGUP_COMPLETE"]
    for event in events:
        about.facts_of(event)
    gone = [leg_gone(leg, "another-core", 1_795_300_000_000_000) for leg in sorted(about.beliefs.up)]
    guessed = [fact for record in gone for fact in about.facts_of(record).envelopes]
    assert {fact.estimated for fact in guessed} == {True}
    exact = told(records(number), about)
    assert {fact.body.NAME for fact in exact} <= {"leg.ended", "recording.stopped", "leg.started"}
    assert {fact.estimated for fact in exact} == {False}
    assert ends(exact).keys() == traces.load(number).cdrs.keys() >= ends(guessed).keys()
    assert {fact.key for fact in guessed} <= {fact.key for fact in exact}
    assert [about.facts_of(record).envelopes for record in gone] == [()] * len(gone), "no guess behind the exact end"
    assert told(records(number), about) == []
