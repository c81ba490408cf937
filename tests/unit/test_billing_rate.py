"""What one leg costs: units, prefixes, dated versions, and the arithmetic behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.events import LegEnded
from proto.tenant.platform import PriceRule, PriceTable, PriceVersion
from proto.values import Money, Party, to_epoch_us
from services.billing.numbers import normalise
from services.billing.rate import rate

TOKYO = "Asia/Tokyo"
NOON = to_epoch_us(datetime(2026, 11, 21, 3, tzinfo=UTC))


def rule(name: str, prefixes: tuple[str, ...], unit_s: int, unit: str, set_up: str = "0") -> PriceRule:
    return PriceRule(name=name, prefixes=prefixes, unit_s=unit_s, unit=Decimal(unit), set_up=Decimal(set_up))


FIXED = rule("fixed", ("0",), 180, "9.35")
IP = rule("050", ("050",), 180, "11.55")
MOBILE = rule("mobile", ("070", "080", "090"), 60, "17.6")
NAVI = rule("navi", ("0570",), 1, "0.15", "10")
ABROAD = rule("us", ("+1",), 6, "2.5")
STANDARD = PriceTable("standard", (PriceVersion("2026-04-01", (FIXED, IP, MOBILE, NAVI, ABROAD), "incl"),))


def leg(
    destination: str = "0312345678",
    length_us: int = 61_000_000,
    answered_at_us: int | None = NOON,
    direction: str = "outbound",
    via: str = "trunk",
) -> LegEnded:
    return LegEnded(
        switch="fs1",
        leg="leg-1",
        kind="forward",
        direction=direction,  # type: ignore[arg-type]
        via=via,  # type: ignore[arg-type]
        payer="acme",
        caller=Party("0451112222"),
        destination=destination,
        started_at_us=NOON - 5_000_000,
        answered_at_us=answered_at_us,
        ended_at_us=NOON + length_us,
        cause="NORMAL_CLEARING",
    )


@pytest.mark.parametrize(
    ("destination", "length_s", "price", "yen"),
    [
        ("0312345678", 1, "standard@2026-04-01:fixed", "9.35"),
        ("0312345678", 180, "standard@2026-04-01:fixed", "9.35"),
        ("0312345678", 181, "standard@2026-04-01:fixed", "18.70"),
        ("05012345678", 421, "standard@2026-04-01:050", "34.65"),
        ("09012345678", 60, "standard@2026-04-01:mobile", "17.6"),
        ("09012345678", 61, "standard@2026-04-01:mobile", "35.2"),
        ("0570000111", 100, "standard@2026-04-01:navi", "25.00"),
        ("010-1-212-555-0100", 7, "standard@2026-04-01:us", "5.0"),
        ("+12125550100", 6, "standard@2026-04-01:us", "2.5"),
    ],
)
@pytest.mark.requirement("B5")
def test_a_started_unit_counts_whole_by_the_longest_prefix(
    destination: str, length_s: int, price: str, yen: str
) -> None:
    charge = rate(leg(destination, length_s * 1_000_000), STANDARD, TOKYO)
    assert (charge.price, charge.amount) == (price, Money(Decimal(yen)))
    assert charge.basis == "incl"
    assert not charge.unpriced


@pytest.mark.parametrize("unit", ["9.35", "11.55", "8.00"])
def test_three_minutes_exactly_are_one_unit_and_a_microsecond_more_are_two(unit: str) -> None:
    table = PriceTable("t", (PriceVersion("2026-01-01", (rule("all", ("",), 180, unit),)),))
    assert rate(leg(length_us=180_000_000), table, TOKYO).amount.amount == Decimal(unit)
    assert rate(leg(length_us=180_000_001), table, TOKYO).amount.amount == 2 * Decimal(unit)
    assert rate(leg(length_us=0), table, TOKYO).amount.amount == Decimal(unit), "answered: the first unit has begun"


def test_the_arithmetic_can_be_read() -> None:
    assert rate(leg("0570000111", 61_500_000), STANDARD, TOKYO).arithmetic == (
        "61.5 s / 1 s -> 62; 10 + 62 x 0.15 = 19.30 JPY (incl. tax)"
    )


@pytest.mark.parametrize(
    ("usage", "why"),
    [
        (leg(direction="inbound"), "0 JPY: incoming"),
        (leg("1001", via="phone"), "0 JPY: own phone"),
        (leg(answered_at_us=None), "0 JPY: not answered"),
        (leg("110"), "0 JPY: emergency call"),
        (leg("184119"), "0 JPY: emergency call"),
    ],
)
def test_only_answered_legs_through_a_carrier_cost(usage: LegEnded, why: str) -> None:
    charge = rate(usage, STANDARD, TOKYO)
    assert (charge.amount.amount, charge.price, charge.arithmetic) == (0, "", why)
    assert not charge.unpriced


@pytest.mark.parametrize(
    ("usage", "table", "zone", "why"),
    [
        (leg("+4930123456"), STANDARD, TOKYO, "no price for +4930… in standard on 2026-11-21"),
        (leg(), None, TOKYO, "no price for 03123…: the contract has no price table"),
        (leg(), STANDARD, "Asia/Nowhere", "no price for 03123…: the payer's time zone is unknown"),
        (leg(), PriceTable("new", (PriceVersion("2027-01-01", (FIXED,)),)), TOKYO, "in new on 2026-11-21"),
        (leg("0312345678\r\nx: ${y}"), STANDARD, TOKYO, "what was dialled is not a number"),
        (leg("9" * 2000), STANDARD, TOKYO, "what was dialled is not a number"),
        (leg(""), STANDARD, TOKYO, "what was dialled is not a number"),
    ],
)
def test_an_outgoing_leg_without_a_price_is_zero_yen_and_flagged(
    usage: LegEnded, table: PriceTable | None, zone: str, why: str
) -> None:
    charge = rate(usage, table, zone)
    assert (charge.amount.amount, charge.price) == (0, "")
    assert charge.unpriced
    assert why in charge.arithmetic


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("03-1234-5678", "0312345678"),
        ("０３ー１２３４ー５６７８", "0312345678"),
        ("1840312345678", "0312345678"),
        ("18609012345678", "09012345678"),
        ("+81312345678", "0312345678"),
        ("+810312345678", "0312345678"),
        ("01081312345678", "0312345678"),
        ("00330312345678", "0312345678"),
        ("184003309012345678", "09012345678"),
        ("002220312345678", "0312345678"),
        ("0091200312345678", "0312345678"),
        ("0033010441234567", "+441234567"),
        ("0077777", "0077777"),
        ("184", "184"),
        ("186", "186"),
        ("sip:0312345678@x", ""),
    ],
)
def test_numbers_are_brought_to_one_form(dialled: str, number: str) -> None:
    assert normalise(dialled) == number


MIDNIGHT_JST = to_epoch_us(datetime(2026, 9, 30, 15, tzinfo=UTC))
TWO_VERSIONS = PriceTable(
    "t",
    (
        PriceVersion("2026-10-01", (rule("new", ("0",), 180, "9.35"),)),
        PriceVersion("2026-01-01", (rule("old", ("0",), 180, "8.00"),)),
    ),
)


@given(st.integers(-86_400_000_000, 86_400_000_000), st.integers(0, 7_200_000_000))
def test_the_version_is_the_one_that_held_in_the_payers_zone_when_the_leg_was_answered(
    off_us: int, length_us: int
) -> None:
    answered = MIDNIGHT_JST + off_us
    charge = rate(leg(answered_at_us=answered, length_us=answered - NOON + length_us), TWO_VERSIONS, TOKYO)
    assert charge.price == ("t@2026-10-01:new" if off_us >= 0 else "t@2026-01-01:old")


def test_the_zone_decides_the_day() -> None:
    usage = leg(answered_at_us=MIDNIGHT_JST, length_us=0)
    assert rate(usage, TWO_VERSIONS, "UTC").price == "t@2026-01-01:old"


prices = st.decimals(min_value=0, max_value=10_000, places=4)
lengths = st.integers(0, int(timedelta(days=3).total_seconds()) * 1_000_000)


@given(prices, prices, st.integers(1, 3600), lengths, lengths)
def test_a_longer_call_never_costs_less(unit: Decimal, set_up: Decimal, unit_s: int, one: int, two: int) -> None:
    table = PriceTable("t", (PriceVersion("2026-01-01", (rule("r", ("",), unit_s, f"{unit}", f"{set_up}"),)),))
    shorter, longer = sorted((one, two))
    low, high = (rate(leg(length_us=n), table, TOKYO).amount.amount for n in (shorter, longer))
    assert low <= high


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 3600), lengths)
def test_the_amount_is_exact_to_the_last_fraction(unit_e4: int, set_up_e4: int, unit_s: int, length_us: int) -> None:
    table = PriceTable(
        "t",
        (
            PriceVersion(
                "2026-01-01",
                (rule("r", ("",), unit_s, f"{Decimal(unit_e4) / 10000:f}", f"{Decimal(set_up_e4) / 10000:f}"),),
            ),
        ),
    )
    charge = rate(leg(length_us=length_us), table, TOKYO)
    started = 1
    while started * unit_s * 1_000_000 < length_us and started < 50:
        started += 1
    if started < 50:
        assert charge.units == started
    assert (charge.units - 1) * unit_s * 1_000_000 < max(length_us, 1) <= charge.units * unit_s * 1_000_000
    assert Fraction(charge.amount.amount) == Fraction(set_up_e4 + charge.units * unit_e4, 10000)


def test_a_price_of_many_digits_is_not_rounded() -> None:
    unit = "0." + "3" * 40
    table = PriceTable("t", (PriceVersion("2026-01-01", (rule("r", ("",), 1, unit),)),))
    charge = rate(leg(length_us=3 * 1_000_000), table, TOKYO)
    assert str(charge.amount.amount) == "0." + "9" * 40


@given(st.lists(st.from_regex(r"\A0[0-9]{0,6}\Z"), min_size=1, max_size=12), st.from_regex(r"\A03[0-9]{8}\Z"))
def test_the_longest_prefix_wins_in_any_order(prefixes: list[str], number: str) -> None:
    rules = tuple(rule(p, (p,), 180, "1") for p in prefixes)
    charge = rate(leg(number), PriceTable("t", (PriceVersion("2026-01-01", rules),)), TOKYO)
    fitting = [p for p in prefixes if number.startswith(p)]
    assert charge.price == (f"t@2026-01-01:{max(fitting, key=len)}" if fitting else "")


def test_prefixes_may_be_written_as_people_dial() -> None:
    for prefix in ("0101", "+1"):
        table = PriceTable("t", (PriceVersion("2026-01-01", (rule("us", (prefix,), 6, "1"),)),))
        assert rate(leg("01012125550100"), table, TOKYO).price == "t@2026-01-01:us"
    japan = PriceTable("t", (PriceVersion("2026-01-01", (rule("jp", ("+8190",), 6, "1"),)),))
    assert rate(leg("09012345678"), japan, TOKYO).price == "t@2026-01-01:jp"
