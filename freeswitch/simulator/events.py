"""What an event says: the core's stamp, the channel, its caller, the other leg, times, variables, in the real order.

Enters: a channel as data. Leaves: header mappings for the ESL server. When an event is fired is decided by calls/
and apps/. Modelled on the captured traces.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from freeswitch.simulator import causes
from freeswitch.simulator.calls.leg import Leg
from freeswitch.simulator.calls.profile import Headers, OtherLeg, Profile, Times
from freeswitch.simulator.clock import Clock

_WITHOUT_VARIABLES = {"CHANNEL_STATE", "CHANNEL_CALLSTATE", "CHANNEL_OUTGOING", "DTMF"}
_CALLED_FROM = {
    "CHANNEL_CREATE": ("switch_core_state_machine.c", "switch_core_session_run", "626"),
    "CHANNEL_PARK": ("switch_ivr.c", "switch_ivr_park", "1002"),
    "CHANNEL_OUTGOING": ("switch_core_session.c", "switch_core_session_outgoing_channel", "768"),
    "CHANNEL_HANGUP_COMPLETE": ("switch_core_state_machine.c", "switch_core_session_reporting_state", "943"),
    "CHANNEL_DESTROY": ("switch_core_session.c", "switch_core_session_perform_destroy", "1588"),
    "BACKGROUND_JOB": ("mod_event_socket.c", "api_exec", "1580"),
    "HEARTBEAT": ("switch_core.c", "send_heartbeat", "95"),
    "CUSTOM": ("sofia_reg.c", "sofia_reg_handle_register_token", "2059"),
}
_PREFIXES = ("Caller", "Other-Leg")
_LEG = """
Direction Logical-Direction Username Dialplan Caller-ID-Name Caller-ID-Number Orig-Caller-ID-Name Orig-Caller-ID-Number
Callee-ID-Name Callee-ID-Number Network-Addr ANI Destination-Number Unique-ID Source Transfer-Source Context RDNIS
Channel-Name
"""
_NOT_OF_OTHER_LEG = ("Transfer-Source", "RDNIS")
_LEG_NAMES = {
    prefix: ["" if prefix == "Other-Leg" and one in _NOT_OF_OTHER_LEG else f"{prefix}-{one}" for one in _LEG.split()]
    for prefix in _PREFIXES
}
_TIMES = """
Profile-Created-Time Channel-Created-Time Channel-Answered-Time Channel-Progress-Time Channel-Progress-Media-Time
Channel-Hangup-Time Channel-Transfer-Time Channel-Resurrect-Time Channel-Bridged-Time Channel-Last-Hold
Channel-Hold-Accum
"""
_TIMES_NAMES = {prefix: [f"{prefix}-{one}" for one in _TIMES.split()] for prefix in _PREFIXES}


@lru_cache(16)
def _dates(second: int) -> tuple[str, str]:
    """Event-Date-Local and Event-Date-GMT: the same for all events of a second."""
    local, gmt = time.localtime(second), time.gmtime(second)
    return time.strftime("%Y-%m-%d %H:%M:%S", local), time.strftime("%a, %d %b %Y %H:%M:%S GMT", gmt)


class Core:
    """The core's own counters, and the way out for events."""

    def __init__(self, clock: Clock, publish: Callable[[Headers], None], hostname: str) -> None:
        self.clock = clock
        self.uuid = str(uuid.uuid4())
        self.hostname = hostname
        self.sequence = 0
        self.started_us = clock.now_us()
        self.sessions = 0
        self._publish = publish
        self.heard: Callable[[str], bool] = lambda _name: True
        """Whether anybody may want events of this type: of a channel the others only count."""

    def renew(self) -> None:
        """The process starts again: another Core-UUID, and all counters from the beginning."""
        self.uuid = str(uuid.uuid4())
        self.sequence = self.sessions = 0
        self.started_us = self.clock.now_us()

    def stamp(self, name: str, subclass: str = "") -> Headers:
        """The headers that every event begins with."""
        self.sequence += 1
        now_us = self.clock.now_us()
        local, gmt = _dates(now_us // 1_000_000)
        file, function, line = _CALLED_FROM.get(name, ("switch_channel.c", "switch_channel_perform", "1"))
        first: Headers = {"Event-Subclass": subclass} if subclass else {}
        return first | {
            "Event-Name": name,
            "Core-UUID": self.uuid,
            "FreeSWITCH-Hostname": self.hostname,
            "FreeSWITCH-Switchname": self.hostname,
            "FreeSWITCH-IPv4": "127.0.0.1",
            "FreeSWITCH-IPv6": "::1",
            "Event-Date-Local": local,
            "Event-Date-GMT": gmt,
            "Event-Date-Timestamp": str(now_us),
            "Event-Calling-File": file,
            "Event-Calling-Function": function,
            "Event-Calling-Line-Number": line,
            "Event-Sequence": str(self.sequence),
        }

    def fire(self, name: str, headers: Headers | None = None, subclass: str = "") -> None:
        """An event that belongs to no channel."""
        self._publish(self.stamp(name, subclass) | (headers or {}))

    @contextmanager
    def told_after(self, name: str, headers: Headers) -> Iterator[None]:
        """An event that is made before something is done, and told when it is done."""
        if not self.heard(name):
            self.sequence += 1
            yield
            return
        event = self.stamp(name) | headers
        try:
            yield
        finally:
            self._publish(event)

    def fire_channel(
        self,
        name: str,
        channel: Leg,
        *,
        before: Headers | None = None,
        after: Headers | None = None,
        subclass: str = "",
    ) -> None:
        """An event of a channel; `before` stands ahead of the channel's headers, `after` behind them."""
        if not self.heard(name):
            self.sequence += 1
            return
        headers = self.stamp(name, subclass)
        headers |= before or {}
        add_channel(headers, channel, variables=channel.verbose or name not in _WITHOUT_VARIABLES)
        headers |= after or {}
        self._publish(headers)


def channel_headers(channel: Leg, *, variables: bool = True) -> Headers:
    """All that an event (or `uuid_dump`) says of a channel; empty values are absent, as on the wire."""
    headers: Headers = {}
    add_channel(headers, channel, variables=variables)
    return headers


def add_channel(headers: Headers, channel: Leg, *, variables: bool = True) -> None:
    """The headers of a channel, behind those that are there."""
    headers |= _basics(channel)
    if not channel.is_known:
        headers |= {f"variable_{name}": value for name, value in channel.variables.items()}
        return
    headers |= _leg("Caller", channel.direction, channel.logical_direction, channel.uuid, channel.profile)
    headers["Caller-Profile-Index"] = str(channel.profile.index)
    headers |= _times("Caller", *_moments(channel.times))
    headers |= _privacy("Caller", channel.profile)
    if channel.other is not None:
        headers |= _other_leg(channel.other)
    if variables:
        headers |= {f"variable_{name}": value for name, value in channel.variables.items()}


def _basics(channel: Leg) -> Headers:
    headers: Headers = {
        "Channel-State": channel.state,
        "Channel-Call-State": channel.call_state,
        "Channel-State-Number": str(channel.state_number),
        "Channel-Name": channel.renamed or channel.profile.channel_name,
        "Unique-ID": channel.uuid,
        "Call-Direction": channel.direction,
        "Presence-Call-Direction": channel.direction,
        "Channel-HIT-Dialplan": "true" if channel.direction == "inbound" or channel.in_dialplan else "false",
        "Channel-Call-UUID": channel.call_uuid,
        "Answer-State": channel.answer_state,
    }
    if channel.presence_id:
        headers["Channel-Presence-ID"] = channel.presence_id
    if isinstance(data := channel.variables.get("presence_data"), str):
        headers["Channel-Presence-Data"] = data
    if channel.hangup_cause:
        headers["Hangup-Cause"] = channel.hangup_cause
    if channel.has_media:
        for side, codec in (("Read", channel.read_codec), ("Write", channel.codec)):
            headers[f"Channel-{side}-Codec-Name"] = codec
            headers[f"Channel-{side}-Codec-Rate"] = "8000"
            headers[f"Channel-{side}-Codec-Bit-Rate"] = "128000" if codec == "L16" else "64000"
    return headers


@lru_cache(1024)
def _other_leg(other: OtherLeg) -> Headers:
    """Made once, as the other leg was when the two met; not to be changed."""
    headers: Headers = {"Other-Type": other.kind}
    headers |= _leg("Other-Leg", other.direction, other.logical_direction, other.uuid, other.profile)
    return headers | _times("Other-Leg", *_moments(other.times)) | _privacy("Other-Leg", other.profile)


@lru_cache(1024)
def _leg(prefix: str, direction: str, logical: str, leg: str, profile: Profile) -> Headers:
    values = (
        direction,
        logical,
        profile.username,
        profile.dialplan,
        profile.caller_name,
        profile.caller_number,
        profile.original_name,
        profile.original_number,
        profile.callee_name,
        profile.callee_number,
        profile.network_addr,
        profile.original_number,
        profile.destination,
        leg,
        profile.source,
        profile.transfer_source,
        profile.context,
        profile.rdnis,
        profile.channel_name,
    )
    return {name: value for name, value in zip(_LEG_NAMES[prefix], values, strict=True) if value and name}


def _moments(times: Times) -> tuple[int, ...]:
    return (
        times.profile_created,
        times.created,
        times.answered,
        times.progress,
        times.progress_media,
        times.hangup,
        0,
        0,
        times.bridged,
        times.last_hold,
        times.hold_accum,
    )


@lru_cache(1024)
def _times(prefix: str, *moments: int) -> Headers:
    return dict(zip(_TIMES_NAMES[prefix], map(str, moments), strict=True))


def _privacy(prefix: str, profile: Profile) -> Headers:
    return {
        f"{prefix}-Screen-Bit": "true" if profile.screen else "false",
        f"{prefix}-Privacy-Hide-Name": "true" if profile.hide_name else "false",
        f"{prefix}-Privacy-Hide-Number": "true" if profile.hide_number else "false",
    }


def final_variables(channel: Leg) -> Headers:
    """What a leg's own accounting adds before HANGUP_COMPLETE. `billsec` counts whole seconds of the clock, so it may
    be off by one; the microsecond epochs are exact."""
    times = channel.times
    moments = {
        "start": times.created,
        "profile_start": times.profile_created,
        "answer": times.answered,
        "bridge": times.bridged,
        "progress": times.progress,
        "progress_media": times.progress_media,
        "end": times.hangup,
    }
    found: Headers = {
        "hangup_cause": channel.hangup_cause,
        "hangup_cause_q850": str(causes.q850(channel.hangup_cause)),
    }
    if not channel.is_known:
        return found
    found["digits_dialed"] = channel.pressed or "none"
    for name, at_us in moments.items():
        if at_us:
            found[f"{name}_stamp"] = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_us / 1e6))
    for name, at_us in (moments | {"last_hold": times.last_hold, "resurrect": 0}).items():
        found |= {f"{name}_epoch": str(at_us // 1_000_000), f"{name}_uepoch": str(at_us)}
    found |= {
        "hold_accum_seconds": str(times.hold_accum // 1_000_000),
        "hold_accum_usec": str(times.hold_accum),
        "hold_accum_ms": str(times.hold_accum // 1000),
    }
    if times.holds:
        found["hold_events"] = "{" + ",".join(f"{{{since},{until}}}" for since, until in times.holds) + "}"
    application = channel.variables.get("current_application")
    if application:
        found["last_app"] = application
        if data := channel.variables.get("current_application_data"):
            found["last_arg"] = data
    found["caller_id"] = _caller_id(channel.profile)
    return found | _durations(times)


def _durations(times: Times) -> Headers:
    spans = {
        "duration": (times.created, times.hangup),
        "billsec": (times.answered, times.hangup),
        "progresssec": (times.created, times.progress),
        "answersec": (times.created, times.answered),
        "waitsec": (times.created, times.bridged),
        "progress_mediasec": (times.created, times.progress_media),
        "flow_billsec": (times.created if times.answered else 0, times.hangup),
    }
    found: Headers = {}
    for name, (start, end) in spans.items():
        known = bool(start and end)
        stem = name.removesuffix("sec")
        found[name] = str(end // 1_000_000 - start // 1_000_000 if known else 0)
        found["mduration" if name == "duration" else f"{stem}msec"] = str((end - start) // 1000 if known else 0)
        found["uduration" if name == "duration" else f"{stem}usec"] = str(end - start if known else 0)
    return found


def _caller_id(profile: Profile) -> str:
    return f'"{profile.caller_name}" <{profile.caller_number}>' if profile.caller_name else profile.caller_number
