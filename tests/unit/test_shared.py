"""What many see alike is made once: no older than the news of it, never for other eyes, not twice at a time."""

from __future__ import annotations

from collections import Counter

import gevent
import pytest
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.web.live import Feed
from services.runtime.web.shared import Shared

CLIENTS = ("acme", "minato", "shibuya")
EYES = st.one_of(st.none(), st.frozensets(st.sampled_from(CLIENTS)))
ALWAYS_US = 3_600_000_000
"""Longer than any test takes, however busy the machine is."""
STEPS = st.lists(st.one_of(st.sampled_from(CLIENTS), st.tuples(EYES, st.sampled_from(("ja", "en")))), max_size=40)


@given(STEPS)
def test_everybody_sees_what_stands_now_of_the_own_clients_and_nothing_else(
    steps: list[str | tuple[frozenset[str] | None, str]],
) -> None:
    feed, calls = Feed(), dict.fromkeys(CLIENTS, 0)
    shared: Shared[tuple[frozenset[str] | None, str], tuple[object, ...]] = Shared(ALWAYS_US)
    made: Counter[object] = Counter()
    for step in steps:
        if isinstance(step, str):
            calls[step] += 1
            feed.publish("changed", step)
            made.clear()
            continue
        visible, lang = step

        def make(step: object = step, visible: frozenset[str] | None = visible, lang: str = lang) -> tuple[object, ...]:
            made[step] += 1
            return (lang, {name: n for name, n in calls.items() if visible is None or name in visible})

        now = {name: n for name, n in calls.items() if visible is None or name in visible}
        assert shared.get(step, feed.latest(visible), make) == (lang, now)
    assert all(times == 1 for times in made.values()), "without news nobody's is made twice"


def test_whoever_asks_while_it_is_being_made_waits_for_it() -> None:
    shared: Shared[str, int] = Shared(ALWAYS_US)
    go, made = Event(), []

    def make() -> int:
        go.wait()
        made.append(1)
        return len(made)

    asking = [gevent.spawn(shared.get, "all", 1, make) for _ in range(60)]
    gevent.sleep(0)
    go.set()
    gevent.joinall(asking, timeout=10, raise_error=True)
    assert [one.value for one in asking] == [1] * 60


def test_news_that_come_while_it_is_being_made_are_not_missed() -> None:
    shared: Shared[str, str] = Shared(ALWAYS_US)
    go = Event()

    def slow() -> str:
        go.wait()
        return "of before"

    early = gevent.spawn(shared.get, "all", 1, slow)
    gevent.sleep(0)
    assert shared.get("all", 2, lambda: "of now") == "of now"
    go.set()
    assert early.get(timeout=10) == "of before"
    assert shared.get("all", 2, lambda: "again") == "of now"


def test_what_could_not_be_made_is_tried_by_the_next_who_asks() -> None:
    shared: Shared[str, str] = Shared(ALWAYS_US)

    def fail() -> str:
        raise OSError("store away")

    with pytest.raises(OSError, match="store away"):
        shared.get("all", 1, fail)
    assert shared.get("all", 1, lambda: "there") == "there"


def test_nothing_is_kept_beyond_its_time() -> None:
    shared: Shared[int, int] = Shared(holds_us=0)
    for n in range(100):
        assert shared.get(n % 3, 0, lambda n=n: n) == n  # type: ignore[misc]
    assert len(shared) <= 1
