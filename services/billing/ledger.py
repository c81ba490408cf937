"""Entries of the ledger, and when there is one. PURE.

Enters: what is known of a leg, a report of its end, the payer's terms. Leaves: a Verdict and an Entry. A leg has one
entry at most; one from an estimated end is held back until the switch's own word confirms or corrects it (B16).
Tables and transactions belong to `tables.py` and `service.py`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, get_args

import msgspec

from proto.envelope import Envelope
from proto.events import LegCharged, LegEnded
from proto.table import total
from proto.tenant.platform import PriceTable, PriceVersion
from proto.values import UNKNOWN_TENANT, Money, TenantId
from services.billing.rate import Charge, may_cost, rate, unpriced

Standing = Literal["none", "unanswered", "estimated", "final"]
"""What stands for a leg: nothing, that the switch saw it end unanswered, a figure held back, a figure that stands."""
Report = Literal["estimated_unanswered", "estimated_answered", "seen_unanswered", "seen_answered"]
Verdict = Literal["ignore", "enter", "hold", "confirm"]
"""enter: the entry; hold: an entry marked estimated; confirm: the final figure beside a held entry."""

_ROWS: dict[tuple[Standing, Report], Verdict] = {
    ("none", "estimated_unanswered"): "ignore",
    ("none", "estimated_answered"): "hold",
    ("none", "seen_unanswered"): "ignore",
    ("none", "seen_answered"): "enter",
    ("unanswered", "estimated_unanswered"): "ignore",
    ("unanswered", "estimated_answered"): "ignore",
    ("unanswered", "seen_unanswered"): "ignore",
    ("unanswered", "seen_answered"): "enter",  # the switch contradicts itself; the agent raises an alarm
    ("estimated", "estimated_unanswered"): "ignore",
    ("estimated", "estimated_answered"): "ignore",
    ("estimated", "seen_unanswered"): "confirm",
    ("estimated", "seen_answered"): "confirm",
    ("final", "estimated_unanswered"): "ignore",
    ("final", "estimated_answered"): "ignore",
    ("final", "seen_unanswered"): "ignore",
    ("final", "seen_answered"): "ignore",
}
TABLE = total(get_args(Standing), get_args(Report), _ROWS)


class Terms(msgspec.Struct, frozen=True):
    """By what a payer is charged: the table of the contract (None: it names none that exists) and the time zone."""

    table: PriceTable | None
    timezone: str


NO_TERMS = Terms(None, "")
"""For legs that cannot cost anything and payers that nobody knows."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger; it is never changed. The fact itself, with its numbers, is kept beside it."""

    switch: str
    leg: str
    call: str
    tenant: TenantId
    payer: TenantId
    event: str
    """Id of the fact that was rated."""
    answered_at_us: int | None
    ended_at_us: int
    duration_us: int
    units: int
    amount: Decimal
    currency: Literal["JPY", "USD"]
    basis: Literal["incl", "excl"]
    price: str
    price_table: str
    price_version: str
    """Id of the stored PriceVersion that was used; empty if none."""
    timezone: str
    arithmetic: str
    unpriced: bool
    estimated: bool


def report_of(fact: LegEnded, estimated: bool) -> Report:
    """What the fact says, as the table knows it."""
    if fact.answered_at_us is None:
        return "estimated_unanswered" if estimated else "seen_unanswered"
    return "estimated_answered" if estimated else "seen_answered"


def price(usage: LegEnded, payer: TenantId, terms: Terms) -> Charge:
    """The charge to this payer; what nobody known can be charged for is 0 yen and marked."""
    if payer == UNKNOWN_TENANT and may_cost(usage):
        return unpriced(usage, "nobody is known who could be charged")
    return rate(usage, terms.table, terms.timezone)


def entry_of(envelope: Envelope, payer: TenantId, terms: Terms, charge: Charge, version_id: str) -> Entry:
    """The line for a rated fact."""
    fact = envelope.body
    assert isinstance(fact, LegEnded)
    return Entry(
        switch=fact.switch,
        leg=fact.leg,
        call=envelope.call,
        tenant=envelope.tenant,
        payer=payer,
        event=envelope.id,
        answered_at_us=fact.answered_at_us,
        ended_at_us=fact.ended_at_us,
        duration_us=charge.duration_us,
        units=charge.units,
        amount=charge.amount.amount,
        currency=charge.amount.currency,
        basis=charge.basis,
        price=charge.price,
        price_table="" if terms.table is None else terms.table.table,
        price_version=version_id,
        timezone=terms.timezone,
        arithmetic=charge.arithmetic,
        unpriced=charge.unpriced,
        estimated=envelope.estimated,
    )


def charged(entry: Entry) -> LegCharged:
    """The entry as others are told of it."""
    return LegCharged(
        leg=entry.leg,
        payer=entry.payer,
        charge=Money(entry.amount, entry.currency),
        basis=entry.basis,
        price=entry.price,
        duration_us=entry.duration_us,
        arithmetic=entry.arithmetic,
    )


def terms_as_used(entry: Entry, version: PriceVersion | None) -> Terms:
    """The terms that an entry was rated by, out of what was stored with it."""
    versions = () if version is None else (version,)
    return Terms(PriceTable(entry.price_table, versions) if entry.price_table else None, entry.timezone)
