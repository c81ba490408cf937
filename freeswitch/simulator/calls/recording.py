"""How much of a call a file of its holds: pauses, and what is gathered of both directions before it is written.

Enters: moments in which a bridge begins, ends or stands still. Leaves: microseconds that are not in the file. When a
file begins and ends, and what is told of it, is recorder.py's. Source: switch_core_media_bug.c, switch_ivr_async.c.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import gevent

from freeswitch.simulator.calls.profile import Headers
from freeswitch.simulator.calls.waiting import Waiter

FRAME_US = 20_000
"""One packet of sound."""


@dataclass
class Recording:
    """A file that grows."""

    leg: Waiter
    """Whose; recordings may follow a transfer."""
    started_us: int
    variables: Headers = field(default_factory=dict)
    """As Recording-Variable-… in its events."""
    session: bool = True
    """Of a conversation (record_session), not of a message to the switch (record)."""
    limit: gevent.Greenlet[..., None] | None = None
    records: bool = True
    """False: what it waits for (RECORD_ANSWER_REQ) has not come."""
    masked: bool = False
    paused_since_us: int = 0
    left_out_us: int = 0
    gathers_us: int = 0
    """Both directions are gathered for so long before they are written together (RECORD_PRE_BUFFER_FRAMES)."""
    gathers_since_us: int = 0
    sent_since_us: int = 0
    """Since when the leg has also been sent something; 0: not since they are gathered."""

    def start_anew(self, now_us: int, *, sends: bool, lead_us: int = 0) -> None:
        """A bridge begins, ends, stands still: what is gathered and unwritten is lost (switch_core_media_bug_flush)."""
        self.left_out_us += self.unwritten_us(now_us)
        self.gathers_since_us, self.sent_since_us = now_us, now_us + lead_us if sends else 0

    def unwritten_us(self, now_us: int) -> int:
        """All but the first frame in the first moment; later what came from the leg before anything was sent to it."""
        since_us = self.gathers_since_us + FRAME_US
        if now_us - since_us < self.gathers_us:
            return max(0, now_us - since_us)
        return min(self.gathers_us, max(0, (self.sent_since_us or now_us) - since_us))
