"""The application `bridge`: dials, then the caller and the winner hear each other.

Enters: the caller's leg and a dial string. Leaves: what calls/dial.py and calls/bridging.py make of it. Source:
mod_dptools.c.
"""

from __future__ import annotations

from freeswitch.simulator import plan
from freeswitch.simulator.calls import bridging, dial
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.waiting import Diverted, HungUp
from freeswitch.simulator.switch import Switch


def bridge(switch: Switch, caller: Channel, data: str) -> None:
    """The application `bridge`."""
    if str(caller.variables.get("preserve_originated_vars", "")).lower() == "false":
        for name in ("originated_legs", "originate_causes"):
            caller.variables.pop(name, None)
    try:
        spec = plan.dial_string(data)
    except plan.Malformed:
        dial.note(caller, "DESTINATION_OUT_OF_ORDER")
        caller.variables["originate_failed_cause"] = "DESTINATION_OUT_OF_ORDER"
        bridging.after_failure(caller, "DESTINATION_OUT_OF_ORDER")
        return
    dialling = dial.Dialling(switch, caller, spec, caller)
    try:
        outcome = dialling.run()
    except (HungUp, Diverted):
        caller.variables["originate_failed_cause"] = dialling.given_up_for
        raise
    if outcome.leg is None:
        caller.variables["originate_failed_cause"] = outcome.cause
        bridging.after_failure(caller, outcome.cause)
        return
    bridging.meet(caller, outcome.leg)
    if outcome.leg.times.answered:
        caller.answer()
    else:
        caller.early_media()
    dialling.note("SUCCESS")
    bridging.bridge(caller, outcome.leg)
