"""A death in another moment than was meant is noticed, whatever came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.last_words import Again, Death, Found, LastWords, Line, doubts, owed, read
from tests.faults.orders import MOMENTS, Moment


def died(moment: Moment) -> Death:
    """With two messages in hand and one answer, which the outbox holds twice."""
    return Death(moment=moment, at_us=0, ids=["a", "b"], leaving=["c", "c"], facts=["c"])


@pytest.mark.parametrize(
    ("moment", "found", "as_meant"),
    [
        ("before commit", Found(0, 0), True),
        ("before commit", Found(2, 1), False),
        ("before commit", None, False),
        ("before publish", Found(2, 1), True),
        ("before publish", Found(2, 0), False),
        ("before ack", Found(2, 1), True),
        ("before ack", Found(1, 1), False),
    ],
)
def test_the_store_says_whether_it_was_the_moment(moment: Moment, found: Found | None, as_meant: bool) -> None:
    lines: list[Line] = [died(moment), *([found] if found else []), died("before commit"), Found(0, 0)]
    assert (not doubts(lines)) is as_meant


def test_what_was_in_hand_is_owed_until_it_comes_again() -> None:
    lines: list[Line] = [died("before ack"), Found(2, 1), Again(["a"])]
    assert owed(lines) == {"b"}
    assert owed([*lines, Again(["b"])]) == set()
    assert owed([*lines, Again(["b"]), died("before commit")]) == {"a", "b"}, "each death anew"


def test_the_next_life_speaks_of_the_last_one_once(tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.touch()
    LastWords(file).say(died(MOMENTS[1]))
    second = LastWords(file)
    assert second.death == died(MOMENTS[1])
    second.say(Found(0, 0))
    assert LastWords(file).death is None
    assert read(file) == [died(MOMENTS[1]), Found(0, 0)]
