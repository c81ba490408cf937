"""Credentials and registrations of phones as rows; changes are audited and told to the agents in one transaction.

Enters: who acts, for which phone; facts of the agents. Leaves: rows, PhoneCredentialChanged in the outbox. The hashes
are as good as passwords: they stand in `phone_credentials` and in that fact, in no audit entry, page or log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, delete, select, update

from proto.envelope import Envelope
from proto.events import (
    PhoneCredentialApplied,
    PhoneCredentialChanged,
    PhoneHash,
    PhoneRegistered,
    PhoneUnregistered,
)
from proto.topics import outgoing
from proto.values import PLATFORM_TENANT, command_id
from services.directory.audit.rows import audited
from services.directory.phones.model import SLACK_US, Device, Issued, Registered
from services.runtime.store import Conflict, Tx
from services.runtime.worker import Cause, Emit

SOURCE = "directory"
AT_ONCE = 500
"""Phones in one statement."""
_hashes = msgspec.json.Decoder(tuple[PhoneHash, ...])


def add_phone_tables(metadata: MetaData) -> None:
    """Credentials, what phones may fetch, where they are registered, which switch works with which credential."""
    Table(
        "phone_credentials",
        metadata,
        Column("owner", Text, primary_key=True),
        Column("phone", Text, primary_key=True),
        Column("serial", Integer, nullable=False),
        Column("at_us", BigInteger, nullable=False),
        Column("by", Text, nullable=False),
        Column("hashes", LargeBinary, nullable=False),
    )
    vouchers = Table(
        "phone_vouchers",
        metadata,
        Column("digest", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("phone", Text, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("until_us", BigInteger, nullable=False),
        Column("fetched_at_us", BigInteger),
    )
    Index("phone_vouchers_by_phone", vouchers.c.owner, vouchers.c.phone)
    Table(
        "phone_registrations",
        metadata,
        Column("phone", Text, primary_key=True),
        Column("domain", Text, primary_key=True),
        Column("switch", Text, primary_key=True),
        Column("until_us", BigInteger, nullable=False),
        Column("as_of_us", BigInteger, nullable=False),
    )
    Table(
        "phone_applied",
        metadata,
        Column("owner", Text, primary_key=True),
        Column("phone", Text, primary_key=True),
        Column("switch", Text, primary_key=True),
        Column("serial", Integer, nullable=False),
    )


# -- changing ------------------------------------------------------------------------------------------------------


def change(tx: Tx, owner: str, phone: str, hashes: tuple[PhoneHash, ...], by: str, now_us: int) -> int:
    """Another credential, or none (no hashes): told, audited; its serial. What could be fetched so far no longer can.

    Raises Conflict: run the closure again.
    """
    table = tx.tables["phone_credentials"]
    here = (table.c.owner == owner) & (table.c.phone == phone)
    known = tx.sql.execute(select(table.c.serial, table.c.at_us).where(here)).first()
    serial = known.serial + 1 if known else 1
    now_us = max(now_us, known.at_us + 1) if known else now_us
    row = {"serial": serial, "at_us": now_us, "by": by, "hashes": msgspec.json.encode(hashes)}
    if known is None:
        if not tx.insert_once(table, {"owner": owner, "phone": phone, **row}):
            raise Conflict(f"phone {phone}")
    elif tx.sql.execute(update(table).where(here, table.c.serial == known.serial).values(**row)).rowcount != 1:
        raise Conflict(f"phone {phone}")
    vouchers = tx.tables["phone_vouchers"]
    tx.sql.execute(delete(vouchers).where(vouchers.c.owner == owner, vouchers.c.phone == phone))
    fact = PhoneCredentialChanged(owner=owner, phone=phone, serial=serial, hashes=hashes)
    what = "phone.credential_issued" if hashes else "phone.credential_revoked"
    after = {"serial": serial, "domains": [one.domain for one in hashes]}
    audited(tx, by, what, owner, phone, after=after, now_us=now_us)
    tx.post([outgoing(_told(fact, now_us))])
    return serial


def told_all(tx: Tx) -> list[Envelope]:
    """Every phone's credential again, under the ids that they had."""
    table = tx.tables["phone_credentials"]
    rows = tx.sql.execute(select(table).order_by(table.c.owner, table.c.phone))
    return [
        _told(
            PhoneCredentialChanged(
                owner=row.owner, phone=row.phone, serial=row.serial, hashes=_hashes.decode(row.hashes)
            ),
            row.at_us,
        )
        for row in rows
    ]


