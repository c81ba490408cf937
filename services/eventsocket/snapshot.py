"""What the switch says is up now, against what we believe. Pure.

Enters: the text of `show channels as json`, dumps of legs, our beliefs. Leaves: which legs to ask for, which are gone,
and the events that we must have missed, as records in their form. An answer that is not whole is no answer, and no
answer never means "no calls". Asking belongs to `lookout.py`; what a missed event means, to `normalise.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from services.eventsocket.beliefs import Leg
from services.eventsocket.frames import Event, Record
from services.eventsocket.parties import count, text, token, variable
from services.eventsocket.records import ESTIMATED, SOURCE

APART_US = 5_000_000
"""Missing from one snapshot proves nothing: `show` reads a table that follows the calls (switch_core_sqldb.c)."""
_OVER = frozenset({"CS_HANGUP", "CS_REPORTING", "CS_DESTROY"})


@dataclass(frozen=True)
class Snapshot:
    """The legs that one switch lists as up."""

    core: str
    asked_us: int
    """When it was asked, by the switch's clock, taken before asking."""
    legs: frozenset[str]


class _Row(msgspec.Struct):
    uuid: str


class _Shown(msgspec.Struct):
    row_count: int
    rows: list[_Row] = []


_shown = msgspec.json.Decoder(_Shown)


def read_channels(said: bytes, core: str, asked_us: int) -> Snapshot | None:
    """The answer to `show channels as json`; None if it is not whole.

    An empty table is exactly `{"row_count": 0}`, without rows (mod_commands.c).
    """
    try:
        # Names of callers may be no UTF-8; ids are ASCII.
        shown = _shown.decode(said.decode("utf-8", "replace").strip())
    except msgspec.MsgspecError:
        return None
    legs = frozenset(row.uuid for row in shown.rows)
    if len(shown.rows) != shown.row_count or len(legs) != shown.row_count or not core:
        return None
    return None if any(token(leg) != leg for leg in legs) else Snapshot(core, asked_us, legs)


