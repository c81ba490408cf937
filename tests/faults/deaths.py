"""Each service dies in the middle of its work, again and again, while people call.

Enters: a site. Leaves: nothing; what came of it is judged by `fault.py`. How a process dies at a moment: `mortal.py`.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, deque
from contextlib import suppress
from functools import partial

import gevent

from services.runtime import clock
from tests.command import until
from tests.faults.crowd import calling
from tests.faults.fault import Fault, Size
from tests.faults.last_words import Death, doubts, owed, read
from tests.faults.lives import Room
from tests.faults.orders import MOMENTS, Moment
from tests.faults.site import AGENT, RESTART_S, SERVICES, Site

PASSES = 3
"""It dies at one of the first so many times that the moment comes."""
DEADLINE_S = 60.0
TRIES = 10
"""So many moments of one service may not have come by then, and are tried again when others die less: nobody is charged
and recorded while routing decides too late, and a starved RabbitMQ takes a minute to take a connection."""
LONG_S = 30.0
"""Whatever takes longer is told with the end of the log."""
HEARD_S = 120.0
JUDGED_AFTER = 50
"""Deaths at each moment."""
NEVER: dict[Moment, tuple[str, ...]] = {
    "before publish": ("answering", "connectors"),
    "after a lost ack": SERVICES[:-1],
}
"""Which moments never come: nobody here waits in a queue, no client has a webhook, and only the agent gets commands."""


def die_again_and_again(site: Site, size: Size, dice: random.Random, names: tuple[str, ...] = SERVICES) -> None:
    """All services at once, each at every moment so many times; each is started again as soon as it is dead."""
    for name in names:
        site.rooms[name].words.write_bytes(b"")
    with calling(site, size.per_s, dice, patient=True):
        lives = [gevent.spawn(_lives, site, name, size, random.Random(dice.random())) for name in names]
        gevent.joinall(lives, raise_error=True)


def _lives(site: Site, name: str, size: Size, dice: random.Random) -> None:
    """One death at each moment in turn, so that work gets on, and a run that is broken off has seen all of them."""
    room, died, doubts = site.rooms[name], Counter[Moment](), list[str]()
    moments = [one for one in MOMENTS[1:] if name not in NEVER.get(one, ())]
    begun_us = clock.monotonic_us()
    todo, tries = deque(moments * size.times), TRIES
    while todo and clock.monotonic_us() - begun_us < size.within_s * 1_000_000:
        moment = todo.popleft()
        since_us = clock.monotonic_us()
        try:
            death = _dies(site, name, moment, dice)
        except AssertionError as error:
            if tries := tries - 1:
                todo.append(moment)
            else:
                doubts.append(f"{name}: {moment} did not come: {error}")
                break
            continue
        if clock.monotonic_us() - since_us > LONG_S * 1_000_000:
            print(f"  {name}: {moment} came late: {site.story(name)}", file=sys.stderr)
        died[moment] += 1
        site.deaths += 1
        doubts += _doubts_of_answers(site, death)
    room.orders.die("")
    site.await_ready(name)
    if size.sure:
        site.doubts += doubts + _doubts_of_store(name, room)
    print(f"  {name}: died {', '.join(f'{number} times {moment}' for moment, number in died.items())}", file=sys.stderr)


def _dies(site: Site, name: str, moment: Moment, dice: random.Random) -> Death:
    """Lives until the moment has come. One that ends otherwise is started again, as by a service manager."""
    room = site.rooms[name]
    before = len(room.deaths())
    room.orders.die(moment, 1 if name == "directory" else dice.randint(1, PASSES))
    if not room.alive:
        site.bear(name)
    if name == "directory":  # calls are none of its business
        site.greet()

    def is_dead() -> bool:
        if room.alive:
            return False
        if len(room.deaths()) > before:
            return True
        gevent.sleep(RESTART_S)
        site.bear(name)
        return False

    until(is_dead, lambda: site.story(name), within_s=DEADLINE_S)
    return room.deaths()[-1]


def _doubts_of_answers(site: Site, death: Death) -> list[str]:
    """Whether everybody had heard its answers, or nobody, as the moment says; its next life is not born yet."""
    if death.moment == "before publish" and (heard := site.hears(death.facts)):
        return [f"{death}: {heard} was published"]
    if death.moment == "before ack":
        try:
            until(lambda: len(site.hears(death.facts)) == len(death.facts), within_s=HEARD_S)
        except AssertionError:
            return [f"{death}: was not published"]
    return []


def _doubts_of_store(name: str, room: Room) -> list[str]:
    """Whether each life found the store as the moment says, and the broker gave it again what had been in hand."""
    if name != AGENT:  # commands are of no use after their time, and the broker drops them then
        with suppress(AssertionError):
            until(lambda: not owed(read(room.words)), within_s=HEARD_S)
    lines = read(room.words)
    missing = owed(lines) if name != AGENT else set()
    return doubts(lines) + [f"{name}: {message} was not delivered again" for message in missing]


FAULTS = (
    Fault(
        "services killed in the middle",
        "each service dies before its commit, before it publishes, before it acknowledges",
        partial(die_again_and_again, names=SERVICES[:-1]),
        of_store=True,
        judged_after=JUDGED_AFTER,
        small=Size(times=1, per_s=5),
        full=Size(times=200, per_s=2),
    ),
    Fault(
        "commands around a crash",
        "the agent dies before it keeps, carries out and acknowledges commands: none is executed twice",
        partial(die_again_and_again, names=(AGENT,)),
        judged_after=JUDGED_AFTER,
        small=Size(times=2, per_s=8),
        full=Size(times=200, per_s=5),
    ),
)
