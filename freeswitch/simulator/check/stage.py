"""The simulator on the stage of a captured trace: same calls, same answers, same commands, in virtual time.

Enters: a trace. Leaves: the events and replies that the simulator gave. Nothing that the real switch said goes in, save
what is no choice of the switch: names of its legs and lives, its configuration (configured.py), what far ends sent.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent

from freeswitch.simulator import apps
from freeswitch.simulator.api import Commands
from freeswitch.simulator.calls import legs
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.check import sent
from freeswitch.simulator.check.chance import TracesTurns, still_found
from freeswitch.simulator.check.configured import WRITTEN_AFTER_US, Configured, configured
from freeswitch.simulator.check.dialogs import HEARD_WITHIN_US, Act, Dialog
from freeswitch.simulator.check.read import Headers, Said, Trace, stamp_us, text
from freeswitch.simulator.check.script import Refer, Register, Script, refer, script, spoken_s
from freeswitch.simulator.check.trunks import looks_at_us, trunks
from freeswitch.simulator.clock import VirtualClock
from freeswitch.simulator.esl.server import EslServer
from freeswitch.simulator.esl.wire import Event
from freeswitch.simulator.far_ends.people import Carrier, Phone
from freeswitch.simulator.gateways import CHECK_S
from freeswitch.simulator.plan import App
from freeswitch.simulator.switch import HEARTBEAT_S, Switch

GRACE_US = 100_000
"""So long after its last line a trace is taken to have listened on."""
TICK_US = 20_000
MAIN_LOOP_US = 1_000_000
_JOB = re.compile(r"(?:\n|\\n)Job-UUID: *(\S+)")


NOTICED_AFTER_US = 500_000
"""How late the core says that a task was taken away: its scheduler looks so often (switch_scheduler.c)."""


@dataclass
class Played:
    """What the simulator said."""

    events: list[Headers] = field(default_factory=list)
    replies: dict[int, str] = field(default_factory=dict)
    """Number of the command (from 0) -> reply."""
    not_played: list[str] = field(default_factory=list)
    """Steps of the trace that could not be played, with the reason."""
    before: dict[int, list[str]] = field(default_factory=dict)
    """The same, of commands that ask the core's database: what they would have said in the moments before."""


class _Ear(EslServer):
    """The Event Socket without its socket: hears every event as it would be written."""

    def __init__(self, commands: Commands, switch: Switch, heard: Callable[[Event], None]) -> None:
        super().__init__(commands, "")
        self.stamp = switch.core.stamp
        self._heard = heard

    def publish(self, event: Event) -> None:
        self._heard(event)


