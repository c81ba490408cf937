"""A leg that waits alone, silently, until somebody sends it elsewhere.

Enters: the leg, its park_timeout. Leaves: CHANNEL_PARK, CHANNEL_UNPARK. Source: switch_ivr.c (switch_ivr_park).
"""

from __future__ import annotations

from freeswitch.simulator import causes, plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.waiting import Diverted, HungUp


def park(channel: Channel, state: str = "CS_EXECUTE") -> None:
    """Waits, at most for variable park_timeout (`seconds[:CAUSE]`)."""
    if state != channel.state:
        channel.enter(state)
    seconds, _, cause = str(channel.variables.pop("park_timeout", "")).partition(":")
    limit = plan.whole(seconds, -1)
    channel.fire("CHANNEL_PARK")
    try:
        channel.pause(None if limit < 0 else channel.clock.whole_second_in(limit))
        channel.hangup(causes.named(cause))
        raise HungUp
    except Diverted:
        if not (channel.times.answered or channel.sounds):
            # Nothing wakes it: without sound it looks every 20 ms what has become of it.
            channel.clock.sleep(channel.home.turns.of_park(channel))
        raise
    finally:
        channel.fire("CHANNEL_UNPARK")
