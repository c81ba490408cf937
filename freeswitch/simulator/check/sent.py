"""PURE: what messages of far ends carried behind their first line, as the leg that got them noted it.

Enters: a trace and one of its legs. Leaves: why it said that it ends, the codecs it speaks, where it redirects to,
which call it replaces, who answered. Lines of SIP tell none of that; nothing that the switch made of it leaves here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from freeswitch.simulator.calls.codecs import Codecs
from freeswitch.simulator.calls.silence import allowed_silence_ms
from freeswitch.simulator.check.read import Headers, Trace, stamp_us, text
from freeswitch.simulator.far_ends.people import Caller

TICK_US = 25_000
_AUDIO = re.compile(r"^m=audio (\d+) \S+ ([\d ]+)", re.MULTILINE)
_NAMED = re.compile(r"^a=rtpmap:(\d+) ([^/\s]+)", re.MULTILINE)
_STATIC = {"0": "PCMU", "3": "GSM", "8": "PCMA", "9": "G722", "18": "G729"}
_NO_SOUND = ("telephone-event", "CN")


def _own(trace: Trace, leg: str) -> Iterator[Headers]:
    """The events of a leg that tell its variables."""
    for event in trace.events:
        if text(event, "Unique-ID") == leg and any(name.startswith("variable_") for name in event):
            yield event


def reason(trace: Trace, leg: str) -> str:
    """The header Reason with which a leg's far end ended it; what it was told before, by whom it talked to, is not."""
    before = ""
    for event in _own(trace, leg):
        said = text(event, "variable_sip_reason")
        if text(event, "Event-Name") == "CHANNEL_HANGUP":
            return said if said != before else ""
        before = said
    return ""


def described(trace: Trace, leg: str, at_us: int) -> Codecs | None:
    """The codecs in what a leg's far end described about then, the best first; None if no event tells of any."""
    for event in _own(trace, leg):
        if stamp_us(event) >= at_us - TICK_US and (sdp := text(event, "variable_switch_r_sdp")):
            return _codecs(sdp)
    return None


def _codecs(sdp: str) -> Codecs:
    found = _AUDIO.search(sdp)
    names = _STATIC | dict(_NAMED.findall(sdp))
    numbers = found[2].split() if found else []
    return tuple(name for number in numbers if (name := names.get(number, number)) not in _NO_SOUND)


def says_who_it_is(trace: Trace, leg: str, at_us: int) -> tuple[str, str] | None:
    """Name and number in the P-Asserted-Identity of a response about then; None if it has none, or names whom we called
    as we do."""
    own = [event for event in trace.events if text(event, "Unique-ID") == leg]
    place = next((place for place, event in enumerate(own) if stamp_us(event) >= at_us - TICK_US), 0)
    if not place or text(own[place], "Event-Name") not in _TELL_OF_RESPONSES:
        return None
    return _callee(own[place]) if _callee(own[place]) != _callee(own[place - 1]) else None


_TELL_OF_RESPONSES = ("CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_ANSWER")


def _callee(event: Headers) -> tuple[str, str]:
    return text(event, "Caller-Callee-ID-Name"), text(event, "Caller-Callee-ID-Number")


def fell_silent_us(trace: Trace, leg: str) -> int | None:
    """Since when a leg's far end sent no sound, if that ended the leg: no line tells of sound, only that end does."""
    ended = (event for event in _own(trace, leg) if text(event, "Event-Name") == "CHANNEL_HANGUP")
    last = next((event for event in ended if text(event, "Hangup-Cause") == "MEDIA_TIMEOUT"), None)
    if last is None:
        return None
    return stamp_us(last) - 1000 * allowed_silence_ms(lambda name: text(last, f"variable_{name}"))


def redirected_to(trace: Trace, leg: str) -> tuple[str, ...]:
    """The URIs of a 302 to an INVITE of ours."""
    shown = {name: text(event, name) for event in _own(trace, leg) for name in event if _REDIRECTED.fullmatch(name)}
    return tuple(value.partition("/")[2].partition("/")[2] for _name, value in sorted(shown.items()))


_REDIRECTED = re.compile(r"variable_sip_redirect_dialstring_\d")


_IDENTITIES = ("P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Privacy")


def caller(leg: Headers) -> Caller:
    """What a caller sent of itself, by the first event of its leg."""
    sent = {
        name.removeprefix("variable_sip_h_"): value
        for name, value in leg.items()
        if name.startswith("variable_sip_h_") and isinstance(value, str)
    }
    # Sofia keeps no display name with a reference to a variable in it, but shows what it made of it.
    display = text(leg, "variable_sip_from_display")
    identities = {name: value for name in _IDENTITIES if (value := text(leg, f"variable_sip_{name}"))}
    made = text(leg, "Caller-Orig-Caller-ID-Name")
    referring = made.replace("%{", "${") if "%{" in made else None
    if history := text(leg, "variable_sip_history_info"):
        sent["History-Info"] = history
    return Caller(
        number=text(leg, "Caller-Orig-Caller-ID-Number"),
        name=display or referring,
        withheld=text(leg, "Caller-Privacy-Hide-Number") == "true",
        headers=sent,
        shown=text(leg, "variable_sip_from_user"),
        identities=identities,
        asserted_name=made if identities and made != display and made != text(leg, "variable_sip_from_user") else "",
        speaks=_codecs(text(leg, "variable_switch_r_sdp")),
        # A leg that ends so before anything is known of it was refused with 403.
        wrong_password=text(leg, "Channel-State") == "CS_NEW" and text(leg, "Hangup-Cause") == "CALL_REJECTED",
        replaces=text(leg, "Other-Leg-Unique-ID") if text(leg, "variable_sip_replaces_call_id") else "",
        early_only=text(leg, "variable_sip_replaces_early-only") == "true",
    )


def own_address(leg: Headers, domain: str) -> str:
    """Which of our phones a call comes from."""
    user = text(leg, "variable_sip_auth_username") or text(leg, "variable_sip_from_user")
    return f"{user}@{text(leg, 'variable_domain_name') or domain}"


__all__ = ["caller", "described", "fell_silent_us", "own_address", "reason", "redirected_to", "says_who_it_is"]
