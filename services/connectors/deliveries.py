"""The rows of connectors: endpoints with their secrets, and one delivery per call and endpoint.

Enters: a transaction. Leaves: rows and small values. A delivery is unique per (tenant, call, url), so a repeated fact
posts nothing twice; a claimed one is leased, so that two couriers never send it at once. Rules belong to `decide.py`.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    select,
    update,
)
from sqlalchemy import UniqueConstraint as Unique

from services.connectors.decide import Next, State
from services.connectors.sign import SECRET_BYTES, secret_text
from services.runtime.projections import tenant
from services.runtime.store import ROW_NUMBER, Tx

LEASE_US = 120 * 1_000_000
"""A delivery that its courier did not finish comes again after this time."""


class Due(msgspec.Struct, frozen=True):
    """A claimed delivery."""

    seq: int
    tenant: str
    call: str
    url: str
    message: str
    body: str
    secret: str
    attempts: int
    """This attempt included."""
    withdrawn: bool = False


class Delivery(msgspec.Struct, frozen=True):
    """A delivery as people see it."""

    tenant: str
    call: str
    url: str
    message: str
    state: State
    attempts: int
    due_at_us: int
    reason: str


class Endpoint(msgspec.Struct, frozen=True):
    """Where a client wants its calls; `disabled` says why nothing is sent there any more."""

    url: str
    secret: str
    disabled: str

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"


def add_tables(metadata: MetaData) -> None:
    """`endpoints`, `deliveries`, and `early`: calls that ended before we had heard of their client."""
    Table(
        "early",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("call", Text, primary_key=True),
        Column("estimated", Boolean, primary_key=True),
        Column("envelope", LargeBinary, nullable=False),
    )
    Table(
        "endpoints",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("url", Text, primary_key=True),
        Column("secret", Text, nullable=False),
        Column("made_at_us", BigInteger, nullable=False),
        Column("disabled", Text, nullable=False),
    )
    table = Table(
        "deliveries",
        metadata,
        Column("seq", ROW_NUMBER, primary_key=True, autoincrement=True),
        Column("tenant", Text, nullable=False),
        Column("call", Text, nullable=False),
        Column("url", Text, nullable=False),
        Column("message", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("due_at_us", BigInteger, nullable=False),
        Column("reason", Text, nullable=False),
        Unique("tenant", "call", "url", "message"),
    )
    Index("deliveries_due", table.c.state, table.c.due_at_us)
    Index("deliveries_by_tenant", table.c.tenant, table.c.due_at_us)


def keep_endpoint(tx: Tx, owner: str, url: str, at_us: int) -> None:
    """Make the endpoint's secret, once."""
    row = {"tenant": owner, "url": url, "made_at_us": at_us, "disabled": ""}
    tx.insert_once(tx.tables["endpoints"], row | {"secret": secret_text(secrets.token_bytes(SECRET_BYTES))})


def endpoints(tx: Tx, owner: str) -> list[Endpoint]:
    """A client's endpoints with their secrets: for the command line and the client's own page only."""
    table = tx.tables["endpoints"]
    rows = tx.sql.execute(select(table).where(table.c.tenant == owner).order_by(table.c.url))
    return [Endpoint(row.url, row.secret, row.disabled) for row in rows]


def enable(tx: Tx, owner: str, url: str) -> bool:
    """Send there again what comes from now on. False: there is no such endpoint."""
    table = tx.tables["endpoints"]
    here = (table.c.tenant == owner, table.c.url == url)
    return tx.sql.execute(update(table).where(*here).values(disabled="")).rowcount == 1


def add(tx: Tx, owner: str, call: str, url: str, message: str, body: str, at_us: int) -> bool:
    """One delivery of this call to this endpoint; False if there was one already."""
    found = {endpoint.url: endpoint for endpoint in endpoints(tx, owner)}[url]
    row = {"tenant": owner, "call": call, "url": url, "message": message, "body": body}
    state = {"state": "disabled" if found.disabled else "due", "attempts": 0, "due_at_us": at_us}
    return tx.insert_once(tx.tables["deliveries"], row | state | {"reason": found.disabled})


def keep_early(tx: Tx, owner: str, call: str, estimated: bool, envelope: bytes) -> None:
    """A call ended before its client was heard of; it waits for the client's file."""
    row = {"tenant": owner, "call": call, "estimated": estimated, "envelope": envelope}
    tx.insert_once(tx.tables["early"], row)


