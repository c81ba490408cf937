"""The life of a process: start the parts in order, wait, stop them in reverse, end with an exit code.

Enters: named parts with `start()` and `stop()`. Leaves: an exit code for the service manager. A part that fails to
start stops those before it. What the parts are belongs to the composition root.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import gevent
import gevent.event
import gevent.hub

from services.runtime import clock
from services.runtime.log import get_logger

EXIT_STOPPED = 0
EXIT_START_FAILED = 1
EXIT_DRAIN_CUT = 3
"""A part did not stop in time; what it left is in its queue or its store."""

LAST_CHANCE_S = 0.5
"""What each part still gets when the time for all is over, so that one that hangs does not rob those before it."""

log = get_logger("app")


class Part(Protocol):
    """Something that runs between `start` and `stop`. If `start` raises, it has cleaned up after itself."""

    def start(self) -> None:
        """Returns when it runs."""

    def stop(self) -> None:
        """Returns when what it had begun is finished; nothing new is taken."""


class App:
    """Parts in the order of their start; each may rely on those before it."""

    def __init__(self, parts: Sequence[tuple[str, Part]], drain_s: float = 15.0) -> None:
        """`drain_s`: how long stopping all parts may take together."""
        self._parts = parts
        self._drain_s = drain_s
        self._started: list[tuple[str, Part]] = []
        self._stopping = gevent.event.Event()
        self._hurry = gevent.event.Event()

    def run(self, for_s: float | None = None, ready: Callable[[], None] | None = None) -> int:
        """Start, wait for SIGINT, SIGTERM, `ask_to_stop` or `for_s` seconds, stop; the exit code.

        `ready` is called when every part has started. A second signal while stopping ends the waiting for parts.
        """
        handlers = [gevent.hub.signal(number, self._signalled) for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            reason = self.start()
            if reason:
                print(f"toritsugi: {reason}", file=sys.stderr)
                self.stop()
                return EXIT_START_FAILED
            if not self._stopping.is_set():
                # What stands now stands to the end: looked through again and again it stopped all calls for 0.1 s.
                gc.collect()
                gc.freeze()
                if ready is not None:
                    ready()
                self._stopping.wait(for_s)
            return EXIT_STOPPED if self.stop() else EXIT_DRAIN_CUT
        finally:
            gc.unfreeze()
            for handler in handlers:
                handler.cancel()

    def ask_to_stop(self) -> None:
        """As a first signal does; a second time, as a second signal does."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    def _signalled(self, *_: object) -> None:
        self.ask_to_stop()

    def start(self) -> str:
        """Start in order until all run or somebody asks to stop. Returns why a part could not start, or nothing."""
        for name, part in self._parts:
            if self._stopping.is_set():
                break
            starting = gevent.spawn(_result, part.start)
            gevent.wait([starting, self._stopping], count=1)
            if not starting.ready():
                starting.kill()
                break
            if starting.value is not None:
                return f"{name} could not start: {_sentence(starting.value)}"
            self._started.append((name, part))
        return ""

    def stop(self) -> bool:
        """Stop what was started, last one first. False if one did not end in time or failed; the others are stopped."""
        clean = True
        end_us = clock.monotonic_us() + round(self._drain_s * 1_000_000)
        while self._started:
            name, part = self._started.pop()
            stopping = gevent.spawn(_result, part.stop)
            left_s = max(0, end_us - clock.monotonic_us()) / 1_000_000
            gevent.wait([stopping, self._hurry], timeout=left_s, count=1)
            stopping.join(timeout=LAST_CHANCE_S)
            if not stopping.ready():
                clean = False
                log.error("part did not stop in time", name=name)
                stopping.kill(block=False)
            elif stopping.value is not None:
                clean = False
                log.error("part failed to stop", name=name, reason=_sentence(stopping.value))
        return clean


def _result(step: Callable[[], None]) -> Exception | None:
    """What it raised, as a value: a raising greenlet would print a traceback of its own."""
    try:
        step()
    except Exception as error:
        return error
    return None


def _sentence(error: Exception) -> str:
    """`database: unable to open`: one line, whatever the error's text is."""
    text = " ".join(str(error).split())[:300]
    return text or type(error).__name__
