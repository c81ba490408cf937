"""The server side of the Event Socket, shared by the simulated switch and the player of captured traces.

Enters: TCP clients with their commands, events to publish. Leaves: frames as the real switch writes them, to each
client what it subscribed to. What a command does belongs to the backend; the bytes belong to wire.py.
Like the real one, a client has one thread: while its `api` runs, it gets neither replies nor events.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import gevent
from gevent.event import Event as Signal
from gevent.server import StreamServer

from freeswitch.simulator import wire
from freeswitch.simulator.wire import Command, Event, Format, Value

MAX_QUEUE = 100_000
"""Frames that may wait for one client (MAX_QUEUE_LEN of mod_event_socket); then the client is dropped."""


class Backend(Protocol):
    """What answers the commands of the clients."""

    def api(self, command: str, argument: str) -> str:
        """The reply of one API command, as the switch words it. Unknown: raise UnknownCommand."""

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str:
        """The Reply-Text of `sendmsg`: `+OK` or `-ERR invalid session id [..]`. Names of headers in lower case."""


@runtime_checkable
class JobBackend(Protocol):
    """A backend that runs `bgapi` its own way (the trace player: the captured BACKGROUND_JOB is the answer)."""

    def bgapi(self, job: str, command: str, argument: str) -> None:
        """Called after `+OK Job-UUID: …` is written."""


class UnknownCommand(Exception):
    """No such API command."""


class Client:
    """One connection: its subscriptions, and what waits to be written to it."""

    def __init__(self, server: EslServer, connection: Any) -> None:
        self._server = server
        self._socket = connection
        self._waiting: deque[bytes] = deque()
        self._wake = Signal()
        self._held = False
        self.idle = Signal()
        self.idle.set()
        self.authenticated = False
        self.format: Format = "plain"
        self.names: set[str] = set()
        self.subclasses: set[str] = set()
        self.filters: list[tuple[str, str]] = []
        self.subscribed = Signal()
        """Set once the client has asked for events."""
        self.gone = Signal()
        """Set when the connection is over, whoever ended it."""

    def send(self, data: bytes) -> None:
        """Queues raw bytes behind all that waits; part of a frame is as good as a whole one."""
        if self.gone.is_set():
            return
        if len(self._waiting) >= MAX_QUEUE:
            self.cut(abort=True)
            return
        self._waiting.append(data)
        self.idle.clear()
        self._wake.set()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Waits until all is handed to the network; False when time ran out or the client is gone."""
        self.idle.wait(timeout_s)
        return self.idle.is_set() and not self.gone.is_set()

    def cut(self, *, abort: bool = False) -> None:
        """Ends the connection where it stands, without notice; `abort` with RST and without what still waits."""
        if abort:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.flush(5.0)
        self._close()

    def wants(self, event: Event) -> bool:
        """Whether this client's `event`, `nixevent` and `filter` commands let the event through."""
        headers = dict(event)
        name, subclass = headers.get("Event-Name"), headers.get("Event-Subclass")
        if name not in self.names:
            return False
        if name == "CUSTOM" and subclass is not None and "ALL" not in self.names and subclass not in self.subclasses:
            return False
        return self._passes_filters(headers)

    def _passes_filters(self, headers: Mapping[str, Any]) -> bool:
        if not self.filters:
            return True
        passed, by_name = False, {name.lower(): value for name, value in headers.items()}
        for name, wanted in self.filters:
            value = by_name.get(name.lower())
            if not isinstance(value, str):
                continue
            refuses, pattern = wanted.startswith("-"), wanted.lstrip("+- ")
            if pattern.startswith("/"):
                hit = re.search(pattern.strip("/"), value) is not None
            else:
                hit = value.lower() == pattern.lower()
            if hit and refuses:
                return False
            passed = passed or hit
        return passed

    def _write(self) -> None:
        try:
            while True:
                while self._waiting:
                    self._socket.sendall(self._waiting.popleft())
                self.idle.set()
                self._wake.wait()
                self._wake.clear()
        except OSError:
            self._close()

    def _close(self) -> None:
        self.gone.set()
        self.idle.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def run(self) -> None:
        """Reads and answers until either side ends it."""
        writer = gevent.spawn(self._write)
        reader = wire.CommandReader()
        self.send(wire.AUTH_REQUEST)
        try:
            while not self.gone.is_set():
                data = self._socket.recv(65536)
                if not data:
                    break
                for command in reader.feed(data):
                    if not self._answer(command):
                        self.send(wire.DISCONNECT_NOTICE)
                        self.flush(2.0)
                        return
        except (OSError, wire.BrokenCommand):
            self.send(wire.DISCONNECT_NOTICE)
            self.flush(0.5)
        finally:
            self._close()
            writer.kill()

    def _answer(self, command: Command) -> bool:
        """False ends the connection."""
        line = command.line.lower()
        if line.startswith(("exit", "...")):
            self.send(wire.command_reply("+OK bye"))
            return False
        if not self.authenticated:
            return self._authenticate(command)
        if self._server.on_command is not None:
            self._server.on_command(self, command)
        for prefix, method in _VERBS:
            if line.startswith(prefix):
                method(self, command)
                return True
        self.send(wire.command_reply("-ERR command not found"))
        return True

    def _authenticate(self, command: Command) -> bool:
        if not command.line.lower().startswith("auth "):
            self.send(wire.command_reply("-ERR command not found"))
            return True
        self.authenticated = command.line[5:] == self._server.password
        self.send(wire.command_reply("+OK accepted" if self.authenticated else "-ERR invalid"))
        return self.authenticated

    def _filter(self, command: Command) -> None:
        name, _, value = command.line[7:].strip(" ").partition(" ")
        if name.lower() == "delete" and value:
            name, _, value = value.partition(" ")
            if name.lower() == "all":
                self.filters.clear()
            self.filters = [one for one in self.filters if one[0] != name or (value and one[1] != value)]
            self.send(wire.command_reply(f"+OK filter deleted. [{name}][{value}]"))
        elif value:
            if name.lower() == "add":
                name, _, value = value.partition(" ")
            self.filters.append((name, value))
            self.send(wire.command_reply(f"+OK filter added. [{name}]=[{value}]"))
        else:
            self.send(wire.command_reply("-ERR invalid syntax"))

    def _event(self, command: Command) -> None:
        words = [word for word in command.words[1:] if word]
        if words and words[0].lower() in ("plain", "json"):
            self.format = "json" if words.pop(0).lower() == "json" else "plain"
        names, subclasses = _names(words)
        if not names:
            self.send(wire.command_reply("-ERR no keywords supplied"))
            return
        self.names |= wire.EVENT_NAMES if "ALL" in names else names
        self.subclasses |= set(subclasses)
        self.send(wire.command_reply(f"+OK event listener enabled {self.format}"))
        self.subscribed.set()

    def _nixevent(self, command: Command) -> None:
        names, subclasses = _names([word for word in command.words[1:] if word])
        if not names:
            self.send(wire.command_reply("-ERR no keywords supplied"))
            return
        if "ALL" in names:
            self.names.clear()
        self.names -= (names | {"ALL"}) - ({"CUSTOM"} if subclasses else set())
        self.subclasses -= set(subclasses)
        self.send(wire.command_reply("+OK events nixed"))

    def _noevents(self, _command: Command) -> None:
        listening = self.subscribed.is_set()
        self.names.clear()
        self.subclasses.clear()
        self.subscribed.clear()
        reply = "+OK no longer listening for events" if listening else "-ERR not listening for events"
        self.send(wire.command_reply(reply))

    def _api(self, command: Command) -> None:
        name, _, argument = command.line[4:].partition(" ")
        self.send(wire.api_response(self._server.execute(name, argument)))

    def _bgapi(self, command: Command) -> None:
        name, _, argument = command.line[6:].partition(" ")
        job = command.headers.get("job-uuid") or str(uuid.uuid4())
        self.send(wire.command_reply(f"~Reply-Text: +OK Job-UUID: {job}\nJob-UUID: {job}\n\n"))
        self._server.start_job(job, name, argument)

    def _sendmsg(self, command: Command) -> None:
        leg = command.line[7:].strip(" ") or command.headers.get("session-id", "")
        headers = dict(command.headers)
        if command.body:
            headers["_body"] = command.body
        self.send(wire.command_reply(self._server.backend.sendmsg(leg, headers)))

    def _linger(self, _command: Command) -> None:
        self.send(wire.command_reply("-ERR not controlling a session"))

    def _log(self, _command: Command) -> None:
        self.send(wire.command_reply("+OK log level  [7]"))

    def _nolog(self, _command: Command) -> None:
        self.send(wire.command_reply("-ERR not loging"))


