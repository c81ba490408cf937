"""The simulator's call records against those that the real switch wrote in each captured trace, leg by leg."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator.cdr import CdrFolder
from freeswitch.simulator.check.stage import Stage
from tests import traces
from tests.contract.test_simulator_traces import captured

Record = dict[str, Any]

_SAME = ("hangup_cause", "sip_hangup_disposition", "tt_tenant", "tt_call", "tt_leg", "tt_decision", "DIALSTATUS")
_KNOWN = {15: "after att_xfer the real one shows the plan of the new leg, and both other legs"}


def _chapters(record: Record) -> list[tuple[object, ...]]:
    """The callflow: dialplan, index, applications, which was next, kind of the other leg, which times are set."""
    return [
        (
            one.get("dialplan"),
            one["profile_index"],
            "extension" in one,
            [app["app_name"] for app in one.get("extension", {}).get("applications", [])],
            one.get("extension", {}).get("current_app"),
            sorted(key for key in one["caller_profile"] if key.startswith("originat")),
            sorted(name for name, at_us in one["times"].items() if at_us != "0"),
        )
        for one in record["callflow"]
    ]


def _log(record: Record) -> list[str]:
    return [one["app_name"] for one in record.get("app_log", {}).get("applications", [])]


@pytest.mark.parametrize("number", traces.ALL)
def test_the_records_of_each_trace_are_those_of_the_real_switch(number: int, tmp_path: Path) -> None:
    """One file per leg and no other; the same keys in the same order, causes, applications and callflow."""
    stage = Stage(captured(number))
    stage.switch.cdr = CdrFolder(tmp_path)
    stage.run()
    ours = {path.name.split(".")[0]: json.loads(path.read_text(errors="replace")) for path in tmp_path.iterdir()}
    written = traces.load(number).cdrs
    assert ours.keys() == written.keys()
    for leg, raw in written.items():
        mine, theirs = ours[leg], json.loads(raw.decode(errors="replace"))
        assert list(mine) == list(theirs)
        assert _log(mine) == _log(theirs)
        assert mine["callStats"].keys() == theirs["callStats"].keys()
        for name in _SAME:
            assert mine["variables"].get(name) == theirs["variables"].get(name), name
        if number not in _KNOWN:
            assert _chapters(mine) == _chapters(theirs)
