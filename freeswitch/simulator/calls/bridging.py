"""Two legs that hear each other, from CHANNEL_BRIDGE to what each does afterwards.

Enters: two legs that are up. Leaves: the events of both, in the order of the captured traces. Who dials whom belongs to
dial.py, legs that wait alone to parking.py. Source: switch_ivr_bridge.c.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gevent.event import Event as Signal

from freeswitch.simulator import causes
from freeswitch.simulator.calls.broadcast import LEAD_S
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.parking import park
from freeswitch.simulator.calls.profile import STATES, Headers, OtherLeg
from freeswitch.simulator.calls.waiting import Diverted, HungUp
from freeswitch.simulator.plan import App

LOOKS_EVERY_S = 0.02
"""A leg learns of what happened to the other with its next frame."""


class Talk:
    """One bridge, as the threads of both legs see it. `caller` runs it within an application, `leg` as a state."""

    def __init__(self, caller: Channel, leg: Channel, *, inner: bool) -> None:
        self.caller = caller
        self.leg = leg
        self.inner = inner
        """Within an application that was broadcast (att_xfer): the leg that is left parks for three seconds."""
        self.caller_left = False
        self.leg_left = False
        self.ended_by_key = False
        """Somebody pressed their bridge_terminate_key."""
        self.leg_done = Signal()
        """The leg has also done what follows a bridge."""

    def listen_for_keys(self) -> None:
        """Whose key ends the talk is heard from now on (bridge_terminate_key)."""
        for one in (self.caller, self.leg):
            if wanted := one.get("bridge_terminate_key"):
                one.on_key = partial(self._heard, wanted)

    def _heard(self, wanted: str, digit: str) -> bool:
        self.ended_by_key |= digit in wanted
        self.caller.wake.set()
        return self.ended_by_key

    def no_longer_listen(self) -> None:
        """The talk is over."""
        for one in (self.caller, self.leg):
            if one.get("bridge_terminate_key"):
                one.on_key = None

    def exchange(self) -> None:
        """What the leg does: it talks until one of the two leaves, then ends unless a variable keeps it."""
        leg = self.leg
        try:
            leg.pause(until=lambda: self.caller_left or not leg.at_answer)
            if leg.state != "CS_EXCHANGE_MEDIA":
                _enter_exchange(leg, self.caller)
            leg.pause(until=lambda: self.caller_left)
        except (HungUp, Diverted):
            _take_along(leg, self.caller, stays=not self.caller_left)
            if not leg.hangup_cause and not self.inner:
                leg.bridged.clear()
                leg.variables["call_uuid"] = leg.call_uuid = leg.uuid
            self._leave()
            raise
        _take_along(leg, self.caller, stays=False)
        try:
            self._alone(leg)
        finally:
            self._leave()

    def _leave(self) -> None:
        self.leg_left = True
        self.leg_done.set()
        self.caller.wake.set()

    def _alone(self, leg: Channel) -> None:
        """The caller left first. Source: audio_bridge_on_exchange_media."""
        if leg.then is not None:
            state, leg.then = leg.then, None
            leg.variables["call_uuid"] = leg.call_uuid = leg.uuid
            leg.divert(state)
        elif self.inner:
            leg.variables["park_timeout"] = "3"
            _go_on_parked(leg)
        elif leg.is_true("park_after_bridge"):
            _go_on_parked(leg)
        elif where := leg.variables.pop("transfer_after_bridge", ""):
            transfer_to(leg, str(where))
        else:
            leg.hangup("NORMAL_CLEARING" if leg.times.answered else "ORIGINATOR_CANCEL")
            if self.caller.hangup_cause:
                leg.variables["bridge_hangup_cause"] = self.caller.hangup_cause
            leg.variables["call_uuid"] = leg.call_uuid = leg.uuid


def _take_along(leg: Channel, other: Channel, *, stays: bool) -> None:
    """A leg leaves while its far end holds the call: no longer held, and whom it kept waiting ends with it."""
    held = leg.held or leg.left_on_hold
    if leg.held:
        leg.mark_hold(False, talks=False)
    if held and stays and not other.hangup_cause:
        if exten := leg.get("hold_hangup_xfer_exten"):
            other.variables["transfer_after_bridge"] = exten
        else:
            other.stop_broadcast()
            other.hangup("NORMAL_CLEARING")


def meet(caller: Channel, leg: Channel) -> None:
    """The caller's profile knows whom it reached."""
    caller.profile = replace(
        caller.profile, callee_name=leg.profile.callee_name, callee_number=leg.profile.callee_number
    )


