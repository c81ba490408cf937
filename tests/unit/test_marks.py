"""How agents mark commands at the switch: whoever asks first has it, in whatever order, and no id escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeswitch.simulator.kept import hash_reply
from proto import commands as c
from proto.envelope import Envelope
from proto.values import Party
from services.eventsocket.questions import forget_text, holder_text, mark_text, needs_mark, question_about, read_mark
from services.eventsocket.words import Refused


def bridge(command: str) -> Envelope:
    body = c.BridgeLegs(switch="fs1", leg="left", other="right")
    return Envelope(body=body, id=command, source="test", tenant="acme", call="left", occurred_at_us=0)


def said(kept: dict[tuple[str, str], str], text: str) -> str:
    return hash_reply(kept, text.removeprefix("api hash ")) or "-ERR no reply\n"


@given(
    st.lists(st.tuples(st.sampled_from(["first", "b", "c"]), st.sampled_from(["command-1", "command-2"])), max_size=20)
)
def test_of_all_agents_that_ask_the_first_alone_may_write_a_command(claims: list[tuple[str, str]]) -> None:
    """In any order and as often as they like."""
    kept: dict[tuple[str, str], str] = {}
    holders: dict[str, str] = {}
    for agent, command in claims:
        got = read_mark(said(kept, mark_text(bridge(command), agent)))
        assert got is (command not in holders), "nobody else, nor the same agent again"
        holders.setdefault(command, agent)
        assert said(kept, holder_text(bridge(command))) == holders[command]


def test_a_mark_that_is_forgotten_leaves_nothing_behind() -> None:
    kept: dict[tuple[str, str], str] = {}
    said(kept, mark_text(bridge("command-1"), "b"))
    assert said(kept, forget_text("command-1")) == "+OK\n"
    assert kept == {}


@pytest.mark.parametrize("reply", ["-ERR hash Command not found!\n", "-ERR permission denied\n", "-ERR no reply\n", ""])
def test_a_switch_without_marks_is_noticed(reply: str) -> None:
    assert read_mark(reply) is None


@given(st.text(max_size=60))
def test_no_id_says_anything_else_to_the_switch(command: str) -> None:
    """It comes from the bus: another slash, a blank or a line break would be another request."""
    try:
        text = mark_text(bridge(command), "first")
    except Refused:
        assert not needs_mark(bridge(command))
        return
    assert text.split("/") == ["api hash insert_ifempty", "toritsugi", command, "first"]
    assert len(text.split()) == 3


def test_what_may_be_done_twice_needs_no_mark() -> None:
    hang_up = Envelope(
        body=c.HangUp(switch="fs1", leg="a"), id="id", source="t", tenant="acme", call="a", occurred_at_us=0
    )
    assert not needs_mark(hang_up)
    assert needs_mark(bridge("id"))


def test_two_legs_are_together_if_the_one_names_the_other() -> None:
    """`bridge_uuid` is set on both at once, and stays (seen on FreeSWITCH 1.11.3)."""
    assert question_about(bridge("id")) == ("api uuid_getvar left bridge_uuid", "right")
    originate = c.OriginateCall(switch="fs1", phone={"id": "1", "domain": "h"}, payer="acme", caller=Party())  # type: ignore[arg-type]
    assert (
        question_about(Envelope(body=originate, id="id", source="t", tenant="acme", call="a", occurred_at_us=0)) is None
    )
