"""What an event says is the same whether a header is taken out of the bytes or all of them are decoded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.eventsocket.frames import decode_json
from services.eventsocket.heard import BEGINS, ENDS, JOINS, PARKS, Heard
from services.eventsocket.normalise import Normaliser
from services.eventsocket.parties import text
from tests import traces

NAMES = [*dict.fromkeys(BEGINS + PARKS + JOINS + ENDS), "variable_tt_next", "variable_sip_h_X", "not there"]
KINDS = ["CHANNEL_CREATE", "CHANNEL_PARK", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_ANSWER", "CHANNEL_HOLD"]
VALUES = st.one_of(st.text(), st.lists(st.text(), max_size=3), st.sampled_from(["_undef_", "ARRAY::a|:b", "ARRAY::"]))


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES) | st.text(), VALUES), st.permutations(NAMES))
def test_every_header_is_read_as_if_all_were_decoded(
    kind: str, others: dict[str, str | list[str]], asked: list[str]
) -> None:
    raw = json.dumps({"Event-Name": kind} | others, separators=(",", ":")).encode()
    heard, decoded = Heard(raw), decode_json(raw)
    assert [text(heard, name) for name in asked] == [text(decoded, name) for name in asked]
    assert dict(heard) == dict(decoded)


@given(st.text().map(lambda caller: caller + '","Unique-ID":"victim'), st.sampled_from(NAMES[-3:]))
def test_a_value_that_looks_like_headers_stays_a_value(hostile: str, name: str) -> None:
    heard = Heard(json.dumps({"Unique-ID": "leg", name: hostile}).encode())
    assert text(heard, "Unique-ID") == "leg"


@pytest.mark.parametrize(
    "raw", [b'{"Unique-ID":"a\xff","x":"y"}', b'{"Unique-ID":"a\x01","x":"y"}', b'{"Unique-ID":["b","a"],"x":"\xff"}']
)
def test_bad_bytes_are_read_as_leniently(raw: bytes) -> None:
    assert text(Heard(raw), "Unique-ID") == text(decode_json(raw), "Unique-ID") != ""


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'{"Unique-ID":"a"', b'{"Unique-ID":"a"} x', b"\xff"])
def test_what_is_no_event_is_refused_at_once(raw: bytes) -> None:
    with pytest.raises(ValueError):
        Heard(raw)


def test_facts_of_captured_calls_are_the_same() -> None:
    short, whole = Normaliser("fs1"), Normaliser("fs1")
    for number in traces.ALL:
        for raw in traces.load(number).json_lines.splitlines():
            assert short.facts_of(Heard(raw)) == whole.facts_of(decode_json(raw))
