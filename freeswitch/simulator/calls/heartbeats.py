"""SESSION_HEARTBEAT: a leg with variable enable_heartbeat_events tells every so often that it is still up.

Enters: a leg that has been answered, or a command about one. Leaves: events until it ends. They count frames, so each
comes one frame late. Source: switch_channel.c (switch_channel_perform_mark_answered), switch_core_io.c,
switch_core_session.c.
"""

from __future__ import annotations

from freeswitch.simulator.calls.leg import Leg
from freeswitch.simulator.calls.waiting import FRAME_S

DEFAULT_S = 60


def interval_s(leg: Leg) -> int:
    """Seconds, 60 for a plain yes; 0 for none."""
    value = leg.get("enable_heartbeat_events") or ""
    if value.isdecimal() and len(value) < 7:
        return int(value)
    return DEFAULT_S if leg.is_true("enable_heartbeat_events") else 0


def beat(leg: Leg, seconds: int) -> None:
    """Runs beside the leg until it ends or another heartbeat takes its place."""
    leg.heartbeats += 1
    mine = leg.heartbeats
    while seconds and not leg.clock.wait(leg.gone, seconds + FRAME_S):
        if leg.hangup_cause or leg.heartbeats != mine:
            return
        leg.fire("SESSION_HEARTBEAT")
