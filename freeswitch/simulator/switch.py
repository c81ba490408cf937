"""The simulated switch: its legs, its timers, who is registered, and who calls in.

Enters: callers, commands through api.py, the behaviour of phones and carriers. Leaves: legs and their events, to the
ESL server. What a leg does belongs to channel.py, apps.py and dial.py.
"""

from __future__ import annotations

import uuid
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent

from freeswitch.simulator import apps, people
from freeswitch.simulator.channel import Channel
from freeswitch.simulator.clock import Clock
from freeswitch.simulator.dialplan import Dialplan
from freeswitch.simulator.events import Core, Headers, OtherLeg, Profile, Times
from freeswitch.simulator.people import Behaviour, Caller, Carrier, Phone
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
        self.phones = {phone.id: phone for phone in phones}
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
                self.register(phone.id)
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
        leg = self._phone_leg(phone, number) if phone else self._trunk_leg(caller, number, carrier)
        self._session(leg)
        leg.variables |= {
            "sip_call_id": uuid.uuid4().hex[:20],
            "sip_network_ip": "127.0.0.1",
            "sip_req_user": number,
            "sip_to_user": number,
            "max_forwards": "70",
            "presence_id": leg.presence_id,
            "read_codec": "PCMU",
            "write_codec": "PCMU",
            "endpoint_disposition": "RECEIVED",
        }
        leg.variables |= {f"sip_h_{name}": value for name, value in caller.headers.items()}
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

    def _trunk_leg(self, caller: Caller, number: str, carrier: Carrier | None) -> Channel:
        shown = "anonymous" if caller.withheld else caller.number
        name = "Anonymous" if caller.withheld else caller.name or caller.number
        host = (carrier.host if carrier else "") or "127.0.0.1:5090"
        profile = Profile(
            channel_name=f"sofia/external/{shown}@{host}",
            destination=number,
            caller_name=name,
            caller_number=caller.number,
            original_name=name,
            original_number=caller.number,
            username=caller.number,
            hide=caller.withheld,
        )
        leg = Channel(self, "inbound", profile, presence_id=f"{shown}@127.0.0.1")
        leg.variables |= {"sip_from_user": shown, "sip_from_display": name, "sofia_profile_name": "external"}
        if caller.withheld:
            leg.variables |= {"sip_P-Asserted-Identity": caller.number, "sip_cid_type": "pid", "sip_Privacy": "id"}
        return leg

    def _phone_leg(self, phone: str, number: str) -> Channel:
        device = self.phones[phone]
        address = f"{phone}@{device.domain or self.domain}"
        profile = Profile(
            channel_name=f"sofia/internal/{address}",
            destination=number,
            caller_name=phone,
            caller_number=phone,
            original_name=phone,
            original_number=phone,
            username=phone,
            context="default",
        )
        leg = Channel(self, "inbound", profile, presence_id=address)
        leg.variables |= {
            "sip_from_user": phone,
            "sip_authorized": "true",
            "sip_auth_username": phone,
            "user_name": phone,
            "domain_name": device.domain or self.domain,
            "user_context": "default",
            "sofia_profile_name": "internal",
        }
        if device.tenant:
            leg.variables["tt_tenant"] = device.tenant
        return leg

    def _session(self, leg: Channel) -> None:
        self.core.sessions += 1
        self.channels[leg.uuid] = leg
        leg.variables = {
            "direction": leg.direction,
            **({"is_outbound": "true"} if leg.direction == "outbound" else {}),
            "uuid": leg.uuid,
            "call_uuid": leg.uuid,
            "session_id": str(self.core.sessions),
            "channel_name": leg.profile.channel_name,
        } | leg.variables

    def outgoing(self, target: Target, common: Mapping[str, str], originator: Channel | None) -> Channel | str:
        """A leg to dial, still silent, or the cause why there can be none."""
        found = self._resolve(target.endpoint)
        if isinstance(found, str):
            self._stillborn()
            return found
        name, number, presence_id, profile_name, behaviour = found
        options = {**common, **target.variables}
        leg = Channel(
            self,
            "outbound",
            _dialled_profile(name, number, options, originator),
            leg=options.get("origination_uuid", ""),
            presence_id=presence_id,
        )
        if leg.uuid in self.channels:
            return "DESTINATION_OUT_OF_ORDER"
        leg.behaviour = behaviour
        leg.state, leg.state_number = "CS_NONE", 1
        leg.variables = {"presence_id": presence_id, "sofia_profile_name": profile_name, "max_forwards": "68"}
        leg.variables |= {"sip_req_user": number.partition("%")[0]}
        if originator is not None:
            leg.other = OtherLeg(
                "originator", originator.uuid, originator.direction, "inbound", originator.profile, Times()
            )
            leg.variables |= {"originator": originator.uuid, "signal_bond": originator.uuid}
            leg.variables |= {"call_uuid": originator.uuid}
        self._session(leg)
        leg.variables |= options
        if originator is not None:
            if originator.exports:
                leg.variables |= {"export_vars": ",".join(originator.exports), **originator.exports}
            leg.variables["originating_leg_uuid"] = originator.uuid
        leg.variables["originate_endpoint"] = "sofia"
        return leg

    def _resolve(self, endpoint: str) -> tuple[str, str, str, str, Behaviour] | str:
        """Channel name, destination, presence id, profile, behaviour; or a cause."""
        kind, _, rest = endpoint.partition("/")
        if kind == "error":
            return rest
        if kind == "user":
            return "MANDATORY_IE_MISSING"
        if kind != "sofia":
            return "CHAN_NOT_IMPLEMENTED"
        profile, _, address = rest.partition("/")
        if profile == "gateway":
            gateway, _, number = address.partition("/")
            carrier = next((one for one in self.carriers if gateway and one.gateway == gateway), None)
            if carrier is None:
                return "INVALID_GATEWAY"
            name = f"sofia/{carrier.profile}/{number}"
            return name, number, number, carrier.profile, carrier.behaviour_of(number)
        if "%" in address:
            phone, _, domain = address.partition("%")
            device = self.phones.get(phone)
            if device is None or not device.registered or domain != (device.domain or self.domain):
                return "USER_NOT_REGISTERED"
            return f"sofia/{profile}/{phone}", address, f"{phone}@{domain}", profile, device.behaviour
        number, _, host = address.partition("@")
        carrier = next((one for one in self.carriers if host and one.host == host), None)
        behaviour = carrier.behaviour_of(number) if carrier else people.OUT_OF_SERVICE
        return f"sofia/{profile}/{address}", number, address, profile, behaviour

    def _stillborn(self) -> None:
        """A leg that could not be made shows nothing but its end, with neither name nor caller."""
        leg = str(uuid.uuid4())
        self.core.sessions += 1
        about: Headers = {
            "Channel-State": "CS_NONE",
            "Channel-Call-State": "DOWN",
            "Channel-State-Number": "0",
            "Channel-Name": "N/A",
            "Unique-ID": leg,
            "Call-Direction": "outbound",
            "Presence-Call-Direction": "outbound",
            "Channel-HIT-Dialplan": "false",
            "Channel-Call-UUID": leg,
            "Answer-State": "ringing",
            "variable_direction": "outbound",
            "variable_is_outbound": "true",
            "variable_uuid": leg,
            "variable_call_uuid": leg,
            "variable_session_id": str(self.core.sessions),
        }
        self.core.fire("CHANNEL_DESTROY", about)

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

    def start_recording(self, channel: Channel, path: str, variables: str) -> None:
        """RECORD_START; a second start of the same file changes nothing."""
        if path in channel.recordings:
            return
        channel.recordings[path] = (self.clock.now_us(), variables)
        channel.fire("RECORD_START", after={"Record-File-Path": path} | _recording_variables(variables))

    def stop_recording(self, channel: Channel, path: str) -> None:
        """RECORD_STOP, and the file where files are written."""
        started_us, variables = channel.recordings.pop(path)
        ms = (self.clock.now_us() - started_us) // 1000
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
        channel.fire("RECORD_STOP", after=about | _recording_variables(variables))

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

    def register(self, phone: str) -> None:
        """A phone comes up."""
        self.phones[phone].registered = True
        self.core.fire("CUSTOM", self._registration(phone) | {"status": "Registered(UDP)"}, "sofia::register")

    def unregister(self, phone: str) -> None:
        """A phone signs off."""
        self.phones[phone].registered = False
        self.core.fire("CUSTOM", self._registration(phone) | {"expires": "0"}, "sofia::unregister")

    def expire(self, phone: str) -> None:
        """A phone has not been heard of for too long."""
        device = self.phones[phone]
        device.registered = False
        about: Headers = {
            "profile-name": "internal",
            "user": phone,
            "username": phone,
            "host": device.domain or self.domain,
            "network-ip": "127.0.0.1",
            "network-port": str(device.port),
        }
        self.core.fire("CUSTOM", about, "sofia::expire")

    def _registration(self, phone: str) -> Headers:
        device = self.phones[phone]
        domain = device.domain or self.domain
        return {
            "profile-name": "internal",
            "from-user": phone,
            "from-host": domain,
            "contact": f'"" <sip:{phone}@127.0.0.1:{device.port}>',
            "call-id": uuid.uuid4().hex[:16],
            "rpid": "unknown",
            "expires": "3600",
            "to-user": phone,
            "to-host": domain,
            "network-ip": "127.0.0.1",
            "network-port": str(device.port),
            "username": phone,
            "realm": domain,
            "user-agent": "Simulated/1.0",
            "user_name": phone,
            "domain_name": domain,
            "user_context": "default",
        }


