"""Which call and which client a leg belongs to, the first time we see it. Pure.

Enters: the event and what we believe of other legs. Leaves: a `Leg`. Legs are joined by tt_call; a leg without it
inherits from the leg that dialled it, else from its other leg; FreeSWITCH's own call uuid and caller data are never
used for it (ARCHITECTURE: our own call id).
"""

from __future__ import annotations

import re

from proto.events import Direction, Via
from proto.values import UNKNOWN_TENANT, TenantId
from services.eventsocket.beliefs import Beliefs, Leg
from services.eventsocket.callers import caller_of
from services.eventsocket.frames import Event
from services.eventsocket.ownership import Directory
from services.eventsocket.parties import UNDEFINED, defined, number, phone_id, text, token
from services.eventsocket.said import Begun, Joined, Whose

_TENANT = re.compile(r"_?[a-z0-9][a-z0-9-]{0,31}")
_KIND = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def joined_leg(said: Begun, event: Event, directory: Directory, beliefs: Beliefs) -> Leg:
    """A leg as its first event tells it."""
    inbound = said.direction == "inbound"
    direction: Direction = "inbound" if inbound else "outbound"
    leg = Leg(said.leg, direction, _via(said, event, directory), _kind(said, inbound), token(said.call))
    leg.destination = _destination(said, leg)
    parent = None if inbound else beliefs.get(said.dialled_by) or beliefs.get(said.other)
    if not leg.call and parent is not None:
        leg.call, leg.tenant, leg.payer, leg.joined = parent.call, parent.tenant, parent.payer, "inherited"
    elif leg.call and is_ours(said):
        leg.tenant = _named_tenant(said)
        leg.payer = _tenant_id(said.payer)
    elif not leg.call and not inbound and (dialled_by := token(said.dialled_by)):
        # A leg that we have not heard of dialled it: had a plan of ours been at work there, it would have said so.
        leg.call, leg.joined = dialled_by, "inherited"
    if leg.tenant == UNKNOWN_TENANT and inbound:
        leg.tenant = tenant_of_arrival(said, event, directory)
    if leg.tenant == UNKNOWN_TENANT and not inbound:
        leg.tenant = _known_tenant(said, directory)
    leg.call = leg.call or leg.id
    leg.payer = leg.payer or leg.tenant
    if parent is not None and parent.call == leg.call:
        leg.caller = parent.caller  # the dialled leg's own profile may still show a withheld number
    else:
        leg.caller = caller_of(said, event)
    return leg


def is_ours(said: Whose) -> bool:
    """Whether a command of ours has touched this leg: only then its tt_tenant is our word."""
    return bool(defined(said.call)) or said.decision not in ("", UNDEFINED, "static", "fallback")


def tenant_of_arrival(said: Whose, event: Event, directory: Directory) -> TenantId:
    """From a carrier: the owner of the dialled number. From a phone: the owner of the phone. Else `_unknown`."""
    if _via(said, event, directory) == "phone":
        return directory.owner_of_phone(phone_of(said), said.phone_domain)
    for dialled in (said.did, said.dialled, said.redirected_from):
        owner = directory.owner_of_number(number(dialled))
        if owner != UNKNOWN_TENANT:
            return owner
    return UNKNOWN_TENANT


def phone_of(said: Whose) -> str:
    """The id with which the phone logged in, or nothing: what it writes into From proves nothing.

    user_name and domain_name come from the switch's directory, sip_authorized from the check (sofia_reg.c, sofia.c).
    """
    return phone_id(said.phone) if said.phone_proved == "true" else ""


def other_leg(said: Joined) -> str:
    """The other side of a bridge, as the event names it."""
    for name in (said.bridge_b, said.bridge_a, said.other):
        if name and name != said.leg and token(name):
            return name
    return ""


def _via(said: Whose, event: Event, directory: Directory) -> Via:
    profile = defined(said.profile)
    if not profile:  # a leg given up before its INVITE has only its name: sofia/internal/1002
        parts = text(event, "Channel-Name").split("/")
        profile = parts[1] if len(parts) > 2 and parts[0] == "sofia" else ""
    return "phone" if profile == directory.phone_profile else "trunk"


def _kind(said: Begun, inbound: bool) -> str:
    if inbound:
        return "inbound"
    return said.kind if _KIND.fullmatch(said.kind) else "outbound"


def _destination(said: Begun, leg: Leg) -> str:
    if leg.direction == "inbound":
        return number(said.did) or number(said.dialled)
    if leg.via == "phone":
        return phone_id(said.dialled.partition("%")[0])
    return number(said.dialled)


def _tenant_id(raw: str) -> str:
    return raw if _TENANT.fullmatch(raw) else ""


def _named_tenant(said: Whose) -> TenantId:
    return _tenant_id(said.tenant) or UNKNOWN_TENANT


def _known_tenant(said: Whose, directory: Directory) -> TenantId:
    named = _named_tenant(said)
    return named if named in directory.tenants else UNKNOWN_TENANT
