"""The calls that came in since some moment, as routing once saw them, and how they were talked.

Enters: a moment. Leaves: `Arrived` values, oldest first, of calls that are over; emergency calls are left out, since no
rule decides them. What would become of them under other rules belongs to whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import select, text

from proto.values import Party, Presentation
from services.history.tables import OVER
from services.runtime.store import Tx


class Arrived(msgspec.Struct, frozen=True):
    """One call."""

    tenant: str
    call: str
    at_us: int
    dialled: str
    caller: Party
    """Whoever was erased since counts as a caller whose number did not come with the call."""
    phone: str
    """The client's own device that called; empty: somebody outside."""
    answered_via: str
    """trunk, phone, or empty: nobody answered."""
    talk_us: int


def arrivals(tx: Tx, since_us: int) -> Iterator[Arrived]:
    """Calls that began at `since_us` or later."""
    table = tx.tables["calls"]
    query = (
        select(table)
        .where(text(OVER), table.c.started_at_us >= since_us, table.c.direction != "emergency", table.c.dialled != "")
        .order_by(table.c.started_at_us, table.c.tenant, table.c.call)
    )
    for row in tx.sql.execute(query):
        shown = row.caller_presentation == "shown"
        known: Presentation = row.caller_presentation if row.caller_presentation != "erased" else "unavailable"
        yield Arrived(
            row.tenant,
            row.call,
            row.started_at_us,
            row.dialled,
            Party(number=row.caller_number if shown else "", presentation=known),
            row.placed_by,
            row.answered_by_via if row.answered_at_us is not None else "",
            row.talk_ms * 1000,
        )
