"""PURE. The legs and steps of a call -> a drawing of them over time, before it is SVG: who rang, talked, waited, held.

Enters: a `Story`. Leaves: a `Drawing` whose places are thousandths of its width, so that programs can draw it too. What
it looks like stands in `drawing.py`; what a step says in `sentences.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from services.history.model import Leg, Step, Story
from services.history.sentences import leg_name, sentence
from services.history.words import CAUSES, Lang, running, shown, word

MOST_LANES = 60
MOST_MARKS = 400
"""Of a call with more the drawing says how much it leaves out; the record of steps below it has everything."""
WIDTH = 1000
SpanKind = Literal["ringing", "talking", "waiting", "held", "recording"]
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MOST_TICKS = 8
_RANK = {"call.arrived": 0, "legs.bridged": 2, "call.answered": 3, "leg.ended": 4, "leg.charged": 5}
_OTHERS = 1
"""What happened at one microsecond is told in this order."""


class Span(msgspec.Struct, frozen=True):
    """Something that went on for a while."""

    kind: SpanKind
    x: int
    width: int


class Lane(msgspec.Struct, frozen=True):
    """One leg."""

    name: str
    outcome: str
    """Why it ended; empty while it goes on."""
    x: int
    width: int
    spans: tuple[Span, ...]


class Link(msgspec.Struct, frozen=True):
    """From one lane to another: it was dialled (`dial`) or they were joined (`join`)."""

    kind: Literal["dial", "join"]
    x: int
    start: int
    end: int


class Mark(msgspec.Struct, frozen=True):
    """A step on its lane. `number` counts the steps of the record from 1."""

    number: int
    lane: int
    x: int
    text: str


class Line(msgspec.Struct, frozen=True):
    """A step in words."""

    number: int
    since_start: str
    text: str
    why: tuple[str, ...]


class Tick(msgspec.Struct, frozen=True):
    """A time below the drawing."""

    x: int
    label: str


class Drawing(msgspec.Struct, frozen=True):
    """The call as a picture."""

    lanes: tuple[Lane, ...]
    links: tuple[Link, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    lanes_left_out: int
    lines_left_out: int


class _Scale(msgspec.Struct, frozen=True):
    begin_us: int
    end_us: int

    def x(self, at_us: int | None) -> int:
        """Where a time is; None: at the end."""
        at_us = self.end_us if at_us is None else at_us
        return min(WIDTH, max(0, at_us - self.begin_us) * WIDTH // (self.end_us - self.begin_us))

    def span(self, kind: SpanKind, start_us: int, end_us: int | None) -> Span:
        """What began and ended then."""
        x = self.x(start_us)
        return Span(kind, x, max(0, self.x(end_us) - x))


def names_of(legs: Sequence[tuple[str, Leg]], lang: Lang) -> dict[str, str]:
    """What each leg is called."""
    return {leg: leg_name(heard.kind, heard.direction, heard.destination, lang) for leg, heard in legs}


def in_order(steps: Sequence[Step]) -> list[Step]:
    """As the story is told: by time, and of one instant cause first."""
    return sorted(steps, key=lambda step: (step.at_us, _RANK.get(step.what, _OTHERS), step.id))


def drawing(story: Story, lang: Lang, now_us: int) -> Drawing:
    """The call's picture; one that goes on ends now."""
    row = story.known.row
    scale = _Scale(row.started_at_us, max(row.started_at_us + 1, row.ended_at_us or now_us))
    names, steps = names_of(story.legs, lang), in_order(story.steps)
    legs = _chosen(story.legs)
    place = {leg: number for number, (leg, _) in enumerate(legs)}
    lines = tuple(
        Line(
            number=number,
            since_start=since(step.at_us, row.started_at_us),
            text=sentence(step, names, lang),
            why=tuple(shown(reason, 200) for reason in step.why),
        )
        for number, step in enumerate(steps[:MOST_MARKS], 1)
    )
    marks = tuple(
        Mark(line.number, place.get(step.leg, 0), scale.x(step.at_us), line.text)
        for step, line in zip(steps, lines, strict=False)
        if legs and (not step.leg or step.leg in place)
    )
    return Drawing(
        lanes=tuple(_lane(names[leg], leg, heard, steps, scale, lang) for leg, heard in legs),
        links=tuple(_links(legs, place, steps, scale)),
        marks=marks,
        ticks=tuple(_ticks(scale)),
        lines=lines,
        lanes_left_out=len(story.legs) - len(legs),
        lines_left_out=len(steps) - len(lines),
    )


