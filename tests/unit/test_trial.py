"""What a run comes to: the switch's count against the books, as plain arithmetic."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trial import Books, Percentiles, Result, SwitchCount, compare, not_compared, percentile_ms, since

NAMES = st.sampled_from("abcdefgh")
COUNTS = st.dictionaries(NAMES, st.integers(1, 3))


def books(
    calls: str = "", ended: str = "", charged: str = "", routed: str = "", decision_us: tuple[int, ...] = ()
) -> Books:
    """One letter per row: `aab` is two rows for a and one for b."""
    return Books(Counter(calls), Counter(ended), Counter(charged), Counter(routed), decision_us)


def switch(arrived: str = "", ended: str = "", answered: str = "") -> SwitchCount:
    return SwitchCount(frozenset(arrived), frozenset(ended), frozenset(answered))


def test_the_last_line_has_the_keys_in_their_order() -> None:
    result = compare(switch("a", "ax", "x"), books("a", "ax", "x", "a", (1_000, 2_000)))
    assert msgspec.json.encode(result).decode() == (
        '{"calls_arrived":1,"calls_routed":1,"legs_ended":2,"legs_charged":1,"lost":0,"duplicated":0,'
        '"decision_ms":{"p50":1.0,"p99":2.0}}'
    )
    assert result.clean


@pytest.mark.parametrize(
    ("seen", "booked", "lost"),
    [
        (switch("ab", "", ""), books("a"), 1),
        (switch("", "abc", ""), books("", "b"), 2),
        (switch("", "", "ab"), books("", "", ""), 2),
        (switch("a", "a", "a"), books(), 3),
    ],
    ids=["call without a row", "end not heard", "answered, not charged", "all three"],
)
def test_what_the_switch_saw_and_no_book_holds_is_lost(seen: SwitchCount, booked: Books, lost: int) -> None:
    result = compare(seen, booked)
    assert (result.lost, result.duplicated) == (lost, 0)
    assert not result.clean


@pytest.mark.parametrize(
    ("booked", "duplicated"),
    [
        (books("aab", "ab", "a"), 1),
        (books("ab", "aaab", "a"), 2),
        (books("ab", "ab", "aa"), 1),
        (books("abz", "ab", "a"), 1),
        (books("ab", "ab", "abb"), 2),
    ],
    ids=["two rows for a call", "an end told three times", "charged twice", "a call that never was", "never answered"],
)
def test_what_a_book_holds_too_often_is_doubled(booked: Books, duplicated: int) -> None:
    result = compare(switch("ab", "ab", "a"), booked)
    assert (result.lost, result.duplicated) == (0, duplicated)
    assert not result.clean


def test_a_loss_and_a_double_do_not_cancel_each_other() -> None:
    result = compare(switch("ab"), books("aa"))
    assert (result.lost, result.duplicated) == (1, 1)


def test_routed_are_arrivals_with_exactly_one_decision_carried_out() -> None:
    assert compare(switch("abc"), books("abc", routed="abb")).calls_routed == 1


def test_charged_are_answered_legs_with_a_row() -> None:
    assert compare(switch(answered="abc"), books(charged="aabx")).legs_charged == 2


@given(st.frozensets(NAMES), COUNTS)
def test_rows_are_what_was_seen_less_the_lost_plus_the_doubled(seen: frozenset[str], rows: dict[str, int]) -> None:
    result = compare(SwitchCount(seen, frozenset(), frozenset()), Books(rows, {}, {}, {}, ()))
    assert result.lost is not None and result.duplicated is not None
    assert sum(rows.values()) == len(seen) - result.lost + result.duplicated
    assert result.lost <= len(seen)
    assert (result.lost == 0) == (seen <= rows.keys())
    assert result.clean == (Counter(seen) == Counter(rows))


@given(COUNTS, COUNTS, st.lists(st.integers(0, 10**6)), st.lists(st.integers(0, 10**6)))
def test_an_earlier_run_in_the_same_books_counts_for_nothing(
    old: dict[str, int], new: dict[str, int], old_us: list[int], new_us: list[int]
) -> None:
    new = {key.upper(): times for key, times in new.items()}
    before = Books(old, old, old, old, old_us)
    after = Books(old | new, old | new, old | new, old | new, old_us + new_us)
    assert since(before, after) == Books(new, new, new, new, new_us)


def test_a_leg_of_an_earlier_life_that_ends_only_now_is_no_surplus() -> None:
    """The process was killed: its simulated switch is gone, and the next life concludes the ends."""
    before = books()
    before = msgspec.structs.replace(before, legs=frozenset("x"))
    after = msgspec.structs.replace(books("", "ax", "x"), legs=frozenset("ax"))
    result = compare(switch("", "a"), since(before, after))
    assert (result.lost, result.duplicated) == (0, 0)
    result = compare(switch("", "ax"), since(before, after))
    assert (result.lost, result.duplicated) == (0, 0), "a phone that was called for a caller of the earlier life"
    doubled = msgspec.structs.replace(books("", "axx", "x"), legs=frozenset("ax"))
    assert compare(switch("", "a"), since(before, doubled)).duplicated == 1


def test_without_books_the_switch_alone_is_counted() -> None:
    result = not_compared(switch("ab", "abx", "a"))
    assert result == Result(2, None, 3, None, None, None, None)
    assert result.clean


@pytest.mark.parametrize(
    ("values_us", "percent", "ms"),
    [
        ([], 50, None),
        ([1_234], 99, 1.2),
        ([4_000, 1_000, 3_000, 2_000], 50, 2.0),
        ([n * 1_000 for n in range(1, 101)], 99, 99.0),
        ([n * 1_000 for n in range(1, 201)], 99, 198.0),
    ],
)
def test_percentiles_are_values_that_were_measured(values_us: list[int], percent: int, ms: float | None) -> None:
    assert percentile_ms(values_us, percent) == ms


@given(st.lists(st.integers(0, 10**7), min_size=1), st.integers(1, 100))
def test_at_least_so_many_percent_took_no_longer(values_us: list[int], percent: int) -> None:
    ms = percentile_ms(values_us, percent)
    assert ms is not None
    longest = next(us for us in sorted(values_us) if round(us / 1000, 1) == ms)
    at_most = sum(1 for us in values_us if round(us / 1000, 1) <= ms)
    assert longest in values_us
    assert at_most * 100 >= percent * len(values_us)


def test_nothing_decided_has_no_percentiles() -> None:
    assert compare(switch(), books()).decision_ms == Percentiles(None, None)
