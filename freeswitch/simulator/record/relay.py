"""A port for whoever gives the switch commands while it is recorded: bytes pass through, commands are noted.

Enters: connections of an agent or a tool. Leaves: `api`, `bgapi` and `sendmsg` with the time of their coming and the
switch's reply. Passwords go past: what begins with anything else is never kept. Source: mod_event_socket.c.
"""

from __future__ import annotations

import re
import socket
import time
from collections import deque

from freeswitch.simulator.esl.wire import BrokenCommand, Command, CommandReader
from freeswitch.simulator.record.errors import CannotRecord
from freeswitch.simulator.record.names import Noted
from freeswitch.simulator.record.taps import PATIENCE_S, PIECE, REPLIES
from services.eventsocket.frames import BrokenFrame, FrameReader

_OF_INTEREST = re.compile(r"(api|bgapi|sendmsg)\b", re.IGNORECASE)
_SECRET = re.compile(r"\b(password|secret|userauth|auth)\b", re.IGNORECASE)
_HEADERS = {"job-uuid": "Job-UUID", "event-uuid": "Event-UUID"}


class Passage:
    """One client and its connection to the switch."""

    def __init__(self, client: socket.socket, switch: tuple[str, int], notes: list[Noted]) -> None:
        self.client = client
        self._notes = notes
        self._commands = CommandReader()
        self._frames = FrameReader()
        self._open: deque[tuple[int, Command]] = deque()
        try:
            self.switch = socket.create_connection(switch, PATIENCE_S)
        except OSError as error:
            client.close()
            raise CannotRecord(f"{switch[0]}:{switch[1]}: {error.strerror or error}") from None
        client.settimeout(PATIENCE_S)

    def from_client(self) -> bool:
        """Passes on what the client says; False at its end."""
        data = _received(self.client)
        t_us = time.time_ns() // 1000
        try:
            self._open.extend((t_us, command) for command in self._commands.feed(data))
            self.switch.sendall(data)
        except (BrokenCommand, OSError):
            return False
        return bool(data)

    def from_switch(self) -> bool:
        """Passes on what the switch says; False at its end."""
        data = _received(self.switch)
        try:
            self._frames.feed(data)
            for frame in self._frames.frames():
                if frame.content_type in REPLIES and self._open:
                    self._note(*self._open.popleft(), frame.text.rstrip("\n"))
            self.client.sendall(data)
        except (BrokenFrame, OSError):
            return False
        return bool(data)

    def close(self) -> None:
        """Ends both connections."""
        self.client.close()
        self.switch.close()

    def _note(self, t_us: int, command: Command, reply: str) -> None:
        if _OF_INTEREST.match(command.line) and not _SECRET.search(command.line):
            self._notes.append(Noted(t_us, written(command), reply))


def written(command: Command) -> str:
    """A command in one text, its headers on lines of their own."""
    lines = [command.line]
    lines += [f"{_HEADERS.get(name, name)}: {value}" for name, value in command.headers.items()]
    return "\n".join(lines) + (f"\n\n{command.body}" if command.body else "")


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(PIECE)
    except OSError:
        return b""