class Stage:
    """One play. It is also whoever stands at the far ends of all legs."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.script: Script = script(trace)
        self.configured: Configured = configured(trace)
        self.trunks = trunks(trace)
        self.played = Played()
        self.clock = VirtualClock(_curtain_us(trace))
        self._cores = _cores(trace)
        self._names = _dialled_legs(trace)
        self._open_answers = list(self.script.answers)
        self._callers: dict[str, Dialog] = {}
        self._legs: dict[str, list[SipLeg]] = {}
        """Far end -> its calls, in order."""
        self._unheard: dict[int, list[SipLeg]] = {}
        """Number of a command -> legs whose far end had hung up before, which the command still found there."""
        self._up = False
        """Whether whoever captured the trace is connected."""
        self._live()
        self._up = True

    # --- the switch ------------------------------------------------------------------------------------------------

    def _live(self) -> None:
        """A new life of the switch, without legs."""
        phones = [Phone(one.partition("@")[0], domain=one.partition("@")[2]) for one in self.configured.phones]
        for phone in phones:
            phone.registered = phone.address in self.configured.listed
            phone.port = self.configured.ports.get(phone.address, phone.port)
            phone.variables = dict(self.configured.directory.get(phone.address, {}))
        domain = next((phone.domain for phone in phones), "127.0.0.1")
        self.switch = Switch(
            lambda event: self.server.publish(event),
            domain=domain,
            carriers=[
                Carrier(name, gateway=name, host=host, username=self.configured.usernames.get(name, ""))
                for name, host in self.configured.gateways.items()
                if name not in {trunk.name for trunk in self.trunks}
            ],
            phones=phones,
            global_variables=self.configured.variables,
            applications=apps.TABLE,
            clock=self.clock,
            hostname=self.configured.hostname,
        )
        if self._cores:
            self.switch.core.uuid = self._cores.pop(0)
        self.switch.far_ends = self
        self.switch.turns = TracesTurns(self.trace, self.clock)
        self.switch.scheduler.looks_after_s = _looks_after_s(self.trace)
        self.switch.leg_ids = self._name
        self.switch.dialplan = _Known(self.configured)
        self.switch.valet |= {lot: {} for lot in self.configured.lots}
        self.switch.keeps_presence = self.configured.keeps_presence
        self.switch.registrar.presence_hosts = self.configured.presence_hosts
        self.switch.sounds.missing |= self.configured.missing
        self.switch.sounds.lengths_s |= self.configured.lengths_s
        self.server = _Ear(Commands(self.switch, self._shut_down), self.switch, self._hear)
        if (look_us := looks_at_us(self.trace.events)) is not None:
            self.switch.gateways.first_look_s = (look_us + 5_000 - self.clock.now_us()) / 1_000_000 % CHECK_S
        self.switch.start()
        for phone in phones:
            phone.registered = self.configured.phones[phone.address]
            if phone.registered:
                self.switch.registrar.remember(phone, self.configured.expiries_us.get(phone.address))

    def _hear(self, event: Event) -> None:
        if self._up:
            self.played.events.append(dict(event))

    def _shut_down(self, _how: str) -> None:
        def go() -> None:
            # The main thread looks once a second whether it is to end (switch_core_runtime_loop).
            told = [stamp_us(event) for event in self.trace.events if text(event, "Event-Name") == "SHUTDOWN"]
            wait_us = next((one - self.clock.now_us() for one in told if one > self.clock.now_us()), 0)
            self.clock.sleep(wait_us / 1_000_000 if wait_us <= MAIN_LOOP_US else 0.0)
            self.switch.shut_down()
            self._up = False
            self.switch.stop()

        gevent.spawn(go)

    def _name(self, destination: str) -> str:
        """Legs bear the names of the trace, in the order of dialling among those to the same destination."""
        for leg, number in self._names.items():
            if number == destination:
                del self._names[leg]
                return leg
        return str(uuid.uuid4())

    # --- the play --------------------------------------------------------------------------------------------------

    def run(self) -> Played:
        """Plays the trace to its end."""
        for number, said in enumerate(self.trace.commands):
            if said.command.startswith("api show "):
                asked = said.command.removeprefix("api show ")
                late_us = WRITTEN_AFTER_US + (NOTICED_AFTER_US if asked.startswith("tasks") else 0)
                for early_us in range(0, late_us + 1, 20_000):
                    self._at(said.at_us - early_us, self._look, number, asked)
            self._at(said.at_us, self._command, number, said)
        for dialog in self.script.calls:
            self._at(dialog.at_us, self._call, dialog)
        for leg, keys in self.script.keys.items():
            for key in keys:
                self._at(key.at_us, self._press, leg, key.value, key.samples)
        for at_us, who, digit in self.script.pressed:
            self._at(at_us, self._press_by, who, digit)
        for one in self.script.registers:
            self._at(one.at_us, self._register, one)
        if self._cores and (born_us := _born_us(self.trace)) is not None:
            self._at(born_us, self._live)
        for note in self.trace.notes:
            self._at(self.trace.start_us + note.at_us, self._note, note.text)
        self._find_trunks()
        # The heart beats with a look of the scheduler, the last time perhaps sooner than the first.
        ends_with_beat = any(text(event, "Event-Name") == "HEARTBEAT" for event in self.trace.events[-1:])
        self.clock.run_until(self.trace.end_us + (NOTICED_AFTER_US + TICK_US if ends_with_beat else GRACE_US))
        self._up = False
        self.switch.stop()
        return self.played

    def _find_trunks(self) -> None:
        """What a rescan of the gateways finds, and how it responds over time."""
        for trunk in self.trunks:
            carrier = Carrier(trunk.name, trunk.name, trunk.host, trunk.profile)
            carrier.registers, carrier.ping_s = trunk.registers, trunk.ping_s
            self.switch.carriers.append(carrier)
            for at_us, code, phrase in trunk.responses:
                self._at(at_us, setattr, carrier, "responds", (code, phrase))

    def _at(self, at_us: int, run: Callable[..., None], *arguments: object) -> None:
        def wait() -> None:
            self.clock.sleep((at_us - self.clock.now_us()) / 1_000_000)
            try:
                run(*arguments)
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                # What somebody else's lab wrote down must not end the play, and must not be passed over either.
                self.played.not_played.append(f"{(at_us - self.trace.start_us) / 1_000_000:.3f} s: {error!r}")

        gevent.spawn(wait)

    def _command(self, number: int, said: Said) -> None:
        line, _, rest = said.command.partition("\n")
        job = found[1] if (found := _JOB.search(said.command)) else ""
        line = _JOB.sub("", line)
        verb, _, command = line.partition(" ")
        name, _, argument = command.partition(" ")
        if verb == "bgapi":
            self.played.replies[number] = f"+OK Job-UUID: {job}"
            self.server.start_job(job, name, argument)
        elif verb == "sendmsg":
            headers = dict(one.split(": ", 1) for one in rest.split("\n") if ": " in one)
            found_headers = {key.lower(): value for key, value in headers.items()}
            self.played.replies[number] = self.server.backend.sendmsg(command, found_headers)
        elif verb == "api":
            self.played.replies[number] = self.server.execute(name, argument) or "-ERR no reply\n"
        for leg in self._unheard.pop(number, ()):
            leg.far_hangup(reason=sent.reason(self.trace, leg.uuid))

    def _look(self, number: int, asked: str) -> None:
        self.played.before.setdefault(number, []).append(self.server.execute("show", asked))

    def _note(self, note: str) -> None:
        """What happened to the switch itself."""
        if "start" in note:
            if self._cores:
                self._live()
            self._up = True
        elif "kill" in note:
            self._up = False
            self.switch.stop()

    def _register(self, one: Register) -> None:
        phone = self.switch.phones[one.address]
        phone.port = int(text(one.about, "network-port") or phone.port)
        phone.user_agent, phone.call_id = text(one.about, "user-agent"), text(one.about, "call-id")
        if one.refused:
            self.switch.registrar.refuse(phone, one.expires_s)
        elif one.expires_s:
            self.switch.registrar.register(phone, one.expires_s)
        else:
            self.switch.registrar.unregister(phone)

    # --- whoever calls ---------------------------------------------------------------------------------------------

    def _call(self, dialog: Dialog) -> None:
        leg = text(dialog.leg, "Unique-ID")
        self._callers[leg] = dialog
        caller = sent.caller(dialog.leg)
        if text(dialog.leg, "Channel-Name").startswith("sofia/internal/"):
            legs.incoming(
                self.switch, caller, dialog.number, phone=sent.own_address(dialog.leg, self.switch.domain), leg=leg
            )
        else:
            host = f"{text(dialog.leg, 'variable_sip_from_host')}:{text(dialog.leg, 'variable_sip_from_port')}"
            legs.incoming(self.switch, caller, dialog.number, carrier=Carrier("", host=host.strip(":")), leg=leg)

    def calls(self, leg: SipLeg) -> None:
        """Somebody's INVITE is in: they go on as the trace tells."""
        leg.message_s = spoken_s(self.trace.events, leg.uuid)
        dialog = self._callers.get(leg.uuid)
        if dialog is not None:
            self._legs.setdefault(dialog.who, []).append(leg)
            leg.far_end = self.switch.spawn(self._act, leg, dialog, 0)
            self._let_fall_silent(leg)

    # --- whoever is called -----------------------------------------------------------------------------------------

    def called(self, leg: SipLeg) -> None:
        """The switch rings somebody: they answer as the trace tells."""
        wanted = leg.profile.destination.partition("%")[0].partition("@")[0]
        dialog = next((one for one in self._open_answers if one.number == wanted), None)
        if dialog is None:
            return
        self._open_answers.remove(dialog)
        self._legs.setdefault(dialog.who, []).append(leg)
        leg.far_end = self.switch.spawn(self._act, leg, dialog, self.clock.now_us())
        self._let_fall_silent(leg)

    def _let_fall_silent(self, leg: SipLeg) -> None:
        if (silent_us := sent.fell_silent_us(self.trace, leg.uuid)) is not None:
            self._at(silent_us, leg.far_falls_silent)

    def _act(self, leg: SipLeg, dialog: Dialog, invited_us: int) -> None:
        for act in dialog.acts:
            relative = act.kind in ("ring", "early", "answer", "refuse")
            at_us = act.at_us + _since_us(dialog, invited_us) if relative else act.at_us
            self.clock.sleep((at_us - self.clock.now_us()) / 1_000_000)
            if act.kind == "hangup" and (number := still_found(self.trace, leg.uuid, at_us)) is not None:
                self._unheard.setdefault(number, []).append(leg)
            else:
                self._do(leg, act)

    def _do(self, leg: SipLeg, act: Act) -> None:
        if act.kind in _RESPOND:
            leg.calls_itself = sent.says_who_it_is(self.trace, leg.uuid, self.clock.now_us())
        if act.kind in _DESCRIBE:
            leg.speaks = sent.described(self.trace, leg.uuid, self.clock.now_us()) or leg.speaks
        if act.kind == "ring":
            leg.far_ringing()
        elif act.kind == "early":
            leg.far_early_media()
        elif act.kind == "answer":
            leg.far_answer()
        elif act.kind == "refuse":
            code, _, phrase = act.value.partition(" ")
            contacts = sent.redirected_to(self.trace, leg.uuid)
            leg.far_refuse(int(code), phrase, reason=sent.reason(self.trace, leg.uuid), contacts=contacts)
        elif act.kind == "hangup":
            leg.far_hangup(by_bye=act.value == "BYE", reason=sent.reason(self.trace, leg.uuid))
        elif act.kind == "hold":
            leg.far_hold()
        elif act.kind == "unhold":
            leg.far_unhold()
        elif act.kind == "refresh":
            leg.far_refresh()
        elif act.kind == "decline":
            leg.far_declines(*act.value.split(" ", 1))
        elif act.kind == "refer":
            self._refer(leg, refer(self.trace, leg.uuid, act.at_us))

    def _refer(self, leg: SipLeg, got: Refer) -> None:
        consult = self.switch.channels.get(got.replaces)
        if consult is not None:
            leg.far_refer_replaces(consult, referred_by=got.referred_by)
        else:
            leg.far_refer(got.target, referred_by=got.referred_by)

    def _press(self, leg: str, digit: str, samples: int = 960) -> None:
        if leg in self.switch.channels:
            self.switch.channels[leg].far_digit(digit, samples)

    def _press_by(self, who: str, digit: str) -> None:
        """Whoever is named by role in the trace, or as a far end."""
        named = [leg for leg, role in self.trace.roles.items() if role == who]
        legs_ = named or [one.uuid for one in self._legs.get(who, ())]
        hears = [leg for leg in legs_ if (one := self.switch.channels.get(leg)) is not None and one.has_media]
        if hears:
            self._press(hears[-1], digit)


