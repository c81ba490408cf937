"""The table of requirements says what the marks say."""

from __future__ import annotations

import pytest

from tests import coverage_table


def test_the_list_in_the_tree_has_its_95_rows() -> None:
    ids = coverage_table.rows(coverage_table.ROWS.read_text(encoding="utf-8"))
    assert len(ids) == 95
    assert {"R1", "R34", "C7", "A15", "B19", "D14", "X6"} <= set(ids)


def test_each_row_has_one_line_and_the_sum_stands_last() -> None:
    lines = coverage_table.table(["R1", "R2"], {"R2": ["tests/a.py::one", "tests/a.py::two"]})
    assert lines == ["R1\t-", "R2\ttests/a.py::one tests/a.py::two", "covered 1 of 2"]


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="stands twice"):
        coverage_table.rows("| R1 | – | a |\n| R1 | – | b |\n")
