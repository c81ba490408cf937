"""The line per ended call, as the person at the terminal reads it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.events import CallEnded
from proto.values import Party
from services.history.narrate import line
from tests.clients import at

ANSWERED_US = at("2026-11-20 14:05")
SECOND_US = 1_000_000


def ended(caller: Party, dialled: str = "0312345678", **fields: object) -> CallEnded:
    about = {
        "direction": "inbound",
        "result": "answered",
        "started_at_us": ANSWERED_US - 5 * SECOND_US,
        "answered_at_us": ANSWERED_US,
        "ended_at_us": ANSWERED_US + 12 * SECOND_US + 250_000,
        **fields,
    }
    return CallEnded(caller=caller, dialled=dialled, **about)  # type: ignore[arg-type]


def test_an_answered_call() -> None:
    text = line("acme", ended(Party(number="09012345678")))
    assert text == "14:05:12.250 acme 着信 090-1234-5678 → 03-1234-5678 応答 12秒"


def test_nobody_answered() -> None:
    missed = ended(Party(number="09012345678"), answered_at_us=None, result="missed", ended_at_us=ANSWERED_US)
    assert line("acme", missed) == "14:05:00.000 acme 着信 090-1234-5678 → 03-1234-5678 不在"


def test_a_call_to_an_emergency_number() -> None:
    call = ended(Party(number="1001"), "110", direction="emergency")
    assert line("acme", call) == "14:05:12.250 acme 緊急通報 1001 → 110 応答 12秒"


@pytest.mark.parametrize(
    ("presentation", "shown"), [("withheld", "非通知"), ("payphone", "公衆電話"), ("unavailable", "表示圏外")]
)
def test_a_number_that_is_not_to_be_shown_stays_hidden(presentation: str, shown: str) -> None:
    text = line("acme", ended(Party(number="09012345678", presentation=presentation)))  # type: ignore[arg-type]
    assert f" {shown} → " in text
    assert "1234-5678 →" not in text
    assert "09012345678" not in text


FOREIGN = st.text(max_size=200) | st.sampled_from(["\x1b[2J", "0312345678\r\n", "\u202e0312345678", "x" * 2000])


@given(FOREIGN, FOREIGN, FOREIGN)
def test_whatever_a_caller_sends_it_is_one_line_that_no_terminal_obeys(number: str, name: str, dialled: str) -> None:
    text = line("acme", ended(Party(number=number, name=name), dialled))
    assert len(text.splitlines()) == 1
    assert not [c for c in text if unicodedata.category(c)[0] == "C"]
    assert len(text) < 200


def test_a_callers_name_is_not_told() -> None:
    assert "山田" not in line("acme", ended(Party(number="09012345678", name="山田 太郎")))
