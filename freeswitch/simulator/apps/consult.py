"""`att_xfer`: in the middle of a call somebody asks a third party, then hangs up and so connects the two, or returns.

Enters: the leg that asks, whom to dial. Leaves: a bridge within its bridge, and at the end the new pair, or the old
one. Source: mod_dptools.c (att_thread_run, xfer_on_dtmf, hanguphook).
"""

from __future__ import annotations

from freeswitch.simulator import bridging, dial, plan
from freeswitch.simulator.channel import Channel
from freeswitch.simulator.joining import join
from freeswitch.simulator.sip_leg import SipLeg
from freeswitch.simulator.switch import Switch
from freeswitch.simulator.waiting import HungUp

_KEYS = {"attxfer_cancel_key": "#", "attxfer_hangup_key": "*", "attxfer_conf_key": "0"}


def att_xfer(switch: Switch, channel: Channel, data: str) -> None:
    """Dials; both talk. Who asked may hang up (or press `*`): done. `#` brings the first call back."""
    waiting = channel.partner
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
    try:
        outcome = dialling.run()
        if outcome.leg is not None:
            dialling.note("SUCCESS")
            bridging.meet(channel, outcome.leg)
            _consult(channel, outcome.leg, waiting, follows)
    finally:
        channel.variables.pop("soft_holding_uuid", None)
        if waiting is not None and waiting.partner is channel:
            channel.partner = waiting
            channel.variables["signal_bond"] = waiting.uuid
    channel.check()


def _consult(channel: Channel, asked: SipLeg, waiting: Channel | None, follows: bool) -> None:
    keys = {name: channel.get(name) or asked.get(name) or usual for name, usual in _KEYS.items()}

    def heard(digit: str) -> bool:
        if digit == keys["attxfer_hangup_key"]:
            channel.hangup("NORMAL_CLEARING")
        elif digit == keys["attxfer_cancel_key"]:
            asked.hangup("NORMAL_CLEARING")
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
    if waiting is not None and not waiting.hangup_cause:
        channel.variables["att_xfer_result"] = "success" if join(channel, waiting) else "failure"
