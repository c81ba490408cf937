"""What chance decides on a real switch, decided as it was in a trace: which of two threads learns of something first.

Enters: a trace. Leaves: how late the threads of the simulator learn of each other, and which command still found a leg
whose far end had hung up. Both orders come about on a real switch; what follows from either is the simulator's.
"""

from __future__ import annotations

from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.waiting import FRAME_S, Turns, Waiter
from freeswitch.simulator.check.dialogs import HEARD_WITHIN_US
from freeswitch.simulator.check.read import Trace, stamp_us, text
from freeswitch.simulator.clock import Clock

SOON_S = 0.001
FRAME_US = 20_000
_LATE_S = {"2": FRAME_S / 2, "10": FRAME_S}
"""By the state in which a leg is: CS_ROUTING, CS_HANGUP."""
_SENDS_ON = "api uuid_transfer "
_TELL_IT_IS_THERE = (
    "api uuid_transfer ",
    "api uuid_kill ",
    "api uuid_bridge ",
    "api uuid_broadcast ",
    "api uuid_exists ",
)
"""Of these `+OK`, or `true`, says that the leg was there."""


class TracesTurns(Turns):
    """Threads learn of each other as late as those of the trace, where that shows."""

    def __init__(self, trace: Trace, clock: Clock) -> None:
        self._clock = clock
        ended = [event for event in trace.events if text(event, "Event-Name") == "CHANNEL_UNBRIDGE"]
        self._left_s = {
            text(one, "Unique-ID"): _LATE_S[state]
            for one in ended
            if (state := text(one, "Channel-State-Number")) in _LATE_S
        }
        """Legs that were sent elsewhere, or had ended, before they left their bridge."""
        sent = [(said.at_us, said.command.split()[2]) for said in trace.commands if said.command.startswith(_SENDS_ON)]
        told = [(said.at_us, said.command) for said in trace.commands if said.command.startswith(_TELL_IT_IS_THERE)]
        self._hurried = {
            leg for at_us, leg in sent for then_us, what in told if at_us < then_us <= at_us + FRAME_US and leg in what
        }
        """Legs of which somebody wanted more in the moment in which they were sent elsewhere."""
        jobs = [event for event in trace.events if text(event, "Event-Name") == "BACKGROUND_JOB"]
        self._done_us = {text(event, "_body").removeprefix("+OK ").strip(): stamp_us(event) for event in jobs}

    def of_park(self, leg: Waiter) -> float:
        """As the base says."""
        return FRAME_S / 2 if isinstance(leg, Channel) and leg.uuid in self._hurried else 0.0

    def of_bridge(self, leg: Waiter) -> float:
        """As the base says."""
        return self._left_s.get(leg.uuid, 0.0) if isinstance(leg, Channel) else 0.0

    def of_originate(self, leg: Waiter) -> float:
        """As the base says, but not after whoever asked for the leg was told that it is there, and may have gone on."""
        done_us = self._done_us.get(leg.uuid if isinstance(leg, Channel) else "", 0)
        return max(SOON_S, min(FRAME_S, (done_us - self._clock.now_us()) / 1_000_000)) if done_us else FRAME_S


def still_found(trace: Trace, leg: str, at_us: int) -> int | None:
    """The last command that found a leg there though its far end had hung up: the leg reads that only with its next
    turn (switch_core_session_queue_signal_data), before or after a command that comes in the same turn.
    """
    found = [
        number
        for number, said in enumerate(trace.commands)
        if 0 <= said.at_us - at_us <= HEARD_WITHIN_US
        and said.command.startswith(_TELL_IT_IS_THERE)
        and leg in said.command.split()[2]
        and said.reply.startswith(("+OK", "true"))
    ]
    return max(found, default=None)


__all__ = ["TracesTurns", "still_found"]