def _dialled_profile(name: str, number: str, options: Mapping[str, str], originator: Channel | None) -> Profile:
    before = originator.profile if originator else None
    own_name = str(originator.variables.get("effective_caller_id_name", "")) if originator else ""
    own_number = str(originator.variables.get("effective_caller_id_number", "")) if originator else ""
    caller_name = options.get("origination_caller_id_name") or own_name or (before.caller_name if before else "")
    caller_number = (
        options.get("origination_caller_id_number") or own_number or (before.caller_number if before else "")
    )
    return Profile(
        channel_name=name,
        destination=number,
        caller_name=caller_name,
        caller_number=caller_number,
        original_name=before.original_name if before else caller_name,
        original_number=before.original_number if before else caller_number,
        callee_name="Outbound Call",
        callee_number=number,
        username=before.username if before else "",
        dialplan=before.dialplan if before else "",
        context=before.context if before else "default",
        network_addr=before.network_addr if before else "",
        source=before.source if before else "src/switch_ivr_originate.c",
        hide=before.hide if before else False,
    )


def _recording_variables(text: str) -> Headers:
    pairs = (part.partition("=") for part in text.strip().strip("{}").split(",") if "=" in part)
    return {f"Recording-Variable-{name.strip()}": value for name, _equals, value in pairs}
