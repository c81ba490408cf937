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
from services.eventsocket.frames import Event
from services.eventsocket.ownership import Directory
from services.eventsocket.parties import caller_of, number, phone_id, text, token, variable

_TENANT = re.compile(r"_?[a-z0-9][a-z0-9-]{0,31}")
_KIND = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def joined_leg(leg_id: str, event: Event, directory: Directory, beliefs: Beliefs) -> Leg:
    """A leg as its first event tells it."""
    inbound = text(event, "Call-Direction") == "inbound"
    direction: Direction = "inbound" if inbound else "outbound"
    leg = Leg(leg_id, direction, _via(event, directory), _kind(event, inbound), token(variable(event, "tt_call")))
    leg.destination = _destination(event, leg)
    leg.caller = caller_of(event)
    parent = None if inbound else _parent(event, beliefs)
    if not leg.call and parent is not None:
        leg.call, leg.tenant, leg.payer, leg.joined = parent.call, parent.tenant, parent.payer, "inherited"
    elif leg.call and is_ours(event):
        leg.tenant = _named_tenant(event)
        leg.payer = _tenant_id(variable(event, "tt_payer"))
    elif not leg.call and not inbound and (dialled_by := token(variable(event, "originating_leg_uuid"))):
        # A leg that we have not heard of dialled it: had a plan of ours been at work there, it would have said so.
        leg.call, leg.joined = dialled_by, "inherited"
    if leg.tenant == UNKNOWN_TENANT and inbound:
        leg.tenant = tenant_of_arrival(event, directory)
    if leg.tenant == UNKNOWN_TENANT and not inbound:
        leg.tenant = _known_tenant(event, directory)
    leg.call = leg.call or leg_id
    leg.payer = leg.payer or leg.tenant
    if parent is not None and parent.call == leg.call:
        leg.caller = parent.caller  # the dialled leg's own profile may still show a withheld number
    return leg


def is_ours(event: Event) -> bool:
    """Whether a command of ours has touched this leg: only then its tt_tenant is our word."""
    return bool(variable(event, "tt_call")) or variable(event, "tt_decision") not in ("", "static", "fallback")


def tenant_of_arrival(event: Event, directory: Directory) -> TenantId:
    """From a carrier: the owner of the dialled number. From a phone: the owner of the phone. Else `_unknown`."""
    if _via(event, directory) == "phone":
        return directory.owner_of_phone(phone_of(event), variable(event, "domain_name"))
    for dialled in (variable(event, "tt_did"), text(event, "Caller-Destination-Number"), text(event, "Caller-RDNIS")):
        owner = directory.owner_of_number(number(dialled))
        if owner != UNKNOWN_TENANT:
            return owner
    return UNKNOWN_TENANT


def phone_of(event: Event) -> str:
    """The id with which the phone logged in, or nothing: what it writes into From proves nothing.

    user_name and domain_name come from the switch's directory, sip_authorized from the check (sofia_reg.c, sofia.c).
    """
    return phone_id(variable(event, "user_name")) if variable(event, "sip_authorized") == "true" else ""


def other_leg(event: Event) -> str:
    """The other side of a bridge, as the event names it."""
    this = text(event, "Unique-ID")
    for name in ("Bridge-B-Unique-ID", "Bridge-A-Unique-ID", "Other-Leg-Unique-ID"):
        found = token(text(event, name))
        if found and found != this:
            return found
    return ""


def _parent(event: Event, beliefs: Beliefs) -> Leg | None:
    for name in (variable(event, "originating_leg_uuid"), text(event, "Other-Leg-Unique-ID")):
        found = beliefs.get(name) if name else None
        if found is not None:
            return found
    return None


def _via(event: Event, directory: Directory) -> Via:
    profile = variable(event, "sofia_profile_name")
    if not profile:  # a leg given up before its INVITE has only its name: sofia/internal/1002
        parts = text(event, "Channel-Name").split("/")
        profile = parts[1] if len(parts) > 2 and parts[0] == "sofia" else ""
    return "phone" if profile == directory.phone_profile else "trunk"


def _kind(event: Event, inbound: bool) -> str:
    if inbound:
        return "inbound"
    named = variable(event, "tt_leg")
    return named if _KIND.fullmatch(named) else "outbound"


def _destination(event: Event, leg: Leg) -> str:
    dialled = text(event, "Caller-Destination-Number")
    if leg.direction == "inbound":
        return number(variable(event, "tt_did")) or number(dialled)
    if leg.via == "phone":
        return phone_id(dialled.partition("%")[0])
    return number(dialled)


def _tenant_id(raw: str) -> str:
    return raw if _TENANT.fullmatch(raw) else ""


def _named_tenant(event: Event) -> TenantId:
    return _tenant_id(variable(event, "tt_tenant")) or UNKNOWN_TENANT


def _known_tenant(event: Event, directory: Directory) -> TenantId:
    named = _named_tenant(event)
    return named if named in directory.tenants else UNKNOWN_TENANT
