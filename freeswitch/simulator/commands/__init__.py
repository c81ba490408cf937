"""The API commands of the switch, by subject.

Enters: nothing. Leaves: TABLE, by the names that clients use. A name that is not here is unknown to this switch and
answered so.
"""

from __future__ import annotations

from freeswitch.simulator.commands import (
    aside,
    core,
    directory,
    displace,
    legs,
    originate,
    sofia,
    stores,
    texts,
    timers,
    variables,
)
from freeswitch.simulator.commands.console import Command, Console


def _pure(name: str) -> Command:
    return lambda _console, argument: texts.TABLE[name](argument)


TABLE: dict[str, Command] = {
    **aside.TABLE,
    **core.TABLE,
    **directory.TABLE,
    **displace.TABLE,
    **legs.TABLE,
    **originate.TABLE,
    **sofia.TABLE,
    **stores.TABLE,
    **{name: _pure(name) for name in texts.TABLE},
    **timers.TABLE,
    **variables.TABLE,
}

__all__ = ["TABLE", "Console"]
