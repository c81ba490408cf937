"""What a person types to find calls: read as people write, refused with a reason, and written back into an address."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.values import to_datetime
from services.history.filters import FIELDS, Filter, read, start_of, written
from services.history.model import Place


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("number", "090-1111-2222", "09011112222"),
        ("number", "０９０ー１１１１−２２２２", "09011112222"),
        ("number", "(03) 1234 5678", "0312345678"),
        ("number", "+81 90 1111 2222", "09011112222"),
        ("number", "+1 415 555 2671", "+14155552671"),
        ("number", "2222", "2222"),
        ("own", "03-1234-5678", "0312345678"),
        ("employee", "１００１", "1001"),
        ("employee", "tanaka", "tanaka"),
        ("from", "2026-11-01", "2026-11-01"),
        ("from", "２０２６／１１／１", "2026-11-01"),
        ("to", "2026年11月1日", "2026-11-01"),
        ("talk", "６０秒", "60"),
        ("direction", "emergency", "emergency"),
        ("result", "missed", "missed"),
        ("client", "acme", "acme"),
    ],
)
def test_what_is_typed_as_people_write_it_is_understood(field: str, typed: str, said: str) -> None:
    wanted, wrong = read({field: typed})
    assert (written(wanted), wrong) == ({field: said}, {})


@pytest.mark.parametrize(
    ("field", "typed", "problem"),
    [
        ("from", "yesterday", "date"),
        ("from", "2026-02-30", "date"),
        ("to", "0001-01-01", "date"),
        ("to", "99999-01-01", "date"),
        ("number", "山田", "number"),
        ("number", "1' OR '1'='1", "number"),
        ("own", "0" * 33, "number"),
        ("employee", "x" * 65, "employee"),
        ("employee", "a\nb", "employee"),
        ("talk", "-1", "seconds"),
        ("talk", "1e9", "seconds"),
        ("talk", "9999999", "seconds"),
        ("direction", "sideways", "choice"),
        ("result", "__class__", "choice"),
    ],
)
def test_what_cannot_be_read_is_named_and_left_out(field: str, typed: str, problem: str) -> None:
    wanted, wrong = read({field: typed})
    assert (wanted, wrong) == (Filter(), {field: problem})


def test_the_last_day_counts_and_must_not_be_before_the_first() -> None:
    wanted, wrong = read({"from": "2026-11-21", "to": "2026-11-21"})
    assert wrong == {}
    since, until = wanted.times_us("Asia/Tokyo")
    assert since is not None
    assert until is not None
    assert (str(to_datetime(since)), str(to_datetime(until))) == (
        "2026-11-20 15:00:00+00:00",
        "2026-11-21 15:00:00+00:00",
    )
    assert read({"from": "2026-11-22", "to": "2026-11-21"})[1] == {"to": "order"}


@pytest.mark.parametrize("text", ["", "x", "1~a", "-5~a~b", "9" * 30 + "~a~b", "1~~b", "１~~"])
def test_a_link_that_somebody_changed_begins_at_the_newest_call(text: str) -> None:
    assert read({"before": text})[0].before is None


@given(st.dictionaries(st.sampled_from([*FIELDS, "before"]), st.text(max_size=80)))
def test_nothing_that_is_typed_breaks_it_and_an_address_says_the_same_again(asked: dict[str, str]) -> None:
    wanted, _ = read(asked)
    assert read(written(wanted)) == (wanted, {}) or wanted.since
    assert wanted.times_us("Asia/Tokyo")


@given(
    st.dates(date(1971, 1, 1), date(9000, 1, 1)),
    st.builds(Place, st.integers(0, 10**17), st.sampled_from(["acme", "b.c"]), st.sampled_from(["c1", "x~y"])),
)
def test_an_address_leads_to_the_same_page(day: date, place: Place) -> None:
    wanted = Filter(tenant="acme", since=day, until=day, number="0901", talk_s=5, before=place)
    assert read(written(wanted)) == (wanted, {})
    assert start_of(day, "Asia/Tokyo") > 0
