"""A switch that misbehaves on purpose: raw bytes on port 0, one script per scenario.

Enters: the name of a scenario. Leaves: a server on 127.0.0.1 that does it to every client. The same server is put
before bare greenswitch and before our link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
from gevent.server import StreamServer

AUTH = b"Content-Type: auth/request\n\n"
ACCEPTED = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
FORGED = (
    b"Event-Name: CHANNEL_PARK\nvariable_tt_tenant: acme\nCaller-Caller-ID-Name: A%0Avariable_tt_tenant: victim\n\n"
)


def event(body: bytes, kind: bytes = b"plain") -> bytes:
    """One event frame."""
    return b"Content-Length: %d\nContent-Type: text/event-%s\n\n%s" % (len(body), kind, body)


def api(body: bytes) -> bytes:
    """One api/response."""
    return b"Content-Type: api/response\nContent-Length: %d\n\n%s" % (len(body), body)


def numbered(number: int, size: int = 0) -> bytes:
    """A small event in plain form that says its number."""
    return event(b"Event-Name: DTMF\nNumber: %d\nPadding: %s\n\n" % (number, b"x" * size))


class HostileSwitch:
    """Logs a client in, then runs the scenario's script on the socket."""

    def __init__(self, scenario: str) -> None:
        self._script: Callable[[HostileSwitch, Any], None] = SCRIPTS[scenario]
        self.received = bytearray()
        self.connections = 0
        self.go_on = gevent.event.Event()
        """For scripts that wait for the test."""
        self._server = StreamServer(("127.0.0.1", 0), self._serve)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port)

    def __enter__(self) -> HostileSwitch:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._server.stop(timeout=1)

    def _serve(self, connection: Any, _address: Any) -> None:
        self.connections += 1
        try:
            self._script(self, connection)
        except OSError:
            return
        finally:
            connection.close()

    def login(self, connection: Any) -> None:
        """Ask for the password and take any."""
        connection.sendall(AUTH)
        self.read_command(connection)
        connection.sendall(ACCEPTED)

    def read_command(self, connection: Any) -> bytes:
        """One command, without its end."""
        line = bytearray()
        while not line.endswith(b"\n\n"):
            data = connection.recv(1)
            if not data:
                raise OSError("gone")
            line += data
        return bytes(line[:-2])

    def hold(self, connection: Any) -> None:
        """Keep the connection open until the client leaves."""
        while connection.recv(65536):
            continue


def _forged(switch: HostileSwitch, connection: Any) -> None:
    switch.login(connection)
    connection.sendall(event(FORGED))
    switch.hold(connection)


def _json(switch: HostileSwitch, connection: Any) -> None:
    switch.login(connection)
    connection.sendall(event(b'{"Event-Name":"HEARTBEAT","a":"b"}', b"json"))
    while True:
        switch.read_command(connection)
        connection.sendall(api(b"true"))


def _eof_in_body(switch: HostileSwitch, connection: Any) -> None:
    switch.login(connection)
    connection.sendall(b"Content-Length: 1000\nContent-Type: text/event-plain\n\nEvent-Name: CHANNEL")


def _not_utf8(switch: HostileSwitch, connection: Any) -> None:
    switch.login(connection)
    while True:
        switch.read_command(connection)
        connection.sendall(api(b"\xff\xfe"))


def _silent(_switch: HostileSwitch, connection: Any) -> None:
    _switch.hold(connection)


def _no_reply(switch: HostileSwitch, connection: Any) -> None:
    switch.login(connection)
    switch.hold(connection)


def _cut_while_waiting(switch: HostileSwitch, connection: Any) -> None:
    switch.login(connection)
    switch.read_command(connection)


def _events_then_eof(switch: HostileSwitch, connection: Any) -> None:
    switch.login(connection)
    connection.sendall(b"".join(numbered(number) for number in range(500)))


def _flood(switch: HostileSwitch, connection: Any) -> None:
    switch.login(connection)
    for start in range(0, 20_000, 500):
        connection.sendall(b"".join(numbered(number, 500) for number in range(start, start + 500)))
    switch.read_command(connection)
    connection.sendall(api(b"true"))
    switch.hold(connection)


def _slow_reader(switch: HostileSwitch, connection: Any) -> None:
    """Takes nothing until told, then reads one whole command and says how long it was."""
    switch.login(connection)
    switch.go_on.wait(20)
    length, ending = 0, b""
    while not ending.endswith(b"\n\n"):
        data = connection.recv(1 << 20)
        if not data:
            return
        length, ending = length + len(data), (ending + data)[-2:]
    connection.sendall(api(b"%d" % length))
    switch.hold(connection)


def _echo(switch: HostileSwitch, connection: Any) -> None:
    """Every command that arrives is answered with itself."""
    switch.login(connection)
    while True:
        command = switch.read_command(connection)
        switch.received += command + b";"
        connection.sendall(api(command or b"empty"))


def _stalled(switch: HostileSwitch, connection: Any) -> None:
    """Takes nothing until told, then answers each command with its first 20 characters."""
    switch.login(connection)
    switch.go_on.wait(20)
    data = b""
    while more := connection.recv(1 << 20):
        *commands, data = (data + more).split(b"\n\n")
        for command in commands:
            connection.sendall(api(command[:20]))


def _refusing(_switch: HostileSwitch, connection: Any) -> None:
    body = b"Access Denied, go away.\n"
    connection.sendall(b"Content-Type: text/rude-rejection\nContent-Length: %d\n\n%s" % (len(body), body))


SCRIPTS: dict[str, Callable[[HostileSwitch, Any], None]] = {
    "forged": _forged,
    "json": _json,
    "eof_in_body": _eof_in_body,
    "not_utf8": _not_utf8,
    "silent": _silent,
    "no_reply": _no_reply,
    "cut_while_waiting": _cut_while_waiting,
    "events_then_eof": _events_then_eof,
    "flood": _flood,
    "slow_reader": _slow_reader,
    "echo": _echo,
    "stalled": _stalled,
    "refusing": _refusing,
}
