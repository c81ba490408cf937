"""Charged legs whose client's history period is over: the fact behind each figure, without whom it was with (D14).

Enters: a transaction, a client, a span of time. Leaves: changed rows of `usages`; the ledger names nobody and stays.
What is left of a fact stands in `erasing.py`; when a span is due, in `services/runtime/erasure.py`.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select, update

from proto.envelope import decode, encode
from proto.events import LegEnded
from services.billing.erasing import erased
from services.billing.service import version_of
from services.runtime.erasure import Erasable
from services.runtime.store import Tx


def _first_us(tx: Tx, tenant: str, from_us: int, until_us: int) -> int | None:
    ledger = tx.tables["ledger"]
    here = (ledger.c.tenant == tenant) & (ledger.c.ended_at_us >= from_us) & (ledger.c.ended_at_us < until_us)
    return tx.sql.execute(select(func.min(ledger.c.ended_at_us)).where(here)).scalar()


def _erase(tx: Tx, tenant: str, from_us: int, until_us: int) -> int:
    """Of a leg that was held back both facts: the guess, and the word that confirmed it."""
    ledger, confirmations = tx.tables["ledger"], tx.tables["confirmations"]
    here = (ledger.c.tenant == tenant) & (ledger.c.ended_at_us >= from_us) & (ledger.c.ended_at_us < until_us)
    charged = tx.sql.execute(select(ledger.c.event, ledger.c.price_version).where(here)).all()
    same = (ledger.c.switch == confirmations.c.switch) & (ledger.c.leg == confirmations.c.leg)
    confirmed = select(confirmations.c.event, confirmations.c.price_version).join(ledger, same).where(here)
    return sum(_erase_usage(tx, one.event, one.price_version) for one in (*charged, *tx.sql.execute(confirmed).all()))


def _erase_usage(tx: Tx, event: str, price_version: str) -> bool:
    usages = tx.tables["usages"]
    row = tx.first(usages, ("envelope",), event=event)
    if row is None:
        return False
    envelope = decode(bytes(row.envelope))
    assert isinstance(envelope.body, LegEnded)
    body = erased(envelope.body, version_of(tx, price_version))
    if body == envelope.body:
        return False
    bare = encode(msgspec.structs.replace(envelope, body=body))
    tx.sql.execute(update(usages).where(usages.c.event == event).values(envelope=bare))
    return True


ERASABLE = Erasable(_first_us, _erase)
