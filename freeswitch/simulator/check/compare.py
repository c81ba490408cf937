"""PURE: what a real switch said against what the simulator said: per leg and in order, and reply by reply.

Enters: two lists of events and of replies. Leaves: differences. What may differ is only what no two runs of the real
switch share either: its counters, ids it invents, addresses and media of the machine. How far moments and spans of time
may be apart stands here too. Legs are compared one by one: the threads of the real switch interleave as they like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType

from freeswitch.simulator.check.narrowed import left_out
from freeswitch.simulator.check.order import NEARLY_US, moved, out_of_order
from freeswitch.simulator.check.read import NOT_ENCODED, Headers, Trace, stamp_us, text
from freeswitch.simulator.esl.wire import Value

ABSENT = "(absent)"
NO_EVENT = "(no such event)"
RUN = "(any)"
"""What no two runs share."""
SAMPLES_PER_MS = 8


@dataclass(frozen=True)
class Difference:
    """One disagreement."""

    trace: str
    leg: str
    """Role in the trace; `switch …` for what belongs to no leg; `command N`."""
    at: str
    """Position among the leg's events (from 1) and the event; of a command its first words."""
    header: str
    real: str
    simulated: str
    before: tuple[str, ...] = ()
    """What the real leg's event before said there, and what legs that belonged with it said as they ended."""


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


def differences(
    trace: Trace,
    events: Sequence[Headers],
    replies: Mapping[int, str],
    before: Mapping[int, Sequence[str]] = MappingProxyType({}),
) -> Iterator[Difference]:
    """Every disagreement, leg by leg in the order in which the legs appear, then the replies.

    `before`: what a command might have said as well, because the switch tells late what it knows.
    """
    wanted = _variables(trace)
    not_asked_for = left_out(trace)
    families = {text(event, "Event-Subclass").partition("::")[0] for event in trace.events}
    real = _by_leg(trace.events)
    simulated = _by_leg(
        event
        for event in events
        if text(event, "Event-Name") not in not_asked_for
        and not (text(event, "Event-Subclass").startswith("sofia::") and "sofia" not in families)
    )
    listens_us = _listens_us(trace)
    for key in dict.fromkeys((*real, *simulated)):
        leg = trace.roles.get(key, key)
        causes = _told_by_others(trace.events, key)
        for at, header, one, other, was in _leg(
            real.get(key, []), simulated.get(key, []), wanted, trace.start_us, listens_us
        ):
            if header != "Session-Count" or not _in_that_moment(
                trace.events, real[key][int(at.split()[0]) - 1], one, other
            ):
                yield Difference(trace.name, leg, at, header, one, other, (was, *causes))
    for key, effect, one, other in out_of_order(trace.events, events, trace.roles):
        yield Difference(trace.name, trace.roles.get(key, key), f"1 {effect}", "order", one, other)
    for number, said in enumerate(trace.commands):
        said_then = (replies.get(number, ABSENT), *before.get(number, ()))
        found = (list(_reply(said.command, said.reply, one, wanted)) for one in dict.fromkeys(said_then))
        for header, one, other in min(found, key=len):
            yield Difference(trace.name, f"command {number}", " ".join(said.command.split()[:3]), header, one, other)


def _variables(trace: Trace) -> frozenset[str]:
    """Those that matter everywhere, and those that the plans of this trace set."""
    found = set(SIGNIFICANT)
    for said in trace.commands:
        found |= set(re.findall(r"[|\[{,~:]\s*([A-Za-z_][\w-]*)=", said.command))
    return frozenset(found)


def _listens_us(trace: Trace) -> int:
    """Since when whoever captured the trace listened: from its first event on; if that is no beginning of a leg, it may
    have connected in the middle of what that tick told."""
    first = trace.events[0]
    began = not text(first, "Unique-ID") or text(first, "Event-Name") in ("CHANNEL_CREATE", "CHANNEL_OUTGOING")
    return min(stamp_us(event) for event in trace.events) + (
        0 if began or text(first, "Channel-State") == "CS_NEW" else MOMENT_US
    )


