"""What an event says is the same whether a header is taken out of the bytes or all of them are decoded."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.eventsocket.frames import decode_json
from services.eventsocket.heard import Heard
from services.eventsocket.normalise import Normaliser
from services.eventsocket.parties import text
from services.eventsocket.said import KINDS, said_of
from tests import traces

TAKEN = {field.encode_name for kind in KINDS.values() for field in msgspec.structs.fields(kind)}
NAMES = [*sorted(TAKEN - {"Event-Name"}), "variable_tt_next", "variable_sip_h_X", "not there"]
DIGITS = st.sampled_from(["0", "7", "007", "-7", "+7", " 7", "7\n", "1_0", "٣", "9" * 18, "9" * 19, "true"])
VALUES = st.one_of(st.text(), st.lists(st.text(), max_size=3), st.just("_undef_"), DIGITS)


@settings(deadline=None)
@given(st.sampled_from([*KINDS, "CHANNEL_HOLD", "CUSTOM"]), st.dictionaries(st.sampled_from(NAMES) | st.text(), VALUES))
def test_every_header_is_read_as_if_all_were_decoded(kind: str, others: dict[str, str | list[str]]) -> None:
    raw = json.dumps({"Event-Name": kind} | others, separators=(",", ":")).encode()
    heard, decoded = Heard(raw), decode_json(raw)
    assert heard.stamp == said_of(decoded)
    assert dict(heard) == dict(decoded)


def test_an_event_is_of_its_kind_wherever_its_name_stands() -> None:
    raw = json.dumps({"Unique-ID": "leg", "Event-Name": "CHANNEL_ANSWER", "Answer-State": "answered"}).encode()
    assert Heard(raw).stamp == said_of(decode_json(raw))
    assert type(Heard(raw).stamp) is KINDS["CHANNEL_ANSWER"]


@given(st.text().map(lambda caller: caller + '","Unique-ID":"victim'), st.sampled_from(NAMES[-3:]))
def test_a_value_that_looks_like_headers_stays_a_value(hostile: str, name: str) -> None:
    assert Heard(json.dumps({"Unique-ID": "leg", name: hostile}).encode()).stamp.leg == "leg"


@pytest.mark.parametrize(
    "raw", [b'{"Unique-ID":"a\xff","x":"y"}', b'{"Unique-ID":"a\x01","x":"y"}', b'{"Unique-ID":["b","a"],"x":"\xff"}']
)
def test_bad_bytes_are_read_as_leniently(raw: bytes) -> None:
    assert Heard(raw).stamp.leg == text(decode_json(raw), "Unique-ID") != ""


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'{"Unique-ID":"a"', b'{"Unique-ID":"a"} x', b"\xff"])
def test_what_is_no_event_is_refused_at_once(raw: bytes) -> None:
    with pytest.raises(ValueError):
        Heard(raw)


def test_facts_of_captured_calls_are_the_same() -> None:
    short, whole = Normaliser("fs1"), Normaliser("fs1")
    for number in traces.ALL:
        for raw in traces.load(number).json_lines.splitlines():
            assert short.facts_of(Heard(raw)) == whole.facts_of(decode_json(raw))
