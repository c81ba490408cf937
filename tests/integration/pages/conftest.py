"""The pages of a house with nothing in it yet, and the platform operator before them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages_house import PagesHouse
from tests.stores import Database
from tests.visitor import Visitor


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[PagesHouse]:
    """Its live pages say something five times a second."""
    house = PagesHouse(tmp_path, database, comment_every_s=0.2)
    house.start()
    yield house
    house.stop()


@pytest.fixture
def admin(house: PagesHouse) -> Visitor:
    """The platform operator, logged in."""
    visitor = Visitor(house.server.port)
    assert visitor.log_in("admin", house.password).status == 303
    return visitor
