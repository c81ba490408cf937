"""`att_xfer`: in the middle of a call somebody asks a third party, then hangs up and so connects the two, or returns.

Enters: the leg that asks, whom to dial. Leaves: a bridge within its bridge, and at the end the new pair, or the old
one. Source: mod_dptools.c (att_thread_run, xfer_on_dtmf, hanguphook).
"""

from __future__ import annotations

from functools import partial

from freeswitch.simulator import plan
from freeswitch.simulator.calls import bridging, dial
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.joining import join
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.calls.waiting import HungUp
from freeswitch.simulator.plan import App
from freeswitch.simulator.switch import Switch

LOOKS_EVERY_S = 0.1
HEARS_WITHIN_S = 6.0
_KEYS = {"attxfer_cancel_key": "#", "attxfer_hangup_key": "*", "attxfer_conf_key": "0"}


def att_xfer(switch: Switch, channel: Channel, data: str) -> None:
    """Dials; both talk. Who asked may hang up (or press `*`): done. `#` brings the first call back."""
    waiting, began_us = channel.partner, channel.clock.now_us()
    try:
        spec = plan.dial_string(data)
    except plan.Malformed:
        dial.note(channel, "DESTINATION_OUT_OF_ORDER")
        return
    follows = channel.is_true("recording_follow_attxfer")
    if waiting is not None:
        channel.variables["soft_holding_uuid"] = waiting.uuid
        if follows:
            waiting.move_recordings(channel)
    dialling = dial.Dialling(switch, channel, spec, channel)
    channel.asks_for = waiting
    try:
        _ask(channel, dialling, waiting, follows)
    finally:
        channel.variables.pop("soft_holding_uuid", None)
        channel.asks_for = None
        _bond(channel, waiting)
        # The application looks every 100 ms whether it is over.
        channel.clock.sleep(LOOKS_EVERY_S - (channel.clock.now_us() - began_us) / 1_000_000 % LOOKS_EVERY_S)
    channel.check()


def _ask(channel: Channel, dialling: dial.Dialling, waiting: Channel | None, follows: bool) -> None:
    outcome = dialling.run()
    if outcome.leg is None:
        return
    dialling.note("SUCCESS")
    bridging.meet(channel, outcome.leg)
    _consult(channel, outcome.leg, waiting, follows)
    if waiting is not None and not waiting.hangup_cause:
        if not outcome.leg.hangup_cause:
            _all_three(channel, outcome.leg, waiting)
        _bond(channel, waiting)
        channel.variables["att_xfer_result"] = "success" if join(channel, waiting) else "failure"


def _all_three(channel: Channel, asked: Channel, waiting: Channel) -> None:
    """Whoever of the first two leaves, the other one goes on with who was asked. Source: hanguphook."""
    for one, other in ((waiting, channel), (channel, waiting)):
        one.variables["xfer_uuids"] = f"{asked.uuid} {other.uuid}"
        one.at_end = partial(join, asked, other)


def three_way(switch: Switch, channel: Channel, data: str) -> None:
    """`<uuid>`: hears a leg and whom it talks to, and is heard by both, until that leg ends."""
    channel.reads_keys = False
    _listen(switch, channel, data.strip())


def eavesdrop(switch: Switch, channel: Channel, data: str) -> None:
    """`<uuid>`: hears a leg and whom it talks to until that leg ends or `*` is pressed; with eavesdrop_enable_dtmf 1, 2
    and 3 say to whom one speaks (nothing tells of that).
    """
    channel.reads_keys = channel.is_true("eavesdrop_enable_dtmf")
    _listen(switch, channel, data.strip())


def _listen(switch: Switch, channel: Channel, uuid: str) -> None:
    """Once the leg has sound. Source: switch_ivr_eavesdrop_session."""
    leg = switch.channels.get(uuid)
    if leg is None or leg is channel:
        return
    leg.listeners.add(channel)
    try:
        channel.pause(HEARS_WITHIN_S, until=lambda: _sounds(leg) or bool(leg.hangup_cause))
        if not _sounds(leg) or leg.hangup_cause:
            return
        channel.early_media()
        channel.read_as("L16")
        leg.start_bug("eavesdrop", uuid)
        channel.pause(until=lambda: bool(leg.hangup_cause) or "*" in channel.digits)
    finally:
        leg.listeners.discard(channel)
        if leg.stop_bug("eavesdrop", uuid):
            channel.read_as()


def _sounds(leg: Channel) -> bool:
    return leg.sounds or bool(leg.times.answered)


def _bond(channel: Channel, waiting: Channel | None) -> None:
    """It belongs with whom it kept waiting again."""
    if waiting is not None:
        channel.variables["signal_bond"] = waiting.uuid
        if waiting.partner is channel:
            channel.partner = channel.bond = waiting


def _consult(channel: Channel, asked: SipLeg, waiting: Channel | None, follows: bool) -> None:
    keys = {name: channel.get(name) or asked.get(name) or usual for name, usual in _KEYS.items()}

    def heard(digit: str) -> bool:
        if digit == keys["attxfer_hangup_key"]:
            channel.hangup("NORMAL_CLEARING")
        elif digit == keys["attxfer_cancel_key"]:
            asked.hangup("NORMAL_CLEARING")
        elif digit == keys["attxfer_conf_key"]:
            asked.divert(lambda: asked.run_apps((App("three_way", channel.uuid),)))
        else:
            return False
        return True

    channel.on_key = heard
    try:
        bridging.bridge(channel, asked, inner=True)
    except HungUp:
        if waiting is not None and not asked.hangup_cause:
            if follows:
                channel.move_recordings(asked)
            asked.variables["att_xfer_result"] = "success" if join(asked, waiting) else "failure"
        raise
    finally:
        channel.on_key = None
