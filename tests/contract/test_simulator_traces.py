"""The simulator behaves like the real switch of the captured traces; and the check that says so can fail."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator.check import Difference, accepted, check, main
from freeswitch.simulator.check.order import out_of_order
from freeswitch.simulator.check.read import Trace, trace
from freeswitch.simulator.check.stage import Stage
from tests import traces

ALLOWED = accepted.entries()


def captured(number: int) -> Trace:
    one = traces.load(number)
    commands = "\n".join(json.dumps(said.__dict__) for said in one.commands)
    return trace(one.name, one.json_lines, commands.encode(), one.scenario)


def remaining(one: Trace) -> list[Difference]:
    return accepted.split(check(one), ALLOWED)[0]


@cache
def compared(number: int) -> tuple[list[Difference], set[accepted.Accepted]]:
    """What is not accepted, and what is; two tests ask for all traces."""
    return accepted.split(check(captured(number)), ALLOWED)


@pytest.mark.parametrize("number", traces.ALL + traces.FURTHER)
def test_the_simulator_does_what_the_switch_did(number: int) -> None:
    differ, _met = compared(number)
    assert not differ, f"{len(differ)} differences, first: {differ[0]}"


def test_every_accepted_difference_is_still_needed() -> None:
    met = {entry for number in traces.ALL + traces.FURTHER for entry in compared(number)[1]}
    assert not [entry for entry in ALLOWED if entry not in met]


def altered(number: int, event: str, **headers: str) -> Trace:
    """The trace, with these headers in the first such event."""
    one = captured(number)
    events = list(one.events)
    place = next(at for at, told in enumerate(events) if told["Event-Name"] == event)
    assert headers.keys() <= events[place].keys()
    events[place] = {**events[place], **headers}
    return Trace(**{**vars(one), "events": tuple(events)})


@pytest.mark.parametrize(
    ("event", "header", "value"),
    [
        ("CHANNEL_HANGUP_COMPLETE", "Hangup-Cause", "USER_BUSY"),
        ("CHANNEL_BRIDGE", "variable_tt_call", "another"),
        ("CHANNEL_ANSWER", "Channel-Call-State", "EARLY"),
        ("CHANNEL_EXECUTE_COMPLETE", "Application-Response", "FILE PLAYED"),
        ("CHANNEL_ANSWER", "Core-UUID", "another life"),
        ("CHANNEL_BRIDGE", "Caller-Channel-Answered-Time", "1"),
        ("CHANNEL_HANGUP_COMPLETE", "variable_answer_uepoch", "0"),
        ("CHANNEL_HANGUP_COMPLETE", "variable_billusec", "60000000"),
        ("CHANNEL_HANGUP_COMPLETE", "variable_duration", "60"),
    ],
)
def test_a_switch_that_had_said_something_else_is_told_apart(event: str, header: str, value: str) -> None:
    differ = remaining(altered(8, event, **{header: value}))
    assert [(one.header, one.real) for one in differ] == [(header, value)]


@pytest.mark.parametrize(
    "header", ["Event-Sequence", "Application-UUID", "variable_sip_call_id", "variable_end_uepoch"]
)
def test_what_has_a_value_of_its_own_in_each_run_must_be_there_all_the_same(header: str) -> None:
    one = captured(8)
    without = [{name: value for name, value in event.items() if name != header} for event in one.events]
    differ = remaining(Trace(**{**vars(one), "events": tuple(without)}))
    assert {(d.header, d.real) for d in differ} == {(header, "(absent)")}


def test_the_same_events_at_another_time_are_told() -> None:
    one = captured(3)
    late_us = 2_000_000
    events = [
        {**event, "Event-Date-Timestamp": str(int(str(event["Event-Date-Timestamp"])) + late_us)}
        if event["Event-Name"] == "RECORD_START"
        else event
        for event in one.events
    ]
    differ = remaining(Trace(**{**vars(one), "events": tuple(events)}))
    assert [(d.at, d.header) for d in differ] == [("27 RECORD_START", "moment")]


def test_an_effect_before_its_cause_is_told() -> None:
    """The real switch, had it told the callee's ringing only after the caller's."""
    one = captured(8)
    told = [event["Event-Name"] for event in one.events]
    ring, passed_on = told.index("CHANNEL_PROGRESS"), told.index("CHANNEL_PROGRESS", told.index("CHANNEL_PROGRESS") + 1)
    swapped = list(one.events)
    swapped[ring], swapped[passed_on] = swapped[passed_on], swapped[ring]
    played = Stage(one).run()
    roles = dict(one.roles)
    # What is judged here is the order of the second list, so the captured one takes the simulator's place.
    differ = list(out_of_order(played.events, swapped, roles))
    assert [(roles[leg], event) for leg, event, _real, _simulated in differ] == [("caller", "CHANNEL_PROGRESS")]


def test_an_event_that_is_missing_or_too_many_is_told() -> None:
    one = captured(8)
    fewer = list(one.events)
    fewer.remove(next(event for event in fewer if event["Event-Name"] == "CHANNEL_ANSWER"))
    differ = remaining(Trace(**{**vars(one), "events": tuple(fewer)}))
    assert {(d.header, d.real, d.simulated) for d in differ} == {
        ("Event-Name", "(no such event)", "CHANNEL_ANSWER"),
    }


@pytest.mark.parametrize(
    "types",
    [
        ["CHANNEL_CREATE", "CHANNEL_OUTGOING"],
        ["CHANNEL_PARK", "CHANNEL_UNPARK", "CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE"],
        ["CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE", "CHANNEL_HANGUP"],
        ["PLAYBACK_START", "PLAYBACK_STOP", "RECORD_START", "RECORD_STOP"],
    ],
)
def test_types_that_the_subscription_had_not_asked_for_are_no_difference(types: list[str]) -> None:
    one = captured(3)
    asked_for = [event for event in one.events if event["Event-Name"] not in types]
    assert len(asked_for) < len(one.events)
    assert not remaining(Trace(**{**vars(one), "events": tuple(asked_for)}))


@pytest.mark.parametrize("number", [2, 17, 31])
def test_a_trace_that_begins_in_the_middle_of_calls(number: int) -> None:
    """Its recorder connected late: what the switch told before is no difference, all that comes then is compared."""
    one = captured(number)
    late = Trace(**{**vars(one), "events": one.events[len(one.events) * 3 // 10 :]})
    assert not remaining(late)
    *rest, last = late.events
    other = {**last, "Hangup-Cause": "USER_BUSY"} if "Hangup-Cause" in last else {**last, "Event-Name": "NOSUCH"}
    assert remaining(Trace(**{**vars(late), "events": (*rest, other)}))


def test_a_folder_that_has_only_the_plain_events_is_read_as_well(tmp_path: Path) -> None:
    there = folder(tmp_path / "plain", 8, {})
    (there / "events.plain").write_bytes(traces.load(8).plain)
    (there / "events.jsonl").unlink()
    code, out, _notes = run(there)
    assert (code, out) == (0, "")


def test_another_reply_is_told() -> None:
    one = captured(3)
    said = tuple(type(c)(c.at_us, c.command, "-ERR No such channel!") for c in one.commands[:1]) + one.commands[1:]
    differ = remaining(Trace(**{**vars(one), "commands": said}))
    assert [(d.leg, d.real, d.simulated) for d in differ] == [("command 0", "-ERR No such channel!", "+OK")]


def folder(path: Path, number: int, change: Mapping[str, str]) -> Path:
    """The trace as files, one of them changed."""
    one = traces.load(number)
    path.mkdir()
    files = {
        "events.jsonl": one.json_lines.decode("utf-8", "surrogateescape"),
        "commands.jsonl": "\n".join(json.dumps(said.__dict__) for said in one.commands),
        "scenario.json": json.dumps(one.scenario),
    }
    for name, text in {**files, **change}.items():
        (path / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    return path


def run(*folders: Path, as_json: bool = False) -> tuple[int, str, str]:
    out, notes = io.StringIO(), io.StringIO()
    return main(folders, out, notes, as_json=as_json), out.getvalue(), notes.getvalue()


def test_exit_codes_and_lines(tmp_path: Path) -> None:
    good = folder(tmp_path / "good", 8, {})
    code, out, notes = run(good)
    assert (code, out) == (0, "")
    assert notes.startswith("good: agrees")

    events = traces.load(8).json_lines.decode().replace("NORMAL_CLEARING", "USER_BUSY")
    bad = folder(tmp_path / "bad", 8, {"events.jsonl": events})
    code, out, _notes = run(good, bad, as_json=True)
    told: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert {"bad"} == {one["trace"] for one in told}
    assert {"trace", "leg", "at", "header", "real", "simulated"} == set(told[0])


def test_all_traces_of_a_folder(tmp_path: Path) -> None:
    for name, number in (("two", 8), ("one", 4)):
        folder(tmp_path / name, number, {})
    code, _out, notes = run(tmp_path)
    assert (code, [line.partition(":")[0] for line in notes.splitlines()][:2]) == (0, ["one", "two"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"scenario.json": "{}"}, "broken: not a trace: 'steps'"),
        ({"events.jsonl": ""}, "broken: not a trace: no events"),
        ({"events.jsonl": "5\n"}, "broken: not a trace: no event: b'5'"),
    ],
)
def test_a_folder_that_is_no_trace(tmp_path: Path, change: Mapping[str, str], why: str) -> None:
    (tmp_path / "empty").mkdir()
    code, _out, notes = run(folder(tmp_path / "broken", 8, change), tmp_path / "empty")
    assert code == 2
    assert why in notes
    assert "No such file or directory" in notes
