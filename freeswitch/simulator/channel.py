"""One leg: its state, its variables, and the thread in which its applications run.

Enters: applications to execute, transfers and hang-ups from anywhere, what the far end does. Leaves: the leg's events
in the order of the real switch. What applications do belongs to apps.py, dialling to dial.py.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event as Signal

from freeswitch.simulator import causes, events, plan
from freeswitch.simulator.events import Headers, OtherLeg, Profile, Times
from freeswitch.simulator.plan import App
from freeswitch.simulator.wire import Value

if TYPE_CHECKING:
    from freeswitch.simulator.people import Behaviour
    from freeswitch.simulator.switch import Switch

State = Callable[[], None]


class HungUp(Exception):
    """The leg has ended: what runs on it unwinds."""


class Diverted(Exception):
    """The leg was sent elsewhere (transfer, uuid_bridge): what runs on it unwinds."""


@dataclass(frozen=True)
class Recording:
    """A file that grows."""

    started_us: int
    variables: Headers
    """As Recording-Variable-… in its events."""
    limit: gevent.Greenlet[..., None] | None


class Waiter:
    """Something that can wait and be woken."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.wake = Signal()

    def check(self) -> None:
        """Raises what must interrupt a wait; here nothing does."""

    def pause(self, seconds: float | None = None, until: Callable[[], bool] = lambda: False) -> bool:
        """Until the condition holds (True) or time is up (False); None waits for ever."""
        clock = self.switch.clock
        deadline_us = None if seconds is None else clock.now_us() + int(seconds * 1_000_000)
        while True:
            self.check()
            if until():
                return True
            left_s = None if deadline_us is None else (deadline_us - clock.now_us()) / 1_000_000
            if left_s is not None and left_s <= 0:
                return False
            self.wake.clear()
            clock.wait(self.wake, left_s)