def since(at_us: int, begin_us: int) -> str:
    """`+12.345`: seconds after the call's beginning."""
    return f"+{max(0, at_us - begin_us) / 1_000_000:.3f}"


def _chosen(legs: Sequence[tuple[str, Leg]]) -> Sequence[tuple[str, Leg]]:
    """All legs, or of too many those that somebody talked on, then the first ones."""
    if len(legs) <= MOST_LANES:
        return legs
    first = sorted(
        range(len(legs)), key=lambda n: (legs[n][1].direction != "inbound", legs[n][1].answered_at_us is None)
    )
    return [legs[n] for n in sorted(first[:MOST_LANES])]


def _lane(name: str, leg: str, heard: Leg, steps: Sequence[Step], scale: _Scale, lang: Lang) -> Lane:
    begin = scale.begin_us if heard.started_at_us is None else heard.started_at_us
    whole = scale.span("ringing", begin, heard.ended_at_us)
    answered = heard.answered_at_us
    spans = [scale.span("ringing", begin, heard.ended_at_us if answered is None else answered)]
    if answered is not None:
        spans.append(scale.span("talking", answered, heard.ended_at_us))
    own = [step for step in steps if step.leg == leg]
    spans += _between(own, scale, heard, "waiting", {"call.waiting"}, {"legs.bridged", "call.answered"})
    spans += _between(own, scale, heard, "held", {"leg.held"}, {"leg.resumed"})
    spans += _recordings(own, scale, heard)
    outcome = word(CAUSES, heard.cause, lang) if heard.ended_at_us is not None else ""
    return Lane(name, outcome, whole.x, whole.width, tuple(spans))


def _between(
    own: Sequence[Step], scale: _Scale, leg: Leg, kind: SpanKind, begins: set[str], ends: set[str]
) -> Iterator[Span]:
    """From each step that begins it to the next that ends it, at the latest to the leg's own end."""
    open_us: int | None = None
    for step in own:
        if open_us is None and step.what in begins:
            open_us = step.at_us
        elif open_us is not None and step.what in ends:
            yield scale.span(kind, open_us, step.at_us)
            open_us = None
    if open_us is not None:
        yield scale.span(kind, open_us, leg.ended_at_us)


def _recordings(own: Sequence[Step], scale: _Scale, leg: Leg) -> Iterator[Span]:
    """Each file from its start to its end: their keys begin with the same path."""
    stopped: Mapping[str, int] = {
        step.key.removesuffix(":stopped"): step.at_us for step in own if step.what == "recording.stopped"
    }
    for step in own:
        if step.what == "recording.started":
            end_us = stopped.get(step.key.removesuffix(":started"), leg.ended_at_us)
            yield scale.span("recording", step.at_us, end_us)


def _links(
    legs: Sequence[tuple[str, Leg]], place: Mapping[str, int], steps: Sequence[Step], scale: _Scale
) -> Iterator[Link]:
    caller = next((place[leg] for leg, heard in legs if heard.direction == "inbound"), None)
    for step in steps[:MOST_MARKS]:
        here = place.get(step.leg)
        if step.what == "leg.started" and here is not None and caller not in (None, here):
            assert caller is not None
            yield Link("dial", scale.x(step.at_us), caller, here)
        elif step.what == "legs.bridged":
            other = place.get(step.values.get("other", ""))
            if here is not None and other is not None and here != other:
                yield Link("join", scale.x(step.at_us), here, other)


def _ticks(scale: _Scale) -> Iterator[Tick]:
    length_us = scale.end_us - scale.begin_us
    whole_s = length_us // 1_000_000
    step_s = next((one for one in _TICKS_S if whole_s <= one * _MOST_TICKS), max(1, whole_s // _MOST_TICKS))
    for at_s in range(0, whole_s + 1, step_s):
        yield Tick(at_s * 1_000_000 * WIDTH // length_us, running(at_s * 1_000_000))
