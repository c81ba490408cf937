"""How a leg is born: from a trunk, from a phone, or dialled, with the names and variables that the real one has then.

Enters: the switch, who calls or is called. Leaves: a channel in the switch's table that does nothing yet, or the cause
why there is none. What a leg does belongs to channel.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from freeswitch.simulator import plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.profile import Headers, OtherLeg, Profile, Times
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.calls.waiting import FRAME_S, HungUp
from freeswitch.simulator.events import channel_headers
from freeswitch.simulator.far_ends import acting, people
from freeswitch.simulator.far_ends.people import Behaviour, Caller, Carrier, Phone
from freeswitch.simulator.plan import Target
from freeswitch.simulator.switch import Switch

NO_CALLER_NUMBER = "0000000000"
"""Of a leg that nobody calls for (SWITCH_DEFAULT_CLID_NUMBER)."""


def incoming(
    switch: Switch, caller: Caller, number: str, *, carrier: Carrier | None = None, phone: str = "", leg: str = ""
) -> SipLeg:
    """A call from a carrier, or from one of our phones, as this leg if it has a name; it begins at once.

    A switch that takes no calls answers 503 and has no leg: this one is over before anything is told of it.
    """
    if not switch.vitals.admits(inbound=True):
        refused = SipLeg(switch, "inbound", Profile("", number), leg)
        refused.hangup_cause = "SWITCH_CONGESTION"
        refused.gone.set()
        return refused
    if phone and caller.wrong_password:
        return _stranger(switch, switch.phone(phone), number, leg)
    made = (
        from_phone(switch, switch.phone(phone), caller, number, leg)
        if phone
        else from_trunk(switch, caller, number, carrier, leg)
    )
    made.message_s = caller.message_s
    begin_call(switch, made, caller, _place_taken(switch, made, caller) or number)
    return made


def _place_taken(switch: Switch, leg: SipLeg, caller: Caller) -> str:
    """What an INVITE with Replaces does in the place of a dialplan, with the parties of the leg that it means; empty
    without one. Source: sofia_handle_sip_i_invite_replaces.
    """
    meant = switch.channels.get(caller.replaces)
    if meant is None:
        return ""
    theirs, partner = meant.profile, meant.bond
    meant.mark_hold(False)
    if partner is None:
        app, data = meant.get("current_application"), meant.get("current_application_data")
        what = f"answer,{app}:{data}" if data else f"answer,{app}"
    elif caller.early_only and meant.bridged.is_set():
        what = "hangup:CALL_REJECTED"
    else:
        what = f"answer,intercept:{partner.uuid}"
    leg.profile = replace(
        leg.profile,
        dialplan="inline",
        destination=what,
        caller_name=theirs.caller_name,
        caller_number=theirs.caller_number,
        callee_name=theirs.callee_name,
        callee_number=theirs.callee_number,
    )
    leg.other = OtherLeg("originator", meant.uuid, meant.direction, "inbound", theirs, Times())
    return what


def begin_call(switch: Switch, leg: SipLeg, caller: Caller, number: str) -> None:
    """Through the first states into the dialplan."""

    def begin() -> None:
        switch.core.fire("CHANNEL_STATE", newborn(leg))
        _takes_offer(leg, caller)
        leg.enter("CS_INIT")
        leg.state_number = 2
        leg.fire("CHANNEL_CREATE")
        switch.on_arrival(leg)
        acting.call(switch, leg, caller)
        leg.state = "CS_ROUTING"
        leg.enter_call_state("RINGING")
        leg.route(number)

    leg.start(begin)


def _takes_offer(leg: SipLeg, caller: Caller) -> None:
    """An INVITE that describes no sound, or none in a codec of ours, is refused before anything is told of a call.
    Raises HungUp. Source: sofia_handle_sip_i_state (late offers only with enable-3pcc).
    """
    if leg.takes_offer(caller.speaks):
        return
    for name in ("read_codec", "write_codec"):
        leg.variables.pop(name, None)
    leg.has_media = False
    leg.variables["endpoint_disposition"] = "NO CODECS" if caller.speaks else "3PCC DISABLED"
    leg.hangup("INCOMPATIBLE_DESTINATION" if caller.speaks else "MANDATORY_IE_MISSING")
    leg.clock.sleep(FRAME_S)
    raise HungUp


def _stranger(switch: Switch, phone: Phone, number: str, leg_id: str) -> SipLeg:
    """Somebody whose password is wrong: 403, and a leg that ends before it knows who calls. Source:
    sofia_handle_sip_i_invite, sofia_reg_handle_register (REG_INVITE).
    """
    switch.registrar.refuse_call(phone, number)
    leg = SipLeg(switch, "inbound", Profile(f"sofia/internal/{phone.address}", number), leg_id)
    leg.is_known = leg.has_media = False
    leg.variables |= {"sip_from_user": phone.id, "sip_call_id": uuid.uuid4().hex[:20]}
    _session(switch, leg)

    def begin() -> None:
        switch.core.fire("CHANNEL_STATE", newborn(leg))
        leg.hangup("CALL_REJECTED")
        leg.goodbye.clear()
        raise HungUp

    leg.start(begin)
    return leg


def newborn(leg: SipLeg) -> Headers:
    """A leg of which nothing is known but that it came in (CS_NEW)."""
    known = (
        "Channel-State",
        "Channel-Call-State",
        "Channel-State-Number",
        "Channel-Name",
        "Unique-ID",
        "Call-Direction",
        "Presence-Call-Direction",
        "Channel-HIT-Dialplan",
        "Channel-Call-UUID",
        "Answer-State",
    )
    headers = channel_headers(leg, variables=False)
    return {name: headers[name] for name in known}


def _clean(name: str) -> str:
    """Source: switch_clean_string."""
    return "".join(" " if one < " " and one not in "\r\n" else one for one in name)


def from_trunk(switch: Switch, caller: Caller, number: str, carrier: Carrier | None, leg_id: str = "") -> SipLeg:
    """A call that a carrier brings."""
    hidden = caller.withheld and not caller.shown
    shown = "anonymous" if hidden else caller.shown or caller.number
    name = "Anonymous" if hidden else caller.name or shown
    # sofia defuses a variable reference in what a caller sends, and drops the header that held it.
    defused = name.replace("$", "%") if "${" in name else name
    # Escapes like %0a are undone once, on the way into the profile only.
    told = _clean(unquote(caller.asserted_name or defused, errors="surrogateescape"))
    host = (carrier.host if carrier else "") or "127.0.0.1:5090"
    profile = Profile(
        channel_name=f"sofia/external/{shown}@{host}",
        destination=number,
        caller_name=told,
        caller_number=caller.number,
        original_name=told,
        original_number=caller.number,
        username=caller.number,
        hide_name=caller.withheld,
        hide_number=caller.withheld,
    )
    leg = SipLeg(switch, "inbound", profile, leg_id, address=f"{shown}@127.0.0.1")
    leg.variables |= {"sip_from_user": shown, "sofia_profile_name": "external"}
    if defused == name and caller.name is not None:
        leg.variables["sip_from_display"] = name
    _identify(leg, caller, shown)
    _arrived(switch, leg, number)
    for name, value in caller.headers.items():
        leg.variables["sip_history_info" if name.lower() == "history-info" else f"sip_h_{name}"] = value
    return leg


def _identify(leg: SipLeg, caller: Caller, shown: str) -> None:
    """What it said of itself beside its From. Source: sofia_handle_sip_i_invite."""
    said = dict(caller.identities)
    if caller.withheld and not said:
        said = ({"P-Asserted-Identity": caller.number} if caller.number != shown else {}) | {"Privacy": "id"}
    leg.variables |= {f"sip_{name}": value for name, value in said.items()}
    if "P-Asserted-Identity" in said or "P-Preferred-Identity" in said:
        leg.variables["sip_cid_type"] = "pid"
    elif "Remote-Party-ID" in said:
        leg.variables["sip_cid_type"] = "rpid"


def from_phone(switch: Switch, phone: Phone, caller: Caller, number: str, leg_id: str = "") -> SipLeg:
    """A call that one of our phones makes; its tenant comes from the directory entry."""
    switch.registrar.call(phone, number)
    name = caller.name or phone.id
    profile = Profile(
        channel_name=f"sofia/internal/{phone.address}",
        destination=number,
        caller_name=name,
        caller_number=phone.id,
        original_name=name,
        original_number=phone.id,
        username=phone.id,
        context="default",
    )
    leg = SipLeg(switch, "inbound", profile, leg_id, address=phone.address)
    leg.variables |= {
        "sip_from_user": phone.id,
        **({"sip_from_display": name} if caller.name is not None else {}),
        "sip_authorized": "true",
        "sip_auth_username": phone.id,
        "sip_auth_realm": phone.domain,
        "user_name": phone.id,
        "domain_name": phone.domain,
        "user_context": "default",
        "sofia_profile_name": "internal",
    } | phone.variables
    if phone.tenant:
        leg.variables["tt_tenant"] = phone.tenant
    _arrived(switch, leg, number)
    return leg


def _arrived(switch: Switch, leg: SipLeg, number: str) -> None:
    _session(switch, leg)
    leg.variables |= {
        "sip_call_id": uuid.uuid4().hex[:20],
        "sip_network_ip": "127.0.0.1",
        "sip_req_user": number,
        "sip_to_user": number,
        "max_forwards": "70",
        "read_codec": "PCMU",
        "write_codec": "PCMU",
        "endpoint_disposition": "RECEIVED",
    }
    if leg.presence_id:
        leg.variables["presence_id"] = leg.presence_id


def _session(switch: Switch, leg: SipLeg) -> None:
    switch.core.sessions += 1
    switch.channels[leg.uuid] = switch.sessions[leg.uuid] = leg
    leg.variables = {
        "direction": leg.direction,
        **({"is_outbound": "true"} if leg.direction == "outbound" else {}),
        "uuid": leg.uuid,
        "call_uuid": leg.uuid,
        "session_id": str(switch.core.sessions),
        "channel_name": leg.profile.channel_name,
    } | leg.variables


def to_dial(switch: Switch, target: Target, common: Mapping[str, str], originator: Channel | None) -> SipLeg | str:
    """A leg to dial, still silent, or the cause why there can be none."""
    if not switch.vitals.admits(inbound=False):
        return "DESTINATION_OUT_OF_ORDER"
    found = _resolve(switch, target.endpoint)
    if isinstance(found, str):
        _stillborn(switch)
        return found
    name, number, address, profile_name, behaviour, gateway = found
    options = {**common, **target.variables}
    leg = SipLeg(
        switch,
        "outbound",
        _dialled_profile(name, number, options, originator),
        leg=options.get("origination_uuid") or switch.leg_ids(number),
        address=address,
    )
    if leg.uuid in switch.channels:
        return "DESTINATION_OUT_OF_ORDER"
    leg.behaviour = behaviour
    leg.state, leg.state_number = "CS_NONE", 1
    leg.variables, leg.sofia_profile = {}, profile_name
    if address:
        leg.variables["sip_local_url"] = address
    if leg.presence_id:
        leg.variables["presence_id"] = leg.presence_id
    if gateway:
        leg.variables["sip_gateway_name"] = gateway
        leg.gateway_host = next(one.host for one in switch.carriers if one.gateway == gateway)
    if originator is not None:
        hops = originator.get("max_forwards")
        leg.variables["max_forwards"] = str(plan.whole(hops) - 1) if hops else "70"
        leg.other = OtherLeg(
            "originator", originator.uuid, originator.direction, "inbound", originator.profile, Times()
        )
        leg.variables |= {"originator": originator.uuid, "signal_bond": originator.uuid}
        leg.variables |= {"call_uuid": originator.call_uuid}
        if (originator.get("sip_copy_custom_headers") or "true").lower() not in ("false", "no", "off", "0"):
            leg.variables |= {key: value for key, value in originator.variables.items() if key.startswith("sip_h_")}
        if cid_type := originator.get("sip_cid_type"):
            leg.variables["sip_cid_type"] = cid_type
    _session(switch, leg)
    leg.variables |= {**common, **(originator.exported() if originator else {}), **target.variables}
    if originator is not None:
        leg.variables["originating_leg_uuid"] = originator.uuid
    leg.variables["originate_endpoint"] = "sofia"
    return leg


def _resolve(switch: Switch, endpoint: str) -> tuple[str, str, str, str, Behaviour, str] | str:
    """Channel name, destination, address of a phone, profile, behaviour, gateway; or a cause."""
    kind, _, rest = endpoint.partition("/")
    if kind == "error":
        return rest
    if kind == "user":
        return "MANDATORY_IE_MISSING"
    if kind != "sofia":
        return "CHAN_NOT_IMPLEMENTED"
    profile, _, address = rest.partition("/")
    if profile == "gateway":
        gateway, _, number = address.partition("/")
        carrier = next((one for one in switch.carriers if gateway and one.gateway == gateway), None)
        known = switch.gateways.find(gateway)
        if carrier is None or known is None or known.going:
            return "INVALID_GATEWAY"
        if not known.up:
            return "GATEWAY_DOWN"
        name = f"sofia/{carrier.profile}/{number}"
        return name, number, "", carrier.profile, carrier.behaviour_of(number), gateway
    if profile not in {"internal", "external"} | {one.profile for one in switch.carriers}:
        return "INVALID_PROFILE"
    if "%" in address:
        phone = switch.phones.get(address.replace("%", "@", 1))
        if phone is None or not phone.registered:
            return "USER_NOT_REGISTERED"
        return f"sofia/{profile}/{phone.id}", address, phone.address, profile, phone.behaviour, ""
    number, _, host = address.partition("@")
    carrier = next((one for one in switch.carriers if host and one.host == host), None)
    behaviour = carrier.behaviour_of(number) if carrier else people.OUT_OF_SERVICE
    return f"sofia/{profile}/{address}", number, "", profile, behaviour, ""


def _stillborn(switch: Switch) -> None:
    """A leg that could not be made shows nothing but its end, with neither name nor caller."""
    leg = switch.leg_ids("")
    switch.core.sessions += 1
    about: Headers = {
        "Channel-State": "CS_NONE",
        "Channel-Call-State": "DOWN",
        "Channel-State-Number": "0",
        "Channel-Name": "N/A",
        "Unique-ID": leg,
        "Call-Direction": "outbound",
        "Presence-Call-Direction": "outbound",
        "Channel-HIT-Dialplan": "false",
        "Channel-Call-UUID": leg,
        "Answer-State": "ringing",
        "variable_direction": "outbound",
        "variable_is_outbound": "true",
        "variable_uuid": leg,
        "variable_call_uuid": leg,
        "variable_session_id": str(switch.core.sessions),
    }
    switch.core.fire("CHANNEL_DESTROY", about)


def _dialled_profile(name: str, number: str, options: Mapping[str, str], originator: Channel | None) -> Profile:
    before = originator.profile if originator else None
    own_name = str(originator.variables.get("effective_caller_id_name", "")) if originator else ""
    own_number = str(originator.variables.get("effective_caller_id_number", "")) if originator else ""
    caller_name = options.get("origination_caller_id_name") or own_name or (before.caller_name if before else "")
    caller_number = (
        options.get("origination_caller_id_number")
        or own_number
        or (before.caller_number if before else NO_CALLER_NUMBER)
    )
    screen, hide_name, hide_number = _privacy(options.get("origination_privacy", ""), before)
    return Profile(
        channel_name=name,
        destination=number,
        caller_name=plan.sanitized(caller_name),
        caller_number=plan.sanitized(caller_number),
        original_name=before.original_name if before else caller_name,
        original_number=before.original_number if before else caller_number,
        callee_name="Outbound Call",
        callee_number=number,
        username=before.username if before else "",
        dialplan=before.dialplan if before else "",
        context=before.context if before else "default",
        network_addr=before.network_addr if before else "",
        source=before.source if before else "src/switch_ivr_originate.c",
        screen=screen,
        hide_name=hide_name,
        hide_number=hide_number,
    )


def _privacy(asked: str, before: Profile | None) -> tuple[bool, bool, bool]:
    """Screened, name hidden, number hidden: as origination_privacy says, else as of whoever dials."""
    if asked:
        return "screen" in asked, "hide_name" in asked, "hide_number" in asked
    return (before.screen, before.hide_name, before.hide_number) if before else (True, False, False)
