"""`limit`: at most so many legs, or so many per interval, for one key; counted in the switch, released with the leg.

Enters: a leg, realm, key, maximum. Leaves: CUSTOM limit::usage where there was room; else the call goes where the last
words say. Source: mod_dptools.c (limit_function), mod_hash.c, switch_limit.c.
"""

from __future__ import annotations

from freeswitch.simulator import causes, plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.plan import App
from freeswitch.simulator.switch import Switch

_EXCEEDED = "limit_exceeded"
"""The extension for calls beyond the limit where none is named."""


def limit(switch: Switch, channel: Channel, data: str) -> None:
    """`hash <realm> <id> [<max>[/<interval s>] [!CAUSE | <extension> [<dialplan> [<context>]]]]`."""
    backend, realm, key, most, exten, dialplan, context, *_rest = [*plan.words(data), "", "", "", "", "", "", ""]
    if not (backend and realm and key):
        return
    if backend == "hash" and _take(switch, channel, realm, key, most):
        return
    exten = exten or _EXCEEDED
    if exten.startswith("!"):
        channel.hangup(causes.named(exten[1:]))
    else:
        channel.transfer(exten, dialplan, context)
    channel.check()


def limit_execute(switch: Switch, channel: Channel, data: str) -> None:
    """`hash <realm> <id> <max>[/<interval s>] <application> <data>`: if there is room, which is free again after it."""
    backend, realm, key, most, name, argument, *_rest = [*data.split(" ", 5), "", "", "", "", "", ""]
    if name and argument and backend == "hash" and _take(switch, channel, realm, key, most):
        channel.execute(App(name, argument))
        switch.release_limits(channel)


def _take(switch: Switch, channel: Channel, realm: str, key: str, most: str) -> bool:
    count, _, interval = most.partition("/")
    most_at_once = int(count) if count.isdecimal() and len(count) < 10 else (-1 if not most or most[0] == "-" else 0)
    interval_s = int(interval) if interval.isdecimal() and len(interval) < 7 else 0
    usage = switch.limits.take(channel.uuid, realm, key, most_at_once, interval_s, channel.clock.now_us() // 1_000_000)
    if usage is None:
        return False
    if usage.added:
        about = {
            "backend": "hash",
            "realm": realm,
            "key": key,
            "usage": str(usage.legs),
            "rate": str(usage.rate),
            "max": str(most_at_once),
            "ratemax": str(max(0, most_at_once)),
        }
        switch.core.fire("CUSTOM", {**about}, "limit::usage")
    channel.variables |= {
        "limit_usage": str(usage.legs),
        f"limit_usage_{realm}_{key}": str(usage.legs),
        "limit_rate": str(usage.rate),
        f"limit_rate_{realm}_{key}": str(usage.rate),
        "limit_backend": "hash",
    }
    return True
