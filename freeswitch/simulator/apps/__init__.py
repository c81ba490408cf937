"""The applications that plans use, each as the real switch runs it.

Enters: nothing. Leaves: TABLE, by the names that plans give them. Each module has one subject; a name that is not here
hangs the call up, as on a switch without that module.
"""

from __future__ import annotations

from freeswitch.simulator.apps import (
    bridge,
    consult,
    control,
    digits,
    limits,
    media,
    timers,
    transfers,
    valet,
    variables,
)
from freeswitch.simulator.switch import Application

TABLE: dict[str, Application] = {
    "answer": control.answer,
    "att_xfer": consult.att_xfer,
    "bind_meta_app": transfers.bind_meta_app,
    "bridge": bridge.bridge,
    "bridge_export": variables.bridge_export,
    "deflect": control.deflect,
    "enable_heartbeat": timers.enable_heartbeat,
    "endless_playback": media.endless_playback,
    "eval": variables.nothing,
    "export": variables.export,
    "hangup": control.hangup,
    "hold": transfers.hold,
    "intercept": transfers.intercept,
    "limit": limits.limit,
    "log": variables.nothing,
    "multiset": variables.multiset,
    "park": transfers.park,
    "play_and_get_digits": digits.play_and_get_digits,
    "playback": media.playback,
    "pre_answer": control.pre_answer,
    "privacy": control.privacy,
    "read": digits.read,
    "record": media.record,
    "record_session": media.record_session,
    "record_session_mask": media.record_session_mask,
    "record_session_pause": media.record_session_pause,
    "record_session_resume": media.record_session_resume,
    "record_session_unmask": media.record_session_unmask,
    "redirect": control.redirect,
    "respond": control.respond,
    "ring_ready": control.ring_ready,
    "sched_broadcast": timers.sched_broadcast,
    "sched_cancel": timers.sched_cancel,
    "sched_hangup": timers.sched_hangup,
    "sched_heartbeat": timers.sched_heartbeat,
    "sched_transfer": timers.sched_transfer,
    "send_dtmf": digits.send_dtmf,
    "set": variables.set_,
    "sleep": media.sleep,
    "soft_hold": transfers.soft_hold,
    "stop_record_session": media.stop_record_session,
    "three_way": consult.three_way,
    "transfer": transfers.transfer,
    "unhold": transfers.unhold,
    "unset": variables.unset,
    "valet_park": valet.valet_park,
    "wait_for_answer": control.wait_for_answer,
}

__all__ = ["TABLE"]
