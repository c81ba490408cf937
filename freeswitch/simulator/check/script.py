"""PURE: what the far ends did in a trace: who called, how each phone and carrier answered, what they did in the call.

Enters: the lines of SIP, and from the events only what such a line does not carry and the far end gave (its number, its
name, its headers, keys, REFER targets, registrations). Leaves: calls and acts with their times. Nothing that the switch
made of them enters here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from freeswitch.simulator.check.dialogs import Act, Dialog, Reader, arrived, created_us
from freeswitch.simulator.check.read import Headers, Trace, stamp_us, text

BECOMES_A_LEG_US = 1_500_000
"""An INVITE and the leg that it becomes are no further apart, by the two clocks."""
TICK_US = 25_000
"""The timer of the switch ticks every 20 ms, and its clock and the recorder's are not the same."""


@dataclass(frozen=True)
class Register:
    """A REGISTER with what sofia told of who sent it."""

    at_us: int
    address: str
    """`1001@domain`."""
    expires_s: int
    """0 signs off."""
    refused: bool
    """The password was wrong."""
    about: Headers
    """Contact, Call-ID, User-Agent … as the phone sent them."""


_Pressed = tuple[int, str, str]
"""When, who, digit."""


@dataclass(frozen=True)
class Script:
    """All that happened outside the switch."""

    calls: tuple[Dialog, ...]
    """To us, in order."""
    answers: tuple[Dialog, ...]
    """How INVITEs of ours were answered, in order."""
    keys: Mapping[str, tuple[Act, ...]]
    """Leg -> keys pressed there, where the events tell them."""
    pressed: tuple[_Pressed, ...]
    """Keys that only the lines tell."""
    registers: tuple[Register, ...]


def script(trace: Trace) -> Script:
    """The far ends of a trace."""
    reader = Reader(trace)
    reader.read()
    calls = [one for one in reader.dialogs if one.incoming]
    _pair(calls, list(arrived(trace)))
    keys = _keys(trace.events)
    return Script(
        calls=tuple(one for one in calls if one.leg),
        answers=tuple(one for one in reader.dialogs if not one.incoming),
        keys=keys,
        pressed=_never_read(reader.keys, keys),
        registers=tuple(_registers(trace.events, reader.registers)),
    )


READ_WITHIN_US = 3_000_000
"""By so much a key may have come before what its line is taken to say: the phone was quicker than KEY_US, or its line
later."""


def _never_read(pressed: Sequence[tuple[int, str, str]], read: Mapping[str, Sequence[Act]]) -> tuple[_Pressed, ...]:
    """Keys that only the lines tell: nothing on the switch read them, as within the music of a queue."""
    left = sorted(pressed, key=lambda one: one[0])
    for key in sorted((one for keys in read.values() for one in keys), key=lambda one: -one.at_us):
        told = [one for one in left if one[2] == key.value and one[0] <= key.at_us + READ_WITHIN_US]
        if told:
            left.remove(told[-1])
    return tuple(left)


def _pair(calls: Sequence[Dialog], legs: Sequence[Headers]) -> None:
    """Which leg a call became, the nearest first; none if the switch took it for no call, as while it shuts down."""
    pairs = product(enumerate(calls), enumerate(legs))
    apart = [(abs(created_us(leg) - dialog.at_us), number, place) for (number, dialog), (place, leg) in pairs]
    taken: set[int] = set()
    for apart_us, number, place in sorted(apart):
        if apart_us < BECOMES_A_LEG_US and not calls[number].leg and place not in taken:
            calls[number].leg = legs[place]
            taken.add(place)


def _keys(events: Sequence[Headers]) -> dict[str, tuple[Act, ...]]:
    found: dict[str, tuple[Act, ...]] = {}
    for event in events:
        # Other sources are commands of ours.
        if text(event, "Event-Name") == "DTMF" and text(event, "DTMF-Source") in ("RTP", "INFO", "INBAND_AUDIO"):
            leg = text(event, "Unique-ID")
            found[leg] = (*found.get(leg, ()), _key(event))
    return found


