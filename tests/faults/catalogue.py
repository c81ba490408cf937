"""All faults, in the order in which they are inflicted.

Enters: nothing. Leaves: the list that `make faults`, `make chaos` and the tests take theirs from.
"""

from __future__ import annotations

from tests.faults import brokers, clocks, databases, deaths, disorder, links
from tests.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *links.FAULTS,
    *deaths.FAULTS,
    *databases.FAULTS,
    *clocks.FAULTS,
    *disorder.FAULTS,
    *brokers.FAULTS,
)
