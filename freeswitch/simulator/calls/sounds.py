"""A sound on a leg: a file, a tone or a stream.

Enters: a leg and what to play. Leaves: PLAYBACK_START, PLAYBACK_STOP and the variables about it. Source:
switch_ivr_play_say.c.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from freeswitch.simulator import plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.profile import Headers

SAMPLES_PER_S = 8000
_NAMED = ("local_stream", "tone_stream")
"""Of these an event tells the kind."""


@dataclass
class Library:
    """The sound files of one switch."""

    missing: set[str] = field(default_factory=set)
    lengths_s: dict[str, float] = field(default_factory=dict)
    """Of those files of which it is known."""

    def seconds(self, path: str) -> float | None:
        """How long a file, tone or stream lasts; None for ever."""
        return plan.duration_s(path, self.lengths_s)


def play(
    library: Library,
    channel: Channel,
    path: str,
    until: Callable[[], bool] = lambda: False,
    limit_s: float | None = None,
    from_sample: int = 0,
) -> str:
    """A file (from some sample on), tone or stream; bounded by variable playback_timeout_sec. PLAYBACK_START …
    PLAYBACK_STOP."""
    if path in library.missing:
        return "FILE NOT FOUND"
    kind = path.partition("://")[0]
    about: Headers = {"Playback-File-Type": kind} if kind in _NAMED else {}
    about["Playback-File-Path"] = path
    seconds = library.seconds(path)
    if seconds is not None and from_sample:
        seconds = max(0.0, seconds - from_sample / SAMPLES_PER_S)
    if limit := plan.whole(str(channel.variables.get("playback_timeout_sec", ""))):
        seconds = min(float(limit), seconds if seconds is not None else math.inf)
    if limit_s is not None:
        seconds = min(limit_s, seconds if seconds is not None else math.inf)
    channel.took_break()
    channel.fire("PLAYBACK_START", after=about)
    started_us, ended = channel.clock.now_us(), ""
    channel.is_sent_sound = True
    for recording in channel.recordings.values():
        recording.sent_since_us = recording.sent_since_us or started_us
    try:
        ended = "break" if _hears(channel, seconds, lambda: channel.took_break() or until()) else "done"
    finally:
        channel.is_sent_sound = False
        ms = _read_ms(path, library, (channel.clock.now_us() - started_us) // 1000, _apart_ms(channel, started_us))
        samples = str(ms * SAMPLES_PER_S // 1000)
        channel.variables |= {
            "playback_last_offset_pos": str(from_sample + int(samples)),
            "playback_seconds": str(ms // 1000),
            "playback_ms": str(ms),
            "playback_samples": samples,
        }
        channel.fire("PLAYBACK_STOP", after=about | {"Playback-Status": ended or "done"})
    return "FILE PLAYED"


def displace(library: Library, channel: Channel, path: str, limit_s: int = 0, *, endless: bool = False) -> bool:
    """The far end hears this in the place of everything else, until it ends; whether it could be begun. MEDIA_BUG_START
    … MEDIA_BUG_STOP. Source: switch_ivr_displace_session.
    """
    channel.early_media()
    if ("displace", path) in channel.bugs or path in library.missing:
        return False
    channel.start_bug("displace", path)
    seconds = [limit_s or None, None if endless else library.seconds(path)]
    if ends_s := min((one for one in seconds if one is not None), default=None):
        channel.home.spawn(_stop_displacing, channel, path, ends_s)
    return True


def _stop_displacing(channel: Channel, path: str, seconds: float) -> None:
    if not channel.clock.wait(channel.gone, seconds):
        channel.stop_bug("displace", path)


def _hears(channel: Channel, seconds: float | None, until: Callable[[], bool]) -> bool:
    """Whether it was broken off; what is broadcast meanwhile takes no time from it."""
    while True:
        since_us = channel.clock.now_us()
        if channel.pause(seconds, until=until):
            return True
        seconds = sum(end - start for start, end in _apart_ms(channel, since_us)) / 1000
        if not seconds:
            return False


def _apart_ms(channel: Channel, since_us: int) -> list[tuple[int, int]]:
    """From when to when it stood still, counted from that moment."""
    return [((a - since_us) // 1000, (b - since_us) // 1000) for a, b in channel.apart if a >= since_us]


def _read_ms(path: str, library: Library, lasted_ms: int, apart: Sequence[tuple[int, int]]) -> int:
    """How much of a sound has been read by the time that it ends."""
    if path.startswith("local_stream://"):
        return _read_of_a_stream_ms(lasted_ms, apart)
    played_ms = lasted_ms - sum(end - start for start, end in apart)
    if played_ms < FRAME_MS:
        # Whatever breaks it off is looked at before anything is read.
        return 0
    read_ms = 0
    for piece_ms in plan.pieces_ms(path, library.lengths_s):
        if not piece_ms:
            return played_ms
        if played_ms <= read_ms + piece_ms:
            rest_ms = played_ms - read_ms
            return read_ms + min(piece_ms, math.ceil(rest_ms / plan.READ_AHEAD_MS) * plan.READ_AHEAD_MS)
        read_ms += piece_ms
    return played_ms


FRAME_MS = 20
SILENCE_MS = 250
"""What is read of a stream that has nothing yet."""


def _read_of_a_stream_ms(lasted_ms: int, apart: Sequence[tuple[int, int]]) -> int:
    """A stream goes on by itself; all that has come since is read as soon as what was read before has been heard.
    Source: mod_local_stream.c (local_stream_file_read).
    """
    read_ms = heard_until_ms = taken_until_ms = 0
    while heard_until_ms < lasted_ms or not read_ms:
        chunk_ms = heard_until_ms - taken_until_ms or SILENCE_MS
        read_ms, taken_until_ms = read_ms + chunk_ms, heard_until_ms
        begins_ms = heard_until_ms
        heard_until_ms += chunk_ms
        for start, end in apart:
            if begins_ms <= start < heard_until_ms:
                heard_until_ms += end - start
    return read_ms
