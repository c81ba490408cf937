"""Callers who attack by name, number or header: each is a played call, and each must be as harmless as any other.

The values are those of the table of a real switch (captured as `event json` gives them): decoded line breaks, percent
signs, brackets that dialled a second leg, names that added SIP headers, bytes that are no text.
"""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest

from proto.events import CallRouted
from tests import traces
from tests.hostile import HEADERS, HONEST, NAMES, NUMBERS
from tests.integration.house import Houses, Played, TestHouse, house_on
from tests.integration.test_traces import compare
from tests.rabbitmq import Broker
from tests.stores import KINDS
from tests.traces.book import Book, book

_NAME = ("Caller-Caller-ID-Name", "Caller-Orig-Caller-ID-Name", "Other-Leg-Caller-ID-Name", "variable_sip_from_display")
_NUMBER = (
    "Caller-Caller-ID-Number",
    "Caller-Orig-Caller-ID-Number",
    "Caller-ANI",
    "Caller-Username",
    "Other-Leg-Caller-ID-Number",
    "variable_sip_from_user",
)
VICTIM = {
    "tenant": "victim",
    "name": "被害者",
    "contract": {"from": "2026-04-01", "prices": "standard"},
    "numbers": [{"number": "0398765432", "kind": "direct", "id": "3001"}],
    "ids": [{"id": "3001", "name": "被害者"}],
}


@dataclass(frozen=True)
class Call:
    """Who calls, and how."""

    name: str = HONEST
    number: str = "09012345678"
    headers: tuple[tuple[str, str], ...] = ()


CALLS = (
    *(Call(name=name) for name in NAMES),
    *(Call(number=number) for number in NUMBERS),
    *(Call(headers=tuple(headers.items())) for headers in HEADERS),
)


@dataclass(frozen=True)
class Told:
    """A trace made of many calls."""

    json_lines: bytes
    commands: tuple[traces.Command, ...]


def leg_of(position: int, leg: str) -> str:
    return str(uuid.uuid5(uuid.UUID(leg), str(position)))


def attack(calls: tuple[Call, ...]) -> tuple[Book, Told]:
    """Trace 01 once per caller, each with legs of its own, and what it must come to."""
    original, honest = traces.load(1), book(1)
    span_us = 3_000_000
    lines, commands, legs, expected = [], [], [], []
    for position, call in enumerate(calls):
        for raw in original.json_lines.decode().splitlines():
            lines.append(_told(raw, call, position, span_us, honest))
        text = original.commands[0].command
        for leg in honest.legs:
            text = text.replace(leg["leg"], leg_of(position, leg["leg"]))
            of = f"{leg['call']}{position}"
            legs.append({**leg, "leg": leg_of(position, leg["leg"]), "role": f"{leg['role']}{position}", "call": of})
        commands.append(traces.Command(original.commands[0].t_us + position * span_us, text, "+OK"))
        number = call.number if re.fullmatch(r"\+?[0-9]{1,32}", call.number) else ""
        expected.append({**honest.calls[0], "call": f"caller{position}", "caller": number})
    starts = tuple(f"caller{position}" for position in range(len(calls)))
    told = Told(b"\n".join(lines), tuple(commands))
    whole = replace(
        honest,
        tenants=(*honest.tenants, VICTIM),
        awaited=tuple(range(len(calls))),
        same_plan=(),
        calls=tuple(expected),
        legs=tuple(legs),
        recording_starts=starts,
    )
    return whole, told


