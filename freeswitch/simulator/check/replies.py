"""PURE: the replies of commands, as a real switch and as the simulator worded them.

Enters: a command, two replies. Leaves: what differs. A job's result is a reply that came later. Figures that no two
runs share (times, counts since the start, the version) are left out of the commands that tell them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from freeswitch.simulator.check.headers import ABSENT, event_differences

_OF_A_ROW = {
    "hostname",
    "network_port",
    "created",
    "created_epoch",
    "token",
    "expires",
    "call_created_epoch",
    "b_created",
    "b_created_epoch",
    "task_id",
    "task_runtime",
}
"""Of a table."""


def reply_differences(
    command: str, real: str, simulated: str, wanted: frozenset[str]
) -> Iterator[tuple[str, str, str]]:
    """What of it, the real words, the simulated ones."""
    one, other = real.strip(), simulated.strip()
    if one == other:
        return
    if command.split()[1:2] == ["valet_info"]:
        # The slots of a lot stand in a hash table.
        one, other = "\n".join(sorted(one.splitlines())), "\n".join(sorted(other.splitlines()))
        if one != other:
            yield "reply", one, other
    elif command.split()[1:4] == ["sofia", "status", "gateway"]:
        one, other = _of_a_gateway(one), _of_a_gateway(other)
        if one != other:
            yield "reply", one, other
    elif one.startswith("{"):
        yield from _json_reply(one, other, wanted)
    elif command.split()[1:2] == ["show"] and len(rows := _rows(one)) == len(theirs := _rows(other)) > 0:
        yield from _table(rows, theirs)
    elif not (_in_figures_only(command) and _without_figures(one) == _without_figures(other)):
        yield "reply", one, other


def _of_a_gateway(reply: str) -> str:
    """What is not merely configured."""
    lines = re.findall(r"^(Name|Profile|State|Status)\s*\t(.*)$", reply, re.MULTILINE)
    return "; ".join(f"{name} {value}" for name, value in lines)


_COUNTS = ("status", "strmicroepoch", "strepoch", "sched_api", "sched_transfer", "uptime", "version")


def _in_figures_only(command: str) -> bool:
    """Whether this reply counts what no two runs share."""
    what = command.split()[1:3]
    return what[:1] in ([one] for one in _COUNTS) or what == ["show", "status"]


def _without_figures(reply: str) -> str:
    reply = re.sub(r"\(Version [^)]*\)", "(Version)", reply)
    reply = re.sub(r"^(FreeSWITCH Version )?\d+\.\d+\.\d+.*$", r"\1(version)", reply, flags=re.MULTILINE)
    reply = re.sub(r"\d+", "#", reply)
    return re.sub(r"# (year|day|hour|minute|second|millisecond|microsecond)s?\b", r"# \1", reply)


def _json_reply(real: str, simulated: str, wanted: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    try:
        one, other = json.loads(real, strict=False), json.loads(simulated, strict=False)
    except ValueError:
        yield "reply", real, simulated
        return
    if "Event-Name" in one:
        yield from event_differences(one, other, wanted)
        return
    if one.get("row_count") != other.get("row_count"):
        yield "row_count", str(one.get("row_count")), str(other.get("row_count"))
    yield from _table(one.get("rows", []), other.get("rows", []))


def _rows(reply: str) -> list[dict[str, str]]:
    """Of a table worded as CSV; none where a value with a comma in it leaves open which is which."""
    lines = [line.split(",") for line in reply.splitlines() if line and not line.endswith(" total.")]
    if any(len(line) != len(lines[0]) for line in lines):
        return []
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def _table(real: list[dict[str, str]], simulated: list[dict[str, str]]) -> Iterator[tuple[str, str, str]]:
    for number, (mine, theirs) in enumerate(zip(real, simulated, strict=False)):
        for column in dict.fromkeys((*mine, *theirs)):
            if column in _OF_A_ROW:
                continue
            a, b = str(mine.get(column, ABSENT)), str(theirs.get(column, ABSENT))
            if a != b:
                yield f"rows[{number}].{column}", a, b
