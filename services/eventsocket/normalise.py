"""An event of the switch -> facts in our own language. Pure: the same event and beliefs give the same facts.

Enters: a decoded event, the directory of numbers and phones, what we believe of the legs that are up. Leaves:
envelopes with derived ids, or nothing and why. CR, LF and the like in values are data, never structure. Reading bytes
belongs to `frames.py`, cleaning values to `parties.py`, sending to `agent.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from proto import events as e
from proto.message import Event as Fact
from proto.values import UNKNOWN_TENANT
from services.eventsocket.beliefs import Beliefs, Leg
from services.eventsocket.callers import diverted_from
from services.eventsocket.concluded import RULES_OF_OURS, without_concluded
from services.eventsocket.ends import ToldEnds, end_of, exactly
from services.eventsocket.facts import Alarm, Facts, envelopes
from services.eventsocket.frames import Event
from services.eventsocket.heard import Heard
from services.eventsocket.legs import is_ours, joined_leg, other_leg, phone_of, tenant_of_arrival
from services.eventsocket.ownership import Directory
from services.eventsocket.parties import (
    count,
    defined,
    number,
    path,
    phone_id,
    text,
    token,
    variable,
)
from services.eventsocket.said import Begun, Ended, Joined, Parked, Stamp, as_kind, said_of

ROUTING = "routing"
"""Who takes a leg that stands parked with nobody named."""


@dataclass
class Normaliser:
    """The rules for one switch; `directory` is replaced when tenants change."""

    switch: str
    directory: Directory = field(default_factory=Directory)
    beliefs: Beliefs = field(default_factory=Beliefs)
    ends: ToldEnds = field(default_factory=ToldEnds)

    def facts_of(self, event: Event) -> Facts:
        """Facts of one event, in the order in which they are true."""
        stamp = event.stamp if isinstance(event, Heard) else said_of(event)
        if not stamp.tells:
            return Facts(skipped="an event without Core-UUID and Event-Sequence")
        if stamp.source:
            rule_of_ours = RULES_OF_OURS.get(stamp.name)
            return rule_of_ours(self, event, stamp) if rule_of_ours else self._by_rule(event, stamp)
        facts = self._by_rule(event, stamp)
        leg = self.beliefs.get(stamp.leg)
        return facts if leg is None else self._heard(leg, stamp, facts)

    def facts_as_of_event(self, event: Event) -> Facts:
        """Facts of a record in the form of an event."""
        return self._by_rule(event, said_of(event))

    def _by_rule(self, event: Event, stamp: Stamp) -> Facts:
        kind = text(event, "Event-Subclass") if stamp.name == "CUSTOM" else stamp.name
        rule = RULES.get(kind)
        return rule(self, event, stamp) if rule else Facts(skipped=f"{kind[:60]} says nothing we need")

    def _heard(self, leg: Leg, stamp: Stamp, facts: Facts) -> Facts:
        """The leg is known to have been up until now, or to have ended now."""
        self.beliefs.heard(leg, stamp.at_us)
        if stamp.decision not in ("", leg.decision):
            leg.decision = token(stamp.decision) or leg.decision
        return without_concluded(leg, facts, stamp.at_us) if leg.concluded else facts

    def talk(self, one: Leg, other: Leg) -> list[Fact]:
        """That these two talk, unless it was told."""
        return _talk(self, one, other)

    def leg_of(self, event: Event, stamp: Stamp) -> Leg | None:
        """The leg an event is about, learned on first sight."""
        known = self.beliefs.get(stamp.leg)
        if known is None:
            if not token(stamp.leg):
                return None
            said = stamp if isinstance(stamp, Begun) else as_kind(Begun, event)
            known = self.beliefs.learn(joined_leg(said, event, self.directory, self.beliefs))
        # A call record may be of a life before `sofia recover`.
        if known.core != stamp.core and (not known.core or stamp.source != "cdr"):
            known.core = stamp.core
        if not known.started_us:
            known.started_us = stamp.created_us
        if not known.answered_us:
            known.answered_us = stamp.answered_us
        return known


def _created(about: Normaliser, event: Event, stamp: Stamp) -> Facts:
    leg = about.leg_of(event, stamp)
    if leg is None or leg.direction == "inbound":
        return Facts(skipped="an inbound leg begins with its arrival")
    started = e.LegStarted(
        switch=about.switch,
        leg=leg.id,
        kind=leg.kind,
        direction=leg.direction,
        via=leg.via,
        destination=leg.destination,
        joined=leg.joined,
    )
    return envelopes(about.switch, stamp, leg.tenant, leg.call, [started])


def _ringing(about: Normaliser, event: Event, stamp: Stamp) -> Facts:
    leg = about.leg_of(event, stamp)
    if leg is None or leg.direction == "inbound":
        return Facts(skipped="what the caller hears follows from the dialled leg")
    leg.rang = True
    early = stamp.name == "CHANNEL_PROGRESS_MEDIA"
    return envelopes(
        about.switch, stamp, leg.tenant, leg.call, [e.LegRinging(switch=about.switch, leg=leg.id, early_media=early)]
    )


def _answered(about: Normaliser, event: Event, said: Joined) -> Facts:
    leg = about.leg_of(event, said)
    if leg is None:
        return Facts(skipped="an answer of no leg")
    leg.answered = True
    leg.answered_us = leg.answered_us or said.at_us
    facts: list[Fact] = [
        e.LegAnswered(
            switch=about.switch,
            leg=leg.id,
            kind=leg.kind,
            direction=leg.direction,
            via=leg.via,
            destination=leg.destination,
        )
    ]
    # Early media: the bridge came first, so Other-Leg stands on the caller's answer, or we saw CHANNEL_BRIDGE.
    other_id = leg.bridged_to or (other_leg(said) if leg.direction == "inbound" else "")
    other = about.beliefs.get(other_id) if other_id else None
    if other is not None and other.answered:
        facts += _talk(about, leg, other)
    return envelopes(about.switch, said, leg.tenant, leg.call, facts)


def _talk(about: Normaliser, one: Leg, other: Leg) -> list[Fact]:
    caller, answerer = _caller_first(one, other)
    if caller.talking or (caller.direction == "outbound" and answerer.talking):
        return []  # told before; or a phone in conversation asks somebody else back (attended transfer)
    caller.talking = answerer.talking = True
    return [e.CallAnswered(switch=about.switch, leg=caller.id, by=answerer.id)]


def _caller_first(one: Leg, other: Leg) -> tuple[Leg, Leg]:
    """The caller is the leg that came to us; of two, the one from a carrier (a phone fetched a parked call)."""
    rank = {leg.id: (leg.direction != "inbound", leg.via != "trunk") for leg in (one, other)}
    return (one, other) if rank[one.id] <= rank[other.id] else (other, one)


def _bridged(about: Normaliser, event: Event, said: Joined) -> Facts:
    leg = about.leg_of(event, said)
    other_id = other_leg(said)
    if leg is None or not other_id:
        return Facts(skipped="a bridge without two legs")
    if said.answer_state == "answered":
        leg.answered = True
    other = about.beliefs.get(other_id) or _stand_in(other_id, leg)
    leg.bridged_to, other.bridged_to = other.id, leg.id
    caller, answerer = _caller_first(leg, other)
    facts: list[Fact] = [e.LegsBridged(switch=about.switch, leg=caller.id, other=answerer.id)]
    if leg.answered and other.answered:
        facts += _talk(about, leg, other)
    return envelopes(about.switch, said, caller.tenant, caller.call, facts)


def _stand_in(leg_id: str, of: Leg) -> Leg:
    """For a leg whose own events we have not heard (we came later than it): answered, on the other side of `of`."""
    direction: e.Direction = "outbound" if of.direction == "inbound" else "inbound"
    return Leg(
        leg_id, direction, "trunk", direction, of.call, of.tenant, of.payer, "inherited", of.caller, answered=True
    )


def _unbridged(about: Normaliser, event: Event, said: Joined) -> Facts:
    leg = about.leg_of(event, said)
    if leg is None:
        return Facts(skipped="no leg")
    other_id = other_leg(said) or leg.bridged_to
    leg.bridged_to = ""
    other = about.beliefs.get(other_id) if other_id else None
    if other is not None and other.bridged_to == leg.id:
        other.bridged_to = ""
    return envelopes(
        about.switch, said, leg.tenant, leg.call, [e.LegsUnbridged(switch=about.switch, leg=leg.id, other=other_id)]
    )


def _held(about: Normaliser, event: Event, stamp: Stamp) -> Facts:
    leg = about.leg_of(event, stamp)
    if leg is None:
        return Facts(skipped="no leg")
    leg.held = stamp.name == "CHANNEL_HOLD"
    kind = e.LegHeld if leg.held else e.LegResumed
    return envelopes(about.switch, stamp, leg.tenant, leg.call, [kind(switch=about.switch, leg=leg.id)])


def _parked(about: Normaliser, event: Event, said: Parked) -> Facts:
    leg = about.leg_of(event, said)
    if leg is None:
        return Facts(skipped="no leg")
    if leg.direction == "outbound":
        # An operator's phone that we rang, or the short park inside an attended transfer: nobody's arrival.
        return Facts(skipped="an outbound leg parks for whoever dialled it")
    if said.decision == "fallback":
        return Facts(skipped="the fallback has this call")
    leg.park = max(1, said.profile_index)
    if _dialplan_ran(said):
        return _arrived(about, event, said, leg)
    handed = e.CallHandedOver(
        switch=about.switch,
        leg=leg.id,
        park=leg.park,
        to=token(variable(event, "tt_next")) or ROUTING,
        queue=token(variable(event, "tt_queue")),
        stage=token(variable(event, "tt_stage")),
        disposition=token(variable(event, "originate_disposition")),
        decision=token(said.decision),
        caller=leg.caller,
    )
    return envelopes(about.switch, said, leg.tenant, leg.call, [handed])


def _dialplan_ran(said: Parked) -> bool:
    """Whether the dialplan parked the leg (a new call, or a blind transfer), not the end of a plan of ours.

    tt_decision, tt_call and tt_next survive a REFER, so they say nothing; the profile's dialplan does (`inline` for
    a plan). Where that header is missing, no decision yet means a new call.
    """
    if said.dialplan:
        return said.dialplan.lower() != "inline"
    return not defined(said.decision)


def _arrived(about: Normaliser, event: Event, said: Parked, leg: Leg) -> Facts:
    transferred = leg.park > 1 or is_ours(said)
    alarm: Alarm = ""
    if not transferred:
        # The number's owner may have become known since the leg was created.
        leg.tenant = tenant_of_arrival(said, event, about.directory)
        leg.payer = leg.tenant
        named = defined(said.tenant)
        if leg.tenant == UNKNOWN_TENANT:
            alarm = "unknown_number"
        elif named and named != leg.tenant:
            alarm = "tenant_mismatch"
    leg.destination = leg.destination or number(said.did)
    origin: Literal["trunk", "phone"] = "phone" if leg.via == "phone" else "trunk"
    fact = e.CallArrived(
        switch=about.switch,
        leg=leg.id,
        park=leg.park,
        origin=origin,
        dialled=number(said.did) or number(said.dialled),
        caller=leg.caller,
        phone=phone_of(said) if origin == "phone" else "",
        transferred=transferred,
        diverted_from=diverted_from(said),
        received_at_us=said.created_us or said.at_us,
    )
    made = envelopes(about.switch, said, leg.tenant, leg.call, [fact])
    return Facts(made.envelopes, alarm=alarm)


def _played(about: Normaliser, event: Event, stamp: Stamp) -> Facts:
    leg = about.leg_of(event, stamp)
    decision = token(stamp.decision)
    if leg is None or leg.direction == "outbound" or variable(event, "tt_stage") != "queue" or not decision:
        return Facts(skipped="no queue's music")
    if leg.waiting_for == decision or leg.bridged_to:
        return Facts(skipped="this waiting was told already")
    leg.waiting_for = decision
    waiting = e.CallWaiting(
        switch=about.switch,
        leg=leg.id,
        queue=token(variable(event, "tt_queue")),
        decision=decision,
        caller=leg.caller,
        dialled=number(leg.destination),
    )
    return envelopes(about.switch, stamp, leg.tenant, leg.call, [waiting])


def _recording(about: Normaliser, event: Event, stamp: Stamp) -> Facts:
    leg = about.leg_of(event, stamp)
    file = path(text(event, "Record-File-Path"))
    if leg is None or not file:
        return Facts(skipped="a recording without leg or file")
    asked = token(text(event, "Recording-Variable-tt_rec"))
    stage = token(variable(event, "tt_stage"))
    fact: Fact
    if stamp.name == "RECORD_START":
        leg.recording, leg.recording_asked = file, asked
        fact = e.RecordingStarted(switch=about.switch, leg=leg.id, path=file, recording=asked, stage=stage)
    else:
        if leg.recording == file:
            leg.recording = ""
        fact = e.RecordingStopped(
            switch=about.switch,
            leg=leg.id,
            path=file,
            recording=asked,
            stage=stage,
            length_ms=count(variable(event, "record_ms")),
            size_bytes=count(variable(event, "record_file_size")),
            completion=token(text(event, "Record-Completion-Cause")),
        )
    return envelopes(about.switch, stamp, leg.tenant, leg.call, [fact])


def _ended(about: Normaliser, event: Event, said: Ended) -> Facts:
    leg = about.leg_of(event, said)
    if leg is None:
        return Facts(skipped="no leg")
    leg.bridged_to = ""
    about.beliefs.ended(leg.id, "estimated" if said.estimated else "exact")
    fact, told = end_of(about.switch, leg, said), about.ends.get(leg.id)
    if told is not None:
        differs = told != exactly(fact) and not said.estimated
        return Facts(skipped="this end was told already", alarm="end_differs" if differs else "")
    if not said.estimated:
        about.ends.told(fact)
    return envelopes(about.switch, said, leg.tenant, leg.call, [fact])


def _registration(about: Normaliser, event: Event, stamp: Stamp) -> Facts:
    phone = phone_id(text(event, "username") or text(event, "user") or text(event, "from-user"))
    domain = token(text(event, "realm") or text(event, "host") or text(event, "from-host")).lower()
    if not phone or not domain:
        return Facts(skipped="a registration of no phone")
    tenant = about.directory.owner_of_phone(phone, domain)
    fact: Fact
    kind = text(event, "Event-Subclass")
    if kind == "sofia::register":
        fact = e.PhoneRegistered(
            switch=about.switch, phone=phone, domain=domain, expires_s=count(text(event, "expires"))
        )
    else:
        reason: Literal["unregistered", "expired"] = "expired" if kind == "sofia::expire" else "unregistered"
        fact = e.PhoneUnregistered(switch=about.switch, phone=phone, domain=domain, reason=reason)
    return envelopes(about.switch, stamp, tenant, "", [fact])


RULES: dict[str, Callable[[Normaliser, Event, Any], Facts]] = {
    "CHANNEL_CREATE": _created,
    "CHANNEL_PROGRESS": _ringing,
    "CHANNEL_PROGRESS_MEDIA": _ringing,
    "CHANNEL_ANSWER": _answered,
    "CHANNEL_BRIDGE": _bridged,
    "CHANNEL_UNBRIDGE": _unbridged,
    "CHANNEL_HOLD": _held,
    "CHANNEL_UNHOLD": _held,
    "CHANNEL_PARK": _parked,
    "PLAYBACK_START": _played,
    "RECORD_START": _recording,
    "RECORD_STOP": _recording,
    "CHANNEL_HANGUP_COMPLETE": _ended,
    "sofia::register": _registration,
    "sofia::unregister": _registration,
    "sofia::expire": _registration,
}
"""Each with what is said by the kind of event that bears its name (`said.py`)."""

SUBSCRIPTION = (
    "event json CHANNEL_CREATE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_ANSWER CHANNEL_BRIDGE CHANNEL_UNBRIDGE"
    " CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_PARK CHANNEL_HANGUP_COMPLETE PLAYBACK_START RECORD_START RECORD_STOP"
    " BACKGROUND_JOB HEARTBEAT SHUTDOWN CUSTOM sofia::register sofia::unregister sofia::expire"
)
"""The lean list: what has a rule here, jobs for the commands, and what concerns the switch as a whole (`agent.py`).

SESSION_HEARTBEAT is not in it: a link that answers proves every leg of whom no end was told (`supervisor.py`)."""
