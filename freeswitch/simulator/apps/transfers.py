"""Applications that send calls on, hold them, or fetch them.

Enters: a leg and the expanded data. Leaves: legs that go elsewhere. Source: mod_dptools.c, switch_ivr_bridge.c
(intercept), switch_ivr.c (hold).
"""

from __future__ import annotations

from freeswitch.simulator import plan
from freeswitch.simulator.calls import meta_keys, parking
from freeswitch.simulator.calls.broadcast import ENDLESS, LEAD_S
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.joining import join
from freeswitch.simulator.calls.meta_keys import MetaKeys
from freeswitch.simulator.plan import App
from freeswitch.simulator.switch import Switch


def transfer(_switch: Switch, channel: Channel, data: str) -> None:
    """`[-bleg|-both] <extension> [<dialplan> [<context>]]`."""
    words = plan.words(data)
    side = words.pop(0) if words and words[0] in ("-bleg", "-both") else ""
    destination, dialplan, context, *_rest = [*words, "", "", ""]
    if side and channel.partner is not None:
        channel.partner.transfer(destination, dialplan, context)
    if side != "-bleg":
        channel.transfer(destination, dialplan, context)
    channel.check()


def bind_meta_app(_switch: Switch, channel: Channel, data: str) -> None:
    """`<key> [a|b|ab] [a|b|o|s][i][1] <app>[::<args>]`: `*` and the key start the application in the call."""
    found = meta_keys.binding(plan.words(data, 4))
    if found is None:
        return
    if channel.meta_keys is None:
        channel.meta_keys = MetaKeys((channel.get("bind_meta_key") or "*")[0])
    channel.meta_keys.bind(*found)


def unbind_meta_app(_switch: Switch, channel: Channel, data: str) -> None:
    """`[<key>]`: no longer bound; without a key none is."""
    if channel.meta_keys is not None:
        channel.meta_keys.unbind(data[:1])


def intercept(switch: Switch, channel: Channel, data: str) -> None:
    """`[-bleg] <uuid>`: takes a leg away from whomever it talks to; that one ends with PICKED_OFF."""
    words = [*plan.words(data), "", ""]
    wanted = switch.channels.get(words[1] if words[0] == "-bleg" else words[0])
    leg = wanted.partner if wanted is not None and words[0] == "-bleg" else wanted
    if leg is None or leg.hangup_cause or leg is channel:
        return
    if channel.is_true("intercept_unbridged_only") and leg.bridged.is_set():
        return
    if channel.is_true("intercept_unanswered_only") and leg.times.answered:
        return
    channel.answer()
    other = leg.partner if leg.partner is not channel else None
    leg.answer()
    leg.mark_hold(False)
    leg.picked_off = True
    join(channel, leg)
    if other is not None:
        other.hangup("PICKED_OFF")
    channel.check()


def hold(switch: Switch, channel: Channel, _data: str) -> None:
    """Its far end is put on hold by us; whom it talks to hears music."""
    switch.channels[channel.uuid].hold()


def unhold(switch: Switch, channel: Channel, _data: str) -> None:
    """Its far end is taken off hold."""
    switch.channels[channel.uuid].unhold()


def soft_hold(_switch: Switch, channel: Channel, data: str) -> None:
    """`<key> [<music for the other> [<music here>]]`: whom it talks to hears music until the key is pressed."""
    key, theirs, *_rest = [*plan.words(data), "", ""]
    other = channel.partner
    if not key or other is None:
        return
    other.broadcast(App("playback", theirs or channel.hold_music), lead_s=LEAD_S, times=ENDLESS)
    pressed: list[str] = []

    def heard(digit: str) -> bool:
        if digit == key:
            pressed.append(digit)
        return digit == key

    channel.on_key = heard
    try:
        channel.pause(until=lambda: bool(pressed) or bool(other.hangup_cause))
    finally:
        channel.on_key = None
        other.stop_broadcast()


def park(_switch: Switch, channel: Channel, _data: str) -> None:
    """Waits silently."""
    parking.park(channel)
