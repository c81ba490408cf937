"""PURE: a captured trace as the order in which a switch would have heard commands and told events.

Enters: the events of an `event json` connection and the commands with the recorder's clock. Leaves: events, and between
them the cues: the places where a command was carried out. A stamp of the switch lags the recorder's clock by up to
20 ms (FREESWITCH.md, p), so a place comes from what the command caused, and from the time only where it caused nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Pairs = tuple[tuple[str, "str | tuple[str, ...]"], ...]
"""One event: headers in wire order; a repeated header stands twice."""
Kind = Literal["transfer", "originate", "bridge", "kill", "other"]

LAG_US = 25_000
"""How much earlier than the command an effect may be stamped: one 20 ms frame, and what the recorder itself took."""


class CapturedCommand(Protocol):
    """What was sent, and when by the recorder's clock (epoch µs)."""

    @property
    def t_us(self) -> int: ...
    @property
    def command(self) -> str: ...


class Captured(Protocol):
    """A trace: events one per line as `event json` gave them (not always valid UTF-8), and the commands."""

    @property
    def json_lines(self) -> bytes: ...
    @property
    def commands(self) -> Sequence[CapturedCommand]: ...


@dataclass(frozen=True)
class Request:
    """A command as far as the player understands it."""

    kind: Kind
    legs: tuple[str, ...] = ()
    """transfer, kill: the leg; originate: the new leg; bridge: both."""
    variables: tuple[tuple[str, str, bool], ...] = ()
    """What it sets: name, value, and whether from the beginning on (or only in a later step of the plan)."""
    job: str = ""


@dataclass(frozen=True)
class Cue:
    """Here the switch carried out the `index`-th command of the trace."""

    index: int
    request: Request


@dataclass(frozen=True)
class Line:
    """One event of the trace."""

    pairs: Pairs
    us: int
    """The switch's stamp."""

    def get(self, name: str) -> str:
        """The last value of a header; empty where it is absent or a list."""
        value = next((value for key, value in reversed(self.pairs) if key == name), "")
        return value if isinstance(value, str) else ""


_VERB = re.compile(r"(?:api|bgapi)?\s*(uuid_transfer|uuid_bridge|uuid_kill|originate)\s+(.*)", re.DOTALL)
_BRACES = re.compile(r"\{([^}]*)\}")
_JOB = re.compile(r"^Job-UUID: *(\S+)", re.MULTILINE)
_SETS = re.compile(r"^(?:multiset:\^\^(.)|(?:set|export):)(.*)$", re.DOTALL)


def read_lines(json_lines: bytes) -> list[Line]:
    """Events in the order of the wire; bytes that are no UTF-8 become surrogates, as the ESL server wants them."""
    lines = []
    for raw in json_lines.split(b"\n"):
        if raw.strip():
            pairs = json.loads(raw.decode("utf-8", "surrogateescape"), object_pairs_hook=_pairs, strict=False)
            stamp = next((value for name, value in pairs if name == "Event-Date-Timestamp"), "0")
            lines.append(Line(pairs, int(stamp)))
    return lines


def _pairs(members: list[tuple[str, str | list[str]]]) -> Pairs:
    # The server counts the body's length itself.
    return tuple(
        (name, value if isinstance(value, str) else tuple(value)) for name, value in members if name != "Content-Length"
    )


def read_command(text: str) -> Request:
    """`api uuid_transfer …`, `originate {…}…` and their like; everything else is `other`."""
    found = _VERB.match(text.strip())
    if found is None:
        return Request("other")
    verb, rest = found.groups()
    words = rest.split()
    if verb == "uuid_transfer":
        return Request("transfer", (words[0],), tuple(plan_variables(rest)))
    if verb == "uuid_bridge":
        return Request("bridge", (words[0], words[1]))
    if verb == "uuid_kill":
        return Request("kill", (words[0],))
    braces, job = _BRACES.search(rest), _JOB.search(rest)
    given = [one.partition("=") for one in (braces.group(1) if braces else "").split(",")]
    variables = tuple((name, value, True) for name, _, value in given if name)
    leg = next((value for name, value, _ in variables if name == "origination_uuid"), "")
    return Request("originate", (leg,), variables, job.group(1) if job else "")


def plan_variables(rest: str) -> list[tuple[str, str, bool]]:
    """tt_* variables that an inline plan sets on its leg; `True` where no dialling comes before."""
    found: list[tuple[str, str, bool]] = []
    plan = re.search(r"'m:~:(.*)'", rest, re.DOTALL)
    first = True
    for step in (plan.group(1) if plan else "").split("~"):
        sets = _SETS.match(step)
        if sets is None:
            first = first and not step.startswith(("bridge", "record", "playback"))
            continue
        for one in sets.group(2).split(sets.group(1) or "\0"):
            name, equals, value = one.partition("=")
            if equals and name.startswith("tt_"):
                found.append((name, value, first))
    return found


def arrange(trace: Captured) -> list[Line | Cue]:
    """Events and cues in the order in which the switch lived them."""
    lines = read_lines(trace.json_lines)
    places: dict[int, list[Cue]] = {}
    earliest = 0
    for index, command in enumerate(trace.commands):
        request = read_command(command.command)
        place = max(earliest, _place(lines, request, command.t_us))
        places.setdefault(place, []).append(Cue(index, request))
        earliest = place if request.kind != "other" else earliest
    score: list[Line | Cue] = []
    for index, line in enumerate(lines):
        score += places.get(index, [])
        score.append(line)
    return score + places.get(len(lines), [])


def _place(lines: Sequence[Line], request: Request, t_us: int) -> int:
    """Index of the first event that the command caused."""
    soon = t_us - LAG_US
    if request.kind == "originate":
        leg, job = request.legs[0], request.job
        for index, line in enumerate(lines):
            if line.get("Unique-ID") == leg or (job and line.get("Job-UUID") == job):
                return index
    elif request.kind != "other":
        after = _parked(lines, request.legs[-1], t_us)
        for index, line in enumerate(lines[after:], after):
            if line.us >= soon and _touches(line, request.legs):
                return index
    return next((index for index, line in enumerate(lines) if line.us > t_us), len(lines))


def _parked(lines: Sequence[Line], leg: str, t_us: int) -> int:
    """Just behind the last park of this leg before the command: what comes before cannot be its effect."""
    parks = [
        index
        for index, line in enumerate(lines)
        if line.us <= t_us - LAG_US // 3 and line.get("Event-Name") == "CHANNEL_PARK" and line.get("Unique-ID") == leg
    ]
    return parks[-1] + 1 if parks else 0


def _touches(line: Line, legs: Sequence[str]) -> bool:
    if line.get("Unique-ID") in legs:
        return True
    return line.get("Event-Name") in ("CHANNEL_OUTGOING", "CHANNEL_CREATE") and line.get("Other-Leg-Unique-ID") in legs


def variables_of(request: Request) -> Mapping[str, str]:
    """Every tt_* variable that a request leaves behind; the last value wins."""
    return {name: value for name, value, _ in request.variables if name.startswith("tt_")}
