"""What stands on the Event Socket, cut into frames and read: captured traffic, hostile values, broken bytes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.eventsocket import decode
from services.eventsocket.frames import BrokenFrame, FrameReader, decode_json, decode_plain, event_of
from tests import traces

Decoded = tuple[int, list[dict[str, Any]], list[str]]


def decoded(path: Path, data: bytes) -> Decoded:
    path.write_bytes(data)
    out, err = io.BytesIO(), io.StringIO()
    code = decode.main(str(path), out, err)
    return code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue().splitlines()


def once_more(value: Any) -> Any:
    return [unquote(item) for item in value] if isinstance(value, list) else unquote(value)


def framed_json(lines: bytes) -> bytes:
    return b"".join(
        b"Content-Length: %d\nContent-Type: text/event-json\n\n%s" % (len(line), line) for line in lines.splitlines()
    )


@pytest.mark.parametrize("number", traces.ALL)
def test_plain_and_json_captures_say_the_same(number: int, tmp_path: Path) -> None:
    """Allowing one more %XX decoding in plain, because the switch leaves an existing %XX as it is."""
    trace = traces.load(number)
    _, plain, other = decoded(tmp_path / "plain", trace.plain)
    code, lines, _ = decoded(tmp_path / "lines", trace.json_lines)
    assert code == 0
    assert all("disconnect-notice" in line for line in other)
    assert [list(event) for event in plain] == [list(event) for event in lines]
    for one, two in zip(plain, lines, strict=True):
        assert {k: v for k, v in one.items() if v not in (two[k], once_more(two[k]))} == {}
    assert decoded(tmp_path / "framed", framed_json(trace.json_lines))[1] == lines


@pytest.mark.parametrize("number", [1, 15, 26])
def test_byte_by_byte_gives_the_same_frames(number: int) -> None:
    plain = traces.load(number).plain
    whole, single = FrameReader(), FrameReader()
    whole.feed(plain)
    wanted = [*whole.frames()]
    found = []
    for at in range(len(plain)):
        single.feed(plain[at : at + 1])
        found += single.frames()
    single.finish()
    assert found == wanted
    assert len(found) > 20


@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=10))
def test_any_body_in_any_pieces(bodies: list[bytes], cuts: list[int]) -> None:
    """A body is bytes counted, never looked at: it may hold empty lines, headers, half characters."""
    wire = b"".join(b"Content-Type: api/response\nContent-Length: %d\n\n%s" % (len(b), b) for b in bodies)
    reader, found, at, turn = FrameReader(), [], 0, 0
    while at < len(wire):
        step = cuts[turn % len(cuts)]
        reader.feed(wire[at : at + step])
        found += [frame.body for frame in reader.frames()]
        at, turn = at + step, turn + 1
    reader.finish()
    assert found == bodies


def test_a_callers_name_cannot_forge_a_header() -> None:
    """Decoding before splitting made a CHANNEL_ANSWER of tenant `victim` out of this on bare greenswitch."""
    event = decode_plain(
        b"Event-Name: CHANNEL_CREATE\n"
        b"Caller-Caller-ID-Name: A%0AEvent-Name%3A%20CHANNEL_ANSWER%0Avariable_tt_tenant:%20victim\n"
        b"variable_tt_tenant: acme\n\n"
    )
    assert event["Event-Name"] == "CHANNEL_CREATE"
    assert event["variable_tt_tenant"] == "acme"
    assert event["Caller-Caller-ID-Name"] == "A\nEvent-Name: CHANNEL_ANSWER\nvariable_tt_tenant: victim"


def test_a_value_is_decoded_once_only() -> None:
    assert decode_plain(b"a: AB%250ACD%20%2541\n\n")["a"] == "AB%0ACD %41"


def test_lists_repeats_bodies_and_broken_characters() -> None:
    plain = decode_plain(b"a: 1\na: 2\nb: ARRAY::x|:y\nc: ARRAY::x%7C%3Ay%20z\nd: %FF%FE\nContent-Length: 3\n\n%41rest")
    assert plain == {
        "a": "2",
        "b": ["x", "y"],
        "c": ["x", "y z"],
        "d": "\ufffd\ufffd",
        "Content-Length": "3",
        "_body": "%41",
    }
    assert decode_json(b'{"a":"1","a":"2","b":["x","y"],"c":"ARRAY::x|:y z","d":"\xff\xfe","e":"\\ud800!"}') == {
        "a": "2",
        "b": ["x", "y"],
        "c": ["x", "y z"],
        "d": "\ufffd\ufffd",
        "e": "\ufffd!",
    }


@pytest.mark.parametrize(
    ("wire", "offset"),
    [
        (b"Content-Type: auth/request\n\nContent-Length: -1\n\n", 28),
        (b"Content-Length: 9999999999999\n\n", 0),
        (b"Content-Length: 12\nContent-Length: x\n\n", 0),
        (b"no header at all\n\n", 0),
        (b": nameless\n\n", 0),
        (b"Content-Type: auth/request\n\nContent-Type: text/event-json\nContent-Length: 1\n\n{", 28),
        (b"Content-Type: text/event-plain\nContent-Length: 8\n\na: 1\nxx\n", 0),
        (b"Content-Type: text/event-plain\nContent-Length: 25\n\nContent-Length: 30\n\nshort", 0),
        (b"Content-Type: text/event-json\nContent-Length: 10\n\n{}", 0),
        (b"Content-Type: auth/request\n\nContent-Ty", 28),
    ],
)
def test_a_broken_frame_is_told_with_its_offset(wire: bytes, offset: int, tmp_path: Path) -> None:
    code, _, err = decoded(tmp_path / "broken", wire)
    assert code == 1
    assert err[-1].startswith(f"broken frame at offset {offset}: ")


def test_what_came_before_the_broken_frame_is_printed(tmp_path: Path) -> None:
    plain = traces.load(1).plain
    code, events, err = decoded(tmp_path / "cut", plain[: len(plain) - 10])
    assert code == 1
    assert len(events) == len(traces.load(1).json_lines.splitlines()) - 1
    assert "before the end of the body" in err[-1]
    code, events, err = decoded(tmp_path / "line", b'{"a":"1"}\n{"a":\n')
    assert (code, events, err[-1][:27]) == (1, [{"a": "1"}], "broken frame at offset 10: ")


def test_other_frames_are_one_line_each_on_the_other_side(tmp_path: Path) -> None:
    wire = (
        b"Content-Type: auth/request\n\nContent-Type: command/reply\nReply-Text: +OK accepted\n\n"
        b"Content-Type: api/response\nContent-Length: 14\n\nfirst\x1b[2J\nnext"
    )
    code, events, err = decoded(tmp_path / "other", wire)
    assert (code, events) == (0, [])
    assert err == [
        "0 auth/request: ",
        "28 command/reply: +OK accepted",
        "82 api/response: first\ufffd[2J",
    ]
    assert decode.main(str(tmp_path / "absent"), io.BytesIO(), io.StringIO()) == 2


@pytest.mark.parametrize("kind", ["plain", "json_lines"])
def test_a_pipe_is_read_as_a_file_is(kind: str, tmp_path: Path) -> None:
    """`… | toritsugi esl decode -`: it cannot be read from its beginning again."""
    wire: bytes = getattr(traces.load(1), kind)
    command = [sys.executable, "-c", "from services.cli import main; main()", "esl", "decode", "-"]
    done = subprocess.run(command, input=wire, capture_output=True, timeout=60, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == decoded(tmp_path / "file", wire)[1]


def test_an_endless_header_block_is_refused() -> None:
    reader = FrameReader(max_header=1000, max_body=10)
    reader.feed(b"a: " + b"x" * 2000)
    with pytest.raises(BrokenFrame):
        list(reader.frames())
    reader = FrameReader(max_body=10)
    reader.feed(b"Content-Type: auth/request\n\nContent-Length: 11\n\n")
    frames = reader.frames()
    assert next(frames).content_type == "auth/request"
    with pytest.raises(BrokenFrame, match="at most 10") as caught:
        next(frames)
    assert caught.value.offset == 28


@given(st.binary(max_size=400))
def test_no_bytes_trip_the_reader(data: bytes) -> None:
    """Whatever comes: frames, or BrokenFrame; never another error."""
    reader = FrameReader()
    reader.feed(data)
    try:
        for frame in reader.frames():
            if frame.is_event:
                event_of(frame)
        reader.finish()
    except BrokenFrame as error:
        assert 0 <= error.offset <= len(data)


@given(st.dictionaries(st.text(min_size=1), st.text()), st.binary(max_size=5))
def test_any_json_event_is_read(event: dict[str, str], noise: bytes) -> None:
    raw = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert set(decode_json(raw)) == {name.encode("utf-8", "surrogatepass").decode("utf-8", "replace") for name in event}
    for body in (raw + noise, noise + raw):
        try:
            decode_json(body)
        except ValueError as error:
            assert str(error)
