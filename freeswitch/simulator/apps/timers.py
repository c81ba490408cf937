"""Applications that do something later.

Enters: a leg, when, what. Leaves: a task of the switch. Source: mod_dptools.c, switch_ivr_async.c (sched_…).
"""

from __future__ import annotations

from freeswitch.simulator import causes, plan
from freeswitch.simulator.channel import Channel
from freeswitch.simulator.switch import Switch


def sched_transfer(switch: Switch, channel: Channel, data: str) -> None:
    after, destination, dialplan, context, *_rest = [*plan.words(data), "", "", "", ""]
    switch.schedule(channel, after, lambda: channel.transfer(destination, dialplan, context))


def sched_hangup(switch: Switch, channel: Channel, data: str) -> None:
    after, cause, *_rest = [*plan.words(data), "", ""]
    if not after:
        return
    cause = cause or "ALLOTTED_TIMEOUT"
    switch.schedule(channel, after, lambda: channel.hangup(causes.named(cause)))


def sched_broadcast(switch: Switch, channel: Channel, data: str) -> None:
    """`[+]<s> <path or app::args> [aleg|bleg|both]`."""
    after, what, sides, *_rest = [*plan.words(data), "", "", ""]
    switch.schedule(channel, after, lambda: channel.broadcast_to(what, sides))


def sched_cancel(switch: Switch, channel: Channel, _data: str) -> None:
    switch.cancel_scheduled(channel)
