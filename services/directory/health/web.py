"""The page of how the house stands (/health); the API tells the same.

Enters: requests of platform operators. Leaves: what `standing.py` makes of directory's rows and of the bus
as it is now. A bus that is away is said, not waited for.
"""

from __future__ import annotations

from flask import Blueprint, render_template
from flask_babel import format_datetime

from proto.topics import HEARS, Queue, agent_queue, command_queue, service_queue
from proto.values import to_datetime
from services.directory.health import alive, standing
from services.directory.tenants import applied
from services.runtime import clock
from services.runtime.bus import Bus, Unavailable
from services.runtime.store import Store
from services.runtime.web import roles

_operators = roles("platform_operator")


def blueprint(store: Store, bus: Bus, partitions: int = 1) -> Blueprint:
    """Routes over directory's own store and the bus."""
    room = Blueprint("health", __name__, template_folder="templates")

    @room.get("/health")
    @_operators
    def health_page() -> str:
        return render_template("health/health.html", page=page(store, bus, partitions), at=_at)

    return room


def page(store: Store, bus: Bus, partitions: int = 1) -> standing.HealthPage:
    """How the house stands now."""
    processes, on_switches = store.run(lambda tx: (alive.processes(tx), applied.applied(tx)))
    agents = [agent for process in processes for agent in process.agents]
    queues = [service_queue(name, partitions) for name in HEARS]
    queues += [agent_queue(one.switch, one.agent) for one in agents]
    queues += [command_queue(name) for name in {one.switch for one in agents}]
    return standing.health_page(processes, on_switches, _depths(bus, queues), _letters(bus), clock.now_us())


def _depths(bus: Bus, queues: list[Queue]) -> dict[str, int] | None:
    try:
        return {part: bus.depth(part) for queue in queues for part in queue.parts()}
    except Unavailable:
        return None


def _letters(bus: Bus) -> int | None:
    try:
        return bus.letters()
    except Unavailable:
        return None


def _at(at_us: int) -> str:
    return str(format_datetime(to_datetime(at_us), "yyyy-MM-dd HH:mm:ss"))
