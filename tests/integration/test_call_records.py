"""Calls that the house learns of by the switch's own call records: each captured trace without a single event.

What each must come to stands in tests/traces/NN.yaml, as for the events. Recorded conversations are not in the records.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from proto.events import CallAnswered, CallEnded, LegCharged, LegEnded
from tests import traces
from tests.integration.house import Houses, Played, TestHouse, house_on
from tests.rabbitmq import Broker
from tests.stores import KINDS
from tests.traces.book import Book, book

pytestmark = pytest.mark.usefixtures("broker")

ALONE = (1, 3, 6, 7, 10, 14, 15, 17, 21, 23, 26, 27, 29, 35)
"""Of each kind of call one; tests/unit/test_call_record.py compares the ends of all traces."""
BESIDE_EVENTS = (3, 15, 27)
"""A message, an attended transfer, an emergency."""


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Houses:
    yield from house_on(request.param, request, broker, tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module", params=KINDS)
def hearing_house(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Houses:
    yield from house_on(request.param, request, broker, tmp_path_factory.mktemp("both"))


def records(expected: Book) -> dict[str, bytes]:
    """The files, with our own call id in them, which is that of the leg that came to us."""
    found = {}
    calls = {leg["leg"]: expected.leg(leg["call"]) for leg in expected.legs}
    for leg, raw in traces.load(expected.number).cdrs.items():
        cdr = json.loads(raw)
        if "tt_call" in cdr["variables"]:
            cdr["variables"]["tt_call"] = calls[leg]
        found[f"{leg}.cdr.json"] = json.dumps(cdr, ensure_ascii=False).encode()
    return found


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("number", ALONE)
def test_call_records_alone_come_to_what_the_events_come_to(house: TestHouse, number: int) -> None:
    expected = book(number)
    compare(expected, house.read_records(expected, traces.load(number), records(expected)))


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("number", BESIDE_EVENTS)
def test_after_the_events_call_records_change_nothing(hearing_house: TestHouse, number: int) -> None:
    """The agent was restarted between them, so it tells each end a second time, under another id."""
    expected, trace = book(number), traces.load(number)
    heard = hearing_house.play(expected, trace)
    before = {name: hearing_house.rows(*name) for name in STANDING}
    told = hearing_house.read_records(expected, trace, records(expected))
    assert {name: hearing_house.rows(*name) for name in STANDING} == before
    assert (told.calls, told.legs, told.charges) == ({}, {}, [])
    assert heard.charges or number == 3 or not any("answered_us" in leg for leg in expected.legs)
    assert not [fact for fact in told.facts if isinstance(fact.body, LegCharged | CallEnded)]


STANDING = (("history", "calls"), ("history", "legs"), ("billing", "ledger"), ("billing", "confirmations"))


def compare(expected: Book, told: Played) -> None:
    """Legs, charges, calls; every end, charge and call once."""
    _legs(expected, told)
    wanted = {leg["leg"]: (leg["charge"], leg["answered_us"]) for leg in expected.legs if "answered_us" in leg}
    assert {row["leg"]: (Decimal(row["amount"]), row["duration_us"]) for row in told.charges} == wanted
    assert len(told.charges) == len(wanted)
    _calls(expected, told)
    messages = {(r["leg"], r["path"], r["length_ms"]) for r in told.recordings if r["state"] == "stored"}
    assert messages == {
        (expected.leg(r["role"]), r["path"], r["length_ms"]) for r in expected.recordings if r["kind"] == "message"
    }, "conversations are not in call records; RECORD_STOP and the catalogue have them"
    assert told.surplus == []
    for kind in (LegEnded, LegCharged, CallEnded, CallAnswered):
        said = Counter((fact.call, fact.key) for fact in told.facts if isinstance(fact.body, kind))
        assert set(said.values()) <= {1}, kind


def _legs(expected: Book, told: Played) -> None:
    def of(row: dict[str, Any]) -> dict[str, Any]:
        kept = ("call", "via", "destination", "cause", "payer", "estimated")
        span = None if row["answered_at_us"] is None else row["ended_at_us"] - row["answered_at_us"]
        return {key: row[key] for key in kept} | {"answered_us": span}

    assert {name: of(row) for name, row in told.legs.items()} == {
        leg["leg"]: {
            "call": expected.leg(leg["call"]),
            "via": leg["via"],
            "destination": leg["destination"],
            "cause": leg["cause"],
            "payer": "acme",
            "estimated": False,
            "answered_us": leg.get("answered_us"),
        }
        for leg in expected.legs
    }


def _calls(expected: Book, told: Played) -> None:
    assert len(told.calls) == len(expected.calls)
    for call in expected.calls:
        row = told.calls[expected.leg(call["call"])]
        legs = [leg for leg in expected.legs if leg["call"] == call["call"]]
        wanted = expected.row(call)
        assert {key: row[key] for key in wanted} == wanted
        (over,) = [f.body for f in told.facts if isinstance(f.body, CallEnded) and f.call == row["call"]]
        assert (over.result, over.legs, over.talk_ms) == (row["result"], len(legs), row["talk_ms"])