def say_all(tx: Tx) -> list[Emit]:
    """The same for an agent that has just started."""
    return [
        Emit(told.body, tenant=told.tenant, call="", occurred_at_us=told.occurred_at_us, id=told.id)
        for told in told_all(tx)
    ]


def _told(fact: PhoneCredentialChanged, at_us: int) -> Envelope:
    """Under the platform: whoever may hear a client's facts may not hear this one."""
    return Envelope(
        body=fact,
        id=command_id(f"phone/{fact.owner}/{fact.phone}/{fact.serial}", at_us),
        source=SOURCE,
        tenant=PLATFORM_TENANT,
        occurred_at_us=at_us,
    )


# -- looking -------------------------------------------------------------------------------------------------------


def issued(tx: Tx, owner: str) -> dict[str, Issued]:
    """The credentials of somebody's phones, by id, without their hashes."""
    table = tx.tables["phone_credentials"]
    rows = tx.sql.execute(select(table).where(table.c.owner == owner))
    return {
        row.phone: Issued(row.serial, row.at_us, row.by, tuple(one.domain for one in _hashes.decode(row.hashes)))
        for row in rows
    }


def registrations(tx: Tx, devices: Sequence[Device]) -> dict[tuple[str, str], list[Registered]]:
    """What switches said of these phones, by (id, domain): all clients may share one domain."""
    table, found = tx.tables["phone_registrations"], dict[tuple[str, str], list[Registered]]()
    for first in range(0, len(devices), AT_ONCE):
        some = devices[first : first + AT_ONCE]
        domains = {domain for one in some for domain in one.domains}
        query = select(table).where(table.c.phone.in_([one.id for one in some]), table.c.domain.in_(list(domains)))
        for row in tx.sql.execute(query.order_by(table.c.switch)):
            found.setdefault((row.phone, row.domain), []).append(Registered(row.switch, row.until_us, row.as_of_us))
    return found


def applied(tx: Tx, owner: str) -> dict[tuple[str, str], int]:
    """(phone, switch) -> serial of the credential with which that switch works."""
    table = tx.tables["phone_applied"]
    return {(row.phone, row.switch): row.serial for row in tx.sql.execute(select(table).where(table.c.owner == owner))}


def reporting(tx: Tx) -> frozenset[str]:
    """The switches whose agent writes phones: who never says what it works with is not waited for."""
    return frozenset(tx.sql.execute(select(tx.tables["applied"].c.switch).distinct()).scalars())


# -- heard of the agents -------------------------------------------------------------------------------------------


def keep_applied_credential(tx: Tx, envelope: Envelope, _cause: Cause) -> Iterable[Emit]:
    """Handler of PhoneCredentialApplied."""
    fact = envelope.body
    assert isinstance(fact, PhoneCredentialApplied)
    table, key = tx.tables["phone_applied"], {"owner": envelope.tenant, "phone": fact.phone, "switch": fact.switch}
    if not tx.insert_once(table, {**key, "serial": fact.serial}):
        here = (table.c.owner == envelope.tenant) & (table.c.phone == fact.phone) & (table.c.switch == fact.switch)
        tx.sql.execute(update(table).where(here, table.c.serial < fact.serial).values(serial=fact.serial))
    return []


def keep_registration(tx: Tx, envelope: Envelope, _cause: Cause) -> Iterable[Emit]:
    """Handler of PhoneRegistered and PhoneUnregistered; an older one that comes late changes nothing."""
    fact, at_us = envelope.body, envelope.occurred_at_us
    assert isinstance(fact, PhoneRegistered | PhoneUnregistered)
    until_us = at_us
    if isinstance(fact, PhoneRegistered):
        until_us = at_us + fact.expires_s * 1_000_000 + SLACK_US
    table, domain = tx.tables["phone_registrations"], fact.domain.lower()
    values = {"until_us": until_us, "as_of_us": at_us}
    here: Any = (table.c.phone == fact.phone) & (table.c.domain == domain) & (table.c.switch == fact.switch)
    known = tx.sql.execute(update(table).where(here, table.c.as_of_us <= at_us).values(**values))
    if not known.rowcount:  # nearly all are refreshes, which one statement notes
        tx.insert_once(table, {"phone": fact.phone, "domain": domain, "switch": fact.switch, **values})
    return []
