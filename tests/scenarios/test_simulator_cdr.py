"""The simulated switch's call records: the same keys, causes and profiles as in the files that the real one wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator import Behaviour, Caller, Carrier, CdrFolder, Phone, Simulator
from freeswitch.simulator.far_ends import people as who
from tests import traces
from tests.scenarios.ears import DOMAIN, PASSWORD, Listener, finish, legs, plan_of

Record = dict[str, Any]


@contextmanager
def switch(cdr: CdrFolder, phones: list[Phone]) -> Iterator[Simulator]:
    trunk = Carrier("trunk1", gateway="trunk1", host="127.0.0.1:5090")
    one = Simulator(password=PASSWORD, domain=DOMAIN, carriers=[trunk], phones=phones, cdr=cdr)
    one.start()
    try:
        yield one
    finally:
        one.stop()


def files(folder: Path) -> list[Record]:
    """The records in a folder, the caller's first."""
    return in_order([json.loads(path.read_text()) for path in folder.iterdir()])


def in_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda one: str(one["variables"]["direction"]))


def chapters(record: Record) -> list[tuple[object, ...]]:
    """The callflow: dialplan, index, applications, which of them was next, kind of the other leg, what is timed."""
    return [
        (
            one.get("dialplan"),
            one["profile_index"],
            [app["app_name"] for app in one.get("extension", {}).get("applications", [])],
            one.get("extension", {}).get("current_app"),
            sorted(key for key in one["caller_profile"] if key.startswith("originat")),
            sorted(name for name, at_us in one["times"].items() if at_us != "0"),
        )
        for one in record["callflow"]
    ]


def test_a_bridged_call_leaves_the_records_of_the_real_switch(tmp_path: Path) -> None:
    """As captured in 01, seen from both legs."""
    with switch(CdrFolder(tmp_path), [Phone("1001", Behaviour(after_s=0.1))]) as simulator:
        listener = Listener(simulator.port)
        leg = simulator.call(Caller("09012345678", talks_s=0.1), "0312345678")
        listener.name("CHANNEL_PARK", leg.uuid)
        listener.send(f"api uuid_transfer {leg.uuid} {plan_of(1)}")
        finish(listener, leg.uuid)
        dialled = legs(listener.events)[1]
        told = {uuid: listener.name("CHANNEL_HANGUP_COMPLETE", uuid) for uuid in (leg.uuid, dialled)}
    ours, real = files(tmp_path), in_order([json.loads(body) for body in traces.load(1).cdrs.values()])
    assert {path.name for path in tmp_path.iterdir()} == {f"{leg.uuid}.cdr.json", f"{dialled}.cdr.json"}
    for mine, theirs in zip(ours, real, strict=True):
        assert list(mine) == list(theirs)
        assert [list(one) for one in mine["callflow"]] == [list(one) for one in theirs["callflow"]]
        assert chapters(mine) == chapters(theirs)
        assert mine["channel_data"].keys() == theirs["channel_data"].keys()
        assert mine["callStats"]["audio"].keys() == theirs["callStats"]["audio"].keys()
        for name in ("hangup_cause", "hangup_cause_q850", "tt_leg", "tt_call", "DIALSTATUS", "originate_disposition"):
            assert mine["variables"].get(name) == theirs["variables"].get(name), name
    caller = ours[0]
    assert [one["app_name"] for one in caller["app_log"]["applications"]][-4:-1] == [
        "sched_cancel",
        "multiset",
        "export",
    ]
    for record in ours:
        event = told[record["variables"]["uuid"]]
        assert record["core-uuid"] == event["Core-UUID"]
        assert record["variables"]["billusec"] == event["variable_billusec"]
        assert record["callflow"][0]["times"]["hangup_time"] == event["Caller-Channel-Hangup-Time"]


def test_the_record_is_there_before_the_event_says_so(tmp_path: Path) -> None:
    with switch(CdrFolder(tmp_path, prefix_a=True), [Phone("1001", who.BUSY)]) as simulator:
        listener = Listener(simulator.port)
        leg = simulator.call(Caller("09012345678", name='A "q" \udcff 山田'), "0312345678")
        listener.name("CHANNEL_PARK", leg.uuid)
        listener.send(f"api uuid_transfer {leg.uuid} 'm:~:sched_cancel~bridge:sofia/internal/1001%127.0.0.1' inline")
        listener.name("CHANNEL_HANGUP_COMPLETE", leg.uuid)
        raw = (tmp_path / f"a_{leg.uuid}.cdr.json").read_bytes()
        finish(listener, leg.uuid)
    assert raw.endswith(b"}\n") and raw.count(b"\n") == 1 and b"\xff" in raw
    profile = json.loads(raw.decode(errors="surrogateescape"))["callflow"][0]["caller_profile"]
    assert profile["caller_id_name"] == 'A "q" \udcff 山田'


@pytest.mark.parametrize("setting", ["process_cdr=false", "skip_cdr_causes=USER_BUSY|NORMAL_CLEARING"])
def test_a_leg_can_ask_for_no_record(tmp_path: Path, setting: str) -> None:
    with switch(CdrFolder(tmp_path), []) as simulator:
        listener = Listener(simulator.port)
        leg = simulator.call(Caller("09012345678"), "0312345678")
        listener.name("CHANNEL_PARK", leg.uuid)
        listener.send(f"api uuid_setvar {leg.uuid} {setting.replace('=', ' ', 1)}")
        listener.send(f"api uuid_kill {leg.uuid}")
        finish(listener, leg.uuid)
    assert not list(tmp_path.iterdir())


def test_a_killed_switch_leaves_no_record(tmp_path: Path) -> None:
    with switch(CdrFolder(tmp_path), []) as simulator:
        listener = Listener(simulator.port)
        leg = simulator.call(Caller("09012345678"), "0312345678")
        listener.name("CHANNEL_PARK", leg.uuid)
        simulator.stop()
    assert not list(tmp_path.iterdir())
