"""One Event Socket connection: greenswitch's client, with everything that touches the socket replaced.

Enters: commands as text, bytes from the switch. Leaves: replies in order, event frames to `on_event`, and one report
when the connection is lost, after all that was read has been delivered. The only module that imports greenswitch
(LIBRARIES: greenswitch 0.0.19). Reconnecting belongs to `supervisor.py`: an instance lives for one connection.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections import deque
from collections.abc import Callable
from typing import NoReturn

import gevent
import gevent.event
import gevent.lock
import gevent.monkey
from gevent import socket
from greenswitch import InboundESL
from greenswitch.esl import NotConnectedError

from services.eventsocket.frames import EVENTS, BrokenFrame, Frame, FrameReader
from services.runtime import clock
from services.runtime.log import get_logger

PIECE = 256 * 1024
DRAIN_S = 1.0
log = get_logger("link")


class LinkLost(NotConnectedError):  # type: ignore[misc]
    """The connection is gone, or was never there; what was sent without a reply may or may not have been done."""


class LoginRefused(LinkLost):
    """The switch refuses the password or this address: trying again soon will not help."""


class Link(InboundESL):  # type: ignore[misc]
    """Hardened: a deadline on every step, bytes before text, whole commands, nothing dropped, nothing left hanging."""

    def __init__(
        self,
        host: str,
        port: int,
        password: str,
        timeout: float = 5.0,
        on_event: Callable[[Frame], None] | None = None,
        on_lost: Callable[[str], None] | None = None,
        user: str = "",
    ) -> None:
        """`timeout`: seconds for connecting, for each write and for each reply. `on_event` must not block.

        `user`: `id@domain` of the switch's directory, with rights of its own (userauth); empty: the one password.
        """
        super().__init__(host, port, password, timeout)
        self._user = user
        self._on_event = on_event
        self._on_lost = on_lost
        self._waiting: deque[gevent.event.AsyncResult] = deque()
        self._send_lock = gevent.lock.BoundedSemaphore(1)
        self._reader = FrameReader()
        self._refused = ""
        self._open_lock = gevent.monkey.get_original("_thread", "allocate_lock")()
        self._received = 0
        self.lost = gevent.event.Event()
        """Set when the connection is over and everything read from it has been delivered."""
        self.lost_reason = ""

    # -- connecting --

    def connect(self) -> None:
        """Connect and log in. Raises LinkLost, LoginRefused; the instance is used up then."""
        try:
            with gevent.Timeout(self.timeout, LinkLost("no connection in time")):
                self.sock = socket.create_connection((self.host, self.port))
        except OSError as error:
            self._lose(f"cannot connect: {error.strerror or error}")
            raise LinkLost(self.lost_reason) from None
        except LinkLost as error:
            self._lose(str(error))
            raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # Closing sends RST: a switch that waits for us to read would stand still until then.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.lost.is_set():  # stopped while the connection was made: nobody else closes it
            self.sock.close()
            self._raise_lost()
        self.sock.settimeout(None)
        self.connected = True
        self.start_event_handlers()
        if not self._auth_request_event.wait(self.timeout):
            self._lose("no auth/request in time")
        if not self.connected:
            self._raise_lost()
        self.authenticate()

    def authenticate(self) -> None:
        """Log in. Raises LoginRefused. The password is in no message."""
        if any(mark in self.password + self._user for mark in "\r\n"):
            self._lose("a password with a line break")
            raise LoginRefused(self.lost_reason)
        reply = self.send(f"userauth {self._user}:{self.password}" if self._user else f"auth {self.password}")
        if not reply.text.startswith("+OK"):
            self._refused = "wrong password"
            self._lose(self._refused)
            raise LoginRefused(self._refused)

    def start_event_handlers(self) -> None:
        """One greenlet reads; events go straight to `on_event`, so there is no second queue."""
        self._receive_events_greenlet = gevent.spawn(self.receive_events)

    def register_handle(self, name: str, handler: Callable[[object], None]) -> NoReturn:
        """Not here: a handler behind an unbounded queue is what this class is not."""
        raise NotImplementedError("events of a Link go to on_event")

    # -- reading --

    def receive_events(self) -> None:
        """Read until the end; every complete frame is delivered before the loss is reported."""
        reason = "the switch closed the connection"
        try:
            while not self.lost.is_set():
                data = self.sock.recv(PIECE)
                if not data:
                    self._reader.finish()
                    break
                self._received += len(data)
                self._reader.feed(data)
                for frame in self._reader.frames():
                    self.handle_event(frame)
                gevent.sleep(0)  # a flood does not end the turn by itself: others must run, and empty what we fill
        except BrokenFrame as error:
            reason = f"broken frame at {error.offset}: {error}"
        except OSError as error:
            reason = f"reading failed: {error.strerror or error}"
        self._lose(reason)

    def handle_event(self, frame: Frame) -> None:
        """One frame; trouble with one never ends the reading of the next."""
        kind = frame.content_type
        if kind in EVENTS:
            if self._on_event is not None:
                try:
                    self._on_event(frame)
                except Exception as error:
                    log.error("an event was not taken", exc_info=error)
        elif kind in ("command/reply", "api/response"):
            if self._waiting:
                self._waiting.popleft().set(frame)
            else:
                log.warning("a reply to nothing", type=kind)
        elif kind == "auth/request":
            self._auth_request_event.set()
        elif kind == "text/rude-rejection":
            self._refused = "the switch refuses this address (event_socket.conf, acl)"
            self._lose(self._refused)
        elif kind == "text/disconnect-notice":
            log.info("the switch says goodbye")

    # -- sending --

    def send(self, data: str, timeout: float | None = None) -> Frame:
        """One command and its reply. Raises LinkLost when none comes in time: the connection is then given up."""
        waiting = self.post(data)
        try:
            reply: Frame = waiting.get(timeout=timeout or self.timeout)
        except gevent.Timeout:
            self._lose("no reply in time")
            raise LinkLost(self.lost_reason) from None
        return reply

    def reply_to(self, waiting: gevent.event.AsyncResult, silent_s: float) -> Frame:
        """The reply to what was posted. Raises LinkLost when for so long nothing at all was read.

        A reply that waits behind many events is no silence; nor is a time in which we stood still ourselves.
        """
        while True:
            before, since_us = self._received, clock.monotonic_us()
            try:
                reply: Frame = waiting.get(timeout=silent_s)
                return reply
            except gevent.Timeout:
                stood_still = clock.monotonic_us() - since_us > silent_s * 1_500_000
                if not waiting.ready() and self._received == before and not stood_still:
                    self._lose("no reply in time")
                    raise LinkLost(self.lost_reason) from None

    def post(self, data: str) -> gevent.event.AsyncResult:
        """Write one command; its reply (a Frame, or LinkLost) comes later, in the order of writing.

        Raises ValueError for what would be more than one command, LinkLost if nothing of it was written.
        """
        if "\r" in data or "\n\n" in data or data[:1] in ("", "\n") or data.endswith("\n"):
            raise ValueError("not exactly one command")
        raw = f"{data}\n\n".encode()
        waiting = gevent.event.AsyncResult()
        with self._send_lock:
            if not self.connected:
                self._raise_lost()
            self._waiting.append(waiting)
            try:
                with gevent.Timeout(self.timeout, LinkLost("the switch takes no more bytes")):
                    self.sock.sendall(raw)
            except (OSError, LinkLost) as error:
                # What the switch still said before it went is read first; then the reader reports the loss.
                self.connected = False
                gevent.spawn_later(DRAIN_S, self._lose, f"writing failed: {error}")
        return waiting

    # -- the end --

    def stop(self) -> None:
        """Close; the reader ends and the loss is reported as any other."""
        self._lose("closed by us")
        reader = self._receive_events_greenlet
        if reader is not None and reader is not gevent.getcurrent():
            reader.join(timeout=self.timeout)

    def settle(self, timeout: float) -> None:
        """Wait until what was sent so far is answered, but no longer than this."""
        if self.connected and self._waiting:
            self._waiting[-1].wait(timeout)

    def poke(self) -> None:
        """Write a lone newline, from any thread: it wakes the switch's listener and means nothing.

        Only for a link on which no long command is being written.
        """
        with self._open_lock:
            sock = getattr(self, "sock", None)
            if self.connected and sock is not None and sock.fileno() >= 0:
                # Not logged: a log line waits for gevent's locks, and the hub for this one.
                with contextlib.suppress(OSError):
                    os.write(sock.fileno(), b"\n")

    def abort(self) -> None:
        """Reset the connection from any thread: the watchdog's way when this process no longer reads."""
        with self._open_lock:
            sock = getattr(self, "sock", None)
            if sock is not None and sock.fileno() >= 0:
                _reset(sock.fileno())

    def _lose(self, reason: str) -> None:
        if self.lost.is_set():
            return
        self.connected = False
        self._run = False
        self.lost_reason = reason
        self.lost.set()
        sock = getattr(self, "sock", None)
        if sock is not None:
            with self._open_lock:  # held by `poke` for one system call at most
                sock.close()
        self._auth_request_event.set()
        while self._waiting:
            self._waiting.popleft().set_exception(LinkLost(reason))
        if self._on_lost is not None:
            self._on_lost(reason)

    def _raise_lost(self) -> NoReturn:
        raise LoginRefused(self._refused) if self._refused else LinkLost(self.lost_reason)


def _reset(fd: int) -> None:
    """Put /dev/null in the place of the socket: with SO_LINGER 0 its last descriptor's end sends RST at once."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(null, fd)
    finally:
        os.close(null)
