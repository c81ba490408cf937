"""All faults, in the order in which they are inflicted: a switch is killed after its clock was set back, too.

Enters: nothing. Leaves: the list that `make faults`, `make chaos` and the tests take theirs from.
"""

from __future__ import annotations

from tests.faults import (
    brokers,
    clients_files,
    clocks,
    databases,
    deaths,
    disks,
    disorder,
    hostile_callers,
    links,
)
from tests.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *clocks.FAULTS,
    *links.FAULTS,
    *deaths.FAULTS,
    *databases.FAULTS,
    *disorder.FAULTS,
    *disks.FAULTS,
    *clients_files.FAULTS,
    *hostile_callers.FAULTS,
    *brokers.FAULTS,
)
