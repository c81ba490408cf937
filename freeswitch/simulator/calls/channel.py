"""A leg with its thread, in which the applications of its plan run one after the other.

Enters: applications to execute, transfers and hang-ups from anywhere. Leaves: the leg's states and the events around
each application. What applications do belongs to apps/, what a leg is to leg.py, who is at its far end to sip_leg.py.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import gevent
from gevent.event import Event as Signal

from freeswitch.simulator import events, plan
from freeswitch.simulator.calls.broadcast import ENDLESS, LEAD_S, TOO_SHORT_US, Broadcast
from freeswitch.simulator.calls.keys import Key
from freeswitch.simulator.calls.leg import Ear, Leg
from freeswitch.simulator.calls.meta_keys import MetaKeys
from freeswitch.simulator.calls.profile import STATES, Headers, Profile
from freeswitch.simulator.calls.story import Ran
from freeswitch.simulator.calls.waiting import Diverted, HungUp, Turns
from freeswitch.simulator.plan import App

State = Callable[[], None]


class Home(Ear, Protocol):
    """What a leg needs of the switch on which it lives."""

    turns: Turns

    def spawn(self, run: Callable[..., None], *arguments: Any) -> gevent.Greenlet[..., None]: ...

    def apps_for(self, channel: Channel, destination: str) -> tuple[App, ...] | None: ...

    def need_app(self, channel: Channel, name: str) -> None:
        """Hangs the call up if the switch has no such application. Raises HungUp."""
        ...

    def run_app(self, channel: Channel, name: str, data: str) -> str: ...

    def ending(self, channel: Channel) -> None: ...

    def release_limits(self, channel: Channel) -> None: ...

    def report(self, channel: Channel) -> None: ...

    def ended(self, channel: Channel) -> None: ...


class Channel(Leg):
    """A leg that does something. Gone after its CHANNEL_DESTROY."""

    partner: Channel | None

    def __init__(self, home: Home, direction: str, profile: Profile, leg: str = "", address: str = "") -> None:
        super().__init__(home, direction, profile, leg, address)
        self.home = home
        self._next: State | None = None
        self._plan: deque[App] = deque()
        self._nested: deque[Broadcast] = deque()
        self.undisturbed = Signal()
        """Set while nothing that was broadcast runs."""
        self.undisturbed.set()
        self._nests: list[bool] = []
        self.apart: list[tuple[int, int]] = []
        """From when to when something that was broadcast ran, in which what it ran in stood still; microseconds."""
        self._stop_broadcast = False
        self.heir: Channel | None = None
        """Whom it dials goes to this leg, should it end meanwhile."""
        self.picked_off = False
        """Another leg took it away from whomever it dialled or talked to."""
        self.asks_for: Channel | None = None
        """Whom it keeps waiting while it dials somebody to ask (att_xfer)."""
        self.at_end: Callable[[], object] | None = None
        """Runs once, the moment that the leg is hung up or transferred."""
        self.then: State | None = None
        """Where it goes once the bridge that it runs is over, unless that ends it."""
        self.meta_keys: MetaKeys | None = None
        self.on_key: Callable[[str], bool] | None = None
        """Hears the keys of the far end first while the leg talks; whether it kept one."""
        self._break = 0
        self.re_invited = False
        """We asked its far end for sound again, and the answer is on its way."""
        self.reads_keys = True
        """Whether what runs on it reads keys, or lets them wait for what comes next."""

    # --- what others ask of this leg -------------------------------------------------------------------------------

    def start(self, first: State) -> None:
        """Runs the leg's thread, beginning with this state."""
        self._next = first
        self.home.spawn(self._run)

    @property
    def is_diverted(self) -> bool:
        """Whether it has been told to go elsewhere and has not set out yet."""
        return self._next is not None

    def divert(self, state: State) -> None:
        """Leaves what it does and goes on with this."""
        self._next = state
        self.wake.set()

    def broadcast(
        self, app: App, *, lead_s: float = 0.0, times: int = 1, holds_other: bool = False, first: bool = False
    ) -> None:
        """Runs an application within what it does now; see Broadcast."""
        nested = Broadcast(app, lead_s, times, holds_other, first)
        if first:
            self._nested.appendleft(nested)
        else:
            self._nested.append(nested)
        self.wake.set()

    def broadcast_to(self, what: str, sides: str) -> None:
        """A file, or `app::args`, to this leg, whom it talks to (`bleg`), or `both`. Source: switch_ivr_broadcast."""
        name, _, args = what.partition(":")
        apart = args.startswith(":")
        app = App(name.partition("!")[0], args[1:]) if apart else App("playback", what)
        legs = {"bleg": (self.partner,), "both": (self.partner, self)}.get(sides, (self,))
        for one in legs:
            if one is not None:
                one.broadcast(app, lead_s=LEAD_S)
        if apart and "!" in name:
            self.broadcast(App("hangup", name.partition("!")[2] or "normal_clearing"))

    def stop_broadcast(self) -> None:
        """Ends what was broadcast, if it runs."""
        if not self.undisturbed.is_set():
            self._stop_broadcast = True
            self.break_off()

    def sounds_both_ways(self) -> None:
        """Before it is sent elsewhere: a re-INVITE, if its far end holds the call. Source: switch_ivr_check_hold."""
        self.re_invited = self.held

    def takes_sound_again(self) -> None:
        """Begins what it was sent to."""

    def break_off(self) -> None:
        """Ends the current playback or recording; the plan goes on."""
        self._break += 1
        self.wake.set()

    def key(self, key: Key) -> None:
        """A key from the far end, or in its place: it waits for whatever reads the leg (switch_channel_queue_dtmf)."""
        self.keys.put(key)
        if self.reads_keys:
            self._read_keys()
        self.wake.set()

    def _read_keys(self) -> None:
        while self.keys and not self.hangup_cause:
            key = self.keys.take()
            about: Headers = {
                "DTMF-Digit": key.digit,
                "DTMF-Duration": str(key.samples),
                "DTMF-Source": key.source,
            }
            self.fire("DTMF", after=about)
            self.heard(key)

    def heard(self, key: Key) -> None:
        """Whatever runs on the leg has read a key."""
        self.digits.append(key.digit)

    def took_break(self) -> bool:
        """Whether somebody asked to break off since the last question."""
        taken, self._break = self._break > 0, 0
        return taken

    def transfer(self, destination: str, dialplan: str = "", context: str = "") -> bool:
        """To another extension, or to an inline plan; one that goes round and round ends, and False. Source:
        switch_ivr_session_transfer."""
        if not self.counts_transfer():
            self.hangup("EXCHANGE_ROUTING_ERROR")
            return False
        destination = destination or "service"
        self.sounds_both_ways()
        own = "XML" if self.profile.dialplan == "inline" else self.profile.dialplan
        dialplan = dialplan or self.get("force_transfer_dialplan") or own or "XML"
        context = context or self.get("force_transfer_context") or self.profile.context or "default"
        previous = self.profile
        self.keys.flush()
        for one in (self, self.partner):
            if one is not None:
                one.variables.pop("signal_bond", None)
                one.bond = None
        self.other = None
        if not self.is_true("limit_ignore_transfer"):
            self.home.release_limits(self)
        self.profile = replace(
            self._sent_on(f"bl_xfer:{destination}/{context}/{dialplan}"),
            destination=destination,
            dialplan=dialplan,
            context=context,
            rdnis=previous.destination,
        )
        self.state_number = STATES["CS_ROUTING"]

        def route() -> None:
            self.takes_sound_again()
            self.enter("CS_ROUTING")
            self.hunt(destination)

        self.divert(route)
        self._at_end()
        return True

    def sent_to_bridge(self, other: str) -> None:
        """uuid_bridge counts as a transfer: the caller profile gets the next index."""
        self.profile = self._sent_on(f"uuid_br:{other}")
        self.story.bridged_away()

    def _sent_on(self, how: str) -> Profile:
        now_us = self.clock.now_us()
        self.story.sent_on(self.profile, self.times, self.other, self.apps_left, now_us)
        self.times.profile_created, self.times.bridged = now_us, 0
        self.times.last_hold = self.times.hold_accum = 0
        self.logical_direction = "inbound" if self.in_dialplan else self.direction
        note = self.note_transfer(how)
        return replace(self.profile, transfer_source=note, index=self.profile.index + 1)

    def take_over(self, other: Channel) -> None:
        """Goes on with what is left of the other leg's plan. Source: switch_channel_caller_extension_masquerade."""
        self._plan = other._plan
        self.divert(self.run_plan)

    def note_transfer(self, how: str) -> str:
        """The entry in transfer_history, which is also transfer_source now."""
        note = f"{self.clock.now_us() // 1_000_000}:{uuid.uuid4()}:{how}"
        self.add_to_list("transfer_history", note)
        self.variables["transfer_source"] = note
        return note

    def hangup(self, cause: str, **disposition: str) -> None:
        """As of every leg; its place behind a limit is free."""
        super().hangup(cause, **disposition)
        self.home.release_limits(self)
        self._at_end()

    def _at_end(self) -> None:
        act, self.at_end = self.at_end, None
        if act is not None:
            act()

    # --- the thread ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises HungUp or Diverted; runs what was broadcast."""
        if self.hangup_cause:
            raise HungUp
        if self._next is not None:
            raise Diverted
        if self.keys and self.reads_keys:
            self._read_keys()
        if self._nested and self._nested[0].first not in self._nests:
            self._run_broadcasts()

    def _run_broadcasts(self) -> None:
        began_us, within = self.clock.now_us(), list(self._nests)
        try:
            while self._nested and self._nested[0].first not in within:
                nested = self._nested.popleft()
                self._nests = [*within, nested.first]
                self._run_nested(nested)
        finally:
            self._nests = within
            self.apart = [*(one for one in self.apart if one[0] < began_us), (began_us, self.clock.now_us())]
            if not within:
                self.undisturbed.set()
                self.changed()

    def _run_nested(self, nested: Broadcast) -> None:
        self._stop_broadcast = False
        if self.bridged.is_set():
            # Its bridge stands still meanwhile (switch_ivr_bridge.c, audio_bridge_thread).
            self.regather(sends=True, lead_s=nested.lead_s)
        if nested.lead_s:
            self.early_media()
            self.pause(nested.lead_s)
        self.undisturbed.clear()
        self.changed()
        other = self.partner if nested.holds_other else None
        if other is not None:
            other.broadcast(App("playback", self.hold_music), lead_s=LEAD_S, times=ENDLESS)
            self.pause(5.0, until=lambda: not other.undisturbed.is_set() or bool(other.hangup_cause))
        turn = 0
        while turn != nested.times:
            began_us, turn = self.clock.now_us(), turn + 1
            self.variables |= {"current_loop": str(turn), "total_loops": str(nested.times)}
            try:
                self.execute(nested.app)
            except (HungUp, Diverted):
                # Whom it kept waiting with music is let go all the same.
                if other is not None:
                    other.stop_broadcast()
                raise
            finally:
                for name in ("current_loop", "total_loops"):
                    self.variables.pop(name, None)
            if self._stop_broadcast or self.clock.now_us() - began_us < TOO_SHORT_US:
                break
        if other is not None and not other.hangup_cause:
            other.stop_broadcast()
            self.pause(5.0, until=lambda: other.undisturbed.is_set() or bool(other.hangup_cause))
        if self.bridged.is_set():
            self.regather(sends=True)

    def _run(self) -> None:
        try:
            while True:
                if self.hangup_cause:
                    raise HungUp
                state, self._next = self._next, None
                if state is None:
                    self.hangup("NORMAL_CLEARING")
                    raise HungUp
                self.reads_keys = True
                try:
                    state()
                except Diverted:
                    continue
        except HungUp:
            self._report()

    def _report(self) -> None:
        self.enter("CS_HANGUP")
        self.times.hangup = self.clock.now_us()
        self.home.ending(self)
        self.enter_call_state("HANGUP")
        self.variables |= self.goodbye
        self.enter("CS_REPORTING")
        self.variables |= events.final_variables(self)
        self.home.report(self)
        self.fire("CHANNEL_HANGUP_COMPLETE", before={"Hangup-Cause": self.hangup_cause})
        self.home.ended(self)
        self.reported.set()
        self.changed()
        self.wait_for_release()
        self.state_number = STATES["CS_DESTROY"]
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
        self.hunt(destination)

    def hunt(self, destination: str) -> None:
        """What its dialplan says about this destination, and on with that."""
        if self.profile.dialplan == "inline":
            apps: tuple[App, ...] | None = plan.inline(destination)
            self.profile = replace(self.profile, destination=self.profile.rdnis, rdnis="")
            self.story.found("inline", "inline")
            if not destination:
                self.hangup("DESTINATION_OUT_OF_ORDER")
                raise HungUp
        else:
            self.story.found("", destination)
            apps = self.home.apps_for(self, destination)
        if apps is None:
            self.hangup("NO_ROUTE_DESTINATION")
            raise HungUp
        self.run_apps(apps)

    def run_apps(self, apps: tuple[App, ...]) -> None:
        """These applications, one after the other."""
        self._plan = deque(apps)
        self.story.runs(apps)
        self.sort_parties()
        self.run_plan()

    @property
    def apps_left(self) -> int:
        """How many applications of the plan have not begun."""
        return len(self._plan)

    def run_plan(self) -> None:
        """What is left of the plan; at its end the leg hangs up."""
        self.enter("CS_EXECUTE")
        self.reads_keys = False
        while self._plan:
            self.execute(self._plan.popleft())
            self.check()

    def execute_on(self, prefix: str) -> None:
        """Applications that variables such as execute_on_answer name: `app args`, `app:args`, or `app::args` which
        runs like a broadcast. Source: switch_channel_execute_on.
        """
        try:
            for name, value in list(self.variables.items()):
                if name.startswith(prefix):
                    for one in [value] if isinstance(value, str) else value:
                        self._execute_value(one)
        except (HungUp, Diverted):
            # Not only the leg's own thread comes here; that one notices by itself.
            return

    def _execute_value(self, value: str) -> None:
        at = next((at for at, char in enumerate(value) if char in " :"), len(value))
        if value[at : at + 2] == "::":
            self.broadcast(App(value[:at], value[at + 2 :]))
        else:
            self.execute(App(value[:at], value[at + 1 :]))

    def execute(self, app: App) -> None:
        """One application: CHANNEL_EXECUTE, the thing itself, CHANNEL_EXECUTE_COMPLETE."""
        self.home.need_app(self, app.name)
        data = plan.expand(app.data, self.get)
        self.variables["current_application"] = app.name
        for name in ("current_application_data", "current_application_response"):
            self.variables.pop(name, None)
        about: Headers = {"Application": app.name}
        if data:
            self.variables["current_application_data"] = data
            about["Application-Data"] = data
        given = None if not data and self.profile.dialplan == "inline" else data
        self.story.ran.append(Ran(app.name, given, self.clock.now_us()))
        last: Headers = {"Application-UUID": app.uuid or str(uuid.uuid4())}
        self.fire("CHANNEL_EXECUTE", after=about | last)
        before = self.reads_keys, self.digits
        self.reads_keys, self.digits = True, deque()
        try:
            response = self.home.run_app(self, app.name, data)
            if response != "_none_":
                self.variables["current_application_response"] = response
        finally:
            self.reads_keys, self.digits = before
            response = str(self.variables.get("current_application_response", "_none_"))
            self.fire("CHANNEL_EXECUTE_COMPLETE", after=about | {"Application-Response": response} | last)
