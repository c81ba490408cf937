"""Applications that do something later.

Enters: a leg, when, what. Leaves: a task of the switch. Source: mod_dptools.c, switch_ivr_async.c (sched_…).
"""

from __future__ import annotations

from freeswitch.simulator import causes, plan
from freeswitch.simulator.calls import heartbeats
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.switch import Switch


def sched_transfer(switch: Switch, channel: Channel, data: str) -> None:
    after, destination, dialplan, context, *_rest = [*plan.words(data), "", "", "", ""]
    switch.schedule(channel, after, "transfer", lambda: channel.transfer(destination, dialplan, context))


def sched_hangup(switch: Switch, channel: Channel, data: str) -> None:
    after, cause, *_rest = [*plan.words(data), "", ""]
    if not after:
        return
    cause = cause or "ALLOTTED_TIMEOUT"
    switch.schedule(channel, after, "hangup", lambda: channel.hangup(causes.named(cause)))


def sched_broadcast(switch: Switch, channel: Channel, data: str) -> None:
    """`[+]<s> <path or app::args> [aleg|bleg|both]`."""
    after, what, sides, *_rest = [*plan.words(data), "", "", ""]
    switch.schedule(channel, after, "broadcast", lambda: channel.broadcast_to(what, sides))


def sched_cancel(switch: Switch, channel: Channel, _data: str) -> None:
    switch.cancel_scheduled(channel)


def enable_heartbeat(switch: Switch, channel: Channel, data: str) -> None:
    """`[0|<seconds>]`: frames count them on a leg with media, the scheduler on another."""
    seconds = plan.whole(data) or heartbeats.DEFAULT_S
    if channel.has_media and channel.times.answered:
        switch.spawn(heartbeats.beat, channel, seconds)
    else:
        _beat_later(switch, channel, seconds)


def sched_heartbeat(switch: Switch, channel: Channel, data: str) -> None:
    """`[0|<seconds>]`, by the scheduler."""
    _beat_later(switch, channel, plan.whole(data) or heartbeats.DEFAULT_S)


def _beat_later(switch: Switch, channel: Channel, seconds: int) -> None:
    def beat() -> None:
        if not channel.hangup_cause:
            channel.fire("SESSION_HEARTBEAT")
            switch.scheduler.add("", f"+{seconds}", beat)

    switch.scheduler.add("", f"+{seconds}", beat)
