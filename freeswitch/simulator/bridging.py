"""Two legs that hear each other, from CHANNEL_BRIDGE to what the caller does afterwards; and a leg that parks.

Enters: two legs that are up. Leaves: the events of both, in the order of the captured traces. Who dials whom belongs to
dial.py. Source: switch_ivr_bridge.c, switch_ivr.c (park).
"""

from __future__ import annotations

from dataclasses import replace

from freeswitch.simulator import causes
from freeswitch.simulator.channel import Channel
from freeswitch.simulator.profile import Headers, OtherLeg, Times
from freeswitch.simulator.waiting import Diverted, HungUp


def meet(caller: Channel, leg: Channel) -> None:
    """The caller's profile knows whom it reached."""
    caller.profile = replace(
        caller.profile, callee_name=leg.profile.callee_name, callee_number=leg.profile.callee_number
    )


def after_failure(caller: Channel, cause: str) -> None:
    """The plan goes on, or the caller hangs up with that cause (continue_on_fail)."""
    if not causes.goes_on(str(caller.variables.get("continue_on_fail", "")), cause):
        caller.hangup(cause)
        raise HungUp


def bridge(caller: Channel, leg: Channel) -> None:
    """Both hear each other until one leaves; `caller` runs this. Then hangup_after_bridge and park_after_bridge."""
    clock = caller.clock
    caller.times.bridged = leg.times.bridged = clock.now_us()
    caller.partner, leg.partner = leg, caller
    leg.call_uuid = caller.uuid
    leg.variables["call_uuid"] = leg.variables["signal_bond"] = caller.uuid
    caller.other = OtherLeg("originatee", leg.uuid, "outbound", "inbound", leg.profile, replace(leg.times, bridged=0))
    both: Headers = {"Bridge-A-Unique-ID": caller.uuid, "Bridge-B-Unique-ID": leg.uuid}
    leg.state, leg.state_number = "CS_EXCHANGE_MEDIA", 5
    caller.fire("CHANNEL_BRIDGE", before=both)
    leg.fire("CHANNEL_STATE")
    for one, other in ((leg, caller), (caller, leg)):
        one.bridged.set()
        one.variables |= {
            "last_bridge_to": other.uuid,
            "bridge_channel": other.profile.channel_name,
            "bridge_uuid": other.uuid,
        }
    leg.watcher = None
    try:
        _talk(caller, leg)
    except (HungUp, Diverted):
        if leg.partner is caller:
            _remember_end(leg, caller)
            leg.hangup(caller.hangup_cause or "NORMAL_CLEARING")
        _unbridge(caller, leg, both)
        raise
    _remember_end(caller, leg)
    caller.variables["bridge_hangup_cause"] = leg.hangup_cause or "NORMAL_CLEARING"
    answered = bool(leg.times.answered)
    _unbridge(caller, leg, both)
    _after_bridge(caller, leg.hangup_cause or "NORMAL_CLEARING", answered=answered)


def _talk(caller: Channel, leg: Channel) -> None:
    caller.pause(0.02, until=lambda: bool(leg.hangup_cause))
    for one, other in ((leg, caller), (caller, leg)):
        about: Headers = {
            "Direction": "SEND",
            "Sent-Callee-ID-Name": one.profile.callee_name if one is caller else one.profile.caller_name,
            "Sent-Callee-ID-Number": one.profile.callee_number if one is caller else one.profile.caller_number,
            "Bridged-To": other.uuid,
        }
        if not one.hangup_cause:
            one.fire("CALL_UPDATE", before=about)
    while not leg.hangup_cause and leg.partner is caller:
        caller.pause(until=lambda: _moved(caller, leg))
        if leg.times.answered and not caller.times.answered:
            caller.answer()
    # The leg's own thread reports its end before the caller's bridge comes apart.
    caller.pause(0.05, until=lambda: leg.gone.is_set() or not leg.hangup_cause)


def _moved(caller: Channel, leg: Channel) -> bool:
    return bool(leg.hangup_cause) or leg.partner is not caller or bool(leg.times.answered and not caller.times.answered)


def _remember_end(one: Channel, other: Channel) -> None:
    if other.hangup_cause:
        one.variables["last_bridge_hangup_cause"] = other.hangup_cause
        if code := other.variables.get("proto_specific_hangup_cause"):
            one.variables["last_bridge_proto_specific_hangup_cause"] = code


def _unbridge(caller: Channel, leg: Channel, both: Headers) -> None:
    caller.fire("CHANNEL_UNBRIDGE", before=both)
    caller.partner = None
    caller.bridged.clear()
    leg.bridged.clear()
    if leg.partner is caller:
        leg.partner = None


def _after_bridge(caller: Channel, cause: str, *, answered: bool) -> None:
    if answered and caller.is_true("park_after_bridge"):
        caller.divert(lambda: park(caller, state="CS_PARK"))
        raise Diverted
    if not answered:
        after_failure(caller, cause)
    elif caller.is_true("hangup_after_bridge"):
        caller.hangup(cause)
        raise HungUp


def park(channel: Channel, state: str = "CS_EXECUTE") -> None:
    """Waits silently until somebody sends it elsewhere, at most for variable park_timeout (`seconds[:CAUSE]`)."""
    if state != channel.state:
        channel.enter(state)
    seconds, _, cause = str(channel.variables.pop("park_timeout", "")).partition(":")
    limit = int(seconds) if seconds.isdecimal() and len(seconds) < 8 else None
    channel.fire("CHANNEL_PARK")
    try:
        channel.pause(None if limit is None else channel.clock.whole_second_in(limit))
        channel.hangup(causes.named(cause))
        raise HungUp
    finally:
        channel.fire("CHANNEL_UNPARK")


def uuid_bridge(caller: Channel, leg: Channel) -> None:
    """Two legs that are up, whatever they did: both leave it, then they meet."""
    ready = []

    def wait_for_caller() -> None:
        leg.state, leg.state_number = "CS_SOFT_EXECUTE", 3
        leg.other = OtherLeg("originator", caller.uuid, caller.direction, "inbound", caller.profile, Times())
        ready.append(True)
        caller.wake.set()
        leg.pause()

    def take() -> None:
        caller.state, caller.state_number = "CS_SOFT_EXECUTE", 3
        caller.pause(2.0, until=lambda: bool(ready) or bool(leg.hangup_cause))
        if leg.hangup_cause:
            caller.hangup("DESTINATION_OUT_OF_ORDER")
            raise HungUp
        meet(caller, leg)
        for one, other in ((caller, leg), (leg, caller)):
            one.fire("CHANNEL_EXECUTE", after={"Application": "uuid_bridge", "Application-Data": other.uuid})
        bridge(caller, leg)
        caller.run_plan()

    for one in (caller, leg):
        if one.partner is not None and one.partner not in (caller, leg):
            one.partner.wake.set()
        one.partner = None
    leg.divert(wait_for_caller)
    leg.sent_to_bridge(caller.uuid)
    caller.divert(take)
    caller.sent_to_bridge(leg.uuid)
