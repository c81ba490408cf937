"""What one client of the Event Socket needs of the server that accepted it.

Enters: a client and its commands. Leaves: replies, jobs, variables of legs. Who does it belongs to server.py and to
what stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from gevent.event import Event as Signal

from freeswitch.simulator.esl.subscription import EslUser
from freeswitch.simulator.esl.wire import Command

if TYPE_CHECKING:
    from freeswitch.simulator.esl.client import Client


class Server(Protocol):
    """Seen from a client."""

    password: str
    users: Mapping[str, EslUser]
    auth_timeout_s: float
    running: Signal

    def noticed(self, client: Client, command: Command) -> None: ...

    def execute(self, command: str, argument: str) -> str: ...

    def start_job(self, job: str, command: str, argument: str, owner: str = "") -> None: ...

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str: ...

    def sendevent(self, name: str, headers: Mapping[str, str], body: str) -> str: ...

    def has_leg(self, leg: str) -> bool: ...

    def variable(self, leg: str, name: str) -> str: ...


__all__ = ["Server"]
