"""Which switch works with which revision of whom, and what got no place in it.

Enters: RevisionApplied. Leaves: rows for whoever asks whether a change is in force everywhere. A row that holds
another revision than the one told says that the switch has not come so far: its callers may still meet the old one.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, delete, insert, select

from proto.envelope import Envelope
from proto.events import RevisionApplied
from services.runtime.store import Tx
from services.runtime.worker import Cause, Emit


class Applied(msgspec.Struct, frozen=True):
    """What one switch said last of one client (or of the platform)."""

    tenant: str
    switch: str
    in_force: bool
    """Whether that is the revision that holds."""
    problems: tuple[str, ...]
    as_of_us: int


def add_applied_table(metadata: MetaData) -> None:
    """One row per client and switch."""
    Table(
        "applied",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("switch", Text, primary_key=True),
        Column("revision", Text, nullable=False),
        Column("as_of_us", BigInteger, nullable=False),
        Column("problems", Text, nullable=False),
    )


def keep_applied(tx: Tx, envelope: Envelope, _cause: Cause) -> Iterable[Emit]:
    """Handler of RevisionApplied; an older one that comes late changes nothing."""
    fact = envelope.body
    assert isinstance(fact, RevisionApplied)
    table = tx.tables["applied"]
    here = (table.c.tenant == envelope.tenant) & (table.c.switch == fact.switch)
    known = tx.sql.execute(select(table.c.as_of_us).where(here)).scalar()
    if known is None or known <= envelope.occurred_at_us:
        tx.sql.execute(delete(table).where(here))
        row = {"revision": fact.revision, "problems": msgspec.json.encode(fact.problems).decode()}
        as_of_us = envelope.occurred_at_us
        tx.sql.execute(insert(table).values(tenant=envelope.tenant, switch=fact.switch, as_of_us=as_of_us, **row))
    return []


def applied(tx: Tx) -> list[Applied]:
    """Every client on every switch that ever reported, by client."""
    table, told = tx.tables["applied"], tx.tables["revisions"]
    rows = tx.sql.execute(
        select(table, told.c.revision.label("told"))
        .outerjoin(told, told.c.tenant == table.c.tenant)
        .order_by(table.c.tenant, table.c.switch)
    )
    return [
        Applied(
            row.tenant,
            row.switch,
            row.revision == row.told,
            tuple(msgspec.json.decode(row.problems, type=tuple[str, ...])),
            row.as_of_us,
        )
        for row in rows
    ]