class Channel(Waiter):
    """A leg. Born by `Switch.incoming` or `Switch.outgoing`, gone after its CHANNEL_DESTROY."""

    def __init__(self, switch: Switch, direction: str, profile: Profile, leg: str = "", presence_id: str = "") -> None:
        super().__init__(switch)
        self.uuid = leg or str(uuid.uuid4())
        self.direction = direction
        self.logical_direction = direction
        self.profile = profile
        self.presence_id = presence_id
        self.call_uuid = self.uuid
        self.state = "CS_NEW"
        self.state_number = 0
        self.call_state = "DOWN"
        self.answer_state = "ringing"
        self.hangup_cause = ""
        self.has_media = direction == "inbound"
        now_us = switch.clock.now_us()
        self.times = Times(profile_created=now_us, created=now_us)
        self.initial = replace(profile)
        self.dialled_text = profile.destination
        self.other: OtherLeg | None = None
        self.partner: Channel | None = None
        self.watcher: Waiter | None = None
        """Who dials this leg, or talks to it, and wants to know of changes."""
        self.variables: dict[str, Value] = {}
        self.behaviour: Behaviour | None = None
        """How the far end of a dialled leg behaves."""
        self.far_end: gevent.Greenlet[..., None] | None = None
        self.recordings: dict[str, Recording] = {}
        """By path."""
        self.exports: dict[str, str] = {}
        self.digits: deque[str] = deque()
        self.confirmed = False
        self.answered = Signal()
        self.bridged = Signal()
        self.progressed = Signal()
        self.gone = Signal()
        """Set when CHANNEL_DESTROY is out."""
        self._next: State | None = None
        self._plan: deque[App] = deque()
        self._nested: deque[App] = deque()
        self._break = 0
        self._in_nested = False

    # --- what others ask of this leg -------------------------------------------------------------------------------

    def start(self, first: State) -> None:
        """Runs the leg's thread, beginning with this state."""
        self._next = first
        self.switch.spawn(self._run)

    def divert(self, state: State) -> None:
        """Leaves what it does and goes on with this."""
        self._next = state
        self.wake.set()

    def broadcast(self, app: App) -> None:
        """Runs an application within what it does now."""
        self._nested.append(app)
        self.wake.set()

    def break_off(self) -> None:
        """Ends the current playback or recording; the plan goes on."""
        self._break += 1
        self.wake.set()

    def took_break(self) -> bool:
        """Whether somebody asked to break off since the last question."""
        taken, self._break = self._break > 0, 0
        return taken

    def transfer(self, destination: str, dialplan: str = "", context: str = "") -> None:
        """To another extension, or to an inline plan."""
        dialplan, context = dialplan or self.profile.dialplan, context or self.profile.context
        previous = self.profile
        self.profile = replace(
            self._sent_on(f"bl_xfer:{destination}/{context}/{dialplan}"),
            destination=destination,
            dialplan=dialplan,
            context=context,
            rdnis=previous.destination,
        )
        self.state_number = events.STATES["CS_ROUTING"]
        self.variables["max_forwards"] = str(int(str(self.variables.get("max_forwards", "70"))) - 1)
        self.dialled_text = destination

        def route() -> None:
            if dialplan == "inline":
                self.profile = replace(self.profile, destination=previous.destination, rdnis="")
            self.route(destination)

        self.divert(route)

    def sent_to_bridge(self, other: str) -> None:
        """uuid_bridge counts as a transfer: the caller profile gets the next index."""
        self.profile = self._sent_on(f"uuid_br:{other}")

    def _sent_on(self, how: str) -> Profile:
        now_us = self.switch.clock.now_us()
        note = f"{now_us // 1_000_000}:{uuid.uuid4()}:{how}"
        self.times.profile_created = now_us
        self.add_to_list("transfer_history", note)
        self.variables["transfer_source"] = note
        return replace(self.profile, transfer_source=note, index=self.profile.index + 1)

    def add_to_list(self, name: str, entry: str) -> None:
        """A variable that becomes an array from its second entry on."""
        before = self.variables.get(name)
        if before is None:
            self.variables[name] = entry
        else:
            self.variables[name] = [before, entry] if isinstance(before, str) else [*before, entry]

    def hangup(self, cause: str, **disposition: str) -> None:
        """Ends the leg; the first cause stays. `disposition`: the sip_… variables of who ended it, and how."""
        if self.hangup_cause:
            return
        if not disposition:
            disposition = self._our_hangup()
        self.hangup_cause = cause
        self.answer_state = "hangup"
        self.state_number = events.STATES["CS_HANGUP"]
        self.variables |= {name: value for name, value in disposition.items() if name != "sip_hangup_disposition"}
        self.fire("CHANNEL_HANGUP", before={"Hangup-Cause": cause})
        self.variables |= disposition
        if self.far_end is not None and self.far_end is not gevent.getcurrent():
            self.far_end.kill(block=False)
        self.wake.set()
        self._changed()

    def _our_hangup(self) -> dict[str, str]:
        if self.times.answered:
            return {"sip_hangup_disposition": "send_bye"}
        if self.direction == "inbound":
            return {"sip_hangup_disposition": "send_refuse"}
        return {
            "sip_hangup_disposition": "send_cancel",
            "sip_invite_failure_status": "487",
            "sip_invite_failure_phrase": "CANCEL",
        }

    def _changed(self) -> None:
        for one in (self.watcher, self.partner):
            if one is not None:
                one.wake.set()

    # --- what the far end does -------------------------------------------------------------------------------------

    def far_ringing(self) -> None:
        """180 from a phone that we dialled."""
        self.progress()

    def far_early_media(self) -> None:
        """183 with media from whom we dialled."""
        self.early_media()

    def far_answer(self) -> None:
        """200 from whom we dialled."""
        self.answer()
        self._changed()

    def far_refuse(self, code: int) -> None:
        """A final SIP refusal, such as 486."""
        cause, phrase = causes.SIP[code]
        self.hangup(
            cause,
            sip_hangup_disposition="recv_refuse",
            sip_invite_failure_status=str(code),
            sip_invite_failure_phrase=phrase,
            sip_term_status=str(code),
            proto_specific_hangup_cause=f"sip:{code}",
            sip_term_cause=str(causes.Q850[cause]),
        )

    def far_hangup(self) -> None:
        """BYE, or CANCEL of a call that we have not answered."""
        if self.times.answered:
            self.hangup(
                "NORMAL_CLEARING",
                sip_term_status="200",
                proto_specific_hangup_cause="sip:200",
                sip_term_cause="16",
                sip_hangup_disposition="recv_bye",
            )
        else:
            self.hangup(
                "ORIGINATOR_CANCEL",
                sip_hangup_disposition="recv_cancel",
                sip_invite_failure_status="487",
                sip_invite_failure_phrase="CANCEL",
                sip_term_status="487",
                proto_specific_hangup_cause="sip:487",
                sip_term_cause="487",
            )

    def far_digit(self, digit: str) -> None:
        """A key, by RFC 2833."""
        self.fire("DTMF", after={"DTMF-Digit": digit, "DTMF-Duration": "960", "DTMF-Source": "RTP"})
        self.digits.append(digit)
        self.wake.set()

    # --- states and events -----------------------------------------------------------------------------------------

    def fire(self, name: str, *, before: Headers | None = None, after: Headers | None = None) -> None:
        """An event of this leg."""
        self.switch.core.fire_channel(name, self, before=before, after=after)

    def enter(self, state: str) -> None:
        """Runs in this state from now on (CHANNEL_STATE)."""
        self.state = state
        self.state_number = events.STATES[state]
        self.fire("CHANNEL_STATE")

    def enter_call_state(self, call_state: str) -> None:
        """DOWN, RINGING, EARLY, ACTIVE, HANGUP (CHANNEL_CALLSTATE)."""
        if self.call_state != call_state:
            before, self.call_state = self.call_state, call_state
            self.fire("CHANNEL_CALLSTATE", after={"Original-Channel-Call-State": before})

    def progress(self) -> None:
        """Rings (once)."""
        if not self.times.progress and not self.times.answered and not self.times.progress_media:
            self.times.progress = self.switch.clock.now_us()
            self.fire("CHANNEL_PROGRESS")
            self.progressed.set()
            if self.direction == "outbound":
                self.enter_call_state("RINGING")
            self._changed()

    def early_media(self) -> None:
        """Sounds before the answer (once)."""
        if not self.times.answered and not self.times.progress_media:
            self.times.progress_media = self.switch.clock.now_us()
            self.answer_state = "early"
            self.has_media = True
            self.fire("CHANNEL_PROGRESS_MEDIA")
            self.enter_call_state("EARLY")
            self.progressed.set()
            self._changed()

    def answer(self) -> None:
        """Is answered (once)."""
        if self.times.answered or self.hangup_cause:
            return
        self.times.answered = self.switch.clock.now_us()
        self.answer_state = "answered"
        self.has_media = True
        self.fire("CHANNEL_ANSWER")
        self.variables["endpoint_disposition"] = "ANSWER"
        self.enter_call_state("ACTIVE")
        self.answered.set()
        self.progressed.set()

    # --- the thread ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises HungUp or Diverted; runs what was broadcast."""
        if self.hangup_cause:
            raise HungUp
        if self._next is not None:
            raise Diverted
        if self._nested and not self._in_nested:
            self._in_nested = True
            try:
                while self._nested:
                    self.execute(self._nested.popleft())
            finally:
                self._in_nested = False

    def _run(self) -> None:
        try:
            while True:
                if self.hangup_cause:
                    raise HungUp
                state, self._next = self._next, None
                if state is None:
                    self.hangup("NORMAL_CLEARING")
                    raise HungUp
                try:
                    state()
                except Diverted:
                    continue
        except HungUp:
            self._report()

    def _report(self) -> None:
        self.times.hangup = self.switch.clock.now_us()
        self.enter("CS_HANGUP")
        self.enter_call_state("HANGUP")
        for path in list(self.recordings):
            self.switch.stop_recording(self, path)
        self.enter("CS_REPORTING")
        self.variables |= events.final_variables(self)
        self.fire("CHANNEL_HANGUP_COMPLETE", before={"Hangup-Cause": self.hangup_cause})
        self.switch.ended(self)
        self.state_number = events.STATES["CS_DESTROY"]
        self.fire("CHANNEL_DESTROY")
        self.enter("CS_DESTROY")
        self.gone.set()

    def consume(self) -> None:
        """A dialled leg, until somebody does something with it."""
        self.enter("CS_ROUTING")
        self.enter("CS_CONSUME_MEDIA")
        self.pause()

    def route(self, destination: str) -> None:
        """Through the dialplan of its profile, and on with what is found there."""
        self.enter("CS_ROUTING")
        if self.profile.dialplan == "inline":
            apps: tuple[App, ...] | None = plan.inline(destination)
            if not destination:
                self.hangup("DESTINATION_OUT_OF_ORDER")
                raise HungUp
        else:
            apps = self.switch.dialplan.apps(self.profile.context, destination, self)
        if apps is None:
            self.hangup("NO_ROUTE_DESTINATION")
            raise HungUp
        self.run_apps(apps)

    def run_apps(self, apps: tuple[App, ...]) -> None:
        """These applications, one after the other."""
        self._plan = deque(apps)
        self.run_plan()

    def run_plan(self) -> None:
        """What is left of the plan; at its end the leg hangs up."""
        self.enter("CS_EXECUTE")
        while self._plan:
            self.execute(self._plan.popleft())
            self.check()

    def execute(self, app: App) -> None:
        """One application: CHANNEL_EXECUTE, the thing itself, CHANNEL_EXECUTE_COMPLETE."""
        data = plan.expand(app.data, self.get)
        self.variables["current_application"] = app.name
        self.variables.pop("current_application_data", None)
        about: Headers = {"Application": app.name}
        if data:
            self.variables["current_application_data"] = data
            about["Application-Data"] = data
        last: Headers = {"Application-UUID": str(uuid.uuid4())}
        self.fire("CHANNEL_EXECUTE", after=about | last)
        response = "_none_"
        try:
            response = self.switch.run_app(self, app.name, data)
        except (HungUp, Diverted):
            response = str(self.variables.get("current_application_response", "_none_"))
            raise
        finally:
            self.variables.pop("current_application_response", None)
            self.fire("CHANNEL_EXECUTE_COMPLETE", after=about | {"Application-Response": response} | last)

    def get(self, name: str) -> str | None:
        """A variable, or what the caller profile says under that name."""
        value = self.variables.get(name)
        if value is not None:
            return value if isinstance(value, str) else "ARRAY::" + "|:".join(value)
        profile = {
            "caller_id_name": self.profile.caller_name,
            "caller_id_number": self.profile.caller_number,
            "destination_number": self.profile.destination,
            "uuid": self.uuid,
        }
        return profile.get(name)

    def set(self, name: str, value: str) -> None:
        """Sets a variable; an empty value unsets it."""
        if value:
            self.variables[name] = value
        else:
            self.variables.pop(name, None)

    def is_true(self, name: str) -> bool:
        """Whether a variable says yes, as switch_true() reads it."""
        return str(self.variables.get(name, "")).lower() in ("true", "yes", "on", "1", "enabled", "active", "allow")