def after_failure(caller: Channel, cause: str) -> None:
    """The plan goes on, or the caller hangs up with that cause (continue_on_fail)."""
    if not causes.goes_on(caller.get("continue_on_fail"), caller.get("failure_causes"), cause):
        caller.hangup(cause)
        raise HungUp


def bridge(caller: Channel, leg: Channel, *, inner: bool = False) -> None:
    """Both hear each other until one leaves; `caller` runs this, and then what its variables say for afterwards."""
    talk = Talk(caller, leg, inner=inner)
    both: Headers = {"Bridge-A-Unique-ID": caller.uuid, "Bridge-B-Unique-ID": leg.uuid}
    _begin(talk, both)
    talk.listen_for_keys()
    try:
        _while_they_talk(talk)
    except (HungUp, Diverted):
        _take_along(caller, leg, stays=not (talk.leg_left or leg.is_diverted))
        talk.caller_left = True
        leg.wake.set()
        while not (talk.leg_done.is_set() or leg.is_diverted):
            caller.clock.wait(talk.leg_done, LOOKS_EVERY_S)
        _end(talk, both)
        if caller.state_number == STATES["CS_HIBERNATE"]:
            caller.state_number = STATES["CS_RESET"]
        raise
    finally:
        talk.no_longer_listen()
    if talk.ended_by_key:
        talk.caller_left = True
        leg.wake.set()
        caller.pause(2 * LOOKS_EVERY_S, until=talk.leg_done.is_set)
    _take_along(caller, leg, stays=False)
    _end(talk, both)
    _after_bridge(talk)


def _begin(talk: Talk, both: Headers) -> None:
    caller, leg = talk.caller, talk.leg
    for one, other in ((leg, caller), (caller, leg)):
        other.variables |= one.exported("bridge_export_vars")
    caller.times.bridged = leg.times.bridged = caller.clock.now_us()
    caller.partner, leg.partner = leg, caller
    caller.bond, leg.bond = leg, caller
    if caller.other is None or caller.other.uuid != leg.uuid:
        times = replace(leg.times, bridged=0)
        caller.other = OtherLeg("originatee", leg.uuid, leg.direction, "inbound", leg.profile, times)
    leg.call_uuid = caller.uuid
    leg.variables["call_uuid"] = leg.variables["signal_bond"] = caller.uuid
    caller.variables["signal_bond"] = leg.uuid
    caller.variables.pop("originate_signal_bond", None)
    caller.fire("CHANNEL_BRIDGE", before=both)
    if not leg.at_answer:
        _enter_exchange(leg, caller)
    _note(caller, leg)
    for one, other in ((leg, caller), (caller, leg)):
        one.bridged.set()
        one.variables["last_bridge_to"] = other.uuid
        one.regather(sends=True)
    leg.watcher = None
    leg.released.clear()
    leg.divert(talk.exchange)
    _execute_before(caller, leg)


def _execute_before(caller: Channel, leg: Channel) -> None:
    """bridge_pre_execute_aleg_app and …_bleg_app, on either leg as soon as sound flows. Source: audio_bridge_thread."""
    for one, side in ((caller, "aleg"), (leg, "bleg")):
        if name := caller.get(f"bridge_pre_execute_{side}_app"):
            data = caller.get(f"bridge_pre_execute_{side}_data") or ""
            one.variables |= {"bridge_pre_execute_app": name} | ({"bridge_pre_execute_data": data} if data else {})
            one.broadcast(App(name, data), lead_s=LEAD_S)


def _enter_exchange(leg: Channel, caller: Channel) -> None:
    """The leg's own thread comes to the bridge."""
    leg.state, leg.state_number = "CS_EXCHANGE_MEDIA", STATES["CS_EXCHANGE_MEDIA"]
    leg.fire("CHANNEL_STATE")
    _note(leg, caller)


def _note(one: Channel, other: Channel) -> None:
    one.variables |= {"bridge_channel": other.profile.channel_name, "bridge_uuid": other.uuid}


