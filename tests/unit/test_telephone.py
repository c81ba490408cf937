"""A number that is written for people is still that number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.values import digits_of
from services.runtime.telephone import written


@given(st.from_regex(r"0[0-9]{8,11}|\+[1-9][0-9]{6,14}|[0-9*#]{1,12}", fullmatch=True))
def test_no_figure_is_lost_and_none_is_added(number: str) -> None:
    home = f"0{number[3:]}" if number.startswith("+81") else number
    assert digits_of(written(number)) in (home, number)


@pytest.mark.parametrize(
    ("number", "text"),
    [("0312345678", "03-1234-5678"), ("+81312345678", "03-1234-5678"), ("0210000000", "0210000000"), ("110", "110")],
)
def test_hyphens_stand_where_the_plan_says(number: str, text: str) -> None:
    assert written(number) == text
