"""The bench itself runs, in tiny sizes, and its bars say what they mean. Nothing here has a limit of time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.eventsocket.heard import Heard
from services.eventsocket.normalise import Normaliser
from services.eventsocket.parties import text
from tests.bench import charging, feeder, parsers, publishing, reports, viewers
from tests.bench.bar import Bar, json_lines, per_second, table, within
from tests.bench.house import Processes
from tests.rabbitmq import Broker


@pytest.mark.parametrize(
    ("bar", "ratio", "met"),
    [
        (per_second("b", 120.0, 10.0, "p", "events", 1, 12.0), 12.0, True),
        (per_second("b", 119.0, 10.0, "p", "events", 1, 12.0), 11.9, False),
        (within("b", 21.0, 20.0, "ms", 1), 1.05, False),
        (Bar("b", 70.0, 400.0, "p", "MB", 1, "lower", 0.2), 0.175, True),
        (Bar("b", 1.0, 2.0, "p", "ms", 1), 0.5, None),
    ],
)
def test_a_goal_is_one_for_the_ratio_in_the_direction_that_is_better(bar: Bar, ratio: float, met: bool | None) -> None:
    assert (bar.ratio, bar.met) == (pytest.approx(ratio), met)
    (line,) = json_lines([bar]).splitlines()
    assert {"bar", "ours", "peer", "peer_name", "ratio", "unit"} <= json.loads(line).keys()
    assert table([bar]).splitlines()[1].split()[0] == "b"


def test_all_parsers_read_the_same() -> None:
    assert all(bar.ours > 0 and bar.peer > 0 for bar in parsers.bars(1))


def test_the_feeder_says_the_same_in_both_forms_with_new_ids_each_time() -> None:
    said = [Heard(body) for body in feeder.events("json", 60)]
    plain = list(feeder.events("plain", 60))
    assert all(text(one, "Event-Name").encode() in body[:60] for one, body in zip(said, plain, strict=True))
    facts = [envelope for one in said for envelope in Normaliser("fs1").facts_of(one).envelopes]
    assert len({envelope.id for envelope in facts}) == len(facts) > 40


def test_legs_are_charged_by_both(tmp_path: Path) -> None:
    for number, who in enumerate((charging.ours, charging.naive)):
        assert who(f"sqlite:///{tmp_path / str(number)}.sqlite", 10) > 0


def test_both_publish(broker: Broker) -> None:
    for who in (publishing.ours, publishing.one_by_one):
        assert who(broker.url(), 70) > 0


def test_every_page_is_shown_over_few_and_many_calls(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}.sqlite" for name in ("few", "many")]
    assert all(len(few) == len(many) == 1 for few, many in reports.measure(urls[0], urls[1], 200, 1).values())


def test_open_pages_show_every_change(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    try:
        urls = [f"sqlite:///{tmp_path / name}.sqlite" for name in ("few", "many")]
        _cpu, _lag, late = viewers.bars(processes, urls[0], urls[1], 7, 0.2)
    finally:
        processes.close()
    assert (late.samples, late.ours > 0) == (7 * 4, True)