def _in_that_moment(events: Iterable[Headers], beat: Headers, one: str, other: str) -> bool:
    """Whether two counts are apart by no more legs than came or went as the heart beat: its stamp is that of a tick."""
    about_us = stamp_us(beat)
    moving = {
        text(event, "Unique-ID")
        for event in events
        if text(event, "Event-Name") in _COMES_OR_GOES and abs(stamp_us(event) - about_us) <= MOMENT_US
    }
    return one.isdecimal() and other.isdecimal() and abs(int(one) - int(other)) <= len(moving)


_COMES_OR_GOES = ("CHANNEL_CREATE", "CHANNEL_OUTGOING", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY")
MOMENT_US = 60_000
"""Three ticks: of an end, of its report, and of the destruction of a leg."""


def _by_leg(events: Iterable[Headers]) -> dict[str, list[Headers]]:
    found: dict[str, list[Headers]] = {}
    for event in events:
        found.setdefault(_belongs_to(event), []).append(event)
    return found


def _belongs_to(event: Headers) -> str:
    if leg := text(event, "Unique-ID"):
        return leg
    for name in ("Job-UUID", "Gateway"):
        if value := text(event, name):
            return f"switch {value}"
    if user := text(event, "from-user") or text(event, "to-user") or text(event, "user"):
        return f"switch {user}"
    return f"switch {text(event, 'Event-Name')}"


def _token(event: Headers) -> tuple[str, ...]:
    names = ("Event-Name", "Event-Subclass", "Application", "DTMF-Digit")
    return tuple(text(event, name) for name in names)


def _leg(
    real: Sequence[Headers], simulated: Sequence[Headers], wanted: frozenset[str], start_us: int, listens_us: int
) -> Iterator[tuple[str, str, str, str, str]]:
    """Position, header, real value, simulated value, what the real leg said there before."""
    as_told, real, simulated = real, _prompt_first(real), _prompt_first(simulated)
    one, other = [_token(event) for event in real], [_token(event) for event in simulated]
    for kind, a, a_end, b, b_end in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            for step in range(a_end - a):
                at = f"{a + step + 1} {_name(one[a + step])}"
                if text(real[a + step], "Unique-ID") and (
                    apart := moved(real[a + step], simulated[b + step], start_us)
                ):
                    yield at, "moment", *apart, ABSENT
                earlier = _before(as_told, real[a + step])
                later = _by_other_thread(real[: a + step], real[a + step], simulated[b + step :])
                for header, mine, theirs in event_differences(real[a + step], simulated[b + step], wanted):
                    told = [_shown(header, one.get(header)) for one in later]
                    if not any(mine == value or _near(header, mine, value) for value in told):
                        yield at, header, mine, theirs, _shown(header, earlier.get(header))
            continue
        for place in range(a, a_end):
            yield f"{place + 1} {_name(one[place])}", "Event-Name", _name(one[place]), NO_EVENT, ABSENT
        for place in range(b, b_end):
            if not a and stamp_us(simulated[place]) < listens_us:
                # Whoever captured the trace was not connected yet.
                continue
            yield f"{a + 1} {_name(other[place])}", "Event-Name", NO_EVENT, _name(other[place]), ABSENT


def _told_by_others(events: Iterable[Headers], leg: str) -> set[str]:
    """Causes with which legs ended that were to tell this one (switch_channel_set_variable_partner)."""
    ended = (event for event in events if text(event, "Event-Name") == "CHANNEL_HANGUP")
    return {text(event, "Hangup-Cause") for event in ended if leg and text(event, "variable_signal_bond") == leg}


def _before(events: Sequence[Headers], event: Headers) -> Headers:
    """The event of the leg before this one that tells all of it."""
    place = next(at for at, one in enumerate(events) if one is event)
    return next((one for one in reversed(events[:place]) if "Channel-State" in one), {})


def _prompt_first(events: Sequence[Headers]) -> Sequence[Headers]:
    """The end of a prompt for a confirmation directly behind the hang-up that ended it: see _by_other_thread."""
    names = [text(event, "Event-Name") for event in events]
    ended = names.index("CHANNEL_HANGUP") + 1 if "CHANNEL_HANGUP" in names else len(names)
    if "CHANNEL_EXECUTE" in names or "PLAYBACK_STOP" not in names[ended:]:
        return events
    return [
        *events[:ended],
        *sorted(events[ended:], key=lambda event: text(event, "Event-Name") != "PLAYBACK_STOP"),
    ]


def _by_other_thread(before: Sequence[Headers], event: Headers, after: Sequence[Headers]) -> Sequence[Headers]:
    """Whose prompt for a confirmation ends because they hang up: a thread of its own plays it (switch_ivr_originate.c,
    collect_thread_run), and tells of its end before or after the leg's own thread has gone through its last states. So
    this event may be like those that the simulator tells from here on.
    """
    names = [text(one, "Event-Name") for one in before]
    if text(event, "Event-Name") != "PLAYBACK_STOP" or "CHANNEL_HANGUP" not in names or "CHANNEL_EXECUTE" in names:
        return ()
    last = [one for one in after if text(one, "Event-Name") == "CHANNEL_HANGUP_COMPLETE"]
    return [*last, *({**one, **state} for one in last for state in _ENDING)]


_ENDING: tuple[Headers, ...] = (
    {"Channel-State": "CS_HANGUP", "Channel-State-Number": "10"},
    {"Channel-State-Number": "12"},
)
"""The states before and after the report."""


def _name(token: tuple[str, ...]) -> str:
    return " ".join(part for part in token if part)


def event_differences(real: Headers, simulated: Headers, wanted: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Header, real value, simulated value of two tellings of the same event."""
    for name in dict.fromkeys((*real, *simulated)):
        if name == "Content-Length":
            # The wire adds it to the body, which is compared.
            continue
        variable = name.removeprefix("variable_")
        if variable != name and name not in simulated and variable not in wanted and not variable.startswith("tt_"):
            continue
        one, other = _shown(name, real.get(name)), _shown(name, simulated.get(name))
        if one != other and not _near(name, one, other):
            named = _named(real, one), _named(simulated, other)
            yield name, *(named if named[0] != named[1] else (one, other))


def _shown(name: str, value: Value | None) -> str:
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


def _near(name: str, one: str, other: str) -> bool:
    """Whether both are the same moment, or spans as long; never was, and none, is not nearly then."""
    most = next((most for pattern, most in _APART if pattern.fullmatch(name)), None)
    if most is None or not one.isdecimal() or not other.isdecimal():
        return False
    a, b = int(one), int(other)
    return abs(a - b) <= most and (bool(a) == bool(b) or _WHOLE_S.fullmatch(name) is not None)


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
}


def _reply(command: str, real: str, simulated: str, wanted: frozenset[str]) -> Iterator[tuple[str, str, str]]:
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
        yield from _json_reply(command, one, other, wanted)
    elif not (_in_figures_only(command) and _without_figures(one) == _without_figures(other)):
        yield "reply", one, other


def _of_a_gateway(reply: str) -> str:
    """What is not merely configured."""
    lines = re.findall(r"^(Name|Profile|State|Status)\s*\t(.*)$", reply, re.MULTILINE)
    return "; ".join(f"{name} {value}" for name, value in lines)


def _in_figures_only(command: str) -> bool:
    """Whether this reply counts what no two runs share."""
    return command.split()[1:2] in (["status"], ["strmicroepoch"], ["sched_api"], ["sched_transfer"])


def _without_figures(reply: str) -> str:
    reply = re.sub(r"\(Version [^)]*\)", "(Version)", reply)
    reply = re.sub(r"\d+", "#", reply)
    return re.sub(r"# (year|day|hour|minute|second|millisecond|microsecond)s?\b", r"# \1", reply)


def _json_reply(command: str, real: str, simulated: str, wanted: frozenset[str]) -> Iterator[tuple[str, str, str]]:
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
    for number, (mine, theirs) in enumerate(zip(one.get("rows", []), other.get("rows", []), strict=False)):
        for column in dict.fromkeys((*mine, *theirs)):
            if column in _OF_A_ROW:
                continue
            a, b = str(mine.get(column, ABSENT)), str(theirs.get(column, ABSENT))
            if a != b:
                yield f"rows[{number}].{column}", a, b


__all__ = ["ABSENT", "NO_EVENT", "Difference", "differences", "event_differences"]
