"""PURE: names for the far ends and the legs of a recording, and its list of steps.

Enters: SIP messages, events, noted commands. Leaves: steps (`1001 <- INVITE …`), legs (role -> uuid). The rule:
a registered phone is called by its user; whoever calls from outside is `carrier` (`carrier2` while a call of the first
lasts); an outside party that the switch calls bears the role of its leg. A leg's role is `caller` (`caller2`, …) from
outside, `ext<user>` for a phone, else its tt_leg. The format stands in tests/traces/README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freeswitch.simulator.record.sip import Message

Address = tuple[str, int]
Event = Mapping[str, Any]
SAMPLES_PER_MS = 8
"""DTMF-Duration counts samples at 8,000 Hz, and the event comes when the digit has ended."""


@dataclass(frozen=True)
class Noted:
    """A command as a connection sent it, and the answer."""

    t_us: int
    command: str
    reply: str


@dataclass
class _Leg:
    uuid: str
    inbound: bool = False
    user: str = ""
    tt_leg: str = ""
    sip_call: str = ""


@dataclass
class Cast:
    """Who is who in one recording. `phones`: address -> user of the phones registered when it began."""

    messages: Sequence[Message]
    events: Sequence[Event]
    phones: dict[Address, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for message in self.messages:
            if message.method == "REGISTER" and not message.to_far and message.user:
                self.phones[message.host, message.port] = message.user
        self._legs = self._read_legs()
        self.legs = self._roles()
        self._far = self._far_ends()

    def steps(self, commands: Iterable[Noted]) -> list[dict[str, Any]]:
        """All steps in order of time, from the first one on."""
        found = [(m.t_us, "sip", f"{self._far[m]} {'<-' if m.to_far else '->'} {m.text}") for m in self.messages]
        found += [(noted.t_us, "esl", noted.command) for noted in commands]
        found += self._digits()
        found.sort(key=lambda step: step[0])
        first_us = found[0][0] if found else 0
        return [{"t_ms": (t_us - first_us) // 1000, "kind": kind, "text": text} for t_us, kind, text in found]

    def _read_legs(self) -> dict[str, _Leg]:
        legs: dict[str, _Leg] = {}
        for event in self.events:
            uuid = event.get("Unique-ID")
            if not isinstance(uuid, str) or not str(event.get("Event-Name", "")).startswith("CHANNEL_"):
                continue
            leg = legs.setdefault(uuid, _Leg(uuid, event.get("Call-Direction") == "inbound"))
            leg.tt_leg = leg.tt_leg or _text(event, "variable_tt_leg")
            leg.sip_call = leg.sip_call or _text(event, "variable_sip_call_id")
            leg.user = leg.user or self._user(event, leg.inbound)
        return legs

    def _user(self, event: Event, inbound: bool) -> str:
        if inbound:
            return _text(event, "variable_user_name")
        dialled = _text(event, "Channel-Name").rpartition("/")[2].partition("@")[0].partition("%")[0]
        return dialled if dialled in self.phones.values() else ""

    def _roles(self) -> dict[str, str]:
        roles: dict[str, str] = {}
        for leg in self._legs.values():
            own = leg.tt_leg if leg.tt_leg not in ("", "ext") else ""
            name = ("" if leg.inbound else own) or (f"ext{leg.user}" if leg.user else "") or own
            name = name or leg.tt_leg or ("caller" if leg.inbound else "called")
            roles[_free(name, roles)] = leg.uuid
        return roles

    def _far_ends(self) -> dict[Message, str]:
        roles = {self._legs[uuid].sip_call: role for role, uuid in self.legs.items() if self._legs[uuid].sip_call}
        callers: dict[str, str] = {}
        names: dict[Message, str] = {}
        known: dict[str, str] = {}
        for message in self.messages:
            phone = self.phones.get((message.host, message.port))
            name = phone or known.get(message.call)
            if name is None and message.method == "INVITE" and not message.to_far:
                name = callers[message.call] = _free("carrier", callers.values())
            elif name is None:
                name = roles.get(message.call, "far")
            known[message.call] = names[message] = name
            if message.method in ("BYE", "CANCEL") or (message.to_far and _refuses(message)):
                callers.pop(message.call, None)
        return names

    def _digits(self) -> list[tuple[int, str, str]]:
        by_uuid = {uuid: role for role, uuid in self.legs.items()}
        found = []
        for event in self.events:
            if event.get("Event-Name") == "DTMF" and event.get("DTMF-Source") != "APP":
                leg = self._legs.get(_text(event, "Unique-ID"))
                samples = int(_text(event, "DTMF-Duration") or 0)
                t_us = int(_text(event, "Event-Date-Timestamp")) - samples * 1000 // SAMPLES_PER_MS
                who = (leg.user if leg else "") or by_uuid.get(_text(event, "Unique-ID"), "far")
                found.append((t_us, "sip", f"{who} presses {_text(event, 'DTMF-Digit')}"))
        return found


def _text(event: Event, name: str) -> str:
    value = event.get(name, "")
    return value if isinstance(value, str) else ""


def _free(name: str, taken: Iterable[str]) -> str:
    used = set(taken)
    number = 1
    while (full := name if number == 1 else f"{name}{number}") in used:
        number += 1
    return full


def _refuses(message: Message) -> bool:
    return message.method == "INVITE" and message.first_line[:9] in ("SIP/2.0 4", "SIP/2.0 5", "SIP/2.0 6")
