"""What one leg costs. PURE.

Enters: the fact that a leg ended, a price table, the payer's time zone. Leaves: a Charge in full precision with the
arithmetic behind it. Rounding belongs to the invoice (once per tax rate), who pays belongs to `service.py`.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from proto.events import LegEnded
from proto.tenant.platform import PriceRule, PriceTable, PriceVersion
from proto.values import Money, to_datetime
from services.billing.numbers import EMERGENCY, national, normalise

_EXACT = Context(prec=120)
"""Wide enough that a product of a price and a count of units never rounds."""
ZERO = Decimal(0)
AREA = 5
"""So many figures of a number tell where it is, and of whom nothing."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """The price of one answered leg."""

    amount: Money
    basis: Literal["incl", "excl"] = "excl"
    price: str = ""
    """`table@from:rule`; empty where no price was applied."""
    duration_us: int
    units: int = 0
    arithmetic: str
    unpriced: bool = False
    """It went out through a carrier, so it should have a price, and there is none: somebody must look."""
    version: PriceVersion | None = None
    """The dated rules that were used, to be kept with the charge."""


def may_cost(usage: LegEnded) -> bool:
    """Only an answered leg that went out through a carrier costs anything; emergency calls are free."""
    outside = usage.direction == "outbound" and usage.via == "trunk" and usage.answered_at_us is not None
    return outside and normalise(usage.destination) not in EMERGENCY


def duration_us(usage: LegEnded) -> int:
    """From answer to end, by the switch's stamps; 0 if unanswered or if its clock stepped back between them."""
    return 0 if usage.answered_at_us is None else max(0, usage.ended_at_us - usage.answered_at_us)


def rate(usage: LegEnded, table: PriceTable | None, timezone: str) -> Charge:
    """The charge for an answered leg, by the version that held at its answer in `timezone`.

    A started unit counts whole: 180.000000 s are one unit of 180 s, one microsecond more are two, and an answered leg
    has always begun its first. Never raises: a leg without a price is 0 yen and marked `unpriced`.
    """
    if not may_cost(usage):
        return _free(usage, _why_free(usage))
    number = normalise(usage.destination)
    if not number:
        return unpriced(usage, "what was dialled is not a number")
    if table is None:
        return unpriced(usage, f"no price for {_area(number)}: the contract has no price table")
    day = _answer_day(usage, timezone)
    if day is None:
        return unpriced(usage, f"no price for {_area(number)}: the payer's time zone is unknown")
    version = version_on(table, day)
    rule = rule_for(version, number) if version is not None else None
    if version is None or rule is None:
        return unpriced(usage, f"no price for {_area(number)} in {table.table} on {day}", version)
    return _priced(usage, f"{table.table}@{version.from_}:{rule.name}", rule, version)


def version_on(table: PriceTable, day: str) -> PriceVersion | None:
    """The latest version that begins on or before `day` (`2026-04-01`)."""
    return max((v for v in table.versions if v.from_ <= day), key=lambda v: v.from_, default=None)


def rule_for(version: PriceVersion, number: str) -> PriceRule | None:
    """The rule with the longest prefix of a normalised number; of equals the first in the file."""
    best: tuple[int, PriceRule] | None = None
    for rule in version.rules:
        for prefix in map(national, rule.prefixes):
            if number.startswith(prefix) and (best is None or len(prefix) > best[0]):
                best = (len(prefix), rule)
    return None if best is None else best[1]


def units_of(length_us: int, unit_s: int) -> int:
    """Started units, at least one."""
    return max(1, -(-length_us // (unit_s * 1_000_000)))


def _priced(usage: LegEnded, price: str, rule: PriceRule, version: PriceVersion) -> Charge:
    length_us = duration_us(usage)
    units = units_of(length_us, rule.unit_s)
    amount = _EXACT.add(_EXACT.multiply(rule.unit, Decimal(units)), rule.set_up)
    set_up = f"{rule.set_up:f} + " if rule.set_up else ""
    return Charge(
        amount=Money(amount),
        basis=version.basis,
        price=price,
        duration_us=length_us,
        units=units,
        arithmetic=f"{seconds(length_us)} s / {rule.unit_s} s -> {units}; "
        f"{set_up}{units} x {rule.unit:f} = {amount:f} JPY ({version.basis}. tax)",
        version=version,
    )


def _free(usage: LegEnded, why: str) -> Charge:
    return Charge(amount=Money(ZERO), duration_us=duration_us(usage), arithmetic=f"0 JPY: {why}")


def unpriced(usage: LegEnded, why: str, version: PriceVersion | None = None) -> Charge:
    """0 yen, marked so that somebody looks at it."""
    return Charge(
        amount=Money(ZERO), duration_us=duration_us(usage), arithmetic=f"0 JPY: {why}", unpriced=True, version=version
    )


def _why_free(usage: LegEnded) -> str:
    if usage.answered_at_us is None:
        return "not answered"
    if usage.direction == "inbound":
        return "incoming"
    return "own phone" if usage.via == "phone" else "emergency call"


def _answer_day(usage: LegEnded, timezone: str) -> str | None:
    assert usage.answered_at_us is not None
    try:
        return to_datetime(usage.answered_at_us).astimezone(ZoneInfo(timezone)).date().isoformat()
    except (KeyError, ValueError, OSError, OverflowError):
        return None


def _area(number: str) -> str:
    """The beginning of a number: enough to find the missing price, too little to name a person."""
    return number[:AREA] + "…" if len(number) > AREA else number


def seconds(length_us: int) -> str:
    """`421.5`: exact, without trailing zeros."""
    whole, rest = divmod(length_us, 1_000_000)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".") if rest else str(whole)
