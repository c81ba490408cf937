"""Native threads beside the hub: one resets a link that nobody reads, one keeps the switch's listener awake.

Enters: what to call. Leaves: calls from outside the hub, so they come even while it stands still; and a word to the
service manager as long as the hub runs, since nothing inside a frozen process can help the switch. Nothing here may
use gevent's primitives or log lines that wait.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from socket import AF_UNIX, MSG_DONTWAIT, SOCK_DGRAM

import gevent
import gevent.monkey

from services.runtime import clock

_native_socket = gevent.monkey.get_original("socket", "socket")


def process_was_frozen(slept_us: int, limit_s: float) -> bool:
    """Whether the watching thread, which sleeps a tenth of the limit, stood still itself: the whole process did.

    It runs again, so the hub reads all that waits in the socket; a reset would throw that away.
    """
    return slept_us > limit_s * 200_000


class LifeSign:
    """The service manager, if there is one: it ends a process that no longer says WATCHDOG=1 (sd_notify(3)).

    It counts from READY=1 on (Type=notify), since on a busy machine the start alone takes longer than its patience.
    """

    def __init__(self, address: str | None = None) -> None:
        """`address`: by default the one in NOTIFY_SOCKET; `@name` is in the abstract namespace."""
        address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = _native_socket(AF_UNIX, SOCK_DGRAM) if address else None

    def reads_on(self) -> None:
        """From any thread: the reader runs. A manager that does not listen is not waited for."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(b"READY=1\nWATCHDOG=1", MSG_DONTWAIT, self._address)


class Watchdog:
    """A native thread that resets the event link when the hub stands still: a slow reader stops the whole switch."""

    def __init__(self, drop: Callable[[], None], limit_s: float = 5.0, life_sign: LifeSign | None = None) -> None:
        self._drop = drop
        self._life_sign = life_sign or LifeSign()
        self._limit_s = limit_s
        self._seen = clock.monotonic_us()
        self._stopped = False
        self._ticker: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._ticker = gevent.spawn(self._tick)
        start_thread = gevent.monkey.get_original("_thread", "start_new_thread")
        start_thread(self._watch, ())

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        if self._ticker is not None:
            self._ticker.kill()

    def _tick(self) -> None:
        while True:
            self._seen = clock.monotonic_us()
            gevent.sleep(self._limit_s / 10)

    def _watch(self) -> None:
        sleep = gevent.monkey.get_original("time", "sleep")
        dropped = False
        while not self._stopped:
            before = clock.monotonic_us()
            sleep(self._limit_s / 10)
            now = clock.monotonic_us()
            if process_was_frozen(now - before, self._limit_s):
                self._seen = now
            late = now - self._seen > self._limit_s * 800_000
            if late and not dropped:
                self._drop()
            if not late:
                self._life_sign.reads_on()
            dropped = late


class Poker:
    """Pokes every few milliseconds while a call is up.

    The listener of mod_event_socket polls its socket every 20 ms and is not woken by its own queue: with a lone newline
    every 2 ms events come after 1.6 ms instead of 10 (measured; undocumented, hence a setting).
    """

    def __init__(self, poke: Callable[[], None], busy: Callable[[], bool], every_ms: float) -> None:
        """`every_ms` 0: never."""
        self._poke, self._busy, self._every_ms = poke, busy, every_ms
        self._stopped = False

    def start(self) -> None:
        """Begin, unless switched off."""
        if self._every_ms > 0:
            gevent.monkey.get_original("_thread", "start_new_thread")(self._run, ())

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True

    def _run(self) -> None:
        sleep = gevent.monkey.get_original("time", "sleep")
        while not self._stopped:
            if self._busy():
                self._poke()
                sleep(self._every_ms / 1000)
            else:
                sleep(0.02)
