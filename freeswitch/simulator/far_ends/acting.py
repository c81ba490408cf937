"""The people at the far ends at work: they ring, answer, refuse, press keys and hang up as their behaviour says.

Enters: a leg with a behaviour, the clock. Leaves: what the switch hears from the far end, at the time it happens.
"""

from __future__ import annotations

from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.clock import Clock
from freeswitch.simulator.far_ends.people import OUT_OF_SERVICE, Caller, Deed
from freeswitch.simulator.switch import Switch


def invite(switch: Switch, leg: SipLeg) -> None:
    """The INVITE is out: from now on the far end behaves as it does."""
    if switch.far_ends is not None:
        switch.far_ends.called(leg)
    else:
        leg.far_end = switch.spawn(callee, switch.clock, leg)


def call(switch: Switch, leg: SipLeg, caller: Caller) -> None:
    """Somebody calls on this leg."""
    if switch.far_ends is not None:
        switch.far_ends.calls(leg)
    else:
        leg.far_end = switch.spawn(calling, switch.clock, leg, caller)


def callee(clock: Clock, leg: SipLeg) -> None:
    """The far end of a leg that we dialled; runs in its own greenlet until the leg is over."""
    behaviour = leg.behaviour or OUT_OF_SERVICE
    waited_s = 0.0
    if behaviour.rings_after_s is not None and (behaviour.rings_after_s < behaviour.after_s or not behaviour.answers):
        waited_s = behaviour.rings_after_s
        clock.sleep(waited_s)
        if behaviour.early_media:
            leg.far_early_media()
        else:
            leg.far_ringing()
    if not behaviour.answers and not behaviour.refuses:
        return
    clock.sleep(max(0.0, behaviour.after_s - waited_s))
    if behaviour.refuses:
        leg.far_refuse(behaviour.refuses)
        return
    leg.far_answer()
    if behaviour.presses:
        clock.sleep(behaviour.presses_after_s)
        for digit in behaviour.presses:
            leg.far_digit(digit)
    _do(clock, leg, behaviour.does)
    if behaviour.talks_s is not None:
        clock.sleep(behaviour.talks_s)
        leg.far_hangup()


def _do(clock: Clock, leg: SipLeg, deeds: tuple[Deed, ...]) -> None:
    for deed in deeds:
        clock.sleep(deed.after_s)
        if deed.what == "presses":
            for digit in deed.value:
                leg.far_digit(digit)
        elif deed.what == "holds":
            leg.far_hold()
        elif deed.what == "takes up":
            leg.far_unhold()
        elif deed.what == "transfers":
            leg.far_refer(deed.value)
        else:
            leg.far_hangup()


def calling(clock: Clock, leg: SipLeg, caller: Caller) -> None:
    """The far end of a leg that called us."""
    if not clock.wait(leg.answered, caller.patience_s):
        leg.far_hangup()
        return
    _do(clock, leg, caller.does)
    if not clock.wait(leg.bridged, caller.waits_s):
        leg.far_hangup()
        return
    if caller.talks_s is not None:
        clock.sleep(caller.talks_s)
        leg.far_hangup()
