"""Recordings of legs: when a file begins and ends, and what is told about it.

Enters: a leg, a path, variables of the recording. Leaves: RECORD_START, RECORD_STOP, and silence in a file where files
are written. Source: switch_ivr_async.c (record_session), switch_ivr_play_say.c (record).
"""

from __future__ import annotations

import wave
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gevent

from freeswitch.simulator import plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.leg import Leg
from freeswitch.simulator.calls.profile import Headers
from freeswitch.simulator.calls.recording import FRAME_US, Recording
from freeswitch.simulator.calls.sounds import SAMPLES_PER_S

_BYTES_BEFORE_SOUND = 44
GATHERED_FRAMES = 25
_NOBODY_WRITES = ("/proc/", "/sys/")


class Recorder:
    """All recordings of one switch."""

    def __init__(self, spawn: Callable[..., gevent.Greenlet[..., None]], root: Path | None) -> None:
        self._spawn = spawn
        self._root = root
        """Where files are really written; None writes none."""
        self.unwritable: set[str] = set()
        """Paths that cannot be opened: no RECORD_START follows."""

    def start(self, channel: Channel, path: str, variables: str = "", limit_s: int = 0) -> bool:
        """`record_session`: while the leg lives, or `limit_s`. A second start of the same file changes nothing.

        Whether the file could be made; missing folders are.
        """
        if path in channel.recordings:
            if channel.is_true("RECORD_TOGGLE_ON_REPEAT"):
                self.stop(channel, path)
            return True
        channel.early_media()
        _take_notes(channel)
        if path in self.unwritable or path.startswith(_NOBODY_WRITES):
            channel.variables["record_completion_cause"] = "uri-failure"
            return False
        now_us = channel.clock.now_us()
        recording = Recording(channel, now_us, _recording_variables(variables))
        recording.gathers_us = _frames(channel.get("RECORD_PRE_BUFFER_FRAMES")) * FRAME_US
        recording.gathers_since_us = now_us
        recording.sent_since_us = now_us if channel.is_sent_sound or channel.bridged.is_set() else 0
        recording.records = self._may_record(channel)
        channel.recordings[path] = recording
        channel.fire("RECORD_START", after={"Record-File-Path": path} | recording.variables)
        channel.execute_on("execute_on_record_start")
        channel.fire("MEDIA_BUG_START", before=_bug(path))
        if limit_s:
            recording.limit = self._spawn(self._stop_later, recording, path, limit_s)
        return True

    def begin_message(self, channel: Channel, path: str) -> None:
        """`record`: what the leg says to the switch, within an application."""
        _take_notes(channel)
        channel.recordings[path] = Recording(channel, channel.clock.now_us(), session=False)
        channel.read_as("L16")
        channel.fire("RECORD_START", after={"Record-File-Path": path})

    def pause(self, channel: Channel, path: str, paused: bool) -> bool:
        """Leaves out what is said meanwhile; whether there is such a recording."""
        recording = channel.recordings.get(path)
        if recording is None:
            return False
        now_us = channel.clock.now_us()
        if paused and not recording.paused_since_us:
            recording.paused_since_us = now_us
        elif not paused and recording.paused_since_us:
            recording.left_out_us += now_us - recording.paused_since_us
            recording.paused_since_us = 0
        return True

    def mask(self, channel: Channel, path: str, masked: bool) -> bool:
        """Silence in the place of what is said meanwhile; whether there is such a recording."""
        recording = channel.recordings.get(path)
        if recording is None:
            return False
        recording.masked = masked
        return True

    def _stop_later(self, recording: Recording, path: str, limit_s: int) -> None:
        leg = recording.leg
        # By the second counter, like every time of the switch (switch_core_media_bug.c, stop_time).
        leg.clock.sleep(leg.clock.whole_second_in(limit_s))
        leg = recording.leg
        if isinstance(leg, Channel) and leg.recordings.get(path) is recording:
            self.stop(leg, path)

    def stop(self, channel: Channel, path: str, *, quietly: bool = False) -> None:
        """RECORD_STOP, and the file where files are written; `quietly`: MEDIA_BUG_STOP is left to the caller."""
        self.pause(channel, path, False)
        recording = channel.recordings.pop(path)
        if recording.limit is not None and recording.limit is not gevent.getcurrent():
            recording.limit.kill(block=False)
        stereo = recording.session and (channel.is_true("RECORD_STEREO") or channel.is_true("RECORD_STEREO_SWAP"))
        now_us = channel.clock.now_us()
        left_out_us = recording.left_out_us + recording.unwritten_us(now_us)
        ms = max(0, now_us - recording.started_us - left_out_us) // 1000 if recording.records else 0
        samples = ms * SAMPLES_PER_S // 1000
        size = _BYTES_BEFORE_SOUND + samples * (4 if stereo else 2)
        channel.variables |= {
            "record_file_size": str(size),
            "record_samples": str(samples),
            "record_seconds": str(ms // 1000),
            "record_ms": str(ms),
        }
        about: Headers = {"Record-File-Path": path} | recording.variables
        if not recording.session:
            self._write(path, samples, 1)
            channel.variables["record_record_file_size"] = str(size)
            channel.fire("RECORD_STOP", after=about)
            channel.read_as()
            return
        cause = _completion(channel, recording, samples)
        channel.variables["record_completion_cause"] = cause
        if cause.startswith("success"):
            self._write(path, samples, 2 if stereo else 1)
        else:
            channel.variables["RECORD_DISCARDED"] = "true"
        channel.fire("RECORD_STOP", after=about | {"Record-Completion-Cause": cause})
        channel.execute_on("execute_on_record_stop")
        if not quietly:
            channel.fire("MEDIA_BUG_STOP", before=_bug(path))

    def stop_all(self, channel: Channel) -> None:
        """Every recording of a leg."""
        sessions = [path for path, recording in channel.recordings.items() if recording.session]
        for path in list(channel.recordings):
            self.stop(channel, path, quietly=True)
        for path in reversed(sessions):
            channel.fire("MEDIA_BUG_STOP", before=_bug(path))

    @staticmethod
    def _may_record(channel: Leg) -> bool:
        return not (channel.is_true("RECORD_ANSWER_REQ") and not channel.times.answered)

    def _write(self, path: str, samples: int, channels: int) -> None:
        """Silence, at the path that was asked for, if that lies in the recordings folder and nowhere else.

        A folder that is full loses the sound, as there, and not the call.
        """
        if self._root is None:
            return
        root, file = self._root.resolve(), Path(path).resolve()
        if not file.is_relative_to(root):
            return
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(file), "wb") as out:
                out.setnchannels(channels)
                out.setsampwidth(2)
                out.setframerate(SAMPLES_PER_S)
                out.writeframes(bytes(samples * channels * 2))


