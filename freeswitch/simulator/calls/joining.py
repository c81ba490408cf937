"""Two legs that are up, whatever they did: both leave it, then they meet (`uuid_bridge`, pick-up, attended transfer).

Enters: two legs, in the order in which they were named. Leaves: both diverted; what they do then is a bridge. Which
number a leg shows after having been turned round is decided here too. Source: switch_ivr_uuid_bridge.
"""

from __future__ import annotations

from dataclasses import replace

from freeswitch.simulator.calls.bridging import bridge, transfer_to
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.parking import park
from freeswitch.simulator.calls.profile import STATES, OtherLeg, Times


def join(first: Channel, second: Channel) -> bool:
    """`first` runs the bridge, unless only `second` has media; whether there is anything to bridge."""
    if second.hangup_cause:
        return False
    first.sounds_both_ways()
    second.sounds_both_ways()
    if first.direction == "outbound" and not first.in_dialplan:
        first.turn_round()
        first.in_dialplan = True
    if first.hangup_cause:
        return False
    if not first.has_media:
        if not second.has_media:
            return False
        first, second = second, first
    if second.direction == "outbound" and second.in_dialplan:
        second.in_dialplan = False
    _acquaint(first, second)
    _divert(first, second)
    return True


def _acquaint(first: Channel, second: Channel) -> None:
    first.variables["uuid_bridge"] = second.uuid
    for one, other in ((first, second), (second, first)):
        one.variables |= {
            "bridge_channel": other.profile.channel_name,
            "bridge_uuid": other.uuid,
            "signal_bond": other.uuid,
        }
        one.bond = other
    if first.is_called_side:
        _invert(first)
        if first.direction == "inbound":
            second.is_b_leg = False
    if not second.is_called_side:
        _invert(second)
        if second.direction == "inbound":
            second.is_b_leg = True
    for one in (first, second):
        one.set("original_destination_number", one.profile.destination)
        one.set("original_caller_id_name", one.profile.caller_name)
        one.set("original_caller_id_number", one.profile.caller_number)
    first.sent_to_bridge(second.uuid)
    second.sent_to_bridge(first.uuid)
    before = first.profile
    first.other = OtherLeg(
        "originatee", second.uuid, second.direction, "inbound", second.profile, replace(second.times)
    )
    second.other = OtherLeg("originator", first.uuid, first.direction, "inbound", before, Times())
    first.profile = replace(before, callee_name=second.profile.callee_name, callee_number=second.profile.callee_number)
    second.profile = replace(second.profile, caller_name=before.caller_name, caller_number=before.caller_number)


def _invert(leg: Channel) -> None:
    profile = leg.profile
    leg.profile = replace(
        profile,
        caller_name=profile.callee_name or "Unknown",
        caller_number=profile.callee_number or "Unknown",
        callee_name=profile.caller_name,
        callee_number=profile.caller_number,
    )


def _divert(first: Channel, second: Channel) -> None:
    ready: list[bool] = []

    def reset(leg: Channel) -> None:
        """CS_RESET, on the way: it is nobody's call. Source: switch_core_standard_on_reset."""
        leg.takes_sound_again()
        leg.variables["call_uuid"] = leg.call_uuid = leg.uuid

    def wait_for_first() -> None:
        reset(second)
        second.enter("CS_SOFT_EXECUTE")
        ready.append(True)
        first.wake.set()
        second.pause()

    def take() -> None:
        reset(first)
        first.enter("CS_SOFT_EXECUTE")
        first.pause(20.0, until=lambda: bool(ready) or bool(second.hangup_cause))
        first.variables.pop("uuid_bridge", None)
        if second.hangup_cause or not ready:
            _left_alone(first)
        if not second.has_media:
            second.hangup("DESTINATION_OUT_OF_ORDER")
            first.hangup("ORIGINATOR_CANCEL")
            first.check()
        for one, other in ((first, second), (second, first)):
            one.fire("CHANNEL_EXECUTE", after={"Application": "uuid_bridge", "Application-Data": other.uuid})
        bridge(first, second)
        first.run_plan()

    for one in (first, second):
        one.stop_broadcast()
        one.keys.flush()
    first.state_number = second.state_number = STATES["CS_HIBERNATE"]
    second.divert(wait_for_first)
    first.divert(take)


def _left_alone(first: Channel) -> None:
    if first.is_true("park_after_bridge"):
        first.divert(lambda: park(first, state="CS_PARK"))
    elif where := first.variables.pop("transfer_after_bridge", ""):
        transfer_to(first, str(where))
    else:
        first.hangup("DESTINATION_OUT_OF_ORDER")
    first.check()


__all__ = ["join"]
