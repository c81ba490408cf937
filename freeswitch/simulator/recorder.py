"""Recordings of legs: when a file begins and ends, and what is told about it.

Enters: a leg, a path, variables of the recording. Leaves: RECORD_START, RECORD_STOP, and silence in a file where files
are written. Source: switch_ivr_async.c (record_session).
"""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import gevent

from freeswitch.simulator.channel import Channel
from freeswitch.simulator.leg import Recording
from freeswitch.simulator.profile import Headers
from freeswitch.simulator.sounds import SAMPLES_PER_S


class Recorder:
    """All recordings of one switch."""

    def __init__(self, spawn: Callable[..., gevent.Greenlet[..., None]], root: Path | None) -> None:
        self._spawn = spawn
        self._root = root
        """Where files are really written; None writes none."""

    def start(self, channel: Channel, path: str, variables: str, limit_s: int = 0) -> None:
        """RECORD_START; a second start of the same file changes nothing. It stops by itself after `limit_s`, if any."""
        if path in channel.recordings:
            return
        limit = self._spawn(self._stop_later, channel, path, limit_s) if limit_s else None
        channel.recordings[path] = Recording(channel.clock.now_us(), _recording_variables(variables), limit)
        channel.fire("RECORD_START", after={"Record-File-Path": path} | _recording_variables(variables))

    def _stop_later(self, channel: Channel, path: str, limit_s: int) -> None:
        channel.clock.sleep(limit_s)
        if path in channel.recordings:
            self.stop(channel, path)

    def stop(self, channel: Channel, path: str) -> None:
        """RECORD_STOP, and the file where files are written."""
        recording = channel.recordings.pop(path)
        if recording.limit is not None and recording.limit is not gevent.getcurrent():
            recording.limit.kill(block=False)
        ms = (channel.clock.now_us() - recording.started_us) // 1000
        samples = ms * SAMPLES_PER_S // 1000
        stereo = channel.is_true("RECORD_STEREO")
        channel.variables |= {
            "record_file_size": str(44 + samples * (4 if stereo else 2)),
            "record_samples": str(samples),
            "record_seconds": str(ms // 1000),
            "record_ms": str(ms),
            "record_completion_cause": "success-maxtime",
        }
        self._write(path, samples, 2 if stereo else 1)
        about: Headers = {"Record-File-Path": path, "Record-Completion-Cause": "success-maxtime"}
        channel.fire("RECORD_STOP", after=about | recording.variables)

    def stop_all(self, channel: Channel) -> None:
        """Every recording of a leg."""
        for path in list(channel.recordings):
            self.stop(channel, path)

    def _write(self, path: str, samples: int, channels: int) -> None:
        """Silence, at the path that was asked for, if that lies in the recordings folder and nowhere else."""
        if self._root is None:
            return
        root, file = self._root.resolve(), Path(path).resolve()
        if not file.is_relative_to(root):
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as out:
            out.setnchannels(channels)
            out.setsampwidth(2)
            out.setframerate(SAMPLES_PER_S)
            out.writeframes(bytes(samples * channels * 2))


def _recording_variables(text: str) -> Headers:
    pairs = (part.partition("=") for part in text.strip().strip("{}").split(",") if "=" in part)
    return {f"Recording-Variable-{name.strip()}": value for name, _equals, value in pairs}
