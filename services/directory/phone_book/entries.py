"""Phone books as rows: looked for, added, changed, removed; each change told in parts and noted in the audit log.

Enters: cards of a client. Leaves: rows, PhoneBookRevised in the outbox of the same transaction, audit entries. What a
card may be stands in `model.py`. A part that lost its last name is told empty, so that a name ends everywhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    Table,
    Text,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from proto.envelope import Envelope
from proto.events import PhoneBookRevised
from proto.topics import outgoing
from proto.values import command_id
from services.directory.audit.rows import audited
from services.directory.phone_book.model import MOST_ENTRIES, MOST_NUMBERS, Card, Entry, endings, names_of, sought
from services.runtime.store import Conflict, Tx
from services.runtime.worker import Emit

_FEW = 2 * MOST_NUMBERS
"""Parts that one changed entry has at most."""


class Full(Exception):
    """The client has MOST_ENTRIES already."""


def add_phone_book_tables(metadata: MetaData) -> None:
    """One row per entry; one per part of a client's book that was ever told."""
    Table(
        "phone_book",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("reading", Text, nullable=False),
        Column("company", Text, nullable=False),
        Column("numbers", Text, nullable=False),
        Column("note", Text, nullable=False),
        Column("found_by", Text, nullable=False),
        Column("changed_at_us", BigInteger, nullable=False),
        Column("changed_by", Text, nullable=False),
    )
    Table(
        "phone_book_told",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("ending", Text, primary_key=True),
        Column("at_us", BigInteger, nullable=False),
    )


# -- looking -------------------------------------------------------------------------------------------------------


def count(tx: Tx, tenant: str) -> int:
    """How many entries the client has."""
    table = tx.tables["phone_book"]
    return int(tx.sql.execute(select(func.count()).where(table.c.tenant == tenant)).scalar_one())


def find(tx: Tx, tenant: str, entry: str) -> Entry | None:
    """One entry."""
    row = tx.first(tx.tables["phone_book"], tenant=tenant, id=entry)
    return None if row is None else _entry(row)


def search(tx: Tx, tenant: str, typed: str, limit: int, offset: int = 0) -> list[Entry]:
    """By part of a name, reading, company or number; in the order of readings."""
    table, wanted = tx.tables["phone_book"], sought(typed)
    query = select(table).where(table.c.tenant == tenant)
    if wanted:
        query = query.where(table.c.found_by.contains(wanted, autoescape=True))
    query = query.order_by(_order(table), table.c.id).limit(limit).offset(offset)
    return [_entry(row) for row in tx.sql.execute(query)]


def after(tx: Tx, tenant: str, typed: str, limit: int, entry: str) -> list[Entry]:
    """The same by id, those behind `entry`: nobody who reads on misses one because another came or went."""
    table, wanted = tx.tables["phone_book"], sought(typed)
    query = select(table).where(table.c.tenant == tenant, table.c.id > entry)
    if wanted:
        query = query.where(table.c.found_by.contains(wanted, autoescape=True))
    return [_entry(row) for row in tx.sql.execute(query.order_by(table.c.id).limit(limit))]


def everyone(tx: Tx, tenant: str) -> list[Entry]:
    """The whole book."""
    return search(tx, tenant, "", MOST_ENTRIES)


def _order(table: Table) -> Any:
    """By reading; a name without one stands among them."""
    return func.coalesce(func.nullif(table.c.reading, ""), table.c.name)


# -- changing ------------------------------------------------------------------------------------------------------


def add(tx: Tx, tenant: str, card: Card, who: str, now_us: int) -> str:
    """A new entry; its id. Raises Full, Conflict."""
    if count(tx, tenant) >= MOST_ENTRIES:
        raise Full
    row = _new(tenant, card, who, now_us)
    entry = str(row["id"])
    tx.sql.execute(insert(tx.tables["phone_book"]).values(**row))
    audited(tx, who, "phone_book.added", tenant, entry, after=_shown(card), now_us=now_us)
    tell(tx, tenant, endings([card]), now_us)
    return entry


def add_many(tx: Tx, tenant: str, cards: Sequence[Card], who: str, now_us: int) -> int:
    """Those of these that do not stand yet, one entry of the audit log for all; how many. Raises Full, Conflict."""
    standing = {entry.card for entry in everyone(tx, tenant)}
    new = [card for card in dict.fromkeys(cards) if card not in standing]
    if len(standing) + len(new) > MOST_ENTRIES:
        raise Full
    if new:
        tx.sql.execute(insert(tx.tables["phone_book"]), [_new(tenant, card, who, now_us) for card in new])
        after = {"entries": len(new), "names": [card.label for card in new[:100]]}
        audited(tx, who, "phone_book.imported", tenant, "", after=after, now_us=now_us)
        tell(tx, tenant, endings(new), now_us)
    return len(new)


