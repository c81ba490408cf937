"""Applications that answer, ring, end or send on a call.

Enters: a leg and the expanded data. Leaves: what became of the call. Source: mod_dptools.c.
"""

from __future__ import annotations

from freeswitch.simulator import causes, parking, plan
from freeswitch.simulator.channel import Channel
from freeswitch.simulator.switch import Switch
from freeswitch.simulator.waiting import HungUp


def answer(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.answer()


def pre_answer(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.early_media()


def ring_ready(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.progress()


def park(_switch: Switch, channel: Channel, _data: str) -> None:
    parking.park(channel)


def hangup(_switch: Switch, channel: Channel, data: str) -> None:
    channel.hangup(causes.named(data) if data else "NORMAL_CLEARING")
    raise HungUp


def respond(_switch: Switch, channel: Channel, data: str) -> None:
    code = data.split(" ")[0]
    cause = causes.SIP[int(code)][0] if code.isdecimal() and int(code) in causes.SIP else "NORMAL_CLEARING"
    channel.hangup(cause)
    raise HungUp


def transfer(_switch: Switch, channel: Channel, data: str) -> None:
    destination, dialplan, context, *_rest = [*plan.words(data), "", "", ""]
    channel.transfer(destination, dialplan, context)
    channel.check()
