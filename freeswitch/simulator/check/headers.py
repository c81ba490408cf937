"""PURE: the headers of one event, as a real switch and as the simulator told it.

Enters: two tellings of the same event. Leaves: the headers that differ, with both values. What may differ is only what
no two runs of the real switch share either: its counters, ids it invents, addresses and media of the machine. How far
moments and spans of time may be apart stands here too. Which event is which belongs to compare.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from freeswitch.simulator.check.order import NEARLY_US
from freeswitch.simulator.check.read import NOT_ENCODED, Headers, text
from freeswitch.simulator.esl.wire import Value

ABSENT = "(absent)"
RUN = "(any)"
"""What no two runs share."""
SAMPLES_PER_MS = 8

# The machine and the counters of a run: there, or not there, as on the real switch, but with values of their own.
_OF_THE_RUN = re.compile(
    r"FreeSWITCH-.*|Event-(Date|Calling)-.*|Event-Sequence|Application-UUID"
    r"|variable_(session_id|last_sched_id|sip_call_id|.*_stamp|.*_file_size|.*_offset_pos|DP_MATCH|hold_events)"
    r"|(Up-Time|Uptime-msec|Idle-CPU|Session-(Per|Peak|Since).*|Max-Sessions|call-id|user-agent)"
)
_WHOLE_S = re.compile(r"variable_(.*(sec|_seconds)|duration)")
_APART = (
    (re.compile(r".*-(Time|Last-Hold|Hold-Accum)|variable_(.*(usec|uepoch)|uduration)"), NEARLY_US),
    (re.compile(r"variable_(.*msec|\w+_ms|mduration)"), NEARLY_US // 1000),
    (re.compile(r"variable_.*_samples"), NEARLY_US // 1000 * SAMPLES_PER_MS),
    (re.compile(r"variable_.*_epoch"), 1),
    (_WHOLE_S, 2),
)
"""Moments (a play has the time of its trace) and spans: how far they may be apart, in their units."""
_DRAWN = re.compile(r"\d{10}:[0-9a-f-]{36}:")

SIGNIFICANT = frozenset(
    (
        "call_uuid",
        "originating_leg_uuid",
        "originated_legs",
        "bridge_uuid",
        "signal_bond",
        "last_bridge_to",
        "bridge_hangup_cause",
        "last_bridge_hangup_cause",
        "last_bridge_proto_specific_hangup_cause",
        "hangup_cause",
        "hangup_cause_q850",
        "proto_specific_hangup_cause",
        "sip_term_status",
        "sip_term_cause",
        "sip_hangup_disposition",
        "sip_invite_failure_status",
        "sip_invite_failure_phrase",
        "originate_disposition",
        "originate_failed_cause",
        "originate_causes",
        "DIALSTATUS",
        "transfer_history",
        "transfer_source",
        "att_xfer_result",
        "xfer_uuids",
        "digits_dialed",
        "sip_gateway",
        "sip_gateway_name",
        "sip_history_info",
        "sip_P-Asserted-Identity",
        "sip_Privacy",
        "accountcode",
        "toll_allow",
        "user_context",
        "read_result",
        "read_terminator_used",
        "current_application",
        "current_application_data",
        "last_app",
        "last_arg",
        "endpoint_disposition",
        "sip_refer_to",
        "sip_from_user",
        "sip_from_display",
        "sip_req_user",
        "presence_id",
        "direction",
        "is_outbound",
        "channel_name",
        "sofia_profile_name",
        "export_vars",
        "max_forwards",
        "caller_id",
        "record_ms",
        "record_seconds",
        "record_samples",
        "record_file_size",
        "playback_ms",
        "start_uepoch",
        "answer_uepoch",
        "bridge_uepoch",
        "end_uepoch",
        "hold_accum_seconds",
        "hold_events",
        "billsec",
        "billmsec",
        "billusec",
        "duration",
        "mduration",
        "flow_billsec",
        "progresssec",
        "waitsec",
        "sip_call_id",
        "session_id",
    )
)
"""What a serious application reads; besides, every variable that the simulator sets must be true."""


def event_differences(real: Headers, simulated: Headers, wanted: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Header, real value, simulated value of two tellings of the same event."""
    for name in dict.fromkeys((*real, *simulated)):
        if name == "Content-Length":
            # The wire adds it to the body, which is compared.
            continue
        variable = name.removeprefix("variable_")
        if variable != name and name not in simulated and variable not in wanted and not variable.startswith("tt_"):
            continue
        one, other = shown(name, real.get(name)), shown(name, simulated.get(name))
        if one != other and not near(name, one, other):
            named = _named(real, one), _named(simulated, other)
            yield name, *(named if named[0] != named[1] else (one, other))


def shown(name: str, value: Value | None) -> str:
    """A value as it is compared: without what is of the run alone."""
    if value is None:
        return ABSENT
    if not isinstance(value, str):
        return " | ".join(_DRAWN.sub("", one) for one in value)
    return RUN if _OF_THE_RUN.fullmatch(name) else _DRAWN.sub("", value).strip().translate(NOT_ENCODED)


def _named(event: Headers, value: str) -> str:
    """A leg's id says nothing to a reader: whether it is the event's own leg, or what the event names it."""
    if value and value == text(event, "Unique-ID"):
        return "(this leg)"
    if value and value == text(event, "Other-Leg-Unique-ID"):
        return "(the other leg)"
    if value and value == text(event, "variable_originating_leg_uuid"):
        return "(the dialler)"
    return value


def near(name: str, one: str, other: str) -> bool:
    """Whether both are the same moment, or spans as long; never was, and none, is not nearly then."""
    most = next((most for pattern, most in _APART if pattern.fullmatch(name)), None)
    if most is None or not one.isdecimal() or not other.isdecimal():
        return False
    a, b = int(one), int(other)
    return abs(a - b) <= most and (bool(a) == bool(b) or _WHOLE_S.fullmatch(name) is not None)


__all__ = ["ABSENT", "SIGNIFICANT", "event_differences", "near", "shown"]
