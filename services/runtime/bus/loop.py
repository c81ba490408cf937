"""The loop under a connection to RabbitMQ, on gevent's own watchers.

Enters: descriptors to watch, timers, calls from other greenlets. Leaves: calls, all on the greenlet that runs the loop,
so they may wait. It has the methods of pika's `AbstractSelectorIOLoop`: pika's own loop asks gevent's `select.poll`,
which makes new watchers for every descriptor at every turn (a third of what an agent computed). Not for native threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
import gevent.event

Handler = Callable[[int, int], None]
"""Called with a descriptor and what it is ready for."""


class Loop:
    """Of one connection; used up when it was closed."""

    READ, WRITE, ERROR = 1, 2, 0
    """As libev has them; what has failed is ready for both."""

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        self._handlers: dict[int, tuple[Handler, dict[int, Any]]] = {}
        """By descriptor: what to call, and a watcher for each of READ and WRITE; those that are wanted are active."""
        self._ready: dict[int, int] = {}
        self._timers: set[Any] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._woken = gevent.event.Event()
        self._stopped = False

    def start(self) -> None:
        """Until `stop`. What a call raises ends it."""
        while not self._stopped:
            self._woken.wait()
            self._woken.clear()
            ready, self._ready = self._ready, {}
            for fd, events in ready.items():
                handler, watchers = self._handlers.get(fd, (None, {}))  # a call before may have let go of it
                wanted = events & sum(mask for mask, watcher in watchers.items() if watcher.active)
                if handler is not None and wanted:
                    handler(fd, wanted)
            for _ in range(len(self._calls)):
                self._calls.popleft()()

    def stop(self) -> None:
        """End after this turn."""
        self._stopped = True
        self._woken.set()

    def close(self) -> None:
        """Let go of everything."""
        for fd in [*self._handlers]:
            self.remove_handler(fd)
        for timer in [*self._timers]:
            self.remove_timeout(timer)
        self._calls.clear()

    def add_callback(self, callback: Callable[[], None]) -> None:
        """In the next turn, from any greenlet."""
        self._calls.append(callback)
        self._woken.set()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        """After `delay` seconds; the handle is for `remove_timeout`."""
        timer = self._hub.loop.timer(max(0.0, delay))
        self._timers.add(timer)
        timer.start(self.add_callback, partial(self._expired, timer, callback))
        return timer

    def remove_timeout(self, timeout_handle: Any) -> None:
        """Not any more, if it was to come."""
        if timeout_handle in self._timers:
            self._timers.remove(timeout_handle)
            timeout_handle.close()

    def _expired(self, timer: Any, callback: Callable[[], None]) -> None:
        if timer in self._timers:
            self.remove_timeout(timer)
            callback()

    def add_handler(self, fd: int, handler: Handler, events: int) -> None:
        """Call it whenever the descriptor is ready for one of `events`."""
        self._handlers[fd] = handler, {mask: self._hub.loop.io(fd, mask) for mask in (self.READ, self.WRITE)}
        self.update_handler(fd, events)

    def update_handler(self, fd: int, events: int) -> None:
        """For these from now on. pika wants WRITE for a moment for each thing it writes."""
        for mask, watcher in self._handlers[fd][1].items():
            if not events & mask:
                watcher.stop()
            elif not watcher.active:
                watcher.start(self._is_ready, fd, mask)

    def remove_handler(self, fd: int) -> None:
        """Watch it no more."""
        for watcher in self._handlers.pop(fd)[1].values():
            watcher.close()
        self._ready.pop(fd, None)

    def _is_ready(self, fd: int, mask: int) -> None:
        """On the hub, at every turn of it until what is ready was read or written."""
        self._ready[fd] = self._ready.get(fd, 0) | mask
        self._woken.set()
