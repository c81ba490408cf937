"""What one client of the Event Socket needs of the server that accepted it.

Enters: a client and its commands. Leaves: replies, jobs, variables of legs. Who does it belongs to server.py and to
what stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gevent.event import Event as Signal

from freeswitch.simulator.esl.subscription import EslUser
from freeswitch.simulator.esl.wire import Command


class Server(Protocol):
    """Seen from a client."""

    password: str
    users: Mapping[str, EslUser]
    auth_timeout_s: float
    running: Signal

    def noticed(self, client: Any, command: Command) -> None: ...  # client: the asker, which knows this file

    def execute(self, command: str, argument: str) -> str: ...

    def start_job(self, job: str, command: str, argument: str, owner: str = "") -> None: ...

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str: ...

    def sendevent(self, line: str, headers: Sequence[tuple[str, str]], body: str) -> str: ...

    def keep_leg(self, leg: str) -> bool: ...

    def let_leg_go(self, leg: str) -> None: ...

    def variable(self, leg: str, name: str) -> str: ...
