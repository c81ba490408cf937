"""Deliveries of calls whose client's history period is over: that they were made stays, what was posted goes (D14).

Enters: a transaction, a client, a span of time. Leaves: rows without their body, which cannot be replayed any more.
When a span is due is decided in `services/runtime/erasure.py`.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, update

from proto.envelope import decode
from services.runtime.erasure import Erasable
from services.runtime.store import Tx


def _first_us(tx: Tx, tenant: str, from_us: int, until_us: int) -> int | None:
    early = tx.tables["early"]
    for row in tx.sql.execute(select(early).where(early.c.tenant == tenant)).all():  # waits for a client's first file
        if decode(bytes(row.envelope)).occurred_at_us < until_us:
            tx.delete(early, tenant=tenant, call=row.call, estimated=row.estimated)
    due = tx.tables["deliveries"].c.due_at_us
    return tx.sql.execute(select(func.min(due)).where(_here(tx, tenant, from_us, until_us))).scalar()


def _erase(tx: Tx, tenant: str, from_us: int, until_us: int) -> int:
    table = tx.tables["deliveries"]
    here = _here(tx, tenant, from_us, until_us)
    return tx.sql.execute(update(table).where(here, table.c.body != "").values(body="")).rowcount


def _here(tx: Tx, tenant: str, from_us: int, until_us: int) -> ColumnElement[bool]:
    table = tx.tables["deliveries"]
    return (
        (table.c.tenant == tenant)
        & (table.c.due_at_us >= from_us)
        & (table.c.due_at_us < until_us)
        & (table.c.state != "due")
    )


ERASABLE = Erasable(_first_us, _erase)
