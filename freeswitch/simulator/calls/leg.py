"""What a leg is and what it tells: names, variables, times, and the events of its life in the order of the real switch.

Enters: changes, from whoever brings them about. Leaves: events, to the switch on which the leg lives. What runs on a
leg belongs to channel.py, what its far end does to sip_leg.py, the headers of events to events.py.
"""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import replace
from typing import Protocol

from gevent.event import Event as Signal

from freeswitch.simulator import plan
from freeswitch.simulator.calls.keys import Keys
from freeswitch.simulator.calls.profile import CALL_STATES, FIELDS, STATES, Headers, OtherLeg, Profile, Times
from freeswitch.simulator.calls.recording import Recording
from freeswitch.simulator.calls.story import Story
from freeswitch.simulator.calls.waiting import Waiter
from freeswitch.simulator.clock import Clock
from freeswitch.simulator.esl.wire import Value

RELEASE_S = 3600.0
"""A leg that somebody keeps is destroyed after so long all the same."""


class Ear(Protocol):
    """Who hears what a leg tells: the switch on which it lives."""

    @property
    def clock(self) -> Clock: ...

    @property
    def keeps_presence(self) -> bool: ...

    def tell(self, name: str, leg: Leg, before: Headers | None, after: Headers | None, subclass: str) -> None: ...


