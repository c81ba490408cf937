"""Who runs: each process as it was last heard of, and which of them have fallen silent.

Enters: ServiceAlive. Leaves: rows for the page of the operator (`standing.py`). A process that ended in order or died
looks the same: silent, until another of its service on its machine is heard, or a day has gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, delete, select

from proto.envelope import Envelope
from proto.events import AgentState, ServiceAlive
from services.runtime.store import Tx
from services.runtime.worker import Cause, Emit

MISSED = 3
"""So many beats that did not come make a process silent."""
FORGOTTEN_US = 24 * 3600 * 1_000_000


class Process(msgspec.Struct, frozen=True):
    """One process, as last heard."""

    service: str
    host: str
    instance: str
    began_at_us: int
    heard_at_us: int
    every_s: int
    agents: tuple[AgentState, ...]

    def is_silent(self, now_us: int) -> bool:
        """Whether it should have been heard of since."""
        return now_us - self.heard_at_us > MISSED * self.every_s * 1_000_000


def add_alive_table(metadata: MetaData) -> None:
    """One row per process."""
    Table(
        "alive",
        metadata,
        Column("service", Text, primary_key=True),
        Column("host", Text, primary_key=True),
        Column("instance", Text, primary_key=True),
        Column("began_at_us", BigInteger, nullable=False),
        Column("heard_at_us", BigInteger, nullable=False),
        Column("every_s", Integer, nullable=False),
        Column("agents", Text, nullable=False),
    )


def keep_alive(tx: Tx, envelope: Envelope, _cause: Cause) -> Iterable[Emit]:
    """Handler of ServiceAlive; an older one that comes late changes nothing."""
    fact = envelope.body
    assert isinstance(fact, ServiceAlive)
    table, now_us = tx.tables["alive"], envelope.occurred_at_us
    same = (table.c.service == fact.service) & (table.c.host == fact.host)
    for known in map(_process, tx.sql.execute(select(table).where(same)).all()):
        if known.instance == fact.instance and known.heard_at_us > now_us:
            return []
        if known.instance == fact.instance or known.is_silent(now_us):
            tx.sql.execute(delete(table).where(same, table.c.instance == known.instance))
    tx.sql.execute(delete(table).where(table.c.heard_at_us < now_us - FORGOTTEN_US))
    tx.sql.execute(
        table.insert().values(
            service=fact.service,
            host=fact.host,
            instance=fact.instance,
            began_at_us=fact.began_at_us,
            heard_at_us=now_us,
            every_s=fact.every_s,
            agents=msgspec.json.encode(fact.agents).decode(),
        )
    )
    return []


def processes(tx: Tx) -> list[Process]:
    """All that were heard of within a day, by service."""
    table = tx.tables["alive"]
    rows = tx.sql.execute(select(table).order_by(table.c.service, table.c.host, table.c.began_at_us))
    return [_process(row) for row in rows]


def _process(row: Any) -> Process:
    agents = msgspec.json.decode(row.agents, type=tuple[AgentState, ...])
    return Process(row.service, row.host, row.instance, row.began_at_us, row.heard_at_us, row.every_s, agents)
