"""PURE: the gateways that come into a trace while it runs: where they are, how they register, what they respond.

Enters: a trace. Leaves: carriers as the configuration has them from the start, and their responses with their times.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from freeswitch.simulator.check.read import Headers, Trace, stamp_us, text

EARLY_US = 1_200_000
"""A response holds from the look before: sofia asks at its own moment, once a second."""
_ASKED = re.compile(r"^(\S+) <- (REGISTER|OPTIONS) sip:([^\s;]+)\S* SIP/2\.0$")
_ANSWERED = re.compile(r"^(\S+) -> SIP/2\.0 (\d+) ([^(]*) \(\d+ (?:REGISTER|OPTIONS)\)$")


@dataclass
class Trunk:
    """One gateway that a rescan finds."""

    name: str
    profile: str
    host: str = ""
    registers: bool = False
    ping_s: int = 0
    responses: list[tuple[int, int, str]] = field(default_factory=list)
    """(epoch from which it holds, code, phrase)."""


def trunks(trace: Trace) -> list[Trunk]:
    """In the order in which they come; their lines of SIP are told apart by who they are with."""
    came = [event for event in trace.events if text(event, "Event-Subclass") == "sofia::gateway_add"]
    came = [event for event in came if not _was_there(trace, text(event, "Gateway"), stamp_us(event))]
    found = [Trunk(text(event, "Gateway"), text(event, "profile-name")) for event in came]
    whose: dict[str, Trunk] = {}
    added = {text(event, "Gateway"): stamp_us(event) for event in came}
    for step in trace.sip:
        at_us = trace.start_us + step.at_us
        if asked := _ASKED.match(step.text):
            who, method, host = asked.groups()
            free = (one for one in found if one not in whose.values())
            trunk = whose.get(who) or next(free, None)
            if trunk is None:
                continue
            whose[who], trunk.host = trunk, host
            trunk.registers = trunk.registers or method == "REGISTER"
            if method == "OPTIONS" and not trunk.ping_s:
                trunk.ping_s = at_us // 1_000_000 - added[trunk.name] // 1_000_000
        elif (answered := _ANSWERED.match(step.text)) and answered[1] in whose:
            whose[answered[1]].responses.append((at_us - EARLY_US, int(answered[2]), answered[3]))
    return found


def _was_there(trace: Trace, gateway: str, until_us: int) -> bool:
    """Whether the trace shows this gateway before it was added: it came back."""
    told = (event for event in trace.events if stamp_us(event) < until_us)
    if any(gateway in (text(event, "Gateway"), text(event, "variable_sip_gateway_name")) for event in told):
        return True
    shown = re.compile(rf"^Name\s*\t{re.escape(gateway)}$", re.MULTILINE)
    return any(said.at_us < until_us and shown.search(said.reply) for said in trace.commands)


def looks_at_us(events: Sequence[Headers]) -> int | None:
    """A moment at which sofia looked at its gateways; None if none shows."""
    states = [event for event in events if text(event, "Event-Subclass") == "sofia::gateway_state"]
    return stamp_us(states[0]) if states else None
