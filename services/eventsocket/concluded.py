"""Records of our own -> facts: signs of life, legs as a snapshot or call record shows them, legs that are gone. Pure.

Enters: a record (`records.py`) and what we believe when its turn comes, after all that was heard before it. Leaves:
the facts of the events that must have been missed. What a dump proves stands in `snapshot.py`; what an event means, in
`normalise.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from proto.envelope import Envelope
from proto.events import CallAnswered
from proto.message import Event as Fact
from services.eventsocket.beliefs import Beliefs, Leg
from services.eventsocket.facts import Facts, envelopes
from services.eventsocket.frames import Event, Record
from services.eventsocket.parties import count, text, token, variable
from services.eventsocket.records import (
    LEG_GONE,
    LEG_RECORDED,
    LEG_SEEN,
    LEGS,
    LEGS_UP,
    LINK_ALIVE,
    LINK_FOUND,
    LINK_LOST,
    MISSING_SINCE,
    RECORDED_UNTIL,
)
from services.eventsocket.said import Stamp, said_of
from services.eventsocket.snapshot import ended_unheard, is_up, missed

CONCLUDED = 32
"""So many facts are remembered of a leg, longer than any event is late."""


class About(Protocol):
    """The normaliser of the switch."""

    switch: str
    beliefs: Beliefs

    def leg_of(self, event: Event, stamp: Stamp) -> Leg | None:
        """The leg an event is about, learned on first sight."""

    def talk(self, one: Leg, other: Leg) -> list[Fact]:
        """That these two talk, unless it was told."""

    def facts_as_of_event(self, event: Event) -> Facts:
        """Facts of a record in the form of an event."""


def _link(about: About, event: Event, stamp: Stamp) -> Facts:
    name, at_us = stamp.name, stamp.at_us
    if name == LINK_FOUND:
        about.beliefs.link_found(at_us)
    elif name == LINK_ALIVE:
        about.beliefs.link_alive(at_us)
    else:
        about.beliefs.link_lost()
    return Facts(skipped="a sign of life")


def _listed(about: About, event: Event, stamp: Stamp) -> Facts:
    legs = event.get(LEGS, [])
    about.beliefs.still_up(legs if isinstance(legs, list) else [legs], stamp.at_us)
    return Facts(skipped="as we believed")


def _seen(about: About, dump: Event, stamp: Stamp) -> Facts:
    """A leg as the switch has it now: every fact that follows and was not told."""
    name, at_us = token(stamp.leg), stamp.at_us
    before = about.beliefs.get(name)
    if not is_up(dump) or (before is not None and (before.over == "exact" or before.event_us > at_us)):
        return Facts(skipped="events have told more since")
    leg = about.leg_of(dump, stamp)
    if leg is None:
        return Facts(skipped="a dump of no leg")
    if leg.over:
        about.beliefs.revived(leg)
    other = token(variable(dump, "bridge_to"))
    told = [
        about.facts_as_of_event(event)
        for event in missed(dump, leg, before is not None, not other or about.beliefs.get(other) is not None)
    ]
    leg.decision = token(variable(dump, "tt_decision")) or leg.decision
    about.beliefs.still_up([leg.id], at_us)
    leg.dump_us = at_us
    leg.concluded = [*leg.concluded, *(mark(one) for facts in told for one in facts.envelopes)][-CONCLUDED:]
    alarms = [facts.alarm for facts in told if facts.alarm]
    return Facts(tuple(envelope for facts in told for envelope in facts.envelopes), alarm=alarms[0] if alarms else "")


def mark(envelope: Envelope) -> str:
    """By what a fact is known again, from whatever source."""
    body = envelope.body
    return f"{body.NAME}:{body.key() or getattr(body, 'other', '')}"


def without_concluded(leg: Leg, facts: Facts, at_us: int) -> Facts:
    """The facts of an event of this leg without those that a later dump has told: it took another connection."""
    if at_us > leg.dump_us:
        return facts
    fresh = tuple(envelope for envelope in facts.envelopes if mark(envelope) not in leg.concluded)
    return Facts(fresh, skipped=facts.skipped or ("" if fresh else "told from a dump"), alarm=facts.alarm)


def _gone(about: About, event: Event, stamp: Stamp) -> Facts:
    leg = about.beliefs.get(token(stamp.leg))
    if leg is None or leg.over:
        return Facts(skipped="its end is told")
    of_this_core = not leg.core or leg.core == stamp.core
    if of_this_core and leg.heard_us >= count(text(event, MISSING_SINCE)):
        return Facts(skipped="heard of since")
    return about.facts_as_of_event(ended_unheard(leg, event, about.beliefs.last_sight_us(leg)))


def _recorded(about: About, event: Event, stamp: Stamp) -> Facts:
    """A leg as its call record tells it, before its end: that it was dialled, and whom it talked with.

    Nothing comes of what its own events have told. What only looks up legs (LegAnswered) is not told any more.
    """
    known = about.beliefs.get(token(stamp.leg))
    leg = about.leg_of(event, stamp)
    if leg is None:
        return Facts(skipped="no leg")
    made = [] if known is not None else [about.facts_as_of_event({**event, "Event-Name": "CHANNEL_CREATE"})]
    leg.answered = leg.answered or leg.answered_us > 0
    for other, talked_us in _partners(about, leg, event):
        pair = (other, leg) if text(event, "Other-Type") == "originator" else (leg, other)
        if leg.answered and other.answered and (facts := about.talk(*pair)):
            caller = leg if CallAnswered(switch=about.switch, leg=leg.id, by=other.id) in facts else other
            at = {"Event-Sequence": f"cdr-talk.{caller.id}", "Event-Date-Timestamp": str(talked_us)}
            made.append(envelopes(about.switch, said_of({**event, **at}), caller.tenant, caller.call, facts))
    if leg.over != "exact" and (stopped := _recording_of(leg, event)):
        made.append(about.facts_as_of_event({**event, **stopped}))
    return Facts(tuple(envelope for facts in made for envelope in facts.envelopes))


def _recording_of(leg: Leg, event: Event) -> Record:
    """The end of its last recording: a message that the record itself names, else the file that we heard begun."""
    stopped: Record = {"Event-Name": "RECORD_STOP", "Event-Sequence": f"cdr-recording.{leg.id}"}
    if until := text(event, RECORDED_UNTIL):
        return stopped | {"Event-Date-Timestamp": until, "variable_tt_stage": "voicemail"}
    if leg.recording:
        return stopped | {"Record-File-Path": leg.recording, "Recording-Variable-tt_rec": leg.recording_asked}
    return {}


def _partners(about: About, leg: Leg, event: Event) -> list[tuple[Leg, int]]:
    """Known legs that this one was joined with, and from when on, the first one first.

    The time of the first bridge is written over by a later one; then both legs' answers say when they talked.
    """
    bridged_us = count(text(event, "Caller-Channel-Bridged-Time"))
    last, found = token(variable(event, "last_bridge_to")), dict[str, tuple[Leg, int]]()
    names = (variable(event, "originating_leg_uuid"), last, variable(event, "bridge_uuid")) if bridged_us else ()
    for name in names:
        other = about.beliefs.get(token(name))
        if other is not None:
            both_us = max(leg.answered_us, other.answered_us)
            found.setdefault(other.id, (other, max(both_us, bridged_us) if name == last else both_us))
    return list(found.values())


RULES_OF_OURS: dict[str, Callable[[About, Event, Stamp], Facts]] = {
    LINK_FOUND: _link,
    LINK_ALIVE: _link,
    LINK_LOST: _link,
    LEGS_UP: _listed,
    LEG_SEEN: _seen,
    LEG_GONE: _gone,
    LEG_RECORDED: _recorded,
}
"""For records that carry a source (`records.py`)."""
