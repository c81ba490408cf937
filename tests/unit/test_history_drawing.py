"""The picture of a call: its legs over time, who was joined to whom, each step with its reason; always well-formed."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto import events as e
from proto.values import Party
from services.history.drawing import svg
from services.history.fold import fold
from services.history.lanes import MOST_LANES, MOST_MARKS, WIDTH, Drawing, Lane, drawing
from services.history.model import Call, Client, Known, Leg, Step, Story
from services.history.row import row
from services.history.steps import step_of
from tests import stories

GOLDEN = Path(__file__).parent / "forwarded_call.svg"
"""Made anew with TORITSUGI_GOLDEN=1, then looked at in a browser."""
SVG = "{http://www.w3.org/2000/svg}"
ACME = Client("株式会社アクメ")


def story_of(told: stories.Story) -> Story:
    """What the page of this call is made of."""
    call: Call | None = None
    for fact in told.facts:
        call = fold(call, fact)
    assert call is not None
    steps = tuple(step for fact in told.facts if (step := step_of(fact)) is not None)
    return Story(Known(told.tenant, told.call, row(call, told.tenant)), tuple(call.legs.items()), steps, ACME)


def drawn(told: stories.Story, at: float = 200.0) -> Drawing:
    """Its picture, looked at so many seconds after it began."""
    return drawing(story_of(told), "en", told.us(at))


def lane(picture: Drawing, name: str) -> Lane:
    """The lane whose name holds this."""
    return next(one for one in picture.lanes if name in one.name)


def spans(one: Lane) -> dict[str, tuple[int, int]]:
    """(start, end) by kind."""
    return {span.kind: (span.x, span.x + span.width) for span in one.spans}


@pytest.mark.requirement("D8")
def test_a_forwarded_call_looks_as_it_did() -> None:
    text = svg(drawing(story_of(stories.forwarded("c1")), "ja", 0), "ja", record=True)
    if os.environ.get("TORITSUGI_GOLDEN"):
        GOLDEN.write_text(text.replace("><", ">\n<") + "\n", encoding="utf-8")
    assert text.replace("><", ">\n<") + "\n" == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.requirement("D8")
def test_ringing_and_talking_stand_in_proportion_one_leg_below_the_other() -> None:
    picture = drawn(stories.forwarded("c1"))
    assert [one.name for one in picture.lanes] == ["Caller", "Phone 1001", "Forwarding 090-1234-5678"]
    mobile = spans(lane(picture, "090"))
    assert mobile == {"ringing": (134, 166), "talking": (166, 999)}
    assert spans(lane(picture, "1001")) == {"ringing": (0, 133)}
    assert spans(lane(picture, "Caller"))["recording"] == (167, WIDTH)
    assert lane(picture, "1001").outcome == "no answer"
    assert [(link.kind, link.start, link.end) for link in picture.links] == [
        ("dial", 0, 1),
        ("dial", 0, 2),
        ("join", 0, 2),
    ]
    assert [tick.label for tick in picture.ticks] == ["0:00", "0:30", "1:00", "1:30", "2:00", "2:30"]


def test_a_wait_in_a_queue_ends_when_an_operator_is_joined_and_a_call_in_progress_ends_now() -> None:
    told = stories.queued("c1")
    caller = spans(lane(drawn(told, 60.0), "Caller"))
    assert caller["waiting"] == (8, 500)
    assert caller["talking"][1] == WIDTH
    assert lane(drawn(told, 60.0), "Caller").outcome == ""


def test_a_hold_lasts_until_it_is_taken_back_or_the_leg_ends() -> None:
    told = stories.forwarded("c1")
    told.say(50.0, e.LegHeld(switch="fs1", leg=told.leg))
    told.say(60.0, e.LegResumed(switch="fs1", leg=told.leg))
    told.say(140.0, e.LegHeld(switch="fs1", leg=told.leg))
    held = [(s.x, s.x + s.width) for s in lane(drawn(told), "Caller").spans if s.kind == "held"]
    assert held == [(333, 399), (933, WIDTH)]


def test_every_step_is_there_in_words_with_its_reasons_and_a_dot_on_its_leg() -> None:
    told = stories.forwarded("c1")
    picture = drawn(told)
    tree = ElementTree.fromstring(svg(picture, "en", record=True))
    said = tree.findtext(f"{SVG}desc") or ""
    texts = "\n".join(node.text or "" for node in tree.iter(f"{SVG}text"))
    for line in picture.lines:
        assert line.text in said
        assert all(reason in said and reason in texts for reason in line.why)
        assert line.text.partition(" (")[0] in texts
    assert len(picture.lines) == len([one for one in told.facts if step_of(one)])
    assert len([g for g in tree.iter(f"{SVG}g") if g.get("class") == "step"]) == len(picture.lines)


def test_a_call_of_many_legs_keeps_its_size_and_says_what_is_left_out() -> None:
    told = stories.Story("c1")
    told.arrive()
    for number in range(200):
        told.ring(f"leg-{number}", 1.0 + number, f"{1000 + number}")
    told.answer("leg-199", 210.0, "1199")
    picture = drawn(told, 300.0)
    assert (len(picture.lanes), picture.lanes_left_out) == (MOST_LANES, 201 - MOST_LANES)
    assert lane(picture, "1199").spans[-1].kind == "talking", "who answered is there"
    assert (len(picture.lines), picture.lines_left_out) == (MOST_MARKS, 407 - MOST_MARKS)
    text = svg(picture, "en", record=True)
    assert f"{201 - MOST_LANES} more legs and {407 - MOST_MARKS} more steps left out" in text
    assert len(text) < 300_000


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_what_a_caller_sends_is_text_and_nothing_else(lang: str) -> None:
    hostile = "</text><script>alert(1)</script>\"' onload=x &amp; \x00\x1b]0;"
    told = stories.abandoned("c1", caller=Party(number="", name=hostile))
    told.ring("c1-x", 3.0, hostile)
    picture = drawing(story_of(told), "ja" if lang == "ja" else "en", told.us(9))
    tree = ElementTree.fromstring(svg(picture, "ja" if lang == "ja" else "en", record=True))
    assert {node.tag.removeprefix(SVG) for node in tree.iter()} <= {
        "svg", "title", "desc", "defs", "pattern", "rect", "path", "g", "text", "circle",
    }  # fmt: skip
    assert not any(name.startswith("on") or name in ("style", "href") for node in tree.iter() for name in node.attrib)


_TIMES = st.none() | st.integers(-(10**15), 4 * 10**15)
_LEGS = st.builds(
    Leg,
    kind=st.text(max_size=20),
    direction=st.sampled_from(["", "inbound", "outbound"]),
    destination=st.text(max_size=60),
    started_at_us=_TIMES,
    answered_at_us=_TIMES,
    ended_at_us=_TIMES,
    cause=st.text(max_size=40),
)
_STEPS = st.builds(
    Step,
    key=st.text(max_size=20),
    id=st.text(max_size=9),
    at_us=st.integers(-(10**15), 4 * 10**15),
    what=st.sampled_from(["call.arrived", "call.waiting", "leg.started", "legs.bridged", "leg.held", "leg.resumed",
                          "recording.started", "recording.stopped", "call.routed", "new.thing"]),
    leg=st.sampled_from(["", "a", "b", "c"]),
    values=st.dictionaries(st.sampled_from(["other", "by", "dialled", "number", "name"]), st.text(max_size=60)),
    why=st.lists(st.text(max_size=300), max_size=3).map(tuple),
)  # fmt: skip


@given(
    legs=st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), _LEGS),
    steps=st.lists(_STEPS, max_size=12),
    begin=st.integers(0, 4 * 10**15),
    end=_TIMES,
    english=st.booleans(),
)
def test_whatever_is_stored_is_drawn_and_is_well_formed(
    legs: dict[str, Leg], steps: list[Step], begin: int, end: int | None, english: bool
) -> None:
    known = story_of(stories.abandoned("c1"))
    line = msgspec.structs.replace(known.known.row, started_at_us=begin, ended_at_us=end)
    story = Story(Known("acme", "c1", line), tuple(legs.items()), tuple(steps), ACME)
    lang = "en" if english else "ja"
    picture = drawing(story, lang, 0)  # type: ignore[arg-type]
    assert all(0 <= s.x <= s.x + s.width <= WIDTH for one in picture.lanes for s in one.spans)
    ElementTree.fromstring(svg(picture, lang, record=True))  # type: ignore[arg-type]
