"""Wires between two programs that can be cut, and one that leads to whichever of several servers answers.

Enters: connections. Leaves: the same bytes on the other side, as long as nothing is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gevent
from gevent.server import StreamServer
from gevent.socket import create_connection

REACHED_WITHIN_S = 1.0


class Line:
    """The wire between agent and switch, which can be cut while the switch goes on."""

    def __init__(self, port: Callable[[], int]) -> None:
        self._port = port
        self._open = True
        self._ends: set[Any] = set()
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()

    @property
    def port(self) -> int:
        """Where the agent finds the switch."""
        return int(self._server.server_port)

    def cut(self) -> None:
        """Both ends close, and nobody gets through."""
        self._open = False
        for one in list(self._ends):
            one.close()

    def mend(self) -> None:
        """As before."""
        self._open = True

    def stop(self) -> None:
        """For good."""
        self.cut()
        self._server.stop(timeout=1)

    def _serve(self, agent: Any, _address: Any) -> None:
        if not self._open:
            return
        try:
            switch = create_connection(("127.0.0.1", self._port()))
        except OSError:
            return
        self._ends |= {agent, switch}
        other = gevent.spawn(pump, agent, switch)
        pump(switch, agent)
        other.join()
        self._ends -= {agent, switch}


def pump(source: Any, sink: Any) -> None:
    """Bytes from one side to the other until either ends; then both do."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        return
    finally:
        source.close()
        sink.close()


class Balancer:
    """One address for several servers, as stands before a cluster: each connection goes to the first that answers.

    A connection to a server that has vanished stays, silent: whoever made it must notice by itself.
    """

    def __init__(self, servers: Sequence[tuple[str, int]]) -> None:
        self._servers = list(servers)
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return int(self._server.server_port)

    def stop(self) -> None:
        """For good."""
        self._server.stop(timeout=1)

    def _serve(self, client: Any, _address: Any) -> None:
        for server in self._servers:
            try:
                found = create_connection(server, timeout=REACHED_WITHIN_S)
            except OSError:
                continue
            found.settimeout(None)
            other = gevent.spawn(pump, client, found)
            pump(found, client)
            other.join()
            return
        client.close()