def spoken_s(events: Sequence[Headers], leg: str) -> float:
    """How long whoever is at the far end spoke into a recording of the plan, seconds: no line of SIP tells that.

    As long as it lasted, less the silence that ended it; without end where something else did.
    """
    of_leg = [event for event in events if text(event, "Unique-ID") == leg]
    for at, event in enumerate(of_leg):
        if text(event, "Event-Name") != "CHANNEL_EXECUTE" or text(event, "Application") != "record":
            continue
        silence_s = [*text(event, "Application-Data").split(" "), "", "", ""][3]
        stopped = next((one for one in of_leg[at:] if text(one, "Event-Name") == "RECORD_STOP"), None)
        if stopped is None:
            return math.inf
        if text(stopped, "variable_silence_hits_exhausted") != "true":
            return math.inf
        lasted_s = (stamp_us(stopped) - stamp_us(event)) / 1_000_000
        return max(0.0, lasted_s - (int(silence_s) if silence_s.isdecimal() else 0))
    return 0.0


def _key(event: Headers) -> Act:
    samples = text(event, "DTMF-Duration")
    return Act(stamp_us(event), "key", text(event, "DTMF-Digit"), int(samples) if samples.isdecimal() else 0)


def _registers(events: Sequence[Headers], sent: Mapping[str, Sequence[int]]) -> Iterator[Register]:
    """What phones sent: the attempts; where those were not subscribed, what they led to.

    Stamps of events are those of a tick, up to 20 ms early; the lines of SIP tell the moment.
    """
    attempts = [event for event in events if text(event, "Event-Subclass") == "sofia::register_attempt"]
    led_to = [event for event in events if text(event, "Event-Subclass") in ("sofia::register", "sofia::unregister")]
    calls, before_us = {text(event, "variable_sip_call_id") for event in events} - {""}, 0
    for event in attempts or led_to:
        if text(event, "to-user") not in ("", text(event, "from-user")) or text(event, "call-id") in calls:
            # The password of a call: the dialled number stands in the place of the phone's.
            continue
        expires = text(event, "expires")
        stamped_us = stamp_us(event)
        moments = (at_us for at_us in sent.get(text(event, "from-user"), ()) if 0 <= at_us - stamped_us < TICK_US)
        before_us = max(before_us, *moments, stamped_us)
        yield Register(
            before_us,
            f"{text(event, 'from-user')}@{text(event, 'from-host')}",
            int(expires) if expires.isdecimal() else 0,
            text(event, "auth-result") == "FORBIDDEN",
            event,
        )


@dataclass(frozen=True)
class Refer:
    """What a REFER carried."""

    target: str
    """Refer-To."""
    referred_by: str
    replaces: str
    """The leg of the call that it names in Replaces; empty without."""


def refer(trace: Trace, leg: str, at_us: int) -> Refer:
    """The REFER that came on a leg about then."""
    told = [event for event in trace.events if stamp_us(event) >= at_us - 50_000]
    own = [event for event in told if text(event, "Unique-ID") == leg]
    earlier = [event for event in trace.events if stamp_us(event) < at_us - 50_000]

    def first(events: Sequence[Headers], name: str) -> str:
        return next((value for event in events if (value := text(event, name))), "")

    def brought(name: str) -> str:
        """What nobody said before; an earlier REFER may have brought the same."""
        known = {"", *(text(event, name) for event in earlier)}
        return next((value for event in told if (value := text(event, name)) not in known), first(told, name))

    return Refer(
        target=brought("variable_sip_refer_to") or first(own, "variable_transfer_destination").partition(":")[2],
        referred_by=brought("variable_sip_h_Referred-By"),
        replaces=first(own, "variable_refer_uuid"),
    )


__all__ = ["Act", "Dialog", "Refer", "Register", "Script", "refer", "script", "spoken_s"]
