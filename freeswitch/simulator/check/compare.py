"""PURE: what a real switch said against what the simulator said: per leg and in order, and reply by reply.

Enters: two lists of events and of replies. Leaves: differences. Legs are compared one by one: the threads of the real
switch interleave as they like. What may differ within an event stands in headers.py, within a reply in replies.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType

from freeswitch.simulator.check.headers import ABSENT, SIGNIFICANT, event_differences, near, shown
from freeswitch.simulator.check.narrowed import left_out
from freeswitch.simulator.check.order import moved, out_of_order
from freeswitch.simulator.check.read import Headers, Trace, stamp_us, text
from freeswitch.simulator.check.replies import reply_differences

NO_EVENT = "(no such event)"


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
        found = (list(reply_differences(said.command, said.reply, one, wanted)) for one in dict.fromkeys(said_then))
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
    real, overtaken_by = _hangup_first(real)
    for event in overtaken_by:
        yield f"1 {_name(_token(event))}", "order", "before CHANNEL_HANGUP", "after CHANNEL_HANGUP", ABSENT
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
                if text(real[a + step], "Event-Name") == "CHANNEL_HANGUP":
                    later = simulated[b + step + 1 :][: len(overtaken_by)]
                for header, mine, theirs in _told(real[a + step], simulated[b + step], wanted):
                    told = [shown(header, one.get(header)) for one in later]
                    if not any(mine == value or near(header, mine, value) for value in told):
                        yield at, header, mine, theirs, shown(header, earlier.get(header))
            continue
        for place in range(a, a_end):
            yield f"{place + 1} {_name(one[place])}", "Event-Name", _name(one[place]), NO_EVENT, ABSENT
        for place in range(b, b_end):
            if not a and stamp_us(simulated[place]) < listens_us:
                # Whoever captured the trace was not connected yet.
                continue
            yield f"{a + 1} {_name(other[place])}", "Event-Name", NO_EVENT, _name(other[place]), ABSENT


def _told(real: Headers, simulated: Headers, wanted: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Header, real value, simulated value; what a job came to is compared like the reply of its command."""
    if text(real, "Event-Name") != "BACKGROUND_JOB":
        yield from event_differences(real, simulated, wanted)
        return
    one, other = ({name: value for name, value in event.items() if name != "_body"} for event in (real, simulated))
    yield from event_differences(one, other, wanted)
    command = f"bgapi {text(real, 'Job-Command')} {text(real, 'Job-Command-Arg')}"
    yield from reply_differences(command, text(real, "_body"), text(simulated, "_body"), wanted)


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


def _hangup_first(events: Sequence[Headers]) -> tuple[Sequence[Headers], Sequence[Headers]]:
    """CHANNEL_HANGUP ahead of those directly before it that say themselves that the leg has ended; and these."""
    ended = next((at for at, event in enumerate(events) if text(event, "Event-Name") == "CHANNEL_HANGUP"), 0)
    first = ended
    while first and text(events[first - 1], "Channel-State-Number") == _ENDED:
        first -= 1
    early = events[first:ended]
    return [*events[:first], *events[ended : ended + 1], *early, *events[ended + 1 :]] if early else events, early


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


_ENDED = "10"
_ENDING: tuple[Headers, ...] = (
    {"Channel-State": "CS_HANGUP", "Channel-State-Number": _ENDED},
    {"Channel-State-Number": "12"},
)
"""The states before and after the report."""


def _name(token: tuple[str, ...]) -> str:
    return " ".join(part for part in token if part)


__all__ = ["ABSENT", "NO_EVENT", "Difference", "differences", "event_differences"]