def _since_us(dialog: Dialog, invited_us: int) -> int:
    """When the INVITE is taken to have come: as late as in the trace if it is hardly earlier, so that what several far
    ends did in one moment keeps its order; what no line answers has no time of its own."""
    return dialog.at_us if dialog.cseq and 0 < dialog.at_us - invited_us <= HEARD_WITHIN_US else invited_us


_RESPOND = ("ring", "early", "answer")
"""Acts that are responses to our INVITE."""
_DESCRIBE = ("early", "answer", "hold", "unhold", "refresh")
"""Acts that bring a description of sound."""


class _Known:
    """The dialplan of the trace's switch."""

    def __init__(self, known: Configured) -> None:
        self._known = known

    def apps(self, destination: str, channel: Channel) -> tuple[App, ...] | None:
        return self._known.extensions.get((channel.profile.context, destination))


def _cores(trace: Trace) -> list[str]:
    """The lives of the switch, in order."""
    found = [text(event, "Core-UUID") for event in trace.events]
    found += [said.reply.strip() for said in trace.commands if said.command.endswith("global_getvar core_uuid")]
    return list(dict.fromkeys(one for one in found if one))


def _dialled_legs(trace: Trace) -> dict[str, str]:
    """Legs that the switch named itself, in the order in which they first appear -> what was dialled."""
    named = {leg for said in trace.commands for leg in re.findall(r"origination_uuid=([^,}\]]+)", said.command)}
    found: dict[str, str] = {}
    for event in trace.events:
        leg = text(event, "Unique-ID")
        if leg and leg not in named and text(event, "Call-Direction") == "outbound":
            found.setdefault(leg, text(event, "Caller-Destination-Number"))
    return found


