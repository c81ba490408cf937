"""Any figure of the ledger, derived again from what it came from (B17). PURE.

Enters: an entry, the stored fact and the stored price version. Leaves: the figure computed anew, and every difference
by name. Reading them from the store belongs to `service.py`.
"""

from __future__ import annotations

import msgspec

from proto.envelope import Envelope
from proto.events import LegEnded
from proto.tenant.platform import PriceVersion
from services.billing.ledger import Entry, entry_of, price, terms_as_used


class Derivation(msgspec.Struct, frozen=True):
    """An entry beside the same entry computed anew."""

    entry: Entry
    again: Entry
    fact: LegEnded
    version: PriceVersion | None
    differences: tuple[str, ...]
    """Names of the fields that do not agree; empty is right."""


def derive(entry: Entry, envelope: Envelope, version: PriceVersion | None) -> Derivation:
    """Rate the stored fact by the stored version and compare every field."""
    fact = envelope.body
    assert isinstance(fact, LegEnded)
    terms = terms_as_used(entry, version)
    again = entry_of(envelope, entry.payer, terms, price(fact, entry.payer, terms), entry.price_version)
    names = tuple(n for n in Entry.__struct_fields__ if getattr(again, n) != getattr(entry, n))
    return Derivation(entry, again, fact, version, names)
