"""Applications that play and record.

Enters: a leg and the expanded data. Leaves: sounds and files, by calls/sounds.py and calls/recorder.py. Source:
mod_dptools.c.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from freeswitch.simulator import plan
from freeswitch.simulator.calls import sounds
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.calls.waiting import FRAME_S, Diverted, HungUp
from freeswitch.simulator.switch import Switch

DEFAULT_SILENCE_S = 3
"""With a threshold, but without silence hits."""


def playback(switch: Switch, channel: Channel, data: str) -> str:
    """`<file>[@@<from sample>]`, until it ends or a key of playback_terminators (`*` unless set) is pressed."""
    path, _, samples = data.partition("@@")
    return _play(switch, channel, path, _terminator_pressed(channel), plan.whole(samples))


def say(_switch: Switch, channel: Channel, _data: str) -> None:
    """`<module> <type> <method> [<gender>] <text>`: of the files that it would play none is there, so nothing is heard,
    as on a switch without the sounds of that language."""
    channel.variables.pop("playback_terminator_used", None)


def _terminator_pressed(channel: Channel) -> Callable[[], bool]:
    """Whether a key of playback_terminators was pressed, which is noted; other keys are lost. Source: on_dtmf."""
    wanted = channel.get("playback_terminators") or "*"
    terminators = {"none": "", "any": "1234567890*#"}.get(wanted.lower(), wanted)
    channel.variables.pop("playback_terminator_used", None)

    def pressed() -> bool:
        while channel.digits:
            digit = channel.digits.popleft()
            if digit in terminators:
                channel.variables["playback_terminator_used"] = digit
                return True
        return False

    return pressed


def _play(
    switch: Switch, channel: Channel, path: str, until: Callable[[], bool] = lambda: False, from_sample: int = 0
) -> str:
    try:
        return sounds.play(switch.sounds, channel, path, until=until, from_sample=from_sample)
    except HungUp:
        # Where the switch hangs up, the read fails first, which counts as the end of the file.
        by_us = not str(channel.variables.get("sip_hangup_disposition", "")).startswith("recv_")
        channel.variables["current_application_response"] = "FILE PLAYED" if by_us else "PLAYBACK ERROR"
        raise
    except Diverted:
        channel.variables["current_application_response"] = "PLAYBACK ERROR"
        raise


def endless_playback(switch: Switch, channel: Channel, data: str) -> str:
    """The same file again and again, also after a break, until the leg is sent elsewhere."""
    channel.reads_keys = False
    while True:
        response = _play(switch, channel, data)
        if response != "FILE PLAYED":
            return response
        channel.pause(FRAME_S if switch.sounds.seconds(data) == 0 else 0)


def loop_playback(switch: Switch, channel: Channel, data: str) -> str:
    """`[+<times> ]<file>`: as often as that, for ever with fewer than none. Keys end nothing."""
    times, path = 1, data
    if data.startswith("+"):
        how_often, _, path = data[1:].partition(" ")
        times = -1 if how_often.startswith("-") else plan.whole(how_often)
    if not path:
        channel.hangup("DESTINATION_OUT_OF_ORDER")
        raise HungUp
    channel.reads_keys, response = False, "FILE PLAYED"
    while times and response == "FILE PLAYED":
        response, times = _play(switch, channel, path), times - 1
    return response


def gentones(switch: Switch, channel: Channel, data: str) -> None:
    """`<tones>[|<loops>]`, without word of it; a key of playback_terminators ends it."""
    tones, _, loops = data.partition("|")
    pressed = _terminator_pressed(channel)
    times = math.inf if loops.startswith("-") else max(1, plan.whole(loops))
    lasts_s = switch.sounds.seconds(f"tone_stream://{tones}") or 0.0
    channel.pause(lasts_s * times, until=lambda: channel.took_break() or pressed())


def echo(_switch: Switch, channel: Channel, _data: str) -> None:
    """The leg hears itself until it is sent elsewhere; its keys wait."""
    channel.reads_keys = False
    channel.pause()


def record(switch: Switch, channel: Channel, data: str) -> None:
    """`<path> [limit s [silence threshold [silence hits s]]]`: until the caller has been silent for so long, time is
    up, or a key of playback_terminators is pressed. Without a threshold nobody listens for silence. Source:
    switch_ivr_record_file_event.
    """
    path, *figures = [*plan.words(data), "", "", "", ""][:4]
    limit_s, threshold, silence_s = (plan.whole(one) for one in figures)
    spoken_s = channel.message_s if isinstance(channel, SipLeg) else 0.0
    ends_s = spoken_s + (silence_s or DEFAULT_SILENCE_S) if threshold else math.inf
    pressed = _terminator_pressed(channel)
    channel.variables["silence_hits_exhausted"] = "false"
    switch.recorder.begin_message(channel, path)
    channel.took_break()
    # The second counter must have grown by more than the limit.
    most_s = channel.clock.whole_second_in(limit_s + 1) if limit_s else math.inf
    try:
        by_silence = ends_s <= most_s
        if not channel.pause(min(most_s, ends_s), until=lambda: channel.took_break() or pressed()) and by_silence:
            channel.variables["silence_hits_exhausted"] = "true"
    finally:
        if path in channel.recordings:
            switch.recorder.stop(channel, path)


def record_session(switch: Switch, channel: Channel, data: str) -> None:
    """`<path> [+limit s] [{variables}]`: the conversation, from now on."""
    path, *rest = data.split(" ")
    limit = next((one[1:] for one in rest[:1] if one.startswith("+")), "")
    variables = next((one for one in rest if one.startswith("{")), "")
    if path:
        switch.recorder.start(channel, path, variables, plan.whole(limit))


def record_session_pause(switch: Switch, channel: Channel, data: str) -> None:
    """Leaves out what is said from now on."""
    switch.recorder.pause(channel, data, True)


def record_session_resume(switch: Switch, channel: Channel, data: str) -> None:
    """No longer leaves out what is said."""
    switch.recorder.pause(channel, data, False)


def record_session_mask(switch: Switch, channel: Channel, data: str) -> None:
    """Silence in the place of what is said from now on."""
    switch.recorder.mask(channel, data, True)


def record_session_unmask(switch: Switch, channel: Channel, data: str) -> None:
    """What is said is heard again."""
    switch.recorder.mask(channel, data, False)


def stop_record_session(switch: Switch, channel: Channel, data: str) -> None:
    for path in list(channel.recordings) if data == "all" else [data]:
        if path in channel.recordings:
            switch.recorder.stop(channel, path)


def displace_session(switch: Switch, channel: Channel, data: str) -> None:
    """`<path> [<flags>] [+<limit s>]`; flag `l` plays it again and again."""
    path, *rest = [*data.split(" "), ""]
    limit = next((one[1:] for one in rest if one.startswith("+")), "")
    flags = next((one for one in rest if one and "+" not in one), "")
    if path:
        sounds.displace(switch.sounds, channel, path, plan.whole(limit), endless="l" in flags)


def stop_displace_session(_switch: Switch, channel: Channel, data: str) -> None:
    channel.stop_bug("displace", data)


def sleep(_switch: Switch, channel: Channel, data: str) -> None:
    """Milliseconds; a key ends it and is left to what follows, unless variable sleep_eat_digits has it swallowed."""
    channel.reads_keys = channel.is_true("sleep_eat_digits")
    pressed = _terminator_pressed(channel) if channel.reads_keys else lambda: bool(channel.keys)
    channel.pause(plan.whole(data) / 1000, until=lambda: channel.took_break() or pressed())
