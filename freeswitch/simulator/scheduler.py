"""The tasks of the switch: what happens later, by number and by group.

Enters: a time as commands give it, what to do. Leaves: calls of it, in whole seconds as the real scheduler looks. What
belongs to a leg has the leg's uuid as group and ends with it. Source: switch_scheduler.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gevent

from freeswitch.simulator.clock import Clock


@dataclass(frozen=True)
class Task:
    """One thing to do."""

    number: int
    group: str
    what: str
    due_us: int
    act: Callable[[], object]
    greenlet: gevent.Greenlet[..., None]


SAME_LOOK_US = 1000
"""Tasks that are due within so much of each other are found by the same look."""
OF_THE_SWITCH = (("core", "heartbeat"), ("core", "check_ip"), ("mod_hash", "limit_hash_cleanup"))
"""Group and name of the tasks 1 to 3, which run for ever. Of the first two `show tasks` knows nothing: they are there
before its table is."""
CLEANS_UP_S = 900


class Scheduler:
    """Of one switch."""

    def __init__(self, clock: Clock, spawn: Callable[..., Any]) -> None:
        self._clock = clock
        self._spawn = spawn
        self._tasks: dict[int, Task] = {}
        self._last = len(OF_THE_SWITCH)
        self._started_us = clock.now_us()
        self.looks_after_s = 0.0
        """The real one looks every 500 ms or so: how long after a whole second the first look is."""

    def add(self, group: str, when: str, act: Callable[[], object], what: str = "task") -> int:
        """`+4`, or an epoch second; timers tick in whole seconds, so `+4` fires after 3 to 4 s. The task's number."""
        digits = when.lstrip("+")
        seconds = int(digits) if digits.isdecimal() and len(digits) < 11 else 0
        if when.startswith("+"):
            wait_s = self._clock.whole_second_in(seconds)
        else:
            wait_s = seconds - self._clock.now_us() / 1_000_000
        wait_s = max(0.0, wait_s) + self.looks_after_s
        self._last += 1
        number = self._last

        def fire() -> None:
            self._clock.sleep(wait_s)
            if number in self._tasks:
                self._look()

        due_us = self._clock.now_us() + int(wait_s * 1_000_000)
        self._tasks[number] = Task(number, group, what, due_us, act, self._spawn(fire))
        return number

    def _look(self) -> None:
        """Does all that is due, one after the other, before whom it concerns gets on: of two transfers the last counts.
        Source: task_thread_loop."""
        for task in self:
            if task.due_us <= self._clock.now_us() + SAME_LOOK_US and self._tasks.pop(task.number, None) is not None:
                task.act()

    def cleans_up_at_us(self) -> int:
        """When the switch's own task that `show tasks` knows runs next."""
        since_us = self._clock.now_us() - self._started_us
        return self._started_us + (since_us // (CLEANS_UP_S * 1_000_000) + 1) * CLEANS_UP_S * 1_000_000

    def cancel(self, wanted: str) -> int:
        """A task by its number, or all of a group; how many there were."""
        if wanted.isdecimal():
            found = [task for task in self if task.number == int(wanted[:10])]
        else:
            found = [task for task in self if task.group == wanted]
        for task in found:
            del self._tasks[task.number]
            if task.greenlet is not gevent.getcurrent():
                task.greenlet.kill(block=False)
        return len(found)

    def clear(self) -> None:
        """The process is gone."""
        self._tasks.clear()

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks.values()))
