"""What one caller publishes, and who waits for its confirms.

Enters: one word per message, by whoever reads the broker's answers. Leaves: `done`, and an error. Publishing itself
belongs to `rabbitmq.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import gevent.event


@dataclass(eq=False)
class Write:
    """What one caller publishes; `done` when all of it is confirmed, or `error`."""

    left: int
    unsent: int
    error: str = ""
    done: gevent.event.Event = field(default_factory=gevent.event.Event)

    def settle(self, error: str = "") -> None:
        """One parcel is confirmed, or lost."""
        self.left -= 1
        self.error = self.error or error
        if self.left <= 0 or error:
            self.done.set()
