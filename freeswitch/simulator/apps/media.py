"""Applications that play and record.

Enters: a leg and the expanded data. Leaves: sounds and files, by sounds.py and recorder.py. Source: mod_dptools.c.
"""

from __future__ import annotations

import math

from freeswitch.simulator import plan, sounds
from freeswitch.simulator.channel import Channel
from freeswitch.simulator.sip_leg import SipLeg
from freeswitch.simulator.switch import Switch


def playback(switch: Switch, channel: Channel, data: str) -> str:
    channel.early_media()
    return sounds.play(switch.missing_files, channel, data)


def endless_playback(switch: Switch, channel: Channel, data: str) -> str:
    channel.early_media()
    while True:
        response = sounds.play(switch.missing_files, channel, data)
        if response != "FILE PLAYED" or plan.duration_s(data) is None or plan.duration_s(data) == 0:
            return response


def record(switch: Switch, channel: Channel, data: str) -> None:
    """`<path> [limit s [silence threshold [silence hits s]]]`: until the caller has said it all, or time is up."""
    path, *rest = [*plan.words(data), ""]
    limit_s = float(rest[0]) if rest and rest[0].isdecimal() and int(rest[0]) else math.inf
    channel.early_media()
    switch.recorder.start(channel, path, "")
    channel.took_break()
    try:
        channel.pause(min(limit_s, channel.message_s if isinstance(channel, SipLeg) else 0.0), until=channel.took_break)
    finally:
        if path in channel.recordings:
            switch.recorder.stop(channel, path)


def record_session(switch: Switch, channel: Channel, data: str) -> None:
    channel.early_media()
    switch.recorder.start(channel, data.split(" +")[0].strip(), "")


def stop_record_session(switch: Switch, channel: Channel, data: str) -> None:
    for path in list(channel.recordings) if data == "all" else [data]:
        if path in channel.recordings:
            switch.recorder.stop(channel, path)


def sleep(_switch: Switch, channel: Channel, data: str) -> None:
    channel.pause(int(data) / 1000 if data.isdecimal() else 0, until=channel.took_break)
