"""Both connections to one switch, kept up: one for events, one for commands.

Enters: where the switch is. Leaves: event frames, replies, a word whenever the switch is found or lost. A lost link is
replaced by a new instance, first at once, then with growing, jittered pauses. What is sent, and what events mean,
belongs to `commander.py` and `agent.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import gevent
import gevent.event

from services.eventsocket.frames import Frame
from services.eventsocket.link import Link, LinkLost, LoginRefused
from services.eventsocket.normalise import SUBSCRIPTION
from services.runtime import clock
from services.runtime.log import get_logger

LONGEST_PAUSE_S = 1.0
"""A caller who arrives while we are away is decided for if we are back within 1.5 s; trying costs next to nothing."""
LOGIN_PAUSE_S = 30.0
PATIENT_LOGINS = 5
"""Refused so often, it is no passing state: `reload mod_event_socket` refuses everybody until it has read its lists."""
SETTLE_S = 0.5
SAY_AGAIN_US = 60_000_000
"""So often the log repeats that the switch cannot be reached for the same reason."""
ALIVE_EVERY_S = 2.0
SILENT_S = 2.5
"""So long after a question on the event link nothing at all was read: it is given up, within 5 s of its death."""
log = get_logger("supervisor")


@dataclass(frozen=True, slots=True)
class Found:
    """What the switch says of itself on connecting."""

    core: str
    version: str


class Supervisor:
    """Keeps an event link and a command link up until stopped."""

    def __init__(
        self,
        host: str,
        port: int,
        password: str,
        on_event: Callable[[Frame], None],
        on_found: Callable[[Found], None],
        on_lost: Callable[[str], None],
        timeout_s: float = 5.0,
        check_every_s: float = 30.0,
        on_alive: Callable[[int], None] | None = None,
        user: str = "",
    ) -> None:
        """Every `check_every_s` the switch's clock is measured, on the command link.

        The event link is asked every two seconds; `on_alive` is told the answer, µs of the switch's clock: what
        happened until then has been delivered. One that does not answer is given up.
        """
        self._where, self._user = (host, port, password, timeout_s), user
        self._on_event, self._on_found, self._on_lost = on_event, on_found, on_lost
        self._check_every_s = check_every_s
        self._on_alive = on_alive
        self._said = ("", 0)
        self.found: Found | None = None
        """What the switch said of itself when it was last found."""
        self._greenlet: gevent.Greenlet | None = None
        self._stopping = gevent.event.Event()
        self.connected = gevent.event.Event()
        self._ahead_us = _wall_ahead_us()
        """The switch's clock minus our monotonic one: a step of this machine's clock makes no plan late or early."""
        self.events: Link | None = None
        self.commands: Link | None = None
        """None until the switch is found: before the log-in it would refuse what is written."""
        self._opening: Link | None = None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Close both links."""
        self._stopping.set()
        if self._greenlet is not None:
            self._close()
            self._greenlet.join()

    @property
    def stopping(self) -> bool:
        """Whether links are lost because we close them."""
        return bool(self._stopping.is_set())

    def switch_now_us(self) -> int:
        """Now, by the switch's clock as last measured; by this machine's before it was first found."""
        return clock.monotonic_us() + self._ahead_us

    def drop_events_link(self) -> None:
        """From any thread: reset the event link, because this process no longer reads it."""
        link = self.events
        if link is not None:
            link.abort()

    def poke(self) -> None:
        """From any thread: wake the switch's listener for events."""
        if self.connected.is_set() and self.events is not None:
            self.events.poke()

    def _run(self) -> None:
        failures, told = 0, False
        while not self._stopping.is_set():
            reason = self._one_life()
            if reason is not None:  # it was up
                failures, told = 0, True
                self._on_lost(reason)
                continue
            failures += 1
            if not told and not self._stopping.is_set():
                told = True
                self._on_lost(self._why)
            self._stopping.wait(self._pause_s(failures))

    def _pause_s(self, failures: int) -> float:
        longest: float = min(LONGEST_PAUSE_S, 0.1 * 2.0 ** min(failures - 1, 10))
        if self._refused and failures > PATIENT_LOGINS:
            longest = LOGIN_PAUSE_S
        return longest * random.uniform(0.5, 1.0)

    def _one_life(self) -> str | None:
        """Connect, stay, and say why it ended; None if it never came to be."""
        self._refused, self._why = False, ""
        try:
            found = self._connect()
        except LinkLost as error:
            self._why = str(error)
            self._refused = isinstance(error, LoginRefused)
            self._say_not_reached()
            self._close()
            return None
        self._said = ("", 0)
        self.found = found
        self._on_found(found)
        self.connected.set()
        reason = self._stay()
        self.connected.clear()
        self._close()
        return reason

    def _say_not_reached(self) -> None:
        now_us = clock.monotonic_us()
        why, at_us = self._said
        if not self.stopping and (why != self._why or now_us - at_us > SAY_AGAIN_US):
            self._said = (self._why, now_us)
            log.warning("switch not reached", reason=self._why)

    def _connect(self) -> Found:
        self._over = gevent.event.AsyncResult()
        host, port, password, timeout_s = self._where
        over = self._over
        # Events first: what happens while the second link connects is heard.
        self.events, self.commands = Link(host, port, password, timeout_s, self._on_event, over.set, self._user), None
        self.events.connect()
        self._opening = commands = Link(host, port, password, timeout_s, None, over.set, self._user)
        commands.connect()
        _refuse_expansion(commands)
        core = _ask(commands, "api global_getvar core_uuid").strip()
        version = _ask(commands, "api version").strip().splitlines()
        self._measure_clock(commands)
        reply = self.events.send(SUBSCRIPTION).text
        if not reply.startswith("+OK"):
            raise LinkLost(f"the switch takes no subscription: {reply[:80]}")
        self.commands = commands
        return Found(core, version[0][:80] if version else "")

    def _measure_clock(self, link: Link) -> None:
        before = clock.monotonic_us()
        said = _ask(link, "api strmicroepoch").strip()
        middle = (before + clock.monotonic_us()) // 2
        self._ahead_us = int(said) - middle if said.isascii() and said.isdigit() else _wall_ahead_us()

    def _stay(self) -> str:
        """Until one of the links is lost: then both are given up."""
        measured_us = clock.monotonic_us()
        while True:
            try:
                return str(self._over.get(timeout=min(ALIVE_EVERY_S, self._check_every_s)))
            except gevent.Timeout:
                log.debug("checking the switch")
            try:
                self._prove_alive()
                if clock.monotonic_us() - measured_us > self._check_every_s * 1_000_000:
                    assert self.commands is not None
                    self._measure_clock(self.commands)
                    measured_us = clock.monotonic_us()
            except LinkLost as error:
                return str(error)

    def _prove_alive(self) -> None:
        assert self.events is not None
        reply = self.events.reply_to(self.events.post("api strmicroepoch"), min(SILENT_S, self.events.timeout))
        said = reply.text.strip()
        if self._on_alive is not None and said.isascii() and said.isdigit():
            self._on_alive(int(said))

    def _close(self) -> None:
        if self.commands is not None:
            self.commands.settle(SETTLE_S)  # only the event link may be gone: replies on their way are good
        for link in (self.events, self._opening):
            if link is not None:
                link.stop()


def _refuse_expansion(link: Link) -> None:
    """Anything but a clear no counts as yes."""
    said = _ask(link, "api expand echo ${strepoch()}").strip()
    if said.isdigit():
        raise LoginRefused("api-expansion is on in switch.conf: callers' text could run commands")
    if "Permission Denied" not in said:
        raise LoginRefused("the switch does not say that api-expansion is off (switch.conf)")


def _ask(link: Link, text: str) -> str:
    answer: str = link.send(text).text
    return answer


def _wall_ahead_us() -> int:
    return clock.now_us() - clock.monotonic_us()
