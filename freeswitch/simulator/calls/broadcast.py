"""PURE: what is broadcast to a leg: an application that runs within whatever the leg does.

Enters: nothing. Leaves: the type and its figures. The leg that runs it is channel.py. Source: switch_ivr.c
(switch_ivr_parse_event), switch_ivr_async.c (switch_ivr_broadcast).
"""

from __future__ import annotations

from dataclasses import dataclass

from freeswitch.simulator.plan import App

LEAD_S = 0.14
"""Five frames that a leg hears before what was broadcast to it begins, and the turns around them (lead-frames)."""
ENDLESS = -1
TOO_SHORT_US = 500_000
"""What is over sooner than this is not played again."""


@dataclass(frozen=True)
class Broadcast:
    """An application that runs within what a leg does."""

    app: App
    lead_s: float = 0.0
    times: int = 1
    """How often; ENDLESS until it is stopped."""
    holds_other: bool = False
    """Whom the leg talks to hears music meanwhile."""
    first: bool = False
    """Ahead of what waits already, and within what was broadcast without this; as that runs within what was with it
    (event-lock-pri and event-lock, switch_core_session_dequeue_private_event)."""
