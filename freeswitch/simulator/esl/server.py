"""The server side of the Event Socket, shared by the simulated switch and the player of captured traces.

Enters: TCP clients, events to publish. Leaves: frames as the real switch writes them, to each client what it subscribed
to. One client's commands belong to client.py, what they do to the backend, the bytes to wire.py. Also modelled: a
client whose queue has overflowed stops the whole switch until its connection is reset, as on the real one.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import gevent
from gevent.event import Event as Signal
from gevent.server import StreamServer

from freeswitch.simulator.esl import wire
from freeswitch.simulator.esl.client import KILLED, Client
from freeswitch.simulator.esl.subscription import EslUser
from freeswitch.simulator.esl.wire import Command, Event, Format, Value

log = logging.getLogger("simulator")
LOOPBACK = ("127.0.0.0/8", "::1/128")
"""The list `loopback.auto`, which holds where the configuration names none."""


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


@runtime_checkable
class LegBackend(Protocol):
    """A backend that knows legs, for `myevents` and `getvar`."""

    def keep_leg(self, leg: str) -> bool:
        """Whether this leg is up; it is not destroyed before it is let go."""

    def let_leg_go(self, leg: str) -> None:
        """Nobody on this connection reads it any more."""

    def variable(self, leg: str, name: str) -> str:
        """A variable of it, up to its destruction; empty where there is none."""


class UnknownCommand(Exception):
    """No such API command."""


class EslServer:
    """Listens, keeps the clients, spreads the events."""

    def __init__(
        self,
        backend: Backend,
        password: str,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        users: Mapping[str, EslUser] | None = None,
        acl: Sequence[str] = LOOPBACK,
        auth_timeout_s: float = 25.0,
    ) -> None:
        """`users`: who may use `userauth`, by `id@domain`. `acl`: networks from which clients may come."""
        self.backend = backend
        self.password = password
        self.users: Mapping[str, EslUser] = users or {}
        self.auth_timeout_s = auth_timeout_s
        self.clients: list[Client] = []
        self.on_command: Callable[[Client, Command], None] | None = None
        """Sees each command of an authenticated client before it is carried out."""
        self.connected = Signal()
        """Set while there is a client."""
        self.stamp: Callable[[str], dict[str, Value]] = lambda name: {"Event-Name": name}
        """How BACKGROUND_JOB gets the core's own headers (Core-UUID, sequence, times)."""
        self.unknown_commands: list[str] = []
        self.running = Signal()
        """Cleared while the process stands still (freeze)."""
        self.running.set()
        self._host, self._port = host, port
        self._networks = [ipaddress.ip_network(one) for one in acl]
        self._free = Signal()
        """Cleared while a client that does not read holds the lock of all listeners."""
        self._free.set()
        self._backlog: list[Event] = []
        self._lost_peers: list[Client] = []
        self._jobs: set[gevent.Greenlet[..., None]] = set()
        self._server: StreamServer | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The bound port, kept over a restart; 0 before the first start()."""
        return self._port

    def start(self) -> int:
        """Listens; the bound port."""
        self._server = StreamServer((self._host, self._port), self._serve, backlog=5)
        self._server.start()
        self._port = int(self._server.server_port)
        return self._port

    def stop(self, *, notice: bool = True) -> None:
        """Ends every connection: with the notice of a switch that shuts down, or cold like a killed one."""
        self.thaw()
        for client in [*self.clients, *self._lost_peers]:
            if notice:
                client.send(wire.disconnect_notice(wire.SHUT_DOWN))
                client.cut()
            else:
                client.close()
        self._lost_peers.clear()
        if self._server is not None:
            self._server.stop(timeout=1)
        gevent.killall(list(self._jobs))

    def freeze(self) -> None:
        """The process stands still: connections stay open and can be made, nothing is read or written."""
        self.running.clear()

    def thaw(self) -> None:
        """It goes on where it stood."""
        self.running.set()

    def vanish(self) -> None:
        """The clients of now get neither data nor an end (half-open TCP); new ones are served."""
        for client in list(self.clients):
            self.clients.remove(client)
            self._lost_peers.append(client)
            client.abandon()
        self.connected.clear()

    def _serve(self, connection: Any, address: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.running.wait()
        client = Client(self, connection)
        if not any(ipaddress.ip_address(address[0]) in network for network in self._networks):
            client.refuse()
            return
        self.clients.append(client)
        self.connected.set()
        try:
            client.run()
        finally:
            if client in self.clients:
                self.clients.remove(client)
            if not self.clients:
                self.connected.clear()

    # --- events ------------------------------------------------------------------------------------------------------

    def heard(self, name: str) -> bool:
        """Whether an event of this type is to be published at all: somebody asked for it, or may have by then."""
        for client in self.clients:
            if client.subscription.names(name):
                return True
        return not self._free.is_set()

    def publish(self, event: Event) -> None:
        """To every client that asked for it, in its format; never blocks."""
        if not self._free.is_set():
            self._backlog.append(event)
            return
        frames: dict[Format, bytes] = {}
        headers = event if isinstance(event, dict) else dict(event)
        for client in list(self.clients):
            if client.wants(headers):
                frame = frames.get(client.format)
                if frame is None:
                    frame = frames[client.format] = wire.event_frame(event, client.format)
                if not client.deliver(frame):
                    self._stuck_on(client)
            if headers.get("Event-Name") == "CHANNEL_HANGUP" and client.follows(str(headers.get("Unique-ID"))):
                client.leg_ended()

    def _stuck_on(self, client: Client) -> None:
        """Too many events were lost: the farewell is written to a full socket while all listeners wait."""
        self._free.clear()
        client.dismiss(KILLED)
        client.gone.rawlink(self._freed)

    def _freed(self, _gone: Signal) -> None:
        self._free.set()
        waiting, self._backlog = self._backlog, []
        for event in waiting:
            self.publish(event)

    def log(self, level: int, text: str) -> None:
        """A line of the switch's log (0 console to 7 debug), to the clients that said `log`."""
        for client in list(self.clients):
            client.log(level, text)

    # --- commands ----------------------------------------------------------------------------------------------------

    def noticed(self, client: Client, command: Command) -> None:
        """A command of an authenticated client."""
        if self.on_command is not None:
            self.on_command(client, command)

    def execute(self, command: str, argument: str) -> str:
        """One API command; its name counts in upper and lower case alike. Each begins by taking the listeners' lock."""
        self._free.wait()
        if command.lower() == "bgapi":
            return self._start_named_job(argument)
        try:
            return self.backend.api(command.lower(), argument.strip(" ") if command else "")
        except UnknownCommand:
            self.unknown_commands.append(command)
            log.warning("command that this switch does not know: %s", command[:200])
            self.log(3, f"unknown command {command[:200]}\n")
            return f"-ERR {command} Command not found!\n"

    def start_job(self, job: str, command: str, argument: str, owner: str = "") -> None:
        """`bgapi`: by the backend itself, or here in a greenlet that ends in BACKGROUND_JOB."""
        if isinstance(self.backend, JobBackend):
            self.backend.bgapi(job, command, argument)
            return
        greenlet = gevent.spawn(self._run_job, job, command, argument, owner)
        self._jobs.add(greenlet)
        greenlet.rawlink(self._jobs.discard)

    def _start_named_job(self, argument: str) -> str:
        """`api bgapi [uuid:<job> ]<command>`."""
        job, text = str(uuid.uuid4()), argument.strip(" ")
        if text.lower().startswith("uuid:") and " " in text:
            job, _, text = text[5:].partition(" ")
        if not text:
            return "-ERR Invalid syntax\n"
        self.start_job(job, *text.partition(" ")[::2])
        return f"+OK Job-UUID: {job}\n"

    def _run_job(self, job: str, command: str, argument: str, owner: str) -> None:
        body = self.execute(command, argument) or "-ERR no reply\n"
        event = self.stamp("BACKGROUND_JOB") | {"Job-UUID": job}
        if owner:
            event["Job-Owner-UUID"] = owner
        event["Job-Command"] = command
        if argument:
            event["Job-Command-Arg"] = argument
        self.publish(event | {"_body": body})

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str:
        """A message to a leg."""
        return self.backend.sendmsg(leg, headers)

    def sendevent(self, line: str, headers: Sequence[tuple[str, str]], body: str) -> str:
        """An event that a client makes up: its own headers first, also such as come twice, then the core's. What has
        no name of a type is a CUSTOM one without subclass.
        """
        name = line[9:].strip(" \t").upper()
        made: list[tuple[str, Value]] = [("Command", line)]
        made += [(key, value) for key, value in headers if value]
        made.append(("Event-UUID", event := str(uuid.uuid4())))
        if name == "CUSTOM":
            subclasses = [one for one in made if one[0] == "Event-Subclass"]
            made = subclasses[:1] + [one for one in made if one[0] != "Event-Subclass"]
        made += self.stamp(name if name in wire.EVENT_NAMES and name != "ALL" else "CUSTOM").items()
        self.publish([*made, ("_body", body)] if body else made)
        return f"+OK {event}"

    def keep_leg(self, leg: str) -> bool:
        """Whether a leg is up, which is then kept."""
        return isinstance(self.backend, LegBackend) and self.backend.keep_leg(leg)

    def let_leg_go(self, leg: str) -> None:
        """It is not kept any more."""
        if isinstance(self.backend, LegBackend):
            self.backend.let_leg_go(leg)

    def variable(self, leg: str, name: str) -> str:
        """A variable of a leg."""
        return self.backend.variable(leg, name) if isinstance(self.backend, LegBackend) else ""


__all__ = ["Backend", "Client", "Command", "EslServer", "EslUser", "Event", "JobBackend", "UnknownCommand"]
