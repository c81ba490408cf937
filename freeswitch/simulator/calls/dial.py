"""Dialling: groups of legs, who wins, who loses.

Enters: a parsed dial string and who waits for it. Leaves: the winning leg, or why there is none. What two legs do then
belongs to bridging.py. Source: switch_ivr_originate.c; orders as in the captured traces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from freeswitch.simulator import causes, plan
from freeswitch.simulator.calls import legs, sounds
from freeswitch.simulator.calls.attempt import Attempt, timed
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.joining import join
from freeswitch.simulator.calls.leg import Leg
from freeswitch.simulator.calls.reading import collect
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.calls.waiting import Diverted, HungUp, Waiter
from freeswitch.simulator.far_ends import acting
from freeswitch.simulator.plan import App, DialString, Target
from freeswitch.simulator.switch import Switch

DEFAULT_TIMEOUT_S = 60
"""Of a whole group, where neither call_timeout nor originate_timeout is set."""

MOST_TRIES = 100
RETRY_SLEEP_MS = (500, 60_000)
DEFAULT_RETRY_MS = 1000

_COPIED = (
    "group_confirm_key",
    "group_confirm_file",
    "group_confirm_read_timeout",
    "group_confirm_cancel_timeout",
    "group_confirm_timeout",
    "fail_on_single_reject",
    "hangup_on_single_reject",
    "ignore_early_media",
    "bridge_early_media",
    "originate_continue_on_timeout",
    "ignore_ring_ready",
    "return_ring_ready",
    "instant_ringback",
    "progress_timeout",
    "language",
)
"""Variables of the caller that every leg gets."""
_CONFIRMATION = tuple(
    f"group_confirm_{what}" for what in ("key", "file", "error_file", "cancel_timeout", "read_timeout")
)
"""What a leg loses when it has confirmed."""


@dataclass(frozen=True)
class Outcome:
    """The leg that won, or the cause."""

    leg: SipLeg | None
    cause: str = "SUCCESS"


class Dialling:
    """One dial string, from the first OUTGOING to the winner."""

    def __init__(self, switch: Switch, waiter: Waiter, spec: DialString, originator: Channel | None) -> None:
        self.switch = switch
        self.waiter = waiter
        self.spec = spec
        self.originator = originator
        self.last_cause = "NORMAL_CLEARING"
        self.given_up_for = "ORIGINATOR_CANCEL"
        """Why there is nobody for the originator, should it have left meanwhile."""
        self._attempts: list[Attempt] = []
        self._legs: list[SipLeg] = []
        self._together = False
        self._timed_out = False
        """The time of the whole group was up."""
        self._refused = False
        """One of the group was gone, and that was enough (fail_on_single_reject)."""
        self._forced = ""
        """The cause for whoever is still dialled and for the whole, once somebody showed no progress in time."""
        self._rang = False
        """Somebody has rung or sounded, in whichever group: only the first to ring alone is shown to the caller."""

    def run(self) -> Outcome:
        """Dials group after group. On HungUp or Diverted of the waiter all that rings is cancelled."""
        common = dict(self.spec.variables)
        if self.originator is not None:
            self.originator.variables |= {"originate_disposition": "failure", "DIALSTATUS": "INVALIDARGS"}
            own = self.originator.variables
            common = {name: str(own[name]) for name in _COPIED if name in own} | common
            # Nobody reads its keys while others ring, unless one of them is to cancel (originate_cancel_key).
            self.originator.reads_keys = False
        try:
            if self.originator is not None and self.originator.times.answered:
                self.originator.enter_call_state("RING_WAIT")
                if self.originator.get("transfer_ringback"):
                    # It hears that meanwhile, and is read as what it hears is made of (setup_ringback).
                    self.originator.read_as("L16")
            return self._tries(common)
        except (HungUp, Diverted):
            if self.originator is not None and self.originator.heir is not None:
                self._inherit(self.originator, self.originator.heir)
            elif self.originator is not None and self._hand_over(self.originator.asks_for):
                self.note("ORIGINATOR_CANCEL")
            else:
                picked_off = self.originator is not None and self.originator.picked_off
                if picked_off and self._attempts:
                    # Who took the caller away ended the leg that belongs with it; the others end as if cancelled.
                    self._drop("PICKED_OFF", of=self._legs[-1])
                self._drop("ORIGINATOR_CANCEL")
                self.note("ORIGINATOR_CANCEL")
            raise
        finally:
            self._release()
            if self.originator is not None:
                self.originator.reads_keys = True
            if self.originator is not None and not self.originator.hangup_cause and self.originator.times.answered:
                self.originator.enter_call_state("ACTIVE")
                if self.originator.get("transfer_ringback"):
                    self.originator.read_as()

    def _tries(self, common: Mapping[str, str]) -> Outcome:
        """All groups, and all of them again as often as originate_retries wants."""
        wanted = plan.whole(self._option(None, "originate_retries"))
        pause_ms = plan.whole(self._option(None, "originate_retry_sleep_ms"))
        found = self._groups(common)
        for _again in range(1, wanted if wanted <= MOST_TRIES else 1):
            if found.leg is not None:
                break
            shortest_ms, longest_ms = RETRY_SLEEP_MS
            self.waiter.pause((pause_ms if shortest_ms <= pause_ms <= longest_ms else DEFAULT_RETRY_MS) / 1000)
            found = self._groups(common)
        return found

    def _groups(self, common: Mapping[str, str]) -> Outcome:
        for group in self.spec.groups:
            winner = self._group(group, common)
            self._release()
            if winner is not None:
                return Outcome(winner)
            if self._legs:
                # Whoever of them was the last to go: the first that was dialled tells the cause.
                by_us = self._timed_out or self._refused
                self.last_cause = "NO_ANSWER" if by_us else self._legs[0].hangup_cause or self.last_cause
            self.note(self.last_cause)
            if self._refused and not plan.says_yes(self._option(None, "fail_on_single_reject")):
                break
        return Outcome(None, self._forced or self.last_cause)

    def _release(self) -> None:
        """Legs that were dialled together are destroyed together, however early one of them ended."""
        for leg in self._legs:
            leg.released.set()

    def _hand_over(self, waiting: Channel | None) -> bool:
        """Whoever asked has left: who rings is bridged to who waits, which ends both where nobody has answered yet."""
        ringing = [one.leg for one in self._attempts if not one.leg.hangup_cause]
        return bool(ringing) and waiting is not None and join(waiting, ringing[0])

    def _inherit(self, originator: Channel, heir: Channel) -> None:
        """Whom it dials rings on after its end, for another leg; who does not answer leaves that leg its plan."""
        self.waiter = Waiter(self.switch.clock)
        for attempt in self._attempts:
            attempt.leg.watcher = self.waiter
        winner = self._await_winner()
        if heir.hangup_cause:
            self._drop("NORMAL_CLEARING")
            return
        self.given_up_for = "ATTENDED_TRANSFER"
        if winner is not None:
            heir.variables["hangup_after_bridge"] = "true"
            join(heir, winner)
        else:
            heir.take_over(originator)

    def _group(self, group: tuple[Target, ...], common: Mapping[str, str]) -> SipLeg | None:
        self._attempts, self._legs = [], []
        self._together, self._timed_out, self._refused = len(group) > 1, False, False
        for target in group:
            self._prepare(target, common)
        for attempt in self._attempts:
            self._start_if_due(attempt)
        return self._await_winner()

    def _await_winner(self) -> SipLeg | None:
        while self._attempts:
            winner = self._winner()
            if winner is not None:
                self._win(winner)
                return winner
            self._sweep()
            if self._attempts and not self._winner():
                self.waiter.pause(self._next_deadline_s(), until=self._something_happened)
        return None

    def _option(self, target: Target | None, name: str) -> str:
        """Of the leg, of all legs, or of the caller, in this order."""
        for source in (target.variables if target else {}, self.spec.variables):
            if name in source:
                return source[name]
        value = self.originator.variables.get(name, "") if self.originator else ""
        return str(value)

    def _prepare(self, target: Target, common: Mapping[str, str]) -> None:
        made = legs.to_dial(self.switch, target, common, self.originator)
        if isinstance(made, str):
            self.last_cause = made
            return
        leg = made
        leg.watcher = self.waiter
        leg.released.clear()
        overall_s = plan.whole(self._option(None, "originate_timeout" if self.originator is None else "call_timeout"))
        self._attempts.append(timed(leg, target.variables, overall_s or DEFAULT_TIMEOUT_S))
        self._legs.append(leg)
        leg.fire("CHANNEL_OUTGOING")
        leg.profile = replace(
            leg.profile,
            callee_name=leg.get("origination_callee_id_name") or leg.profile.callee_name,
            callee_number=leg.get("origination_callee_id_number") or leg.profile.callee_number,
        )
        if self.originator is not None:
            leg.call_uuid = self.originator.call_uuid
            leg.bond = self.originator
            if "signal_bond" not in self.originator.variables:
                # Who talks to somebody and asks a third (att_xfer) belongs with the first still.
                self.originator.bond = leg
            text = f"{leg.uuid};{leg.profile.callee_name};{leg.profile.callee_number}"
            self.originator.add_to_list("originated_legs", text)
            self.originator.variables["originate_signal_bond"] = leg.uuid

    def _start_if_due(self, attempt: Attempt) -> None:
        if attempt.started or self.switch.clock.now_us() < attempt.starts_us or attempt.leg.hangup_cause:
            return
        attempt.started = True
        leg = attempt.leg

        def begin() -> None:
            leg.variables["sofia_profile_name"] = leg.sofia_profile
            leg.enter("CS_INIT")
            leg.state_number = 2
            leg.fire("CHANNEL_CREATE")
            leg.fire("CHANNEL_ORIGINATE")
            acting.invite(self.switch, leg)
            leg.consume()

        leg.start(begin)

    def _something_happened(self) -> bool:
        if self._winner() is not None or any(one.leg.hangup_cause for one in self._attempts):
            return True
        self._pass_progress()
        return False

    def _pass_progress(self) -> None:
        """The first who rings makes the caller's side ring; sounds that the caller does not get leave it silent for
        good. Source: check_channel_status (ring_ready).
        """
        if self.originator is None or self._rang:
            return
        if plan.says_yes(self._option(None, "instant_ringback")) and self.originator.get("ringback"):
            self.originator.early_media()
        for leg in (one.leg for one in self._attempts):
            rings = leg.times.progress or (leg.sounds and self._rings_for_sounds())
            if rings and not self._together:
                pass_callee(leg, self.originator)
            if rings or leg.sounds:
                self._rang = True
                if rings and not self.originator.rings and not plan.says_yes(self._option(None, "ignore_ring_ready")):
                    # With a tone of the plan the caller hears that (setup_ringback).
                    self.originator.early_media() if self.originator.get("ringback") else self.originator.progress()
                return

    def _rings_for_sounds(self) -> bool:
        return not self._together and self._option(None, "ignore_early_media") == "ring_ready"

    def _winner(self) -> SipLeg | None:
        for attempt in self._attempts:
            leg = attempt.leg
            if leg.hangup_cause:
                continue
            if leg.times.answered:
                if leg.confirmed or not self._confirmation(leg, "key"):
                    return leg
                self._ask_to_confirm(attempt)
            elif leg.sounds and not self._ignores_early_media():
                return leg
        return None

    def _ignores_early_media(self) -> bool:
        """Of all legs alike: between the brackets of one of them it means nothing."""
        how = self._option(None, "ignore_early_media")
        return (
            plan.says_yes(how)
            or how in ("consume", "ring_ready")
            or plan.says_yes(self._option(None, "bridge_early_media"))
        )

    def _confirmation(self, leg: SipLeg, what: str) -> str:
        """Which key, or which file, of this leg or else of all of them."""
        return leg.get(f"group_confirm_{what}") or self._option(None, f"group_confirm_{what}")

    def _ask_to_confirm(self, attempt: Attempt) -> None:
        """Once per leg: prompt, wait for the key, prompt again, until the leg's own time is up."""
        leg = attempt.leg
        if leg.asked:
            return
        leg.asked = True
        self._extend(attempt)
        key, file = self._confirmation(leg, "key"), self._confirmation(leg, "file")
        wrong = self._option(None, "group_confirm_error_file")
        wait_s = (plan.whole(self._option(None, "group_confirm_read_timeout")) or 5000) / 1000

        def ask() -> None:
            leg.digits.clear()
            digits = ""
            if key == "exec":
                # Not a key but an application decides: who stays until its end has agreed.
                name, _, data = file.partition(" ")
                leg.execute(App(name, data))
                digits = key
            while digits != key:
                leg.set("read_result", "")
                digits = collect(self.switch.sounds, leg, file, len(key), wait_s).digits
                leg.variables["read_result"] = "success" if len(digits) >= len(key) else "failure"
                if digits != key and wrong:
                    sounds.play(self.switch.sounds, leg, wrong)
            leg.confirmed = True
            for name in _CONFIRMATION:
                leg.variables.pop(name, None)
            self.waiter.wake.set()
            leg.pause()

        leg.divert(ask)

    def _extend(self, attempt: Attempt) -> None:
        """Who is to confirm may have more time than who is to answer, but no more than the whole group has."""
        given = attempt.leg.get("group_confirm_timeout") or self._option(None, "group_confirm_timeout")
        more_s = plan.whole(given) if given.isdecimal() else 0
        if not attempt.by_leg:
            return
        if more_s:
            ends_us = self.switch.clock.whole_second_us(more_s + 1)
        elif given == "0" or plan.says_yes(self._option(None, "group_confirm_cancel_timeout")):
            ends_us = attempt.group_ends_us
        else:
            return
        attempt.ends_us, attempt.by_leg = min(
            (ends_us, ends_us < attempt.group_ends_us), (attempt.group_ends_us, False)
        )

    def _next_deadline_s(self) -> float:
        now_us = self.switch.clock.now_us()
        return max(0.0, (min(one.next_us() for one in self._attempts) - now_us) / 1_000_000)

    def _sweep(self) -> None:
        """Takes out who is gone, ends whose time is up, starts whose delay is over."""
        now_us = self.switch.clock.now_us()
        for attempt in list(self._attempts):
            if not attempt.leg.hangup_cause and now_us >= attempt.shows_by_us and not attempt.shows:
                self._forced = "PROGRESS_TIMEOUT"
                self._end(attempt, self._forced)
            if not attempt.leg.hangup_cause and now_us >= attempt.ends_us:
                self._timed_out |= not attempt.by_leg
                self._end(attempt, "ALLOTTED_TIMEOUT" if attempt.by_leg else self._forced or "NO_ANSWER")
            if attempt.leg.hangup_cause:
                self._attempts.remove(attempt)
                self.last_cause = attempt.leg.hangup_cause
            else:
                self._start_if_due(attempt)
        if self._attempts and self._one_refusal_ends_all():
            self._refused = True
            self._drop(self._forced or "NO_ANSWER")
        self._hurry(now_us)

    def _one_refusal_ends_all(self) -> bool:
        """fail_on_single_reject: `true`, or causes of which one is enough (with `!` in front: any but these)."""
        causes_ = self._option(None, "fail_on_single_reject")
        gone = [leg.hangup_cause for leg in self._legs if leg.hangup_cause]
        if not causes_ or plan.says_yes(causes_):
            return bool(causes_ and gone)
        return any((cause.lower() in causes_.lower()) != causes_.startswith("!") for cause in gone)

    def _hurry(self, now_us: int) -> None:
        """With nobody left who rings, those whose delay ends first start now. Source: check_per_channel_timeouts."""
        if not self._attempts or any(one.started for one in self._attempts):
            return
        early_us = min(one.starts_us for one in self._attempts) - now_us
        for attempt in self._attempts:
            attempt.hurry(early_us)
            self._start_if_due(attempt)

    def _end(self, attempt: Attempt, cause: str) -> None:
        leg = attempt.leg
        leg.hangup(cause)
        if not attempt.started:
            # A leg that never left the switch has no CREATE, but it reports its end.
            leg.goodbye.clear()
            leg.start(lambda: None)

    def _drop(self, cause: str, but: SipLeg | None = None, of: Leg | None = None) -> None:
        for attempt in list(self._attempts):
            if attempt.leg is not but and of in (None, attempt.leg) and not attempt.leg.hangup_cause:
                self._end(attempt, cause)

    def _win(self, winner: SipLeg) -> None:
        self._drop("LOSE_RACE", but=winner)
        if self.originator is not None and len(self._attempts) > 1:
            # The losers' HANGUP_COMPLETE comes before the caller's ANSWER.
            losers = [one.leg for one in self._attempts if one.leg is not winner]
            self.waiter.pause(0.05, until=lambda: all(leg.reported.is_set() for leg in losers))

    def note(self, cause: str) -> None:
        """The caller's variables about how the dial went, leg by leg and as a whole."""
        if self.originator is None:
            return
        for leg in self._legs:
            self.originator.add_to_list("originate_causes", f"{leg.uuid};{leg.hangup_cause or 'NONE'}")
        note(self.originator, cause)


def pass_callee(leg: Leg, caller: Leg) -> None:
    """The caller's profile names whom it reaches. Source: switch_channel_pass_callee_id."""
    caller.profile = replace(
        caller.profile,
        callee_name=leg.profile.callee_name or caller.profile.callee_name,
        callee_number=leg.profile.callee_number or caller.profile.callee_number,
    )


def note(originator: Channel, cause: str) -> None:
    """The caller's variables about how a dial went."""
    originator.variables["originate_disposition"] = cause
    originator.variables["DIALSTATUS"] = causes.dialstatus(cause)
