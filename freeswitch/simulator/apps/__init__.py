"""The applications that plans use, each as the real switch runs it.

Enters: nothing. Leaves: TABLE, by the names that plans give them. Each module has one subject; a name that is not here
hangs the call up, as on a switch without that module.
"""

from __future__ import annotations

from freeswitch.simulator.apps import bridge, control, media, timers, variables
from freeswitch.simulator.switch import Application

TABLE: dict[str, Application] = {
    "answer": control.answer,
    "bridge": bridge.bridge,
    "endless_playback": media.endless_playback,
    "eval": variables.nothing,
    "export": variables.export,
    "hangup": control.hangup,
    "log": variables.nothing,
    "multiset": variables.multiset,
    "park": control.park,
    "playback": media.playback,
    "pre_answer": control.pre_answer,
    "record": media.record,
    "record_session": media.record_session,
    "respond": control.respond,
    "ring_ready": control.ring_ready,
    "sched_broadcast": timers.sched_broadcast,
    "sched_cancel": timers.sched_cancel,
    "sched_hangup": timers.sched_hangup,
    "sched_transfer": timers.sched_transfer,
    "set": variables.set_,
    "sleep": media.sleep,
    "stop_record_session": media.stop_record_session,
    "transfer": control.transfer,
    "unset": variables.unset,
}

__all__ = ["TABLE"]
