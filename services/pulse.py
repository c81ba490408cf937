"""A process says that it began, and then that it lives.

Enters: the rooms of the process. Leaves: ServiceStarted once, so that directory tells all revisions again; ServiceAlive
at once and every 15 s, for the page that shows operators who is there (directory's).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gevent
import gevent.event

from proto.envelope import Envelope
from proto.events import AgentState, ServiceAlive, ServiceStarted
from proto.message import Event
from proto.topics import outgoing
from proto.values import PLATFORM_TENANT, command_id
from services.runtime import clock
from services.runtime.bus import Bus, Unavailable
from services.runtime.log import get_logger

EVERY_S = 15
log = get_logger("pulse")


@dataclass
class Pulse:
    """A part of the process, the last to start and the first to stop."""

    bus: Bus
    names: Sequence[str]
    """Its services."""
    agents: Callable[[], Sequence[AgentState]]
    _began_us: int = 0
    _stopping: gevent.event.Event = field(default_factory=gevent.event.Event)
    _greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Raises Unavailable: nobody would tell this process which clients there are."""
        self._began_us = clock.now_us()
        self._say(ServiceStarted(service=self._name, instance=str(self._began_us)))
        self._greenlet = gevent.spawn(self._beat)

    def stop(self) -> None:
        """Nothing more is said."""
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join()

    @property
    def _name(self) -> str:
        return self.names[0] if len(self.names) == 1 else "house"

    def _beat(self) -> None:
        while True:
            try:
                self._say(
                    ServiceAlive(
                        service=self._name,
                        host=socket.gethostname()[:253],
                        instance=str(self._began_us),
                        began_at_us=self._began_us,
                        every_s=EVERY_S,
                        agents=tuple(self.agents()),
                    )
                )
            except Unavailable as error:  # whoever looks sees this process silent, and that is so
                log.info("not said to be alive", reason=str(error))
            if self._stopping.wait(EVERY_S):
                return

    def _say(self, fact: Event) -> None:
        now_us = clock.now_us()
        self.bus.publish(
            [
                outgoing(
                    Envelope(
                        body=fact,
                        id=command_id(f"{fact.NAME}/{self._name}/{self._began_us}", now_us),
                        source=self._name,
                        tenant=PLATFORM_TENANT,
                        occurred_at_us=now_us,
                    )
                )
            ]
        )
