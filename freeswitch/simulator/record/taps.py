"""Connections of the recorder's own to a real switch, read in turn by one loop: events plain, events json, SIP log.

Enters: address, password, types of events. Leaves: frames as received, in order. What they mean belongs to
recording.py; the connections of others that pass through the recorder to relay.py.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

from freeswitch.simulator.record.errors import CannotRecord
from services.eventsocket.frames import BrokenFrame, Frame, FrameReader

PIECE = 256 * 1024
PATIENCE_S = 10.0
REPLIES = ("command/reply", "api/response")


class Tap:
    """One authenticated connection. Whatever is no reply goes to `hear`, also while a reply is awaited."""

    def __init__(self, host: str, port: int, password: str, hear: Callable[[Frame], None]) -> None:
        self._hear = hear
        self._reader = FrameReader()
        self._where = f"{host}:{port}"
        try:
            self.socket = socket.create_connection((host, port), PATIENCE_S)
        except OSError as error:
            raise CannotRecord(f"{self._where}: {error.strerror or error}") from None
        reply = self.ask(f"auth {password}")
        if not reply.startswith("+OK"):
            raise CannotRecord(f"{self._where}: the switch does not take the password ({reply[:40]})")

    def ask(self, command: str) -> str:
        """The reply to a command. Raises CannotRecord if none comes in time."""
        self.socket.sendall(command.encode() + b"\n\n")
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            replies = [frame for frame in self._frames() if not self._told(frame)]
            if replies:
                return replies[0].text.strip()
        raise CannotRecord(f"{self._where}: no answer to {command.split(' ')[0]}")

    def read(self) -> None:
        """What has come: waits for the first piece."""
        for frame in self._frames():
            self._told(frame)

    def close(self) -> None:
        """Ends the connection."""
        self.socket.close()

    def _told(self, frame: Frame) -> bool:
        if frame.content_type in REPLIES:
            return False
        if frame.content_type != "auth/request":
            self._hear(frame)
        return True

    def _frames(self) -> Iterator[Frame]:
        try:
            data = self.socket.recv(PIECE)
            self._reader.feed(data)
            yield from self._reader.frames()
        except (OSError, BrokenFrame) as error:
            raise CannotRecord(f"{self._where}: {error}") from None
        if not data:
            raise CannotRecord(f"{self._where}: the switch has closed the connection")