def _while_they_talk(talk: Talk) -> None:
    caller, leg = talk.caller, talk.leg
    shown = False
    while not (talk.leg_left or talk.ended_by_key):
        if leg.times.answered and not caller.times.answered:
            caller.answer()
        elif caller.times.answered and not leg.times.answered and leg.direction == "inbound":
            # Who fetches a parked call need not have been answered itself.
            leg.answer()
        if leg.times.answered and caller.times.answered and not (shown or leg.at_answer):
            caller.pause(LOOKS_EVERY_S, until=lambda: talk.leg_left)
            _show_parties(talk)
            shown = True
        before = bool(caller.times.answered), leg.at_answer
        caller.pause(until=partial(_news, talk, before))
    # It learns of it with its next packet.
    caller.pause(caller.home.turns.of_bridge(caller))
    # A leg that ended reports it before the caller's bridge comes apart.
    caller.pause(2 * LOOKS_EVERY_S, until=lambda: leg.reported.is_set() or not leg.hangup_cause)


def _news(talk: Talk, before: tuple[bool, bool]) -> bool:
    """Whether the leg left, answered, or has done what was to run at its answer."""
    answered, at_answer = before
    return (
        talk.leg_left
        or talk.ended_by_key
        or bool(talk.leg.times.answered and not answered)
        or (at_answer and not talk.leg.at_answer)
    )


def _show(leg: Channel, name: str, number: str, other: Channel) -> None:
    """Its far end is told whom it talks to now, if that is news (CALL_UPDATE). Source: sofia_update_callee_id."""
    if leg.hangup_cause or leg.shown == (name, number):
        return
    leg.shown = (name, number)
    leg.fire(
        "CALL_UPDATE",
        before={
            "Direction": "SEND",
            "Sent-Callee-ID-Name": name,
            "Sent-Callee-ID-Number": number,
            "Bridged-To": other.uuid,
        },
    )


def _show_parties(talk: Talk) -> None:
    """Each is told, on its display, whom it talks to. Source: switch_ivr_bridge.c (send_display)."""
    caller, leg = talk.caller, talk.leg
    for one, other in ((leg, caller), (caller, leg)):
        if other is caller:
            name = one.profile.caller_name or other.profile.caller_name
            number = one.profile.caller_number or other.profile.caller_number or "UNKNOWN"
        else:
            name = other.profile.callee_name
            number = other.profile.callee_number or other.profile.destination
        _show(one, (name or number).rpartition("/")[2], number.rpartition("/")[2], other)


def _end(talk: Talk, both: Headers) -> None:
    caller, leg = talk.caller, talk.leg
    leg.released.set()
    for one, other in ((caller, leg), (leg, caller)):
        if other.hangup_cause:
            one.variables["bridge_hangup_cause"] = other.hangup_cause
    leg.variables["call_uuid"] = leg.call_uuid = leg.uuid
    caller.keys.flush()
    caller.fire("CHANNEL_UNBRIDGE", before=both)
    for one, other in ((caller, leg), (leg, caller)):
        if not one.hangup_cause:
            one.regather(sends=False)
        if one.partner is other:
            one.partner = None
            if not talk.inner:
                one.bridged.clear()


def _after_bridge(talk: Talk) -> None:
    """What the caller does when the other one left. Source: the end of switch_ivr_multi_threaded_bridge."""
    caller, leg = talk.caller, talk.leg
    if talk.inner:
        return
    cause, hangs_up = leg.hangup_cause or "NORMAL_CLEARING", str(caller.variables.get("hangup_after_bridge", ""))
    if not leg.times.answered:
        after_failure(caller, cause)
    if hangs_up.lower() == "explicit":
        caller.hangup(cause)
        raise HungUp
    if caller.then is not None and not (leg.times.answered and caller.is_true("hangup_after_bridge")):
        state, caller.then = caller.then, None
        caller.divert(state)
        raise Diverted
    if not leg.times.answered:
        return
    if caller.is_true("park_after_bridge"):
        _go_on_parked(caller)
        raise Diverted
    if where := caller.variables.pop("transfer_after_bridge", ""):
        transfer_to(caller, str(where))
        raise Diverted
    if caller.is_true("hangup_after_bridge"):
        caller.hangup(cause)
        raise HungUp
    if name := caller.get("exec_after_bridge_app"):
        # It is all of the plan that is left.
        app = App(name, caller.get("exec_after_bridge_arg") or "")
        caller.divert(lambda: caller.run_apps((app,)))
        raise Diverted


def _go_on_parked(leg: Channel) -> None:
    leg.divert(lambda: park(leg, state="CS_PARK"))


def transfer_to(leg: Channel, where: str) -> None:
    """As transfer_after_bridge says: `extension[:dialplan[:context]]`."""
    destination, dialplan, context, *_rest = [*where.split(":"), "", "", ""]
    leg.transfer(destination, dialplan, context)


__all__ = ["after_failure", "bridge", "meet", "transfer_to"]
