"""The simulated switch: its legs, its timers, who is registered, and who calls in.

Enters: callers, commands through api.py, the behaviour of phones and carriers. Leaves: legs and their events, to the
ESL server. What a leg does belongs to channel.py, apps.py and dial.py.
"""

from __future__ import annotations

import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent

from freeswitch.simulator import apps, legs, people
from freeswitch.simulator.channel import Channel, Recording
from freeswitch.simulator.clock import Clock
from freeswitch.simulator.dialplan import Dialplan
from freeswitch.simulator.events import Core, Headers
from freeswitch.simulator.people import Caller, Carrier, Phone
from freeswitch.simulator.plan import Target

HEARTBEAT_S = 20.0


class Switch:
    """One FreeSWITCH, as far as the Event Socket shows it."""

    def __init__(
        self,
        publish: Callable[[Headers], None],
        *,
        domain: str,
        carriers: Sequence[Carrier],
        phones: Sequence[Phone],
        global_variables: Mapping[str, str],
        recordings: Path | None = None,
        clock: Clock | None = None,
        hostname: str = "simulator",
    ) -> None:
        self.clock = clock or Clock()
        self.core = Core(self.clock, publish, hostname)
        self.domain = domain
        self.carriers = list(carriers)
        for phone in phones:
            phone.domain = phone.domain or domain
        self.phones = {phone.address: phone for phone in phones}
        """By address, `id@domain`."""
        self.global_variables = dict(global_variables)
        self.dialplan = Dialplan(self.global_variables)
        self.recordings = recordings
        """Where files are really written; None writes none."""
        self.missing_files: set[str] = set()
        self.unknown_apps: list[str] = []
        self.channels: dict[str, Channel] = {}
        self.on_arrival: Callable[[Channel], None] = lambda _leg: None
        self.on_end: Callable[[Channel], None] = lambda _leg: None
        """Called once per leg that had a session, at its HANGUP_COMPLETE."""
        self._messages_s: dict[str, float] = {}
        self._scheduled: dict[int, tuple[str, gevent.Greenlet[..., None]]] = {}
        self._last_scheduled = 0
        self._greenlets: set[gevent.Greenlet[..., None]] = set()

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Registers the phones and beats its heart."""
        for phone in self.phones.values():
            if phone.registered:
                self.register(phone.address)
        self.spawn(self._beat)

    def stop(self) -> None:
        """Dies at once, as by kill -9: no events."""
        gevent.killall(list(self._greenlets))
        self.channels.clear()

    def spawn(self, run: Callable[..., None], *arguments: Any) -> gevent.Greenlet[..., None]:
        """A greenlet that ends with the switch."""
        greenlet: gevent.Greenlet[..., None] = gevent.spawn(run, *arguments)
        self._greenlets.add(greenlet)
        greenlet.rawlink(self._greenlets.discard)
        return greenlet

    def _beat(self) -> None:
        while True:
            self.clock.sleep(HEARTBEAT_S)
            up_ms = (self.clock.now_us() - self.core.started_us) // 1000
            about: Headers = {
                "Event-Info": "System Ready",
                "Up-Time": f"0 years, 0 days, 0 hours, {up_ms // 60000} minutes, {up_ms // 1000 % 60} seconds",
                "Uptime-msec": str(up_ms),
                "Session-Count": str(len(self.channels)),
                "Max-Sessions": "1000",
                "Session-Per-Sec": "30",
                "Session-Since-Startup": str(self.core.sessions),
                "Idle-CPU": "97.9",
            }
            self.core.fire("HEARTBEAT", about)

    # --- legs --------------------------------------------------------------------------------------------------------

    def incoming(self, caller: Caller, number: str, *, carrier: Carrier | None = None, phone: str = "") -> Channel:
        """A call from a carrier, or from one of our phones."""
        leg = (
            legs.from_phone(self, self.phone(phone), number)
            if phone
            else legs.from_trunk(self, caller, number, carrier)
        )
        self._messages_s[leg.uuid] = caller.message_s

        def begin() -> None:
            leg.enter("CS_NEW")
            leg.enter("CS_INIT")
            leg.state_number = 2
            leg.fire("CHANNEL_CREATE")
            self.on_arrival(leg)
            leg.far_end = self.spawn(people.calling, self.clock, leg, caller)
            leg.enter_call_state("RINGING")
            leg.route(number)

        leg.start(begin)
        return leg

    def outgoing(self, target: Target, common: Mapping[str, str], originator: Channel | None) -> Channel | str:
        """A leg to dial, still silent, or the cause why there can be none."""
        return legs.to_dial(self, target, common, originator)

    def invite(self, leg: Channel) -> None:
        """Sends the INVITE: from now on the far end behaves as it does."""
        leg.far_end = self.spawn(people.callee, self.clock, leg)

    def ended(self, leg: Channel) -> None:
        """A leg has reported its end."""
        self.channels.pop(leg.uuid, None)
        self._messages_s.pop(leg.uuid, None)
        self.cancel_scheduled(leg)
        self.on_end(leg)

    def run_app(self, channel: Channel, name: str, data: str) -> str:
        """One application on a leg."""
        return apps.run(self, channel, name, data)

    def play(self, channel: Channel, path: str, until: Callable[[], bool] = lambda: False) -> str:
        """A sound on a leg."""
        return apps.play(self, channel, path, until)

    def message_s(self, channel: Channel) -> float:
        """How long whoever calls on this leg speaks after the tone."""
        return self._messages_s.get(channel.uuid, 3.0)

    # --- recordings --------------------------------------------------------------------------------------------------

    def start_recording(self, channel: Channel, path: str, variables: str, limit_s: int = 0) -> None:
        """RECORD_START; a second start of the same file changes nothing. It stops by itself after `limit_s`, if any."""
        if path in channel.recordings:
            return
        limit = self.spawn(self._stop_later, channel, path, limit_s) if limit_s else None
        channel.recordings[path] = Recording(self.clock.now_us(), _recording_variables(variables), limit)
        channel.fire("RECORD_START", after={"Record-File-Path": path} | _recording_variables(variables))

    def _stop_later(self, channel: Channel, path: str, limit_s: int) -> None:
        self.clock.sleep(limit_s)
        if path in channel.recordings:
            self.stop_recording(channel, path)

    def stop_recording(self, channel: Channel, path: str) -> None:
        """RECORD_STOP, and the file where files are written."""
        recording = channel.recordings.pop(path)
        if recording.limit is not None and recording.limit is not gevent.getcurrent():
            recording.limit.kill(block=False)
        ms = (self.clock.now_us() - recording.started_us) // 1000
        samples = ms * apps.SAMPLES_PER_S // 1000
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

    def _write(self, path: str, samples: int, channels: int) -> None:
        """Silence, at the path that was asked for, if that lies in the recordings folder and nowhere else."""
        if self.recordings is None:
            return
        root, file = self.recordings.resolve(), Path(path).resolve()
        if not file.is_relative_to(root):
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as out:
            out.setnchannels(channels)
            out.setsampwidth(2)
            out.setframerate(apps.SAMPLES_PER_S)
            out.writeframes(bytes(samples * channels * 2))

    # --- timers ------------------------------------------------------------------------------------------------------

    def schedule(self, channel: Channel, after: str, act: Callable[[], None]) -> int:
        """`+4` or an epoch second; timers tick in whole seconds, so `+4` fires after 3 to 4 s."""
        digits = after.lstrip("+")
        seconds = int(digits) if digits.isdecimal() and len(digits) < 11 else 0
        if after.startswith("+"):
            wait_s = self.clock.whole_second_in(seconds)
        else:
            wait_s = seconds - self.clock.now_us() / 1_000_000
        self._last_scheduled += 1
        number = self._last_scheduled

        def fire() -> None:
            self.clock.sleep(max(0.0, wait_s))
            if self._scheduled.pop(number, None) is not None and channel.uuid in self.channels:
                act()

        self._scheduled[number] = (channel.uuid, self.spawn(fire))
        channel.variables["last_sched_id"] = str(number)
        return number

    def cancel_scheduled(self, channel: Channel) -> int:
        """All timers of a leg; how many there were."""
        numbers = [number for number, (leg, _greenlet) in self._scheduled.items() if leg == channel.uuid]
        for number in numbers:
            _leg, greenlet = self._scheduled.pop(number)
            if greenlet is not gevent.getcurrent():
                greenlet.kill(block=False)
        return len(numbers)

    # --- registrations -----------------------------------------------------------------------------------------------

    def phone(self, name: str) -> Phone:
        """A phone by address, or by id in the switch's own domain. Raises KeyError."""
        return self.phones[name if "@" in name else f"{name}@{self.domain}"]

    def register(self, name: str) -> None:
        """A phone comes up."""
        phone = self.phone(name)
        phone.registered = True
        self.core.fire("CUSTOM", legs.registration(phone) | {"status": "Registered(UDP)"}, "sofia::register")

    def unregister(self, name: str) -> None:
        """A phone signs off."""
        phone = self.phone(name)
        phone.registered = False
        self.core.fire("CUSTOM", legs.registration(phone) | {"expires": "0"}, "sofia::unregister")

    def expire(self, name: str) -> None:
        """A phone has not been heard of for too long."""
        phone = self.phone(name)
        phone.registered = False
        about = legs.registration(phone) | {"user": phone.id, "host": phone.domain}
        self.core.fire("CUSTOM", about, "sofia::expire")


def _recording_variables(text: str) -> Headers:
    pairs = (part.partition("=") for part in text.strip().strip("{}").split(",") if "=" in part)
    return {f"Recording-Variable-{name.strip()}": value for name, _equals, value in pairs}