@dataclass(frozen=True)
class Compared:
    """What one snapshot came to."""

    unknown: tuple[str, ...] = ()
    """Up, and not believed to be: ask for a dump."""
    still_up: tuple[str, ...] = ()
    old_core: tuple[str, ...] = ()
    """Legs of a switch that was started anew since, unless it took them up again (`sofia recover`): gone.

    Its call records, if it wrote any, have been read by now."""
    gone: Mapping[str, int] = field(default_factory=dict)
    """Missing for long enough -> since when: gone if `uuid_exists` says false."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """All that are missing -> asking time of the first snapshot without them: handed to the next comparison."""


def compare(believed: Iterable[Leg], known: Iterable[str], missing: Mapping[str, int], now: Snapshot) -> Compared:
    """One snapshot against the legs believed up; `known` are those of whom a dump was already asked for.

    `missing`: as the last comparison left it. A leg heard of since its first missing was no leg missing.
    """
    believed = list(believed)
    up = {leg.id for leg in believed}
    old = {leg.id for leg in believed if leg.core and leg.core != now.core and leg.id not in now.legs}
    since: dict[str, int] = {}
    for leg in believed:
        if leg.id in old:
            since[leg.id] = missing.get(leg.id, now.asked_us)
        elif leg.id not in now.legs and leg.heard_us < now.asked_us:
            first = missing.get(leg.id, now.asked_us)
            since[leg.id] = first if leg.heard_us < first <= now.asked_us else now.asked_us
    due = {leg: first for leg, first in since.items() if now.asked_us - first >= APART_US}
    return Compared(
        unknown=tuple(sorted(now.legs - up - set(known))),
        still_up=tuple(sorted(now.legs & up)),
        old_core=tuple(sorted(old & due.keys())),
        gone={leg: first for leg, first in due.items() if leg not in old},
        missing=since,
    )


# -- what a dump says that no event told us ------------------------------------------------------------------------


_RINGING = (
    ("CHANNEL_PROGRESS", "Caller-Channel-Progress-Time"),
    ("CHANNEL_PROGRESS_MEDIA", "Caller-Channel-Progress-Media-Time"),
)


def is_up(dump: Event) -> bool:
    """Whether the leg still lives: the end of one that does not is told by its own event."""
    return text(dump, "Channel-State") not in _OVER


def missed(dump: Event, leg: Leg, known: bool, other_known: bool) -> list[Event]:
    """The events that must have happened and that `leg` shows no trace of, oldest first.

    `known`: the leg was believed up before. `other_known`: so is the leg it is bridged to. If that one is told later,
    its own dump tells the bridge. What the dump cannot date carries the time of the dump.
    """
    now_us = count(text(dump, "Event-Date-Timestamp"))
    found: list[tuple[int, Event]] = []

    def must(name: str, at_us: int, mark: str = "", **more: str) -> None:
        found.append((at_us, {**_as_event(dump, leg, name, at_us, mark), **more}))

    if leg.direction == "outbound" and not known:
        must("CHANNEL_CREATE", count(text(dump, "Caller-Channel-Created-Time")) or now_us)
    if leg.direction == "outbound" and not leg.rang:
        for name, header in _RINGING:
            if at_us := count(text(dump, header)):
                must(name, at_us)
    answered_us = count(text(dump, "Caller-Channel-Answered-Time"))
    if answered_us and not leg.answered:
        must("CHANNEL_ANSWER", answered_us)
    partner = token(variable(dump, "bridge_to"))
    if leg.bridged_to and leg.bridged_to != partner:
        must("CHANNEL_UNBRIDGE", now_us, leg.bridged_to, **{"Other-Leg-Unique-ID": leg.bridged_to})
    if partner and partner != leg.bridged_to and other_known:
        at_us = count(text(dump, "Caller-Channel-Bridged-Time")) or now_us
        must("CHANNEL_BRIDGE", at_us, str(at_us), **{"Bridge-A-Unique-ID": leg.id, "Bridge-B-Unique-ID": partner})
    held = text(dump, "Channel-Call-State") == "HELD"
    if held != leg.held:
        must("CHANNEL_HOLD" if held else "CHANNEL_UNHOLD", now_us, str(now_us))
    if leg.direction == "inbound" and not partner:
        _parked_or_waiting(dump, leg, now_us, must)
    return [event for _, event in sorted(found, key=lambda one: one[0])]


class _Must(Protocol):
    def __call__(self, name: str, at_us: int, mark: str = "") -> None: ...


def _parked_or_waiting(dump: Event, leg: Leg, now_us: int, must: _Must) -> None:
    application = variable(dump, "current_application")
    if text(dump, "Channel-State") == "CS_PARK" or application == "park":
        park = max(1, count(text(dump, "Caller-Profile-Index")))
        if park > leg.park:
            must("CHANNEL_PARK", _parked_us(dump, leg, now_us), str(park))
    elif variable(dump, "tt_stage") == "queue" and "playback" in application:
        decision = token(variable(dump, "tt_decision"))
        if decision != leg.waiting_for:
            must("PLAYBACK_START", now_us, decision)


def _parked_us(dump: Event, leg: Leg, now_us: int) -> int:
    """No later than it really was, so that no plan is sent after the fallback may have fired.

    A dialplan parks as soon as the profile is made. The end of a plan parks some time after it was last heard of.
    """
    made_us = count(text(dump, "Caller-Profile-Created-Time"))
    if text(dump, "Caller-Dialplan").lower() != "inline":
        return made_us or leg.heard_us or now_us
    return max(made_us, leg.heard_us) or now_us


_OTHERS = ("Other-", "Bridge-")


def _as_event(dump: Event, leg: Leg, name: str, at_us: int, mark: str) -> Event:
    """The dump as if it were that event. Its id is the same from every agent on this switch.

    Whom the dump names as the other leg may only have been dialled: who is bridged is said by the bridge alone.
    """
    kept: Record = {key: value for key, value in dump.items() if not key.startswith(_OTHERS) and key != ESTIMATED}
    kept |= {
        "Event-Name": name,
        "Event-Date-Timestamp": str(at_us),
        "Event-Sequence": ".".join(filter(None, ("seen", leg.id, name.lower(), mark))),
        SOURCE: "snapshot",
    }
    return kept


def ended_unheard(leg: Leg, gone: Event, last_sight_us: int) -> Event:
    """The end of a leg that is gone, as an event: no earlier than anything known of it, marked as concluded."""
    at_us = max(last_sight_us, leg.started_us, leg.answered_us)
    record: Event = {
        "Event-Name": "CHANNEL_HANGUP_COMPLETE",
        "Core-UUID": leg.core or text(gone, "Core-UUID"),
        "Event-Sequence": text(gone, "Event-Sequence"),
        "Event-Date-Timestamp": str(at_us),
        "Unique-ID": leg.id,
        "Hangup-Cause": "NORMAL_UNSPECIFIED",
        "Caller-Channel-Created-Time": str(leg.started_us),
        "Caller-Channel-Answered-Time": str(leg.answered_us),
        "variable_tt_decision": leg.decision,
        SOURCE: "snapshot",
        ESTIMATED: "true",
    }
    return record
