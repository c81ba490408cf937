"""The core's tables of legs and calls, as they are told by events: what `show channels` and `show calls` read.

Enters: events of legs, with the leg as it is then. Leaves: rows. What no event tells stays as told last; of a leg that
has hung up nothing is told until it is destroyed. How rows are worded belongs to show.py. Source:
switch_core_sqldb.c (core_event_handler).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from freeswitch.simulator.calls.leg import Leg
from freeswitch.simulator.calls.profile import STATES, Headers

Row = dict[str, str]

_NOT_TOLD = {STATES[name] for name in ("CS_NEW", "CS_INIT", "CS_HANGUP", "CS_REPORTING", "CS_DESTROY")}
_CALLEE = ("callee_name", "callee_num", "callee_direction", "sent_callee_name", "sent_callee_num")


@dataclass(frozen=True)
class Call:
    """Two legs that are bridged."""

    caller: str
    callee: str
    at_us: int


class CoreTable:
    """Of one life of the switch."""

    def __init__(self) -> None:
        self.legs: dict[str, Row] = {}
        """In the order in which they came."""
        self.calls: list[Call] = []

    def told(self, name: str, leg: Leg, before: Headers, after: Headers) -> None:
        """An event of a leg, with what stands in it beside the leg."""
        note = _NOTES.get(name)
        if note is not None and (name == "CHANNEL_DESTROY" or not leg.hangup_cause):
            note(self, leg, before, after)

    def _create(self, leg: Leg, _before: Headers, _after: Headers) -> None:
        profile = leg.profile
        self.legs[leg.uuid] = {
            "uuid": leg.uuid,
            "direction": leg.direction,
            "created_us": str(leg.times.created),
            "name": profile.channel_name,
            "state": leg.state,
            "callstate": leg.call_state,
            "dialplan": profile.dialplan,
            "context": profile.context,
            "initial_cid_name": profile.caller_name,
            "initial_cid_num": profile.caller_number,
            "initial_ip_addr": profile.network_addr,
            "initial_dest": profile.destination,
            "initial_dialplan": profile.dialplan,
            "initial_context": profile.context,
        }

    def _update(self, leg: Leg, columns: Row) -> None:
        if leg.uuid in self.legs:
            self.legs[leg.uuid] |= columns

    def _state(self, leg: Leg, _before: Headers, _after: Headers) -> None:
        if leg.state_number in _NOT_TOLD:
            return
        columns = {"state": leg.state}
        if leg.state_number == STATES["CS_ROUTING"]:
            profile = leg.profile
            columns |= _parties(leg) | _owner(leg) | dict.fromkeys(_CALLEE[3:], "")
            columns |= {"ip_addr": profile.network_addr, "dest": profile.destination}
            columns |= {"dialplan": profile.dialplan, "context": profile.context}
        self._update(leg, columns)

    def _call_state(self, leg: Leg, _before: Headers, _after: Headers) -> None:
        if leg.call_state not in ("DOWN", "HANGUP"):
            self._update(leg, {"callstate": leg.call_state})

    def _execute(self, leg: Leg, _before: Headers, after: Headers) -> None:
        """Also of CHANNEL_HOLD, which names no application."""
        about = {"application": _text(after, "Application"), "application_data": _text(after, "Application-Data")}
        self._update(leg, about | _owner(leg))

    def _originate(self, leg: Leg, _before: Headers, _after: Headers) -> None:
        self._update(leg, {"call_uuid": leg.call_uuid} | _owner(leg))

    def _call_update(self, leg: Leg, before: Headers, _after: Headers) -> None:
        told = ("Direction", "Sent-Callee-ID-Name", "Sent-Callee-ID-Number")
        self._update(leg, _parties(leg) | dict(zip(_CALLEE[2:], (_text(before, name) for name in told), strict=True)))

    def _bridge(self, leg: Leg, before: Headers, _after: Headers) -> None:
        one, other = _text(before, "Bridge-A-Unique-ID"), _text(before, "Bridge-B-Unique-ID")
        for name in (one, other):
            if name in self.legs:
                self.legs[name]["call_uuid"] = leg.call_uuid
        self.calls.append(Call(one, other, leg.clock.now_us()))

    def _unbridge(self, leg: Leg, _before: Headers, _after: Headers) -> None:
        for row in self.legs.values():
            if row.get("call_uuid") == leg.call_uuid:
                row["call_uuid"] = row["uuid"]
        self._no_call_of(leg)

    def _destroy(self, leg: Leg, _before: Headers, _after: Headers) -> None:
        self.legs.pop(leg.uuid, None)
        self._no_call_of(leg)

    def _no_call_of(self, leg: Leg) -> None:
        self.calls = [one for one in self.calls if leg.uuid not in (one.caller, one.callee)]


def _text(headers: Headers, name: str) -> str:
    value = headers.get(name, "")
    return value if isinstance(value, str) else ""


def _parties(leg: Leg) -> Row:
    profile = leg.profile
    return {
        "cid_name": profile.caller_name,
        "cid_num": profile.caller_number,
        "callee_name": profile.callee_name,
        "callee_num": profile.callee_number,
    }


def _owner(leg: Leg) -> Row:
    return {
        "presence_id": leg.presence_id,
        "presence_data": leg.get("presence_data") or "",
        "accountcode": leg.get("accountcode") or "",
    }


_NOTES: dict[str, Callable[[CoreTable, Leg, Headers, Headers], None]] = {
    "CALL_UPDATE": CoreTable._call_update,
    "CHANNEL_BRIDGE": CoreTable._bridge,
    "CHANNEL_CALLSTATE": CoreTable._call_state,
    "CHANNEL_CREATE": CoreTable._create,
    "CHANNEL_DESTROY": CoreTable._destroy,
    "CHANNEL_EXECUTE": CoreTable._execute,
    "CHANNEL_HOLD": CoreTable._execute,
    "CHANNEL_ORIGINATE": CoreTable._originate,
    "CHANNEL_STATE": CoreTable._state,
    "CHANNEL_UNBRIDGE": CoreTable._unbridge,
    "CHANNEL_UNHOLD": CoreTable._execute,
}

__all__ = ["Call", "CoreTable", "Row"]
