"""PURE. A call that is over -> the same call without whom it was with (D14).

Enters: `Call`, lines of its story. Leaves: the same, with the row, drawing and figures as before but for the other
side's number and name. An emergency call keeps 110, 118 or 119: nobody is named by them. Which rows, and when, belongs
to `erasure.py` and the runtime's.
"""

from __future__ import annotations

import msgspec

from proto.values import Party
from services.history.model import Arrival, Call, Leg, Step
from services.history.row import direction

_ERASED = Party(presentation="erased")
LONGEST_EXTENSION = 5
"""Digits; whoever dials more than that and reaches nobody in the house has dialled outside."""


def erased(call: Call) -> Call:
    """The call without the other side. Of calls among our own phones nothing is to be erased."""
    kind = direction(call)
    if kind == "emergency" or (kind == "internal" and not _in_vain(call)):
        return call
    return msgspec.structs.replace(
        call,
        arrivals={name: _arrival(one) for name, one in call.arrivals.items()},
        legs={name: _leg(one) for name, one in call.legs.items()},
    )


def _in_vain(call: Call) -> bool:
    """Whether nobody in the house was rung for digits that may be a number outside: refused, or no carrier took it."""
    rung = any(leg.direction == "outbound" for leg in call.legs.values())
    return not rung and any(len(one.dialled) > LONGEST_EXTENSION for one in call.arrivals.values())


def _arrival(one: Arrival) -> Arrival:
    if one.origin == "phone":
        return msgspec.structs.replace(one, dialled="")  # its caller is the client's own
    return msgspec.structs.replace(one, caller=_ERASED)


def _leg(one: Leg) -> Leg:
    """Whom we dialled outside, or whom our phone dialled; a leg that came to our number keeps that."""
    others = one.via == "trunk" if one.direction == "outbound" else one.via == "phone"
    return msgspec.structs.replace(one, destination="") if others else one


def erased_step(step: Step) -> Step:
    """A line of the story without numbers and names of others: its reasons go, since sentences name numbers."""
    ours = step.what.startswith("command.")  # there `name` is the command's own
    emptied = ("diverted_from", "reason") if ours else ("diverted_from", "reason", "name")
    values = {name: "" if name in emptied else value for name, value in step.values.items()}
    if values.get("origin") == "phone":
        values["dialled"] = ""
    elif "presentation" in values:
        values |= {"number": "", "presentation": "erased"}
    # To a carrier; or what our phone dialled, which its own leg calls its destination.
    if "destination" in values and (values.get("via") == "trunk" or values.get("kind") == "inbound"):
        values["destination"] = ""
    plan = tuple(msgspec.structs.replace(one, what=()) if one.do == "forward" else one for one in step.plan)
    return msgspec.structs.replace(step, values=values, why=(), plan=plan)
