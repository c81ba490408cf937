"""What `toritsugi simulate record` makes of what a real switch says: SIP lines, names, replaced texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeswitch.simulator.record import command
from freeswitch.simulator.record.names import Cast, Noted
from freeswitch.simulator.record.neutral import found_in, replaced, replaced_event
from freeswitch.simulator.record.sip import Message, message_of, on_day
from services.eventsocket.frames import Event, FrameReader, decode_json, decode_plain, event_of
from tests import traces

AT = datetime(2026, 11, 21, 23, 24, 28, 926887, tzinfo=UTC)
AT_US = int(AT.timestamp()) * 1_000_000 + AT.microsecond
LOGGED = """recv 628 bytes from udp/[192.0.2.7]:5090 at 23:24:28.926887:
------------------------------------------------------------------------
INVITE sip:0312345678@192.0.2.1:5080 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5090;rport;branch=z9hG4bK296e
From: "Yamada" <sip:09012345678@192.0.2.7:5090>;tag=6a76
To: <sip:0312345678@192.0.2.1>
Call-ID: 7fb6ca9a
CSeq: 818 INVITE
Proxy-Authorization: Digest username="1001", response="5ebe2294ecd0e0f08eab7690d2a6ee69"
Content-Length: 10

CSeq: forged in a body
"""


def test_a_message_is_known_by_its_first_line_and_nothing_else_of_it_is_kept() -> None:
    message = message_of(LOGGED, AT_US + 40_000)
    assert message == Message(
        AT_US, False, "192.0.2.7", 5090, "INVITE sip:0312345678@192.0.2.1:5080 SIP/2.0", "7fb6ca9a", "818 INVITE",
        "09012345678",
    )  # fmt: skip
    assert "5ebe2294" not in repr(message)


def test_other_lines_of_the_log_are_no_messages() -> None:
    assert message_of("2026-11-21 23:24:28 [CONSOLE] switch_core.c:1 recv 628 bytes", AT_US) is None


@given(st.integers(-48, 56), st.integers(0, 120_000_000))
def test_the_time_of_day_in_any_zone_is_the_moment(quarters: int, ago_us: int) -> None:
    local = AT.astimezone(timezone(timedelta(minutes=15 * quarters)))
    day_us = ((local.hour * 60 + local.minute) * 60 + local.second) * 1_000_000 + local.microsecond
    assert on_day(day_us, AT_US + ago_us) == AT_US


def message(t_ms: int, line: str, *, port: int, far: bool = False, call: str = "a", cseq: str = "1 INVITE") -> Message:
    return Message(AT_US + t_ms * 1000, far, "192.0.2.7", port, line, call, cseq, "1001" if port == 5161 else "0901")


def test_far_ends_and_legs_bear_the_names_of_the_captured_traces() -> None:
    heard = [
        message(0, "REGISTER sip:pbx.example SIP/2.0", port=5161, call="r", cseq="1 REGISTER"),
        message(10, "INVITE sip:0312345678@192.0.2.1 SIP/2.0", port=5090),
        message(20, "INVITE sip:0312345678@192.0.2.1 SIP/2.0", port=5090, call="b"),
        message(30, "SIP/2.0 486 Busy Here", port=5090, far=True, call="b"),
        message(40, "INVITE sip:1001@192.0.2.7:5161 SIP/2.0", port=5161, far=True, call="c"),
        message(50, "INVITE sip:09011112222@192.0.2.7 SIP/2.0", port=5092, far=True, call="d"),
        message(60, "INVITE sip:0312345678@192.0.2.1 SIP/2.0", port=5090, call="e"),
    ]
    events = [
        {"Event-Name": "CHANNEL_CREATE", "Unique-ID": "u1", "Call-Direction": "inbound", "variable_sip_call_id": "a"},
        {"Event-Name": "CHANNEL_CREATE", "Unique-ID": "u2", "Call-Direction": "outbound", "variable_tt_leg": "ext",
         "Channel-Name": "sofia/internal/1001%pbx.example"},
        {"Event-Name": "CHANNEL_CREATE", "Unique-ID": "u3", "Call-Direction": "outbound", "variable_tt_leg": "mobile",
         "variable_sip_call_id": "d"},
        {"Event-Name": "DTMF", "Unique-ID": "u3", "DTMF-Digit": "1", "DTMF-Duration": "960", "DTMF-Source": "RTP",
         "Event-Date-Timestamp": str(AT_US + 190_000)},
        {"Event-Name": "DTMF", "Unique-ID": "u1", "DTMF-Digit": "9", "DTMF-Duration": "960", "DTMF-Source": "APP",
         "Event-Date-Timestamp": str(AT_US + 195_000)},
    ]  # fmt: skip
    cast = Cast(heard, events)
    assert cast.legs == {"caller": "u1", "ext1001": "u2", "mobile": "u3"}
    steps = cast.steps([Noted(AT_US + 35_000, "api uuid_kill u2", "+OK")])
    assert [(step["t_ms"], step["text"].split(" sip:")[0]) for step in steps] == [
        (0, "1001 -> REGISTER"),
        (10, "carrier -> INVITE"),
        (20, "carrier2 -> INVITE"),
        (30, "carrier2 <- SIP/2.0 486 Busy Here (1 INVITE)"),
        (35, "api uuid_kill u2"),
        (40, "1001 <- INVITE"),
        (50, "mobile <- INVITE"),
        (60, "carrier2 -> INVITE"),
        (70, "mobile presses 1"),
    ]


EVENT = (
    b"Event-Name: BACKGROUND_JOB\nCaller-Caller-ID-Number: 09012345678\nContact: sip%3A1001%40198.51.100.7%3A5161\n"
    b"Caller-Caller-ID-Name: %E5%B1%B1%E7%94%B0%20%E5%A4%AA%E9%83%8E\nContent-Length: 16\n\n+OK 09012345678\n"
)


def test_replaced_texts_are_replaced_in_every_encoding_and_lengths_stay_true() -> None:
    event = decode_plain(EVENT)
    pairs = found_in([event], ["api uuid_setvar u to 0451112222"])
    assert dict(pairs)["09012345678"] != "09012345678" and "0451112222" in dict(pairs)
    changed = decode_plain(replaced_event(EVENT, (*pairs, ("+OK", "-ERR nothing"))))
    new = dict(pairs)["09012345678"]
    assert changed["Caller-Caller-ID-Number"] == new
    assert changed["Contact"] == "sip:1001@192.0.2.10:5161"
    assert changed["Caller-Caller-ID-Name"] == "Name 1"
    assert changed["_body"] == f"-ERR nothing {new}\n"
    assert replaced("山田 太郎 09012345678".encode(), pairs) == f"Name 1 {new}".encode()


def undone(event: Event) -> dict[str, str]:
    texts = {name: value if isinstance(value, str) else "|".join(value) for name, value in event.items()}
    # In the plain form a name ends at its first colon, also that of a variable which has one (export_vars of nolocal:).
    named = {name.partition(":")[0]: (name.partition(":")[2], text) for name, text in texts.items()}
    return {name: unquote(f"{rest}: {text}" if rest else text) for name, (rest, text) in named.items()}


@pytest.mark.parametrize("number", traces.FURTHER)
def test_what_was_recorded_says_the_same_twice(number: int) -> None:
    recorded, reader = traces.load(number), FrameReader()
    reader.feed(recorded.plain)
    # A switch that shuts down takes its leave.
    plain = [event_of(frame) for frame in reader.frames() if frame.content_type != "text/disconnect-notice"]
    reader.finish()
    # In the plain form an escape that was there before cannot be told from one of the wire.
    told = [decode_json(line) for line in recorded.json_lines.splitlines()]
    assert [undone(event) for event in plain] == [undone(event) for event in told]
    assert set(recorded.scenario["legs"].values()) >= set(recorded.cdrs)


def test_figures_that_are_no_numbers_of_anybody_stay() -> None:
    event = {"Event-Date-Timestamp": "1795303923921488", "Unique-ID": "ac59d1b5-0555-4f98-a06a-098765432101"}
    assert found_in([event], []) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [("fs1.example:8022", ("fs1.example", 8022)), ("fs1.example", ("fs1.example", 8021)), (":9", ("127.0.0.1", 9))],
)
def test_an_address_may_leave_out_a_part(text: str, found: tuple[str, int]) -> None:
    assert command.address(text) == found


@pytest.mark.parametrize("text", ["", "a b", "fs1:99999", "fs1:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        command.address(text)


def test_times_have_units() -> None:
    assert [command.seconds(text) for text in ("60s", "2min", "1.5", "200ms")] == [60, 120, 1.5, 0.2]
    with pytest.raises(ValueError, match="60s"):
        command.seconds("soon")
