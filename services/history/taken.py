"""When a client's channels were taken, and when its phones spoke.

Enters: a client, a moment. Leaves: begins and ends, microseconds, of legs of calls that began since then and are over.
What they come to stands in `capacity.py`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select, text

from services.history.tables import OVER
from services.runtime.store import Tx


def outside(tx: Tx, tenant: str, from_us: int) -> list[tuple[int, int]]:
    """When each channel through a carrier was taken and given back."""
    legs = tx.tables["legs"]
    return _spans(tx, tenant, from_us, legs.c.started_at_us, "trunk")


def spoken_by_phones(tx: Tx, tenant: str, from_us: int) -> list[tuple[int, int]]:
    """When the client's phones were answered, and until when they spoke."""
    legs = tx.tables["legs"]
    return _spans(tx, tenant, from_us, legs.c.answered_at_us, "phone")


def _spans(tx: Tx, tenant: str, from_us: int, begin: ColumnElement[Any], via: str) -> list[tuple[int, int]]:
    calls, legs = tx.tables["calls"], tx.tables["legs"]
    query = (
        select(begin, legs.c.ended_at_us)
        .join(legs, (legs.c.tenant == calls.c.tenant) & (legs.c.call == calls.c.call))
        .where(text(OVER), calls.c.tenant == tenant)  # as the report's indexes say it: only so is one of them used
        .where(calls.c.started_at_us >= from_us, legs.c.via == via)
        .where(begin.is_not(None), legs.c.ended_at_us.is_not(None))
    )
    return [(int(began), int(ended)) for began, ended in tx.sql.execute(query)]
