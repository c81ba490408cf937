"""The applications that plans use, each as the real switch runs it.

Enters: a leg, an application's name and its expanded data. Leaves: the application's response, and what it did to the
leg. An application that is not here hangs the call up, as on a switch without its module. Source: mod_dptools.c.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from freeswitch.simulator import causes, dial, plan
from freeswitch.simulator.channel import Channel, HungUp
from freeswitch.simulator.events import Headers
from freeswitch.simulator.plan import App

if TYPE_CHECKING:
    from freeswitch.simulator.switch import Switch

SAMPLES_PER_S = 8000
_NONE = "_none_"


def run(switch: Switch, channel: Channel, name: str, data: str) -> str:
    """Runs one application; the response that CHANNEL_EXECUTE_COMPLETE shows."""
    app = TABLE.get(name)
    if app is None:
        switch.unknown_apps.append(name)
        channel.hangup("DESTINATION_OUT_OF_ORDER")
        raise HungUp
    return app(switch, channel, data) or _NONE


def play(switch: Switch, channel: Channel, path: str, until: Callable[[], bool] = lambda: False) -> str:
    """A file, tone or stream; bounded by variable playback_timeout_sec. PLAYBACK_START … PLAYBACK_STOP."""
    if path in switch.missing_files:
        return "FILE NOT FOUND"
    kind = path.partition("://")[0] if "://" in path else "file"
    about: Headers = {"Playback-File-Type": kind, "Playback-File-Path": path}
    seconds = plan.duration_s(path)
    limit = str(channel.variables.get("playback_timeout_sec", ""))
    if limit.isdecimal() and int(limit):
        seconds = min(float(limit), seconds if seconds is not None else math.inf)
    channel.took_break()
    channel.fire("PLAYBACK_START", after=about)
    channel.variables["current_application_response"] = "PLAYBACK ERROR"
    started_us, broken = switch.clock.now_us(), False
    try:
        broken = channel.pause(seconds, until=lambda: channel.took_break() or until())
    finally:
        ms = (switch.clock.now_us() - started_us) // 1000
        samples = str(ms * SAMPLES_PER_S // 1000)
        channel.variables |= {
            "playback_last_offset_pos": samples,
            "playback_seconds": str(ms // 1000),
            "playback_ms": str(ms),
            "playback_samples": samples,
        }
        channel.fire("PLAYBACK_STOP", after=about | {"Playback-Status": "break" if broken else "done"})
    channel.variables.pop("current_application_response", None)
    return "FILE PLAYED"


def _set(_switch: Switch, channel: Channel, data: str) -> None:
    name, _, value = data.partition("=")
    channel.set(name.strip(), value)


def _unset(_switch: Switch, channel: Channel, data: str) -> None:
    channel.set(data.strip(), "")


def _multiset(_switch: Switch, channel: Channel, data: str) -> None:
    for name, value in plan.assignments(data):
        channel.set(name, value)


def _export(_switch: Switch, channel: Channel, data: str) -> None:
    name, _, value = data.removeprefix("nolocal:").partition("=")
    if not data.startswith("nolocal:"):
        channel.set(name, value)
    channel.exports[name] = value
    channel.variables["export_vars"] = ",".join(channel.exports)


def _answer(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.answer()


def _pre_answer(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.early_media()


def _ring_ready(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.progress()


def _bridge(switch: Switch, channel: Channel, data: str) -> None:
    dial.dial_and_bridge(switch, channel, data)


def _playback(switch: Switch, channel: Channel, data: str) -> str:
    channel.early_media()
    return play(switch, channel, data)


def _endless_playback(switch: Switch, channel: Channel, data: str) -> str:
    channel.early_media()
    while True:
        response = play(switch, channel, data)
        if response != "FILE PLAYED" or plan.duration_s(data) is None or plan.duration_s(data) == 0:
            return response


def _record(switch: Switch, channel: Channel, data: str) -> None:
    """`<path> [limit s [silence threshold [silence hits s]]]`: until the caller has said it all, or time is up."""
    path, *rest = [*plan.words(data), ""]
    limit_s = float(rest[0]) if rest and rest[0].isdecimal() and int(rest[0]) else math.inf
    channel.early_media()
    switch.start_recording(channel, path, "")
    channel.took_break()
    try:
        channel.pause(min(limit_s, switch.message_s(channel)), until=channel.took_break)
    finally:
        if path in channel.recordings:
            switch.stop_recording(channel, path)


def _record_session(switch: Switch, channel: Channel, data: str) -> None:
    channel.early_media()
    switch.start_recording(channel, data.split(" +")[0].strip(), "")


def _stop_record_session(switch: Switch, channel: Channel, data: str) -> None:
    for path in list(channel.recordings) if data == "all" else [data]:
        if path in channel.recordings:
            switch.stop_recording(channel, path)


def _sleep(_switch: Switch, channel: Channel, data: str) -> None:
    channel.pause(int(data) / 1000 if data.isdecimal() else 0, until=channel.took_break)


def _sched_transfer(switch: Switch, channel: Channel, data: str) -> None:
    after, destination, dialplan, context, *_rest = [*plan.words(data), "", "", "", ""]
    switch.schedule(channel, after, lambda: channel.transfer(destination, dialplan, context))


def _sched_hangup(switch: Switch, channel: Channel, data: str) -> None:
    after, cause, *_rest = [*plan.words(data), "ALLOTTED_TIMEOUT"]
    switch.schedule(channel, after, lambda: channel.hangup(causes.named(cause)))


def _sched_broadcast(switch: Switch, channel: Channel, data: str) -> None:
    after, path, *_rest = [*plan.words(data), "", ""]
    switch.schedule(channel, after, lambda: channel.broadcast(App("playback", path)))


def _sched_cancel(switch: Switch, channel: Channel, _data: str) -> None:
    switch.cancel_scheduled(channel)


def _park(_switch: Switch, channel: Channel, _data: str) -> None:
    dial.park(channel)


def _hangup(_switch: Switch, channel: Channel, data: str) -> None:
    channel.hangup(causes.named(data) if data else "NORMAL_CLEARING")
    raise HungUp


def _respond(_switch: Switch, channel: Channel, data: str) -> None:
    code = data.split(" ")[0]
    cause = causes.SIP[int(code)][0] if code.isdecimal() and int(code) in causes.SIP else "NORMAL_CLEARING"
    channel.hangup(cause)
    raise HungUp


def _transfer(_switch: Switch, channel: Channel, data: str) -> None:
    destination, dialplan, context, *_rest = [*plan.words(data), "", "", ""]
    channel.transfer(destination, dialplan, context)
    channel.check()


def _nothing(_switch: Switch, _channel: Channel, _data: str) -> None:
    """`eval` and `log` change nothing on the call."""


TABLE: dict[str, Callable[[Switch, Channel, str], str | None]] = {
    "answer": _answer,
    "bridge": _bridge,
    "endless_playback": _endless_playback,
    "eval": _nothing,
    "export": _export,
    "hangup": _hangup,
    "log": _nothing,
    "multiset": _multiset,
    "park": _park,
    "playback": _playback,
    "pre_answer": _pre_answer,
    "record": _record,
    "record_session": _record_session,
    "respond": _respond,
    "ring_ready": _ring_ready,
    "sched_broadcast": _sched_broadcast,
    "sched_cancel": _sched_cancel,
    "sched_hangup": _sched_hangup,
    "sched_transfer": _sched_transfer,
    "set": _set,
    "sleep": _sleep,
    "stop_record_session": _stop_record_session,
    "transfer": _transfer,
    "unset": _unset,
}