class Leg(Waiter):
    """One leg."""

    def __init__(self, ear: Ear, direction: str, profile: Profile, leg: str = "", address: str = "") -> None:
        super().__init__(ear.clock)
        self._ear = ear
        self.uuid = leg or str(uuid.uuid4())
        self.direction = direction
        self.logical_direction = direction
        self.profile = profile
        self.address = address
        """`id@domain` of a phone, or what a caller calls itself."""
        self.call_uuid = self.uuid
        self.state = "CS_NEW"
        self.state_number = 0
        self.call_state = "DOWN"
        self.answer_state = "ringing"
        self.hangup_cause = ""
        self.goodbye: dict[str, str] = {}
        """Variables that tell how the end was said, once it is said: after CHANNEL_HANGUP."""
        self.has_media = direction == "inbound"
        self.is_known = True
        """Who calls, and when; a stranger's leg ends before it has a caller profile."""
        self.renamed = ""
        self.blocks_keys = False
        self.verbose = False
        """All its events tell its variables (verbose_events)."""
        self.sounds = False
        """Sounds have come before an answer: the moment of that is also noted for those of whom it dials."""
        now_us = ear.clock.now_us()
        self.times = Times(profile_created=now_us, created=now_us)
        self.other: OtherLeg | None = None
        self.partner: Leg | None = None
        """Whom it hears now."""
        self.bond: Leg | None = None
        """Whom it dials, or who dials it: each tells the other's variables how it ended (signal_bond)."""
        self.rings = False
        self.shown = ("", "")
        """Name and number of whom it talks to, as its far end was last told."""
        self.watcher: Waiter | None = None
        """Who dials this leg, or talks to it, and wants to know of changes."""
        self.listeners: set[Waiter] = set()
        """Who listens in, and also wants to know (eavesdrop)."""
        self.variables: dict[str, Value] = {}
        self.story = Story()
        self.recordings: dict[str, Recording] = {}
        """By path."""
        self.bugs: list[tuple[str, str]] = []
        """What reads or changes its sound besides recordings, and which: ("displace", path), ("audio", "mute")."""
        self.heartbeats = 0
        """How often a heartbeat was begun, or ended: only the newest beats."""
        self.codec = self.read_codec = "PCMU"
        """On the line, and as what runs on it reads it."""
        self.is_sent_sound = False
        """A sound of the switch plays to it."""
        self.digits: deque[str] = deque()
        self.keys = Keys()
        self.asked = False
        self.confirmed = False
        """Whoever answered was asked to press a key, and did."""
        self.held = False
        self.held_since_us = 0
        self.left_on_hold = False
        """It ended while its far end held the call: whom it talked to ends too (CF_HANGUP_HELD)."""
        self.in_dialplan = False
        """A leg that we dialled has been sent into a plan of its own, and counts as a caller since (CF_DIALPLAN)."""
        self.is_b_leg = False
        """A leg that called us has been bridged to by another one (CF_BLEG)."""
        self.at_answer = False
        """What is to run at its answer runs (execute_on_answer), in its own thread: whatever else it does waits."""
        self.answered = Signal()
        self.bridged = Signal()
        self.progressed = Signal()
        self.reported = Signal()
        """Set when CHANNEL_HANGUP_COMPLETE is out."""
        self.released = Signal()
        """Nobody else holds it: only then it can be destroyed."""
        self.released.set()
        self._readers = 0
        self._unread = Signal()
        self._unread.set()
        self.gone = Signal()
        """Set when CHANNEL_DESTROY is out."""

    def read_by(self, more: int) -> None:
        """So many more connections read it (`myevents`), or fewer: it is not destroyed before they let it go."""
        self._readers += more
        if self._readers > 0:
            self._unread.clear()
        else:
            self._unread.set()

    def wait_for_release(self) -> None:
        """Until nobody holds it."""
        for held in (self.released, self._unread):
            self.clock.wait(held, RELEASE_S)

    @property
    def is_called_side(self) -> bool:
        """Whether it shows whom it called rather than who calls. Source: switch_channel_outbound_display."""
        return self.is_b_leg if self.direction == "inbound" else not self.in_dialplan

    def sort_parties(self) -> None:
        """Before it runs a plan of its own, a called leg is turned round. Source: switch_channel_sort_cid."""
        if self.direction == "inbound" and self.is_b_leg:
            self.turn_round()
            self.is_b_leg = False
        elif self.direction == "outbound" and not self.in_dialplan:
            self.in_dialplan = True
            self.turn_round()

    def turn_round(self) -> None:
        """Whom it called is who calls now (CALL_UPDATE). Source: switch_channel_flip_cid."""
        profile, talks = self.profile, self.bridged.is_set()
        self.set("pre_transfer_caller_id_name", profile.caller_name)
        self.set("pre_transfer_caller_id_number", profile.caller_number)
        self.set("channel_cid_flipped", "yes")
        self.profile = replace(
            profile,
            caller_name=profile.callee_name or profile.caller_name,
            caller_number=profile.callee_number or profile.caller_number,
            callee_name="" if talks else profile.caller_name,
            callee_number="" if talks else profile.caller_number,
        )
        bond = self.variables.get("signal_bond")
        self.fire("CALL_UPDATE", before={"Direction": "RECV"} | ({"Bridged-To": bond} if bond else {}))

    @property
    def pressed(self) -> str:
        """All keys that were read, in order."""
        return self.keys.log

    # --- variables -------------------------------------------------------------------------------------------------

    @property
    def presence_id(self) -> str:
        """Under whose name the switch notes that it is busy; empty where its profiles do not."""
        return self.address if self._ear.keeps_presence else ""

    def get(self, name: str) -> str | None:
        """A variable, or what the caller profile says under that name."""
        value = self.variables.get(name)
        if value is not None:
            return value if isinstance(value, str) else "ARRAY::" + "|:".join(value)
        if name == "uuid":
            return self.uuid
        field = FIELDS.get(name)
        return None if field is None else str(getattr(self.profile, field))

    def set(self, name: str, value: str) -> None:
        """Sets a variable; an empty value unsets it, `ARRAY::a|:b` is a list (switch_event_base_add_header)."""
        if value:
            self.variables[name] = value[7:].split("|:") if value.startswith("ARRAY::") else value
        else:
            self.variables.pop(name, None)

    @property
    def hold_music(self) -> str:
        """What whoever talks to this leg hears while the leg is away."""
        return self.get("hold_music") or "local_stream://moh"

    def counts_transfer(self) -> bool:
        """Whether one more is left of those that max_session_transfers, else max_forwards, allows."""
        name = "max_session_transfers" if self.get("max_session_transfers") else "max_forwards"
        allowed = self.get(name)
        left = plan.whole(allowed) - 1 if allowed else 70
        if left > 0:
            self.variables[name] = str(left)
        return left > 0

    def read_as(self, codec: str = "") -> None:
        """What is read of it comes in this codec: as on the line, or L16 for an application that wants it so."""
        self.variables["read_codec"] = self.read_codec = codec or self.codec

    def is_true(self, name: str) -> bool:
        """Whether a variable says yes, as switch_true() reads it."""
        return plan.says_yes(str(self.variables.get(name, "")))

    def add_to_list(self, name: str, entry: str) -> None:
        """A variable that becomes an array from its second entry on."""
        before = self.variables.get(name)
        if before is None:
            self.variables[name] = entry
        else:
            self.variables[name] = [before, entry] if isinstance(before, str) else [*before, entry]

    def move_recordings(self, other: Leg) -> None:
        """They go on with the other leg, without RECORD_STOP. Source: switch_ivr_transfer_recordings."""
        for recording in self.recordings.values():
            recording.leg, recording.gathers_us = other, 0
        other.recordings |= self.recordings
        moved = list(self.recordings)
        self.recordings.clear()
        for path in moved:
            about: Headers = {"Media-Bug-Function": "session_record", "Media-Bug-Target": path}
            other.fire("MEDIA_BUG_START", before=about)
            self.fire("MEDIA_BUG_STOP", before=about)

    def export(self, name: str, value: str, listed_in: str = "export_vars") -> None:
        """A variable that legs it dials will have too; with `nolocal:` before its name only they have it."""
        self.set(name, value)
        if value:
            known = self.variables.get(listed_in)
            self.variables[listed_in] = f"{known},{name}" if known else name

    def exported(self, listed_in: str = "export_vars") -> dict[str, str]:
        """What another leg gets of it, with the list itself. Source: switch_channel_process_export."""
        listed = str(self.variables.get(listed_in, ""))
        found = {listed_in: listed} if listed else {}
        for name in listed.split(",") if listed else ():
            if (value := self.get(name)) is not None:
                found[name.removeprefix("nolocal:").removeprefix("_nolocal_")] = value
        return found

    def start_bug(self, what: str, target: str) -> None:
        """Something reads or changes its sound from now on (MEDIA_BUG_START)."""
        self.bugs.append((what, target))
        self.fire("MEDIA_BUG_START", before={"Media-Bug-Function": what, "Media-Bug-Target": target})

    def stop_bug(self, what: str, target: str) -> bool:
        """No longer; whether it did."""
        if (what, target) not in self.bugs:
            return False
        self.bugs.remove((what, target))
        self.fire("MEDIA_BUG_STOP", before={"Media-Bug-Function": what, "Media-Bug-Target": target})
        return True

    def regather(self, *, sends: bool, lead_s: float = 0.0) -> None:
        """A bridge begins (then it also is sent something, after `lead_s`) or ends, which its recordings notice."""
        for recording in self.recordings.values():
            recording.start_anew(self.clock.now_us(), sends=sends, lead_us=int(lead_s * 1_000_000))

    def execute_on(self, prefix: str) -> None:
        """Runs the applications that variables of this prefix name; a bare leg runs none."""

    # --- events ----------------------------------------------------------------------------------------------------

    def fire(
        self, name: str, *, before: Headers | None = None, after: Headers | None = None, subclass: str = ""
    ) -> None:
        """An event of this leg."""
        self._ear.tell(name, self, before, after, subclass)

    def enter(self, state: str) -> None:
        """Runs in this state from now on (CHANNEL_STATE)."""
        self.state = state
        self.state_number = STATES[state]
        if self.direction == "inbound" and self.state_number < STATES["CS_HANGUP"]:
            # Source: switch_channel_perform_set_running_state.
            if state == "CS_ROUTING":
                self.enter_call_state("RINGING")
            elif self.times.answered:
                self.enter_call_state("ACTIVE")
            elif self.sounds:
                self.enter_call_state("EARLY")
        self.fire("CHANNEL_STATE")

    def enter_call_state(self, call_state: str) -> None:
        """DOWN, RINGING, EARLY, ACTIVE, HANGUP (CHANNEL_CALLSTATE)."""
        if self.call_state != call_state:
            before, self.call_state = self.call_state, call_state
            number = str(CALL_STATES.index(call_state))
            changed: Headers = {"Original-Channel-Call-State": before, "Channel-Call-State-Number": number}
            self.fire("CHANNEL_CALLSTATE", before=changed)

    def progress(self) -> None:
        """Rings (once)."""
        if not self.rings and not self.times.answered and not self.sounds:
            self.rings = True
            if not self.times.progress:
                self.times.progress = self.clock.now_us()
                self._tell_originator(progress=self.times.progress)
            self.fire("CHANNEL_PROGRESS")
            self.execute_on("execute_on_ring")
            self.progressed.set()
            if self.direction == "outbound":
                self.enter_call_state("RINGING")
            self.changed()

    def _tell_originator(self, *, progress: int = 0, media: int = 0) -> None:
        """Who dials us notes it too, and so does our copy of them. Source: switch_channel.c (mark_ring_ready)."""
        if self.other is not None and self.other.kind == "originator":
            if self.bond is not None and self.bond.uuid == self.other.uuid:
                self.bond.times.progress = self.bond.times.progress or progress
                self.bond.times.progress_media = media or self.bond.times.progress_media
            times = self.other.times
            self.other = replace(
                self.other,
                times=replace(times, progress=progress or times.progress, progress_media=media or times.progress_media),
            )

    def early_media(self) -> None:
        """Sounds before the answer (once)."""
        if not self.times.answered and not self.sounds:
            self.sounds = True
            self.times.progress_media = self.clock.now_us()
            self._tell_originator(media=self.times.progress_media)
            self.answer_state = "early"
            self.variables["endpoint_disposition"] = "EARLY MEDIA"
            self.fire("CHANNEL_PROGRESS_MEDIA")
            self.execute_on("execute_on_pre_answer")
            self.execute_on("execute_on_media")
            self.has_media = True
            self.enter_call_state("EARLY")
            self.progressed.set()
            self.changed()

    def mark_hold(self, held: bool, *, talks: bool = True) -> None:
        """Its far end holds the call (CHANNEL_HOLD), or takes it up again (CHANNEL_UNHOLD) and `talks` on."""
        if held == self.held:
            return
        self.held = held
        now_us = self.clock.now_us()
        if not self.times.answered:
            # It is told, and changes nothing: only who talks can be held.
            self.fire("CHANNEL_HOLD" if held else "CHANNEL_UNHOLD")
            return
        if held:
            self.enter_call_state("HELD")
            self.times.last_hold = self.held_since_us = now_us
            self.fire("CHANNEL_HOLD")
            return
        self.enter_call_state("UNHELD")
        if self.times.last_hold:
            self.times.hold_accum += now_us - self.times.last_hold
        self.times.holds.append((self.held_since_us, now_us))
        self.fire("CHANNEL_UNHOLD")
        if talks:
            self.enter_call_state("ACTIVE")

    def answer(self) -> None:
        """Is answered (once)."""
        if self.times.answered or self.hangup_cause:
            return
        self.times.answered = self.clock.now_us()
        self.answer_state = "answered"
        self.has_media = True
        self.fire("CHANNEL_ANSWER")
        self.variables["endpoint_disposition"] = "ANSWER"
        self.at_answer = True
        # Whoever dials it sees the answer already.
        self.changed()
        self.execute_on("execute_on_answer")
        if not self.sounds:
            self.execute_on("execute_on_media")
        self.at_answer = False
        self.wake.set()
        self.changed()
        for recording in self.recordings.values():
            if not recording.records:
                recording.records = True
                recording.started_us = recording.gathers_since_us = self.times.answered
        self.enter_call_state("ACTIVE")
        self.answered.set()
        self.progressed.set()

    def hangup(self, cause: str, **disposition: str) -> None:
        """Ends the leg; the first cause stays. `disposition`: the sip_… variables of who ended it, and how."""
        if self.hangup_cause:
            return
        if not disposition:
            self.goodbye = self._our_hangup()
        # A BYE is noted once the leg has ended by it (sofia.c).
        received = {"sip_hangup_disposition": "recv_bye"}
        late = received if disposition.get("sip_hangup_disposition") == "recv_bye" else {}
        disposition = {name: value for name, value in disposition.items() if name not in late}
        self.variables |= disposition
        if self.held:
            self.mark_hold(False, talks=False)
            self.left_on_hold = True
        self.hangup_cause = cause
        self.answer_state = "hangup"
        self.state_number = STATES["CS_HANGUP"]
        self.tell_partner("last_bridge_hangup_cause", cause)
        if code := self.variables.get("proto_specific_hangup_cause"):
            self.tell_partner("last_bridge_proto_specific_hangup_cause", str(code))
        self.fire("CHANNEL_HANGUP", before={"Hangup-Cause": cause})
        self.variables |= late
        self.wake.set()
        self.changed()

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

    def tell_partner(self, name: str, value: str) -> None:
        """Sets (or with an empty value unsets) a variable of the leg it belongs with, while that one lives."""
        other = self.bond
        if other is not None and not other.hangup_cause:
            other.set(name, value)

    def changed(self) -> None:
        """Wakes who watches it."""
        for one in (self.watcher, self.partner, *self.listeners):
            if one is not None:
                one.wake.set()