def _beat_us(trace: Trace, core: str) -> int | None:
    """When the heart of this life of the trace's switch beat for the first time that the trace tells."""
    told = [event for event in trace.events if text(event, "Core-UUID") == core]
    for at, event in enumerate(told):
        if text(event, "Event-Name") == "HEARTBEAT":
            beat_us = stamp_us(event)
            # Stamps are those of a tick of 20 ms: it beat after what else happened in that tick, or before it.
            if any(stamp_us(one) == beat_us for one in told[:at]):
                return beat_us + TICK_US - 1
            return beat_us - (TICK_US - 1 if any(stamp_us(one) == beat_us for one in told[at + 1 :]) else 0)
    return None


def _looks_after_s(trace: Trace) -> float:
    """When in a second the scheduler of the trace's switch first looks, as its heart tells: it looks every 500 ms or a
    little later, so that a whole second may have to wait for more than that.
    """
    for core in _cores(trace):
        if (beat_us := _beat_us(trace, core)) is not None:
            return beat_us % 1_000_000 / 1_000_000
    return 0.0


def _born_us(trace: Trace) -> int | None:
    """When the last life of the switch began, if its heart told how old it is."""
    for event in reversed(trace.events):
        if text(event, "Event-Name") == "HEARTBEAT" and text(event, "Core-UUID") == _cores(trace)[-1]:
            return stamp_us(event) - 1000 * int(text(event, "Uptime-msec") or "0")
    return None


def _curtain_us(trace: Trace) -> int:
    """The switch has lived for a while when the trace begins: so long that its heart beats when the real one's did."""
    first = min([trace.start_us, *(stamp_us(event) for event in trace.events[:1])])
    beat_us = _beat_us(trace, next(iter(_cores(trace)), ""))
    if beat_us is None:
        return first - 1_000_000
    period_us = HEARTBEAT_S * 1_000_000
    return beat_us - period_us * (1 + (beat_us - first) // period_us)


__all__ = ["Played", "Stage"]