def take_early(tx: Tx, owner: str) -> list[bytes]:
    """The envelopes that waited for this client; they wait no longer."""
    table = tx.tables["early"]
    rows = tx.sql.execute(
        select(table.c.envelope).where(table.c.tenant == owner).order_by(table.c.call, table.c.estimated.desc())
    ).all()
    tx.sql.execute(delete(table).where(table.c.tenant == owner))
    return [bytes(row.envelope) for row in rows]


def replay(tx: Tx, owner: str, call: str, at_us: int) -> int:
    """Send an ended call again, by hand: with the same id, which receivers may have seen. Returns how many.

    What has been erased since (`erasure.py`) cannot be sent again.
    """
    table = tx.tables["deliveries"]
    here = (table.c.tenant == owner, table.c.call == call, table.c.body != "")
    changed = update(table).where(*here).values(state="due", attempts=0, due_at_us=at_us, reason="")
    return tx.sql.execute(changed).rowcount


def claim(tx: Tx, now_us: int, limit: int, busy: frozenset[tuple[str, str]] = frozenset()) -> list[Due]:
    """The first due delivery of each endpoint that is not `busy`, leased to this courier.

    One at a time per endpoint: a dead receiver with a long queue delays nobody else's calls.
    """
    table = tx.tables["deliveries"]
    first = select(func.min(table.c.seq)).where(table.c.state == "due", table.c.due_at_us <= now_us)
    rows = tx.sql.execute(
        select(table)
        .where(table.c.seq.in_(first.group_by(table.c.tenant, table.c.url)))
        .order_by(table.c.due_at_us, table.c.seq)
    ).all()
    free = [row for row in rows if (row.tenant, row.url) not in busy]
    return [due for row in free[:limit] if (due := _lease(tx, row, now_us)) is not None]


def _lease(tx: Tx, row: Any, now_us: int) -> Due | None:
    table, ends = tx.tables["deliveries"], tx.tables["endpoints"]
    here = (table.c.seq == row.seq, table.c.due_at_us == row.due_at_us, table.c.state == "due")
    leased = update(table).where(*here).values(due_at_us=now_us + LEASE_US, attempts=row.attempts + 1)
    if tx.sql.execute(leased).rowcount != 1:
        return None  # another courier has it
    secret = tx.sql.execute(
        select(ends.c.secret).where(ends.c.tenant == row.tenant, ends.c.url == row.url)
    ).scalar_one()
    client = tenant(tx, row.tenant)
    return Due(
        seq=row.seq,
        tenant=row.tenant,
        call=row.call,
        url=row.url,
        message=row.message,
        body=row.body,
        secret=secret,
        attempts=row.attempts + 1,
        withdrawn=client is None or all(webhook.url != row.url for webhook in client.webhooks),
    )


def settle(tx: Tx, due: Due, result: Next, now_us: int) -> None:
    """What became of an attempt. An endpoint that said 410 gets nothing more."""
    table, ends = tx.tables["deliveries"], tx.tables["endpoints"]
    values = {"state": result.state, "reason": result.reason[:400]}
    if result.state == "due":
        values["due_at_us"] = now_us + round(result.in_s * 1_000_000)  # type: ignore[assignment]
    tx.sql.execute(update(table).where(table.c.seq == due.seq, table.c.attempts == due.attempts).values(**values))
    if result.state == "disabled":
        here = (ends.c.tenant == due.tenant, ends.c.url == due.url)
        tx.sql.execute(update(ends).where(*here).values(disabled=result.reason))
        rest = (table.c.tenant == due.tenant, table.c.url == due.url, table.c.state == "due")
        tx.sql.execute(update(table).where(*rest).values(state="disabled", reason=result.reason))


def deliveries(tx: Tx, owner: str, limit: int = 200) -> list[Delivery]:
    """A client's deliveries, newest first."""
    table = tx.tables["deliveries"]
    rows = tx.sql.execute(
        select(table).where(table.c.tenant == owner).order_by(table.c.seq.desc()).limit(limit)
    ).mappings()
    return [msgspec.convert({n: row[n] for n in Delivery.__struct_fields__}, Delivery) for row in rows]