def _frames(wanted: str | None) -> int:
    """How many frames are gathered first."""
    return GATHERED_FRAMES if wanted is None else plan.whole(wanted)


def _take_notes(channel: Leg) -> None:
    """What is to stand in the file itself is taken from the variables once."""
    for name in ("TITLE", "COPYRIGHT", "SOFTWARE", "ARTIST", "COMMENT", "DATE"):
        channel.variables.pop(f"RECORD_{name}", None)


def _completion(channel: Leg, recording: Recording, samples: int) -> str:
    """Why it ended, as `Record-Completion-Cause` words it."""
    if not recording.records:
        return "empty-file"
    least_s = channel.get("RECORD_MIN_SEC") or ("3" if channel.is_true("RECORD_APPEND") else "0")
    if samples < SAMPLES_PER_S * plan.whole(least_s) and not channel.is_true("RECORD_APPEND"):
        return "input-too-short"
    return "success-silence" if channel.hangup_cause else "success-maxtime"


def _bug(path: str) -> Headers:
    return {"Media-Bug-Function": "session_record", "Media-Bug-Target": path}


def _recording_variables(text: str) -> Headers:
    pairs = (part.partition("=") for part in text.strip().strip("{}").split(",") if "=" in part)
    return {f"Recording-Variable-{name.strip()}": value for name, _equals, value in pairs}