_VERBS: tuple[tuple[str, Callable[[Client, Command], None]], ...] = (
    ("filter ", Client._filter),
    ("sendmsg", Client._sendmsg),
    ("api ", Client._api),
    ("bgapi ", Client._bgapi),
    ("log", Client._log),
    ("linger", Client._linger),
    ("nolinger", Client._linger),
    ("nolog", Client._nolog),
    ("event", Client._event),
    ("nixevent", Client._nixevent),
    ("noevents", Client._noevents),
)
"""Matched by prefix and in this order, as the switch does."""


def _names(words: list[str]) -> tuple[set[str], list[str]]:
    """Words of `event` and `nixevent`: what follows CUSTOM are subclasses, unknown names count for nothing."""
    names: set[str] = set()
    for position, word in enumerate(words):
        name = word.upper().removeprefix("SWITCH_EVENT_")
        if name in wire.EVENT_NAMES:
            names.add(name)
        if name == "CUSTOM":
            return names, words[position + 1 :]
    return names, []


class EslServer:
    """Listens, keeps the clients, spreads the events."""

    def __init__(self, backend: Backend, password: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.backend = backend
        self.password = password
        self.clients: list[Client] = []
        self.on_command: Callable[[Client, Command], None] | None = None
        """Sees each command of an authenticated client before it is carried out."""
        self.connected = Signal()
        """Set while there is a client."""
        self.stamp: Callable[[str], dict[str, Value]] = lambda name: {"Event-Name": name}
        """How BACKGROUND_JOB gets the core's own headers (Core-UUID, sequence, times)."""
        self._jobs: set[gevent.Greenlet[..., None]] = set()
        self._server = StreamServer((host, port), self._serve, backlog=5)

    @property
    def port(self) -> int:
        """The bound port; 0 before start()."""
        return int(self._server.server_port)

    def start(self) -> int:
        """Listens; the bound port."""
        self._server.start()
        return self.port

    def stop(self, *, notice: bool = True) -> None:
        """Ends every connection: with the switch's notice, or cold like a killed switch."""
        for client in list(self.clients):
            if notice:
                client.send(wire.DISCONNECT_NOTICE)
            client.cut(abort=not notice)
        self._server.stop(timeout=1)
        gevent.killall(list(self._jobs))

    def publish(self, event: Event) -> None:
        """To every client that asked for it, in its format; never blocks."""
        frames: dict[Format, bytes] = {}
        for client in self.clients:
            if client.wants(event):
                frame = frames.get(client.format)
                if frame is None:
                    frame = frames[client.format] = wire.event_frame(event, client.format)
                client.send(frame)

    def execute(self, command: str, argument: str) -> str:
        """One API command."""
        try:
            return self.backend.api(command, argument)
        except UnknownCommand:
            return f"-ERR {command} Command not found!\n"

    def start_job(self, job: str, command: str, argument: str) -> None:
        """`bgapi`: by the backend itself, or here in a greenlet that ends in BACKGROUND_JOB."""
        if isinstance(self.backend, JobBackend):
            self.backend.bgapi(job, command, argument)
            return
        greenlet = gevent.spawn(self._run_job, job, command, argument)
        self._jobs.add(greenlet)
        greenlet.rawlink(self._jobs.discard)

    def _run_job(self, job: str, command: str, argument: str) -> None:
        body = self.execute(command, argument)
        event = self.stamp("BACKGROUND_JOB") | {"Job-UUID": job, "Job-Command": command}
        if argument:
            event["Job-Command-Arg"] = argument
        self.publish(event | {"_body": body})

    def _serve(self, connection: Any, _address: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(self, connection)
        self.clients.append(client)
        self.connected.set()
        try:
            client.run()
        finally:
            self.clients.remove(client)
            if not self.clients:
                self.connected.clear()


__all__ = ["Backend", "Client", "Command", "Event", "EslServer", "JobBackend", "UnknownCommand"]
