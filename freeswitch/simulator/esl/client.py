"""One client of the Event Socket: its commands are answered in order, and between them it hears its events.

Enters: bytes of the client, frames for it. Leaves: bytes to the client, calls to the server. As in the real switch one
thread serves a client: no event while a command runs or is half sent, a reply goes before the events that it caused.
Source: mod_event_socket.c (listener_run, read_packet, parse_command).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event as Signal

from freeswitch.simulator.esl import wire
from freeswitch.simulator.esl.needs import Server
from freeswitch.simulator.esl.subscription import DENIED, EslUser, Subscription
from freeswitch.simulator.esl.wire import Command, Event, Format

MAX_QUEUE = 100_000
"""Events that may wait for one client (MAX_QUEUE_LEN of mod_event_socket); what comes then is lost."""
MAX_MISSED = 500
"""With one more lost event the switch ends the client."""
MAX_REPLY = 511
"""Bytes of a Reply-Text (a C buffer of 512)."""
MAX_JOB_ID = 256
RECEIVES = 8192
WRITES = 32_768
"""Bytes at a time."""
KILLED = "killed listener because of lost events\n"


class Client:
    """One connection."""

    def __init__(self, server: Server, connection: Any) -> None:
        self._server = server
        self._socket = connection
        self._reader = wire.CommandReader()
        self._waiting: deque[bytes] = deque()
        self._held: deque[bytes] = deque()
        """Events that wait for the end of a command."""
        self._wake = Signal()
        self._busy = False
        self._lost = 0
        self._session = ""
        self._lingers_s: float | None = None
        self._user: EslUser | None = None
        self._log_level = -1
        self._runner: Any = None
        self._writer: gevent.Greenlet[..., None] | None = None
        self._abandoned = False
        self._leaving = False
        self._says_goodbye = True
        self.subscription = Subscription()
        self.authenticated = False
        self.idle = Signal()
        self.idle.set()
        self.subscribed = Signal()
        """Set while the client listens for events."""
        self.gone = Signal()
        """Set when the connection is over, whoever ended it."""

    @property
    def format(self) -> Format:
        """In which form it hears events."""
        return self.subscription.format

    def wants(self, event: Event) -> bool:
        """Whether its `event`, `nixevent`, `filter` and `myevents` let an event through."""
        return self.subscription.wants(event if isinstance(event, dict) else dict(event))

    # --- to the client -----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Queues raw bytes behind all that waits; part of a frame is as good as a whole one."""
        if self.gone.is_set():
            return
        self._waiting.append(data)
        self.idle.clear()
        self._wake.set()

    def deliver(self, frame: bytes) -> bool:
        """An event; lost if too many wait. False: so many are lost that this client must be ended."""
        if self.gone.is_set():
            return True
        if len(self._waiting) + len(self._held) >= MAX_QUEUE:
            self._lost += 1
            return self._lost <= MAX_MISSED
        self._lost = 0
        if self._busy or self._reader.half_sent:
            self._held.append(frame)
        else:
            self.send(frame)
        return True

    def log(self, level: int, text: str) -> None:
        """A line of the switch's log, if this client asked for that level."""
        if level <= self._log_level:
            self.deliver(wire.log_frame(level, text))

    def _release(self) -> None:
        if self._held and not self._busy and not self._reader.half_sent:
            for frame in self._held:
                self.send(frame)
            self._held.clear()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Waits until all is handed to the network; False when time ran out or the client is gone."""
        self.idle.wait(timeout_s)
        return self.idle.is_set() and not self.gone.is_set()

    def dismiss(self, message: str) -> None:
        """Says why and ends the connection; what still waits is dropped, what is being written is not."""
        self._held.clear()
        self._waiting.clear()
        self._says_goodbye = False
        self.send(wire.disconnect_notice(message, self._session))
        self._waiting.append(b"")

    def cut(self, *, abort: bool = False) -> None:
        """Ends the connection where it stands, without notice; `abort` with RST and without what still waits."""
        if abort:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.flush(5.0)
        self.close()

    def close(self) -> None:
        """Closes the socket as it stands."""
        self.gone.set()
        self.idle.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def abandon(self) -> None:
        """From now on nothing is read or written, and the socket stays open: as if the network had gone."""
        if self._writer is not None:
            self._writer.kill(block=False)
        if self._runner is not None:
            self._abandoned = True
            gevent.kill(self._runner)

    def refuse(self) -> None:
        """The address may not come in: told so, and out."""
        with contextlib.suppress(OSError):
            self._socket.sendall(wire.RUDE_REJECTION + wire.DISCONNECT_NOTICE)
        self.close()

    def follows(self, leg: str) -> bool:
        """Whether `myevents` bound this connection to that leg."""
        return bool(self._session) and self._session == leg

    def leg_ended(self) -> None:
        """The leg of `myevents` is down: the connection ends with it, or lingers."""
        if self._lingers_s is None:
            self._leave()
            return
        seconds = -1 if self._lingers_s < 0 else int(self._lingers_s)
        self.send(wire.linger_notice(self._session, self._server.variable(self._session, "channel_name"), seconds))
        if seconds >= 0:
            gevent.spawn_later(seconds, self._leave)

    def _leave(self) -> None:
        """Ends the connection with its notice, after the reply to a command that runs now."""
        if self._busy:
            self._leaving = True
        else:
            self.send(wire.disconnect_notice(wire.GOODBYE, self._session))
            self._waiting.append(b"")

    def _write(self) -> None:
        try:
            while True:
                while self._waiting:
                    self._server.running.wait()
                    data, last = self._next_bytes()
                    self._socket.sendall(data)
                    if last:
                        self.close()
                        return
                self.idle.set()
                self._wake.wait()
                self._wake.clear()
        except OSError:
            self.close()

    def _next_bytes(self) -> tuple[bytes, bool]:
        """What is written at once, and whether the connection ends with it: one write for whatever has gathered."""
        frames, size = list[bytes](), 0
        while self._waiting and size < WRITES:
            frame = self._waiting.popleft()
            if not frame:
                return b"".join(frames), True
            frames.append(frame)
            size += len(frame)
        return b"".join(frames), False

    # --- from the client ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Reads and answers until either side ends it."""
        self._runner, self._writer = gevent.getcurrent(), gevent.spawn(self._write)
        self.send(wire.AUTH_REQUEST)
        try:
            goes_on = self._first_command()
            while goes_on:
                goes_on = self._read()
            self._end(2.0)
        except (OSError, wire.BrokenCommand):
            self._end(0.5)
        except gevent.GreenletExit:
            if self._abandoned:
                # The socket lives as long as this greenlet.
                self.gone.wait()
        finally:
            self.close()
            self._writer.kill()
            if self._session:
                self._server.let_leg_go(self._session)

    def _end(self, patience_s: float) -> None:
        if self._says_goodbye:
            self.send(wire.disconnect_notice(wire.GOODBYE, self._session))
        self.flush(patience_s)

    def _first_command(self) -> bool:
        """Something must come within the time for logging in; afterwards the switch waits for ever."""
        with gevent.Timeout(self._server.auth_timeout_s, False):
            while True:
                data = self._socket.recv(RECEIVES)
                gevent.sleep(0)
                if not data:
                    return False
                commands = self._reader.feed(data)
                if commands:
                    return self._answer_all(commands)
        return False

    def _read(self) -> bool:
        data = self._socket.recv(RECEIVES)
        # Whoever sends without a pause waits like everybody else.
        gevent.sleep(0)
        self._server.running.wait()
        return bool(data) and not self.gone.is_set() and self._answer_all(self._reader.feed(data))

    def _answer_all(self, commands: list[Command]) -> bool:
        for command in commands:
            self._busy = True
            try:
                if not self._answer(command) or self._leaving:
                    return False
            finally:
                self._busy = False
        self._release()
        return True

    def reply(self, text: str) -> None:
        """A command/reply, cut as the real one's buffer cuts it."""
        self.send(wire.command_reply(wire.cut(text, MAX_REPLY)))

    def _answer(self, command: Command) -> bool:
        """False ends the connection."""
        line = command.line.lower()
        if line.startswith(("exit", "...")):
            self.reply("+OK bye")
            return False
        if not self.authenticated:
            return self._authenticate(command)
        self._server.noticed(self, command)
        for prefix, method in _VERBS:
            if line.startswith(prefix) and (not prefix.startswith(_OF_A_SESSION) or self._session):
                method(self, command)
                return True
        self.reply("-ERR command not found")
        return True

    def _authenticate(self, command: Command) -> bool:
        line = command.line
        if line[:9].lower() == "userauth ":
            return self._authenticate_user(line[9:])
        if line[:5].lower() != "auth ":
            self.reply("-ERR command not found")
            return True
        self.authenticated = line[5:] == self._server.password
        self.reply("+OK accepted" if self.authenticated else "-ERR invalid")
        return self.authenticated

    def _authenticate_user(self, text: str) -> bool:
        address, password = wire.log_in(text)
        user = self._server.users.get(address)
        self.authenticated = user is not None and bool(password) and user.password == password
        if user is None or not self.authenticated:
            self.reply("-ERR invalid")
            return False
        self._user = user
        self.subscription.limit(user)
        self.reply(user.greeting())
        return True

    # --- commands ----------------------------------------------------------------------------------------------------

    def _filter(self, command: Command) -> None:
        self.reply(self.subscription.filter(command.line[7:]))

    def _event(self, command: Command) -> None:
        self.reply(self.subscription.event(command.line.split(" ")[1:]))
        if self.subscription.listens:
            self.subscribed.set()

    def _nixevent(self, command: Command) -> None:
        self.reply(self.subscription.nixevent(command.line.split(" ")[1:]))

    def _noevents(self, _command: Command) -> None:
        self._held.clear()
        self.reply(self.subscription.noevents())
        self.subscribed.clear()

    def _myevents(self, command: Command) -> None:
        leg, *words = command.line[9:].split(" ")
        if not self._session:
            found = self._server.keep_leg(leg)
            if not found and words:
                self.reply("-ERR invalid uuid")
                return
            self._session = leg if found else ""
        self.reply(self.subscription.myevents(self._session))
        self.subscribed.set()

    def _getvar(self, command: Command) -> None:
        name = command.line.partition(" ")[2]
        self.reply(self._server.variable(self._session, name) or "-ERR command not found")

    def _divert(self, command: Command) -> None:
        wanted = command.line[13:].strip(" ").lower()
        if not self._session:
            self.reply("-ERR not controlling a session.")
        elif not wanted:
            self.reply("-ERR missing value.")
        else:
            self.reply("+OK events diverted" if wanted == "on" else "+OK events not diverted")

    def _may_run(self, name: str, argument: str) -> bool:
        return self._user is None or self._user.may_run(name, argument)

    def _api(self, command: Command) -> None:
        name, _, argument = command.line[4:].partition(" ")
        if not self._may_run(name, argument):
            self.reply(DENIED)
            return
        self.send(wire.api_response(self._server.execute(name, argument)))

    def _bgapi(self, command: Command) -> None:
        name, _, argument = command.line[6:].partition(" ")
        if not self._may_run(name, argument):
            self.reply(DENIED)
            return
        job = command.headers.get("job-uuid", "")[:MAX_JOB_ID] or str(uuid.uuid4())
        self.reply(f"~Reply-Text: +OK Job-UUID: {job}\nJob-UUID: {job}\n\n")
        self._server.start_job(job, name, argument, self._session)

    def _sendmsg(self, command: Command) -> None:
        leg = command.line[7:].lstrip(" ") or command.headers.get("session-id", "") or self._session
        headers = dict(command.headers)
        if command.body:
            headers["_body"] = command.body
        self.reply(self._server.sendmsg(leg, headers))

    def _sendevent(self, command: Command) -> None:
        self.reply(self._server.sendevent(command.line, command.original, command.body))

    def _linger(self, command: Command) -> None:
        if not self._session:
            self.reply("-ERR not controlling a session")
            return
        seconds = command.line[7:].split(" ")[0]
        self._lingers_s = (int(seconds) if seconds.isdecimal() else 0) if seconds else -1
        self.reply(f"+OK will linger {self._lingers_s:.0f} seconds" if seconds else "+OK will linger")

    def _nolinger(self, _command: Command) -> None:
        self._lingers_s = None
        self.reply("+OK will not linger" if self._session else "-ERR not controlling a session")

    def _log(self, command: Command) -> None:
        if self._user is not None and not self._user.allowed_log:
            self.reply(DENIED)
            return
        text = command.line[3:].lstrip(" ").split(" ")[0]
        level = wire.log_level(text)
        if level is None:
            self.reply("-ERR invalid log level")
            return
        self._log_level = level
        self.reply(f"+OK log level {text} [{level}]")

    def _nolog(self, _command: Command) -> None:
        logged, self._log_level = self._log_level >= 0, -1
        self.reply("+OK no longer logging" if logged else "-ERR not loging")


_OF_A_SESSION = ("getvar", "resume")
_VERBS: tuple[tuple[str, Callable[[Client, Command], None]], ...] = (
    ("filter ", Client._filter),
    ("getvar", Client._getvar),
    ("myevents ", Client._myevents),
    ("divert_events", Client._divert),
    ("sendmsg", Client._sendmsg),
    ("sendevent", Client._sendevent),
    ("api ", Client._api),
    ("bgapi ", Client._bgapi),
    ("log", Client._log),
    ("linger", Client._linger),
    ("nolinger", Client._nolinger),
    ("nolog", Client._nolog),
    ("event", Client._event),
    ("nixevent", Client._nixevent),
    ("noevents", Client._noevents),
)
"""Matched by prefix and in this order, as the switch does."""

__all__ = ["MAX_MISSED", "MAX_QUEUE", "Client", "Event"]
