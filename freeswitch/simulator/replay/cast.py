"""PURE: who is on the stage of a played trace: its legs, and which of our commands stand for the recorder's.

Enters: events and cues of score.py, our commands. Leaves: the events with our ids, job and tt_* variables in the place
of the recorder's, as a switch that had carried out our commands would have told them. Sockets belong to player.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from freeswitch.simulator.replay.score import Cue, Line, Pairs, Request, variables_of

_ENDED = ("CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY")


class Heard(Protocol):
    """One of our commands."""

    @property
    def request(self) -> Request: ...


class Cast:
    """The state of one play."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        self._open_originates = [cue for cue in cues if cue.request.kind == "originate"]
        self.stands_for: dict[int, int] = {}
        """Command of the trace -> position in the list of our commands."""
        self._ids: dict[str, str] = {}
        """Recorder's leg or job -> ours."""
        self._plans: dict[str, Request] = {}
        """Recorder's tt_decision -> our command."""
        self._of_leg: dict[str, Request] = {}
        """Leg (as we know it) -> the command of ours that was carried out last on it."""
        self._up: dict[str, Pairs] = {}
        """Legs that are up -> their last event."""

    # -- our commands for the recorder's --

    def match(self, cue: Cue, heard: Sequence[Heard]) -> bool:
        """Whether one of our commands stands for this one; from then on its ids and variables are ours."""
        wanted = tuple(self._ids.get(leg, leg) for leg in cue.request.legs)
        for position, one in enumerate(heard):
            if position in self.stands_for.values() or one.request.kind != cue.request.kind:
                continue
            if one.request.kind == "originate" or one.request.legs == wanted:
                self.stands_for[cue.index] = position
                self._take(cue, one.request)
                return True
        return False

    def skip(self, cue: Cue) -> None:
        """The recorder's command that we do not issue."""
        self._open_originates = [one for one in self._open_originates if one.index != cue.index]

    def awaits_originate(self, awaited: Collection[int]) -> bool:
        """Whether an originate of the trace still waits for one of ours."""
        return any(cue.index in awaited for cue in self._open_originates)

    def expect_originate(self, request: Request) -> None:
        """One of ours stands for the next originate of the trace, whose leg is known by our id from now on."""
        cue = self._open_originates.pop(0)
        self._ids[cue.request.legs[0]] = request.legs[0]
        self._ids[cue.request.job] = request.job
        # The trace rings the phone a little later than we asked; a switch has the channel from then on.
        self._up.setdefault(request.legs[0], (("Unique-ID", request.legs[0]), ("Call-Direction", "outbound")))

    def _take(self, cue: Cue, ours: Request) -> None:
        if ours.kind not in ("transfer", "originate"):
            return
        decision = variables_of(cue.request).get("tt_decision")
        if decision:
            self._plans[decision] = ours
        self._of_leg[ours.legs[0]] = ours

    # -- events --

    def notice(self, line: Line) -> None:
        """A leg came, changed or went."""
        leg, name = self._ids.get(line.get("Unique-ID"), line.get("Unique-ID")), line.get("Event-Name")
        if not leg:
            return
        if name in _ENDED:
            self._up.pop(leg, None)
        elif name == "CHANNEL_CREATE" or leg in self._up:
            self._up[leg] = self.rewrite(line.pairs)

    def rewrite(self, pairs: Pairs) -> Pairs:
        """The event as a switch with our commands would have told it."""
        ours: list[tuple[str, str | tuple[str, ...]]] = [(name, self._renamed(value)) for name, value in pairs]
        headers = dict(ours)
        decision, leg = headers.get("variable_tt_decision"), headers.get("Unique-ID")
        command = self._plans.get(str(decision)) or (self._of_leg.get(str(leg)) if _is_plan(decision) else None)
        if command is None:
            return tuple(self._dialled(ours, headers))
        set_now = _in_force(command, headers)
        for name in ("tt_decision", "tt_call"):
            ours = [(key, set_now.get(name, value) if key == f"variable_{name}" else value) for key, value in ours]
        added = [(f"variable_{name}", value) for name, value in set_now.items() if f"variable_{name}" not in headers]
        body = [pair for pair in ours if pair[0] == "_body"]
        return tuple(pair for pair in ours if pair[0] != "_body") + tuple(added) + tuple(body)

    def _dialled(
        self, ours: list[tuple[str, str | tuple[str, ...]]], headers: Mapping[str, object]
    ) -> list[tuple[str, str | tuple[str, ...]]]:
        """A leg that a plan dialled: the call that the plan gave it in brackets is ours too."""
        named = (headers.get("variable_originating_leg_uuid"), headers.get("Other-Leg-Unique-ID"))
        plan = next((self._of_leg[str(leg)] for leg in named if str(leg) in self._of_leg), None)
        call = variables_of(plan).get("tt_call") if plan else None
        if call is None or headers.get("Call-Direction") != "outbound":
            return ours
        return [(name, call if name == "variable_tt_call" else value) for name, value in ours]

    def _renamed(self, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, tuple):
            return tuple(str(self._renamed(one)) for one in value)
        for old, new in self._ids.items():
            if old and old in value:
                value = value.replace(old, new)
        return value

    def ours(self, leg: str) -> str:
        """A leg of the trace by the id under which the agent knows it."""
        return self._ids.get(leg, leg)

    # -- what is up --

    def clear_legs(self) -> None:
        """The switch went down."""
        self._up.clear()

    def up(self) -> list[str]:
        """Legs that are up, oldest first."""
        return list(self._up)

    def is_up(self, leg: str) -> bool:
        """Whether the switch has this leg."""
        return leg in self._up

    def headers(self, leg: str) -> Mapping[str, str | tuple[str, ...]]:
        """The headers of a leg's last event."""
        return dict(self._up.get(leg, ()))

    def header(self, leg: str, name: str) -> str:
        """One header or variable of a leg; empty where it has none."""
        value = self.headers(leg).get(name, "")
        return value if isinstance(value, str) else ""


def _is_plan(decision: object) -> bool:
    """Whether a plan is in force: not before the first decision, not in the fallback, not in the static dialplan."""
    return isinstance(decision, str) and decision not in ("", "fallback", "static")


def _in_force(command: Request, headers: Mapping[str, object]) -> dict[str, str]:
    """Our variables as of this event: those of a later step only once the event shows that the trace is there too."""
    later = {name: value for name, value, first in command.variables if not first}
    reached = any(value and headers.get(f"variable_{name}") == value for name, value in later.items() if name in _SIGNS)
    return {
        name: value
        for name, value, first in command.variables
        if name.startswith("tt_") and value and (first or reached)
    }


def _dialled_in_vain(headers: Mapping[str, object]) -> bool:
    """The plan parks at its end because nobody answered: ours would stand at its own end now."""
    tried = headers.get("variable_originate_disposition", "SUCCESS")
    return headers.get("Event-Name") == "CHANNEL_PARK" and tried != "SUCCESS"


_SIGNS = ("tt_stage", "tt_next")
