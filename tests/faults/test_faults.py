"""Each fault at its small size: nothing lost, nothing doubled, nothing executed, nobody's file changed.

`make faults` inflicts the same ones at the size of a real night, each on its own house.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.fault import POSTGRESQL, SQLITE, Fault, strike
from tests.faults.ground import ground
from tests.faults.site import Site
from tests.postgres import Postgres
from tests.rabbitmq import Broker

FILE_FAULTS = [fault for fault in FAULTS if SQLITE in fault.stores]
STORE_FAULTS = [fault for fault in FAULTS if fault.of_store and POSTGRESQL in fault.stores]


@pytest.fixture(scope="module")
def on_sqlite(broker: Broker) -> Iterator[Site]:
    with ground(SQLITE, broker) as one:
        yield one


@pytest.fixture(scope="module")
def on_postgresql(broker: Broker, postgres: Postgres) -> Iterator[Site]:
    with ground(POSTGRESQL, broker, postgres) as one:
        yield one


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("fault", FILE_FAULTS, ids=[fault.name for fault in FILE_FAULTS])
def test_nothing_is_lost_and_nothing_is_done_twice(on_sqlite: Site, fault: Fault) -> None:
    _strike(on_sqlite, fault)


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("fault", STORE_FAULTS, ids=[fault.name for fault in STORE_FAULTS])
def test_nothing_is_lost_and_nothing_is_done_twice_on_postgresql(on_postgresql: Site, fault: Fault) -> None:
    _strike(on_postgresql, fault)


def _strike(site: Site, fault: Fault) -> None:
    if missing := fault.needs(site):
        pytest.skip(missing)
    outcome = strike(fault, site, fault.small, random.Random(fault.name), "small")
    assert outcome.clean, f"{outcome}\n{site.story()}"
