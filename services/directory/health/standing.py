"""How the house stands, for the operator who runs it: processes, switches, what waits, revisions, what was put aside.

Enters: rows of `alive.py` and `tenants/applied.py`, depths of queues, dead letters. Leaves: one page's values, what
needs a person first. Nothing of a caller is in it; letters are counted, what stands in them is `services/letters`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from proto.values import PLATFORM_TENANT
from services.directory.health.alive import Process
from services.directory.tenants.applied import Applied

WAITS_LONG = 1_000
"""More messages than this in one queue, or records at one agent, are told as trouble."""


class Service(msgspec.Struct, frozen=True):
    """One process."""

    name: str
    host: str
    began_at_us: int
    heard_at_us: int
    silent: bool


class Switch(msgspec.Struct, frozen=True):
    """One agent of a switch, and what its switch works with."""

    name: str
    agent: str
    connected: bool
    waiting: int
    """Records that the bus does not have yet."""
    behind: tuple[str, ...]
    """Clients (or `_platform`) of whom it does not work with what holds now."""
    problems: tuple[str, ...]
    """What of their files got no place in it, each with its client before it."""


class Waiting(msgspec.Struct, frozen=True):
    """One queue of the bus."""

    queue: str
    messages: int


class HealthPage(msgspec.Struct, frozen=True):
    """What the page shows, and the API tells."""

    now_us: int
    services: tuple[Service, ...]
    switches: tuple[Switch, ...]
    queues: tuple[Waiting, ...] | None
    """None: the bus cannot be asked now."""
    letters: int | None
    """Messages that nobody could handle: counted, since reading them would take them out of others' sight."""
    waits_long: int = WAITS_LONG

    @property
    def troubles(self) -> int:
        """How many of these need a person."""
        return (
            (not self.services)
            + sum(one.silent for one in self.services)
            + sum(not one.connected or bool(one.behind) or one.waiting > WAITS_LONG for one in self.switches)
            + sum(one.messages > WAITS_LONG for one in self.queues or ())
            + bool(self.letters)
            + (self.queues is None)
        )


def health_page(
    processes: Sequence[Process],
    applied: Sequence[Applied],
    depths: Mapping[str, int] | None,
    letters: int | None,
    now_us: int,
) -> HealthPage:
    """`depths`: messages by queue; `letters`: how many lie aside. None: the bus is away."""
    services = [
        Service(one.service, one.host, one.began_at_us, one.heard_at_us, one.is_silent(now_us)) for one in processes
    ]
    switches = [
        Switch(
            agent.switch,
            agent.agent,
            agent.connected,
            agent.waiting,
            tuple(one.tenant for one in applied if one.switch == agent.switch and not one.in_force),
            tuple(
                f"{'' if one.tenant == PLATFORM_TENANT else one.tenant + ': '}{problem}"
                for one in applied
                if one.switch == agent.switch
                for problem in one.problems
            ),
        )
        for process in processes
        if not process.is_silent(now_us)
        for agent in process.agents
    ]
    return HealthPage(
        now_us=now_us,
        services=tuple(sorted(services, key=lambda one: (not one.silent, one.name, one.host))),
        switches=tuple(sorted(switches, key=lambda one: (one.connected, one.name, one.agent))),
        queues=None
        if depths is None
        else tuple(Waiting(*one) for one in sorted(depths.items(), key=lambda one: (-one[1], one[0]))),
        letters=letters,
    )
