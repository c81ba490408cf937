"""Applications that set variables.

Enters: a leg and the expanded data. Leaves: its variables. Source: mod_dptools.c.
"""

from __future__ import annotations

from freeswitch.simulator import plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.switch import Switch


def set_(_switch: Switch, channel: Channel, data: str) -> None:
    name, _, value = data.partition("=")
    channel.set(name.strip(), value)


def unset(_switch: Switch, channel: Channel, data: str) -> None:
    channel.set(data.strip(), "")


def multiset(_switch: Switch, channel: Channel, data: str) -> None:
    for name, value in plan.assignments(data):
        channel.set(name, value)


def export(_switch: Switch, channel: Channel, data: str) -> None:
    name, _, value = data.partition("=")
    channel.export(name, value)


def nothing(_switch: Switch, _channel: Channel, _data: str) -> None:
    """`eval` and `log` change nothing on the call."""


def bridge_export(_switch: Switch, channel: Channel, data: str) -> None:
    """As `export`, to legs that it is bridged to in any way."""
    name, _, value = data.partition("=")
    channel.export(name, value, "bridge_export_vars")