def change(tx: Tx, tenant: str, before: Entry, card: Card, who: str, now_us: int) -> bool:
    """Whether the entry is as `card` now; False: somebody changed it since `before` was read. Raises Conflict."""
    table = tx.tables["phone_book"]
    here = (table.c.tenant == tenant) & (table.c.id == before.id) & (table.c.changed_at_us == before.changed_at_us)
    at_us = max(now_us, before.changed_at_us + 1)
    if tx.sql.execute(update(table).where(here).values(**_columns(card, who, at_us))).rowcount != 1:
        return False
    audited(tx, who, "phone_book.changed", tenant, before.id, _shown(before.card), _shown(card), now_us=now_us)
    tell(tx, tenant, endings([before.card, card]), now_us)
    return True


def remove(tx: Tx, tenant: str, entry: Entry, who: str, now_us: int) -> None:
    """The entry goes as it stands now, and its name with it from all pages; nothing if it is gone. Raises Conflict."""
    stands = find(tx, tenant, entry.id)
    if stands is None:
        return
    tx.delete(tx.tables["phone_book"], tenant=tenant, id=entry.id)
    audited(tx, who, "phone_book.removed", tenant, entry.id, before=_shown(stands.card), now_us=now_us)
    tell(tx, tenant, endings([stands.card]), now_us)


def _new(tenant: str, card: Card, who: str, now_us: int) -> dict[str, Any]:
    return {"tenant": tenant, "id": secrets.token_hex(8), **_columns(card, who, now_us)}


def _columns(card: Card, who: str, now_us: int) -> dict[str, Any]:
    return {
        "name": card.name,
        "reading": card.reading,
        "company": card.company,
        "numbers": " ".join(card.numbers),
        "note": card.note,
        "found_by": card.found_by,
        "changed_at_us": now_us,
        "changed_by": who,
    }


def _entry(row: Any) -> Entry:
    card = Card(row.name, row.reading, row.company, tuple(row.numbers.split()), row.note)
    return Entry(row.id, card, row.changed_at_us, row.changed_by)


def _shown(card: Card) -> dict[str, Any]:
    return {"name": card.name, "company": card.company, "numbers": list(card.numbers), "note": card.note}


# -- telling -------------------------------------------------------------------------------------------------------


def tell(tx: Tx, tenant: str, parts: Iterable[str], now_us: int) -> None:
    """Put these parts of the book, as they now are, into the outbox. Raises Conflict if another process just did."""
    table = tx.tables["phone_book_told"]
    for part, names in sorted(_names(tx, tenant, frozenset(parts)).items()):
        last = tx.sql.execute(select(table.c.at_us).where(table.c.tenant == tenant, table.c.ending == part)).scalar()
        if last is None:
            at_us = now_us
            if not tx.insert_once(table, {"tenant": tenant, "ending": part, "at_us": at_us}):
                raise Conflict(f"phone book of {tenant}")
        else:  # whoever hears both must know which is newer, whatever the machine's clock does
            at_us = max(now_us, last + 1)
            here = (table.c.tenant == tenant) & (table.c.ending == part) & (table.c.at_us == last)
            if tx.sql.execute(update(table).where(here).values(at_us=at_us)).rowcount != 1:
                raise Conflict(f"phone book of {tenant}")
        tx.post([outgoing(_told(tenant, part, names, at_us))])


def say_all(tx: Tx) -> list[Emit]:
    """Every part that was ever told, as it stands, under the id and time that it had."""
    last: dict[str, dict[str, int]] = {}
    for row in tx.sql.execute(select(tx.tables["phone_book_told"])):
        last.setdefault(row.tenant, {})[row.ending] = row.at_us
    found = []
    for tenant, parts in last.items():
        for part, names in _names(tx, tenant, parts.keys()).items():
            told = _told(tenant, part, names, parts[part])
            found.append(Emit(told.body, tenant=told.tenant, call="", occurred_at_us=told.occurred_at_us, id=told.id))
    return found


def _names(tx: Tx, tenant: str, parts: Collection[str]) -> dict[str, dict[str, str]]:
    """Of each part its names. A few parts are looked for; of many the whole book is read, once."""
    table = tx.tables["phone_book"]
    query = select(table).where(table.c.tenant == tenant)
    if len(parts) <= _FEW:
        query = query.where(or_(false(), *(_ends(table.c.numbers, part) for part in parts)))
    return names_of([_entry(row) for row in tx.sql.execute(query)], parts)


def _ends(numbers: Column[str], part: str) -> ColumnElement[bool]:
    """Whether one of the numbers ends so."""
    return or_(numbers.endswith(part, autoescape=True), numbers.contains(f"{part} ", autoescape=True))


def _told(tenant: str, part: str, names: dict[str, str], at_us: int) -> Envelope:
    return Envelope(
        body=PhoneBookRevised(ending=part, names=names),
        id=command_id(f"phone book/{tenant}/{part}", at_us),
        source="directory",
        tenant=tenant,
        occurred_at_us=at_us,
    )
