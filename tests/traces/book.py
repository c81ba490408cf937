"""What each captured trace must come to: NN.yaml as frozen values, and plans compared in meaning.

Enters: NN.yaml beside this file (written by hand from the switch's own CDR files), texts of uuid_transfer. Leaves:
expectations, meanings. How a trace is played belongs to tests/integration/house.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Book:
    """One NN.yaml."""

    number: int
    platform: dict[str, Any]
    tenants: tuple[dict[str, Any], ...]
    awaited: tuple[int, ...]
    """Numbers of those commands of the trace that our services must send; the player waits for them."""
    same_plan: tuple[int, ...]
    """Numbers of those plans that ours must equal in meaning."""
    calls: tuple[dict[str, Any], ...]
    legs: tuple[dict[str, Any], ...]
    recordings: tuple[dict[str, Any], ...]
    recording_starts: tuple[str, ...]
    """Roles of the legs for which our recording service must ask the switch to record, once each."""

    def leg(self, role: str) -> str:
        """The leg of this role, as the trace names it; a call that no leg of ours began keeps its own id."""
        return next((str(leg["leg"]) for leg in self.legs if leg["role"] == role), role)

    def row(self, call: dict[str, Any]) -> dict[str, Any]:
        """What history's row must say of this call, of `calls`."""
        legs = [leg for leg in self.legs if leg["call"] == call["call"]]
        wanted = {
            "tenant": "acme",
            "state": "ended",
            "direction": call["direction"],
            "dialled": call["dialled"],
            "caller_number": call["caller"],
            "legs": len(legs),
            "charges": len([leg for leg in legs if "answered_us" in leg]),
            "estimated": False,
        }
        wanted |= {key: call[key] for key in ("result", "answered_by") if key in call}
        return wanted | ({"caller_presentation": call["presentation"]} if "presentation" in call else {})


def book(number: int) -> Book:
    """The expectations for a trace."""
    raw = yaml.safe_load((_HERE / f"{number:02}.yaml").read_text())
    expect = raw["expect"]
    return Book(
        number,
        raw["platform"],
        tuple(raw["tenants"]),
        tuple(raw["awaited"]),
        tuple(raw["same_plan"]),
        tuple(expect["calls"]),
        tuple({**leg, "charge": Decimal(leg["charge"]) if "charge" in leg else None} for leg in expect["legs"]),
        tuple(expect["recordings"]),
        tuple(expect["recording_starts"]),
    )


@dataclass(frozen=True)
class Stage:
    """Whom a plan tries at once: dial string and seconds of delay each, for how long, and whether 1 must be pressed."""

    targets: tuple[tuple[str, int], ...]
    for_s: int | None
    confirm: bool
    shown: str
    """The number shown to an outside target; empty where the plan does not say."""


@dataclass(frozen=True)
class Meaning:
    """A plan without the ways in which it can be written."""

    stages: tuple[Stage, ...]
    then: str
    """`message`, `answering`, or `end` (the call ends, or somebody decides again)."""


_TARGET = re.compile(r"(?:\{[^}]*\})?(?:\[([^\]]*)\])?([^\[\],|]+)")


def meaning(command: str) -> Meaning:
    """The meaning of `uuid_transfer <leg> 'm:~:…' inline`."""
    plan = re.search(r"'m:~:(.*)'", command, re.DOTALL)
    assert plan, command
    stages: list[Stage] = []
    then, variables = "end", dict[str, str]()
    for step in plan.group(1).split("~"):
        name, _, data = step.partition(":")
        if name in ("multiset", "set"):
            listed = data[3:].split("|") if name == "multiset" else [data]
            variables |= dict(one.split("=", 1) for one in listed)
        elif name == "bridge":
            confirm = bool(variables.get("group_confirm_key"))
            stages += [_stage(part, confirm) for part in data.split("|")]
        elif name == "record":
            then = "message"
    if then == "end" and (variables.get("tt_next") == "answering" or variables.get("tt_stage") == "queue"):
        then = "answering"
    return Meaning(tuple(stages), then)


def _stage(text: str, confirm: bool) -> Stage:
    targets, seconds, shown = [], dict[int, int](), ""
    for brackets, address in _TARGET.findall(text):
        given = dict(one.split("=", 1) for one in brackets.split(",") if "=" in one)
        delay = int(given.get("leg_delay_start", "0"))
        targets.append((address, delay))
        if "leg_timeout" in given:
            seconds[delay] = int(given["leg_timeout"])
        if "/internal/" not in address:
            shown = given.get("origination_caller_id_number", "")
    # A delayed leg's own limit follows from that of the leg that rings at once.
    return Stage(tuple(targets), seconds.get(0), confirm, shown)


def same(ours: Meaning, theirs: Meaning) -> bool:
    """Whether our plan does what the captured one did; what that one left to the switch's defaults is free."""
    if len(ours.stages) != len(theirs.stages) or ours.then != theirs.then:
        return False
    return all(
        (a.targets, a.confirm) == (b.targets, b.confirm)
        and (b.for_s is None or a.for_s == b.for_s)
        and (not b.shown or a.shown == b.shown)
        for a, b in zip(ours.stages, theirs.stages, strict=True)
    )
