"""The history of a call is the same whatever order its facts come in, and however often."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.envelope import Envelope
from proto.events import RecordingStarted, RecordingStopped
from proto.values import Party
from services.history.fold import fold
from services.history.model import Call
from services.history.row import ended, row
from services.history.steps import better, step_of
from tests import stories
from tests.clients import envelope

WHOLE = {make.__name__: make("c1").facts for make in stories.STORIES}


def told(facts: Sequence[Envelope]) -> Call:
    """Everything folded, one after the other."""
    call: Call | None = None
    for fact in facts:
        call = fold(call, fact)
    assert call is not None
    return call


@given(st.data())
@pytest.mark.parametrize("name", WHOLE)
def test_any_order_and_any_repetition_give_the_same_row_legs_and_steps(name: str, data: st.DataObject) -> None:
    first = WHOLE[name]
    facts = [*first, *(second_source(fact, data.draw(st.integers(-9000, 9000))) for fact in first)]
    again = data.draw(st.lists(st.sampled_from(facts), max_size=10))
    mixed = data.draw(st.permutations([*facts, *again]))
    tenant = facts[0].tenant
    assert told(mixed) == told(facts)
    assert row(told(mixed), tenant) == row(told(facts), tenant)
    assert steps(mixed) == steps(facts)


def second_source(fact: Envelope, late_us: int) -> Envelope:
    """The same thing told by somebody else (CDR file, snapshot): another id, another clock."""
    return msgspec.structs.replace(fact, id=f"{fact.id}.cdr", occurred_at_us=fact.occurred_at_us + late_us)


def steps(facts: Sequence[Envelope]) -> dict[str, object]:
    """The lines of the story by key."""
    found: dict[str, object] = {}
    for fact in facts:
        step = step_of(fact)
        if step is not None:
            known = found.get(step.key)
            found[step.key] = step if known is None else better(known, step)  # type: ignore[arg-type]
    return found


@given(st.data())
def test_the_switchs_word_wins_over_a_concluded_end_in_any_order(data: st.DataObject) -> None:
    seen, guessed = stories.abandoned("c1"), stories.Story("c1")
    guessed.end(guessed.leg, 70.0, "NORMAL_CLEARING", kind="inbound", via="trunk", estimated=True)
    mixed = data.draw(st.permutations([*seen.facts, *guessed.facts]))
    line = row(told(mixed), "acme")
    assert (line.result, line.ended_at_us, line.estimated) == ("missed", seen.us(8.01), False)


def test_a_recording_that_the_switch_threw_away_is_neither_running_nor_stored() -> None:
    facts = [
        RecordingStarted(switch="fs1", leg="a", path="/r/a.wav"),
        RecordingStopped(switch="fs1", leg="a", path="/r/a.wav", length_ms=0, completion="empty-file"),
    ]
    assert row(told([envelope(fact, "acme", "c1", 1) for fact in facts]), "acme").recording == ""
    assert row(told([envelope(facts[0], "acme", "c1", 1)]), "acme").recording == "running"


def test_a_forwarded_call_shows_who_answered_how_long_and_what_it_cost() -> None:
    line = row(told(WHOLE["forwarded"]), "acme")
    assert (line.state, line.result, line.direction) == ("ended", "answered", "inbound")
    assert (line.dialled, line.caller_number, line.answered_by) == ("0312345678", "09011112222", "09012345678")
    assert line.talk_ms == 125_000
    assert (line.charge_incl, line.charge_excl, line.charges) == (Decimal("52.8"), Decimal(0), 2)
    assert (line.recording, line.legs) == ("stored", 3)


@pytest.mark.parametrize(
    ("name", "result", "direction"),
    [
        ("abandoned", "missed", "inbound"),
        ("not_in_use", "not_in_use", "inbound"),
        ("emergency", "answered", "emergency"),
    ],
)
def test_results(name: str, result: str, direction: str) -> None:
    facts = WHOLE[name]
    line = row(told(facts), facts[0].tenant)
    assert (line.result, line.direction) == (result, direction)


def test_an_emergency_call_that_never_parked_has_a_row_with_its_caller() -> None:
    line = row(told(WHOLE["emergency"]), "acme")
    assert (line.dialled, line.caller_number, line.talk_ms) == ("110", "09011112222", 38_000)


def test_a_caller_at_an_operator_is_talking_and_not_ended() -> None:
    facts = WHOLE["queued"]
    states = [row(told(facts[: n + 1]), "acme").state for n in range(len(facts))]
    assert [s for n, s in enumerate(states) if n == 0 or states[n - 1] != s] == [
        "arrived",
        "waiting",
        "ringing",
        "talking",
    ]
    assert ended(told(facts), "acme") is None


def test_a_call_is_over_only_when_its_last_known_leg_has_ended() -> None:
    facts = WHOLE["forwarded"]
    over = [n for n in range(len(facts)) if ended(told(facts[: n + 1]), "acme") is not None]
    assert facts[over[0]].body.NAME == "leg.ended"
    assert over == list(range(over[0], len(facts)))


def test_an_emergency_call_is_not_over_while_its_callers_leg_is_unheard_of() -> None:
    facts = WHOLE["emergency"]
    assert ended(told(facts[:-1]), "acme") is None
    assert ended(told(facts), "acme") is not None


@pytest.mark.parametrize(
    ("cause", "decision", "result"),
    [
        ("USER_BUSY", "x", "busy"),
        ("NO_ANSWER", "x", "missed"),
        ("DESTINATION_OUT_OF_ORDER", "x", "failed"),
        ("NORMAL_CLEARING", "fallback", "fallback"),
    ],
)
def test_the_end_of_the_callers_leg_tells_how_an_unanswered_call_went(cause: str, decision: str, result: str) -> None:
    story = stories.Story("c1")
    story.arrive()
    story.end(story.leg, 5.0, cause, kind="inbound", via="trunk", decision=decision)
    assert row(told(story.facts), "acme").result == result


def test_a_message_left_is_a_message_even_before_it_is_stored() -> None:
    from proto.events import RecordingStarted, RecordingStopped

    story = stories.Story("c1")
    story.arrive()
    path = "acme/message.wav"
    story.say(5.0, RecordingStarted(switch="fs1", leg=story.leg, path=path, stage="voicemail"))
    story.say(9.0, RecordingStopped(switch="fs1", leg=story.leg, path=path, stage="voicemail", length_ms=4000))
    story.end(story.leg, 9.1, kind="inbound", via="trunk", answered=3.0)
    assert row(told(story.facts), "acme").result == "message"


def test_a_withheld_caller_stays_withheld_in_the_row() -> None:
    story = stories.abandoned("c1", caller=Party(presentation="withheld"))
    line = row(told(story.facts), "acme")
    assert (line.caller_number, line.caller_presentation) == ("", "withheld")
