"""Callers who attack by name, number or header, hundreds of them: every call is one like any other.

Enters: a site. Leaves: nothing; what came of it is judged by `fault.py`: nothing executed, nobody else's call.
"""

from __future__ import annotations

import random

import gevent

from freeswitch.simulator import Caller
from tests.faults.fault import Fault, Size
from tests.faults.site import Site
from tests.hostile import HEADERS, NAMES, NUMBERS

AT_ONCE = 10
_HEADER_NAMES = ("X-Note", "Diversion", "History-Info", "X-tt_tenant", "X-Evil", "Alert-Info", "P-Asserted-Identity")
_HEADER_VALUES = [value for header in HEADERS for value in header.values()]


def call_as_attackers(site: Site, size: Size, dice: random.Random) -> None:
    """Ten at a time; each hangs up after a moment."""
    for start in range(0, size.calls, AT_ONCE):
        some = [site.switch.call_from(attacker(dice)) for _ in range(min(AT_ONCE, size.calls - start))]
        site.until_connected(some)
        gevent.sleep(size.for_s)
        site.hang_up(some)


def attacker(dice: random.Random) -> Caller:
    """A value of the table, or two of them run into each other, in every place that a caller fills."""
    number = dice.choice([*NUMBERS, *NAMES]) if dice.random() < 0.5 else "09012345678"
    headers = {name: _mixed(dice, [*_HEADER_VALUES, *NAMES]) for name in dice.sample(_HEADER_NAMES, 2)}
    return Caller(number or "anonymous", name=_mixed(dice, NAMES), headers=headers)


def _mixed(dice: random.Random, values: list[str] | tuple[str, ...]) -> str:
    one, other = dice.choice(values), dice.choice(values)
    return one if dice.random() < 0.3 else one[: dice.randint(0, len(one))] + other


FAULTS = (
    Fault(
        "hostile callers",
        "names, numbers and headers that would be commands, headers or other clients if they were believed",
        call_as_attackers,
        small=Size(calls=40, for_s=0.1),
        full=Size(calls=1000, for_s=0.2),
    ),
)