def _told(raw: str, call: Call, position: int, span_us: int, honest: Book) -> bytes:
    for leg in honest.legs:
        raw = raw.replace(leg["leg"], leg_of(position, leg["leg"]))
    event: dict[str, Any] = json.loads(raw)
    for name, value in event.items():  # one call after the other, also for the switch
        if isinstance(value, str) and re.fullmatch(r"17952903[0-9]{8}", value):
            event[name] = str(int(value) + position * span_us)
    event["Event-Sequence"] = str(int(event["Event-Sequence"]) + position * 100_000)
    if "Unique-ID" in event:
        event |= {key: call.name for key in _NAME if key in event or key == "Caller-Caller-ID-Name"}
        event |= {key: call.number for key in _NUMBER if key in event}
        if "variable_tt_decision" not in event:  # what our plan has set since is not the caller's any more
            event |= {key: value for key, value in call.headers if event.get("Call-Direction") == "inbound"}
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogateescape")


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Houses:
    yield from house_on(request.param, request, broker, tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def attacked(house: TestHouse) -> tuple[Book, Played]:
    expected, told = attack(CALLS)
    return expected, house.play(expected, told)


def test_every_attack_is_one_call_of_its_own_client_with_its_two_legs(attacked: tuple[Book, Played]) -> None:
    compare(*attacked)


def test_no_fact_and_no_row_is_the_victims(attacked: tuple[Book, Played]) -> None:
    _, played = attacked
    tenants = {fact.tenant for fact in played.facts if fact.call}
    assert tenants == {"acme"}
    assert {row["tenant"] for row in [*played.calls.values(), *played.legs.values()]} == {"acme"}
    assert {row["payer"] for row in played.charges} == {"acme"}


def test_each_plan_differs_from_the_honest_one_in_the_shown_name_and_number_only(
    attacked: tuple[Book, Played],
) -> None:
    expected, played = attacked
    plans = [_without_ids(played.player.in_place_of(index)) for index in expected.awaited]
    shown = [re.search(_SHOWN, plan) for plan in plans]
    assert {re.sub(_SHOWN, "shown", plan) for plan in plans} == {re.sub(_SHOWN, "shown", plans[0])}
    for found in shown:
        assert found is not None
        name, number = found.groups()
        assert re.fullmatch(r"anonymous|\+?[0-9*#]{1,32}", number), number
        assert all(_may_stand(char) for char in name), name
        assert "  " not in name
        assert name == name.strip()
        assert len(name) <= 60


_SHOWN = r"effective_caller_id_name=([^|~]*)\|effective_caller_id_number=([^|~]*)(?:\|sip_cid_type=none)?"


def _may_stand(char: str) -> bool:
    """The characters that came through to a SIP header unharmed (tried on a real switch)."""
    return char in " -_.,&()+#!?*=" or (char.isalnum() if char.isascii() else unicodedata.category(char)[0] not in "CZ")


def _without_ids(command: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", command)


def test_one_leg_is_dialled_per_call_and_nothing_is_executed(attacked: tuple[Book, Played]) -> None:
    expected, played = attacked
    sent = [text for text, _ in played.player.replies if "barrier" not in text]
    assert sum("uuid_transfer" in text for text in sent) == len(CALLS)
    assert all(text.count("sofia/") == text.count("sofia/internal/1001%") for text in sent)
    asked = {text.split()[0] for text in sent}
    allowed = {"uuid_transfer", "uuid_setvar", "uuid_record", "expand", "global_getvar", "version", "strmicroepoch"}
    assert asked <= allowed | {"hash", "show", "uuid_dump", "uuid_exists", "uuid_getvar"}
    for text in (re.sub(_SHOWN, "shown", whole) for whole in sent):  # the shown name is harmless text: see above
        assert not re.search(r"[\r\n\0]|system|evil|victim|FAKE|X-Evil|script", text), text
        assert "$" not in text.replace("${strepoch()}", "")
    assert len(played.legs) == 2 * len(CALLS)
    assert len(expected.legs) == len(played.legs)


def test_what_is_kept_of_a_caller_is_one_line_of_printable_text(attacked: tuple[Book, Played]) -> None:
    _, played = attacked
    for row in played.calls.values():
        assert not re.search(r"[\x00-\x1f\x7f\u200b\u202e\ud800-\udfff]", row["caller_name"])
        assert re.fullmatch(r"(\+?[0-9]{1,32})?", row["caller_number"])
    routed = {fact.body.command for fact in played.facts if isinstance(fact.body, CallRouted)}
    assert len(routed) == len(CALLS)
