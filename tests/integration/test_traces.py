"""Every captured call of a real FreeSWITCH, played over TCP through link, RabbitMQ and all services.

What each must come to stands in tests/traces/NN.yaml, taken from the switch's own CDR files.
"""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator.replay.player import Faults
from freeswitch.simulator.replay.score import read_lines
from proto.events import CallAnswered, CallEnded, LegCharged, LegEnded
from services.eventsocket.frames import FrameReader
from tests import traces
from tests.integration.house import Houses, Later, Played, TestHouse, Twice, house_on, running
from tests.rabbitmq import Broker
from tests.stores import KINDS, Database
from tests.traces.book import Book, book, meaning, same

pytestmark = pytest.mark.usefixtures("broker")
SHARED_CALL = 22
"""Uses the call id of trace 21 again: it gets a house of its own."""
ALONE = (SHARED_CALL,)
QUEUES = (17, 18, 19)
"""Our answering service sends commands of its own accord here: the line is cut between them, not under them."""


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Houses:
    yield from house_on(request.param, request, broker, tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module", params=KINDS)
def doubling_house(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Houses:
    yield from house_on(request.param, request, broker, tmp_path_factory.mktemp("twice"), Twice)


@pytest.fixture(scope="module", params=KINDS)
def repeating_house(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Houses:
    yield from house_on(request.param, request, broker, tmp_path_factory.mktemp("later"), Later)


@pytest.fixture(scope="module", params=KINDS)
def cut_house(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Houses:
    yield from house_on(request.param, request, broker, tmp_path_factory.mktemp("cut"))


@pytest.fixture
def lone_house(request: pytest.FixtureRequest, broker: Broker, house_database: Database, tmp_path: Path) -> Houses:
    yield from running(TestHouse(broker.url(), tmp_path, house_database, getattr(request, "param", lambda bus: bus)))


SHOWS = {9: "R30", 10: "R30"}
"""Traces that show a row of the requirements: press 1, and a mobile's voicemail that does not get the call."""


def together() -> list[Any]:
    marks = {number: [pytest.mark.requirement(row)] for number, row in SHOWS.items()}
    return [pytest.param(number, marks=marks.get(number, [])) for number in traces.ALL if number not in ALONE]


def by_turns() -> list[Any]:
    """Each trace on one kind of database: what a cut does is over before a row is written."""
    halves = [(kind, together()[half::2]) for half, kind in enumerate(KINDS)]
    return [pytest.param(kind, *one.values, marks=one.marks) for kind, half in halves for one in half]


# -- as captured -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", together())
def test_a_captured_call_comes_to_what_the_switch_itself_wrote_down(house: TestHouse, number: int) -> None:
    compare(book(number), house.play(book(number), traces.load(number)))


@pytest.mark.parametrize("lone_house", [lambda bus: bus, Twice, Later], ids=["once", "twice", "later"], indirect=True)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_a_call_id_used_for_several_attempts_is_one_call(lone_house: TestHouse, cut: bool) -> None:
    faults = cuts(SHARED_CALL) if cut else None
    compare(book(SHARED_CALL), lone_house.play(book(SHARED_CALL), traces.load(SHARED_CALL), faults), cut=cut)


# -- with every message delivered twice --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", together())
def test_with_every_message_delivered_twice_nothing_is_doubled(doubling_house: TestHouse, number: int) -> None:
    compare(book(number), doubling_house.play(book(number), traces.load(number)))


@pytest.mark.parametrize("number", together())
def test_with_every_message_delivered_again_after_the_call_and_backwards_nothing_changes(
    repeating_house: TestHouse, number: int
) -> None:
    played = repeating_house.play(book(number), traces.load(number))
    assert set(Counter(fact.id for fact in played.facts if isinstance(fact.body, LegEnded)).values()) <= {2}
    compare(book(number), played)


# -- over a bad line ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", traces.ALL)
def test_bytes_that_come_one_by_one_are_the_same_frames(number: int) -> None:
    plain = traces.load(number).plain
    whole, single = FrameReader(), FrameReader()
    whole.feed(plain)
    frames = list(whole.frames())
    piecemeal = []
    for at in range(len(plain)):
        single.feed(plain[at : at + 1])
        piecemeal += list(single.frames())
    assert piecemeal == frames
    assert len([frame for frame in frames if frame.is_event]) == len(read_lines(traces.load(number).json_lines))


def test_a_call_whose_bytes_come_one_by_one(lone_house: TestHouse) -> None:
    compare(book(1), lone_house.play(book(1), traces.load(1), Faults(byte_by_byte=True)))


@pytest.mark.parametrize(("cut_house", "number"), by_turns(), indirect=["cut_house"])
def test_with_the_connection_cut_after_every_frame_and_inside_twenty_nothing_is_lost(
    cut_house: TestHouse, number: int
) -> None:
    played = cut_house.play(book(number), traces.load(number), cuts(number), settled=number in QUEUES)
    compare(book(number), played, cut=True)


def cuts(number: int) -> Faults:
    """Behind each frame, and at twenty places of the whole stream that the number of the trace draws."""
    lines = traces.load(number).json_lines.splitlines()
    draw = random.Random(number)
    inside: dict[int, tuple[int, ...]] = {}
    for offset in sorted(draw.sample(range(sum(map(len, lines))), 20)):
        at = 0
        while offset >= len(lines[at]):
            offset -= len(lines[at])
            at += 1
        inside[at] = (*inside.get(at, ()), offset)
    return Faults(cut_after_each=True, cut_inside=inside)


# -- comparing ---------------------------------------------------------------------------------------------------------


def compare(expected: Book, played: Played, *, cut: bool = False) -> None:
    """Calls, legs, causes, durations, charges, recordings and plans: all that was expected, once, and nothing else."""
    _plans(expected, played)
    _legs(expected, played)
    _charges(expected, played)
    _calls(expected, played)
    _recordings(expected, played, cut=cut)
    _once(expected, played)


def _plans(expected: Book, played: Played) -> None:
    captured = traces.load(expected.number).commands
    for index in expected.same_plan:
        ours, theirs = played.player.in_place_of(index), captured[index].command
        assert same(meaning(ours), meaning(theirs)), f"ours:   {ours}\ntheirs: {theirs}"


def _legs(expected: Book, played: Played) -> None:
    ours = played.player.ours
    wanted = {
        ours(leg["leg"]): {
            "call": ours(expected.leg(leg["call"])),
            "kind": leg["kind"],
            "direction": "inbound" if leg["kind"] == "inbound" else "outbound",
            "via": leg["via"],
            "destination": leg["destination"],
            "cause": leg["cause"],
            "answered_us": leg.get("answered_us"),
            "payer": "acme",
            "estimated": False,
        }
        for leg in expected.legs
    }
    got = (
        {
            name: {key: _span(row) if key == "answered_us" else row[key] for key in next(iter(wanted.values()))}
            for name, row in played.legs.items()
        }
        if wanted
        else played.legs
    )
    assert got == wanted


def _span(row: dict[str, Any]) -> int | None:
    return None if row["answered_at_us"] is None else row["ended_at_us"] - row["answered_at_us"]


def _charges(expected: Book, played: Played) -> None:
    ours = played.player.ours
    wanted = {ours(leg["leg"]): (leg["charge"], leg["answered_us"]) for leg in expected.legs if "answered_us" in leg}
    got = {row["leg"]: (Decimal(row["amount"]), row["duration_us"]) for row in played.charges}
    assert got == wanted
    assert len(played.charges) == len(wanted)
    assert {row["currency"] for row in played.charges} <= {"JPY"}


def _calls(expected: Book, played: Played) -> None:
    ours = played.player.ours
    for call in expected.calls:
        row = played.calls[ours(expected.leg(call["call"]))]
        legs = [leg for leg in expected.legs if leg["call"] == call["call"]]
        wanted = expected.row(call)
        assert {key: row[key] for key in wanted} == wanted
        charged = sum((leg["charge"] for leg in legs if leg["charge"] is not None), Decimal(0))
        assert Decimal(row["charge_incl"]) + Decimal(row["charge_excl"]) == charged
    assert len(played.calls) == len(expected.calls)


def _recordings(expected: Book, played: Played, *, cut: bool) -> None:
    ours = played.player.ours
    wanted = {
        (ours(expected.leg(recording["role"])), recording["path"], recording["kind"], recording["length_ms"])
        for recording in expected.recordings
    }
    stored = [row for row in played.recordings if row["state"] == "stored"]
    assert {(row["leg"], row["path"], row["kind"], row["length_ms"]) for row in stored} == wanted
    assert len(stored) == len(wanted)
    asked = Counter(text.split()[1] for text, _ in played.player.replies if text.startswith("uuid_record "))
    starts = Counter(ours(expected.leg(role)) for role in expected.recording_starts)
    # A command whose connection was cut under it is never sent again.
    assert (asked <= starts) if cut else (asked == starts)


def _once(expected: Book, played: Played) -> None:
    assert played.surplus == []
    for kind in (LegEnded, LegCharged, CallEnded, CallAnswered):
        said = Counter((e.call, e.key) for e in {e.id: e for e in played.facts}.values() if isinstance(e.body, kind))
        assert set(said.values()) <= {1}, kind
    ended = {e.call for e in played.facts if isinstance(e.body, CallEnded)}
    assert ended == {played.player.ours(expected.leg(call["call"])) for call in expected.calls}
