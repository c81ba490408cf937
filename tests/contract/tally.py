"""A service for tests of the shell: it notes every hand-over, answers each with one command, and misbehaves on request.

Enters: CallHandedOver, whose `stage` says what to do ("", "bug", "bad", "broken_sql", "timer"). Leaves: rows in the
order of handling, a count that all workers share, one HangUp per hand-over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import gevent
import msgspec
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, text

from proto.commands import HangUp
from proto.envelope import BadMessage, Envelope
from proto.events import CallHandedOver, LegEnded, TimerFired
from proto.topics import Outgoing, Queue, outgoing
from proto.values import Party
from services.runtime.bus import Unavailable
from services.runtime.store import Store, Tx
from services.runtime.worker import Cause, Emit, Service

T0_US = 1_790_000_000_000_000
DEADLINE_S = 30
T = TypeVar("T")


class Count(msgspec.Struct):
    """What all workers add to."""

    total: int = 0


def queue(partitions: int = 1) -> Queue:
    """What the tally hears; it is told of legs that end, too, but has no handler for them."""
    keys = (CallHandedOver.NAME, LegEnded.NAME, "timer.tally")
    return Queue("tally", "fact", tuple(f"*.{key}" for key in keys), partitions)


def handed_over(number: int, stage: str = "", tenant: str = "acme") -> Envelope:
    """The `number`-th hand-over of a tenant's one call."""
    body = CallHandedOver(switch="fs1", leg=f"leg-{number}", park=number, to="tally", stage=stage, caller=Party())
    return Envelope(
        body=body, id=f"core-{tenant}-{number}", source="switch/fs1", tenant=tenant, occurred_at_us=T0_US + number
    )


def facts(numbers: Sequence[int], stage: str = "", tenant: str = "acme") -> list[Outgoing]:
    """Hand-overs ready for the bus."""
    return [outgoing(handed_over(number, stage, tenant)) for number in numbers]


def build(after_commit: Callable[[Sequence[Envelope]], None] | None = None) -> Service:
    """The service."""
    metadata = MetaData()
    Table(
        "noted",
        metadata,
        Column("seq", Integer, primary_key=True, autoincrement=True),
        Column("tenant", String(40)),
        Column("what", String(80)),
    )
    handlers = {CallHandedOver: _note, TimerFired: _note_timer}
    return Service("tally", handlers, metadata, after_commit)


def _note(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    body = envelope.body
    assert isinstance(body, CallHandedOver)
    tx.sql.execute(insert(tx.tables["noted"]).values(tenant=envelope.tenant, what=str(body.park)))
    count = tx.state("count", "all", Count) or Count()
    tx.save("count", "all", Count(count.total + 1))
    if body.stage == "bug":
        raise ZeroDivisionError(f"stumbled over {body.leg}")
    if body.stage == "bad":
        raise BadMessage("park: must not be bad")
    if body.stage == "broken_sql":
        tx.sql.execute(text("SELECT nothing FROM noted"))
    if body.stage == "timer":
        tx.set_timer("overdue", body.leg, envelope.occurred_at_us, envelope.tenant)
    return [Emit(HangUp(switch="fs1", leg=body.leg))]


def _note_timer(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    body = envelope.body
    assert isinstance(body, TimerFired)
    tx.sql.execute(insert(tx.tables["noted"]).values(tenant=envelope.tenant, what=f"{body.name} {body.subject}"))
    return []


def noted(store: Store, tenant: str = "acme") -> list[str]:
    """What was noted for a tenant, in order."""

    def read(tx: Tx) -> list[str]:
        table = tx.tables["noted"]
        rows = tx.sql.execute(select(table.c.what).where(table.c.tenant == tenant).order_by(table.c.seq))
        return [str(row.what) for row in rows]

    return _read(store, read)


def total(store: Store) -> int:
    """The count that all workers share."""
    return _read(store, lambda tx: (tx.state("count", "all", Count) or Count()).total)


def _read(store: Store, work: Callable[[Tx], T]) -> T:
    """As a page is loaded again by its visitor while other workers hold the lock for longer than a statement waits."""
    with gevent.Timeout(DEADLINE_S):
        while True:
            try:
                return store.run(work)
            except Unavailable:
                gevent.sleep(0)
