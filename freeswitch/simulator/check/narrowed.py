"""PURE: which types of events a captured trace lacks because its subscription had not asked for them.

Enters: a trace. Leaves: names of types. A type counts as not asked for if the trace never shows it although others
show that what it tells of happened; what neither shows did not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from freeswitch.simulator.check.read import Headers, Trace, text

OFTEN_LEFT_OUT = frozenset(
    (
        "API",
        "CALL_UPDATE",
        "CHANNEL_CALLSTATE",
        "CHANNEL_DESTROY",
        "CHANNEL_EXECUTE",
        "CHANNEL_EXECUTE_COMPLETE",
        "CHANNEL_ORIGINATE",
        "CHANNEL_STATE",
        "CHANNEL_UNPARK",
        "HEARTBEAT",
        "MEDIA_BUG_START",
        "MEDIA_BUG_STOP",
        "RELOADXML",
        "SESSION_HEARTBEAT",
    )
)
"""Of these nothing else tells."""


def _is_set(name: str) -> Callable[[Headers], bool]:
    return lambda event: text(event, name) not in ("", "0", "none")


def _is_dialled(event: Headers) -> bool:
    return text(event, "Call-Direction") == "outbound"


def _ended(event: Headers) -> bool:
    return text(event, "Event-Name") in ("CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY")


def _ended_bridge(event: Headers) -> bool:
    return _ended(event) and bool(text(event, "variable_last_bridge_to"))


def _has_a_plan(event: Headers) -> bool:
    """Only a parked call gets one."""
    return text(event, "variable_current_application") == "park" or text(event, "Caller-Dialplan") == "inline"


_SHOWS: Mapping[str, Callable[[Headers], bool]] = {
    "CHANNEL_ANSWER": _is_set("Caller-Channel-Answered-Time"),
    "CHANNEL_BRIDGE": _is_set("variable_last_bridge_to"),
    "CHANNEL_CREATE": _is_set("Unique-ID"),
    "CHANNEL_HANGUP": _ended,
    "CHANNEL_HANGUP_COMPLETE": _ended,
    "CHANNEL_HOLD": _is_set("Caller-Channel-Last-Hold"),
    "CHANNEL_OUTGOING": _is_dialled,
    "CHANNEL_PARK": _has_a_plan,
    "CHANNEL_PROGRESS": _is_set("Caller-Channel-Progress-Time"),
    "CHANNEL_PROGRESS_MEDIA": _is_set("Caller-Channel-Progress-Media-Time"),
    "CHANNEL_UNBRIDGE": _ended_bridge,
    "CHANNEL_UNHOLD": _is_set("Caller-Channel-Hold-Accum"),
    "DTMF": _is_set("variable_digits_dialed"),
    "PLAYBACK_START": _is_set("variable_playback_samples"),
    "PLAYBACK_STOP": _is_set("variable_playback_samples"),
    "RECORD_START": _is_set("variable_record_samples"),
    "RECORD_STOP": _is_set("variable_record_samples"),
}
"""Type -> whether an event of another type shows that it happened."""


def left_out(trace: Trace) -> frozenset[str]:
    """The types of which the comparison says nothing; `CUSTOM` where no event of a module was asked for."""
    told = {text(event, "Event-Name") for event in trace.events}
    found = {name for name, shows in _SHOWS.items() if name not in told and any(shows(event) for event in trace.events)}
    if "BACKGROUND_JOB" not in told and any(said.command.startswith("bgapi ") for said in trace.commands):
        found.add("BACKGROUND_JOB")
    if any("fsctl shutdown" in said.command for said in trace.commands):
        found |= {"SHUTDOWN", "SHUTDOWN_REQUESTED"} - told
    if "CUSTOM" not in told:
        found.add("CUSTOM")
    return frozenset(found | (OFTEN_LEFT_OUT - told))


__all__ = ["OFTEN_LEFT_OUT", "left_out"]
