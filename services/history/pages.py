"""PURE. Rows -> what a page says. The same value is the page and what the API tells; templates print its fields.

Enters: what `reads.py` found, the language, the time of looking. Leaves: frozen structs of finished text, each with the
raw times and amounts beside it for programs.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from proto.values import UNKNOWN_TENANT
from services.history.lanes import Drawing, drawing, in_order, names_of, since
from services.history.model import (
    CallState,
    Client,
    Direction,
    Known,
    Overview,
    RecordingState,
    Result,
    Row,
    Story,
    Switch,
)
from services.history.sentences import sentence
from services.history.words import (
    DIRECTIONS,
    RECORDINGS,
    RESULTS,
    STATES,
    Lang,
    clock_time,
    date_time,
    money,
    number,
    party,
    running,
    shown,
    span,
    word,
)

_TONES = {
    "answered": "good",
    "message": "good",
    "missed": "bad",
    "busy": "warn",
    "failed": "bad",
    "not_in_use": "calm",
    "fallback": "warn",
    "talking": "good",
    "held": "warn",
    "waiting": "warn",
    "ringing": "calm",
    "arrived": "calm",
}


class CallLine(msgspec.Struct, frozen=True):
    """A call in one line of a list."""

    tenant: str
    call: str
    path: str
    client: str
    started: str
    clock: str
    """The time alone, for where the day stands above."""
    caller: str
    caller_name: str
    dialled: str
    direction: str
    state: str
    result: str
    tone: str
    """good, warn, bad, calm: the colour beside the word, never instead of it."""
    answered_by: str
    placed_by: str
    talk: str
    running: str
    charge: str
    recording: str
    recorded: str
    """How long."""
    estimated: bool
    """Nobody saw how it ended: its times may change, and what it may cost is held back."""
    started_at_us: int
    answered_at_us: int | None
    ended_at_us: int | None
    talk_ms: int
    recorded_ms: int
    charge_incl: Decimal
    charge_excl: Decimal
    direction_key: Direction
    state_key: CallState
    result_key: Result
    recording_key: RecordingState


class SwitchLine(msgspec.Struct, frozen=True):
    """A switch that is not heard."""

    switch: str
    since: str
    reason: str


class OverviewPage(msgspec.Struct, frozen=True):
    """The first page."""

    live_count: int
    waiting_count: int
    live: tuple[CallLine, ...]
    last: tuple[CallLine, ...]
    switches_lost: tuple[SwitchLine, ...]


class StepLine(msgspec.Struct, frozen=True):
    """One line of the story."""

    number: int
    at: str
    since_start: str
    text: str
    why: tuple[str, ...]
    estimated: bool
    at_us: int
    what: str


class CallPage(msgspec.Struct, frozen=True):
    """The page of one call."""

    line: CallLine
    drawing: Drawing
    steps: tuple[StepLine, ...]
    estimated: bool


def overview_page(rows: Overview, lang: Lang, now_us: int) -> OverviewPage:
    """Calls in progress and the last calls."""

    def lines(known: tuple[Known, ...]) -> tuple[CallLine, ...]:
        return tuple(call_line(one, rows.clients[one.tenant], lang, now_us) for one in known)

    return OverviewPage(
        live_count=sum(rows.states.values()),
        waiting_count=rows.states.get("waiting", 0),
        live=lines(rows.live),
        last=lines(rows.last),
        switches_lost=tuple(_switch_line(switch, lang) for switch in rows.switches if not switch.connected),
    )


def call_line(known: Known, client: Client, lang: Lang, now_us: int) -> CallLine:
    """One call."""
    row = known.row
    over = row.ended_at_us is not None
    word_shown = row.result if over else row.state
    return CallLine(
        tenant=known.tenant,
        call=known.call,
        path=f"/calls/{known.tenant}/{known.call}",
        client=client_name(known.tenant, client, lang),
        started=date_time(row.started_at_us, client.timezone, lang),
        clock=clock_time(row.started_at_us, client.timezone)[:5],
        caller=party(row.caller_number, row.caller_presentation, lang),
        caller_name=shown(name_of_caller(row, client), 60),
        dialled=number(row.dialled),
        direction=word(DIRECTIONS, row.direction, lang),
        state=word(STATES, row.state, lang),
        result=word(RESULTS, row.result, lang) if over else "",
        tone=_TONES.get(word_shown, "calm"),
        answered_by=number(row.answered_by),
        placed_by=shown(row.placed_by),
        talk=span(row.talk_ms * 1000, lang) if over and row.answered_at_us is not None else "",
        running="" if over else running(now_us - row.started_at_us),
        charge=money(row.charge_incl, row.charge_excl, row.charges, lang),
        recording=word(RECORDINGS, row.recording, lang),
        recorded=span(row.recorded_ms * 1000, lang) if row.recorded_ms else "",
        estimated=row.estimated,
        started_at_us=row.started_at_us,
        answered_at_us=row.answered_at_us,
        ended_at_us=row.ended_at_us,
        talk_ms=row.talk_ms,
        recorded_ms=row.recorded_ms,
        charge_incl=row.charge_incl,
        charge_excl=row.charge_excl,
        direction_key=row.direction,
        state_key=row.state,
        result_key=row.result,
        recording_key=row.recording,
    )


def call_page(story: Story, lang: Lang, now_us: int) -> CallPage:
    """The story of one call: its line, a picture of its legs, and each step with its reasons."""
    names = names_of(story.legs, lang)
    row, zone = story.known.row, story.client.timezone
    return CallPage(
        line=call_line(story.known, story.client, lang, now_us),
        drawing=drawing(story, lang, now_us),
        steps=tuple(
            StepLine(
                number=number,
                at=clock_time(step.at_us, zone),
                since_start=since(step.at_us, row.started_at_us),
                text=sentence(step, names, lang),
                why=tuple(shown(reason, 200) for reason in step.why),
                estimated=step.estimated,
                at_us=step.at_us,
                what=step.what,
            )
            for number, step in enumerate(in_order(story.steps), 1)
        ),
        estimated=row.estimated,
    )


def name_of_caller(row: Row, client: Client) -> str:
    """As the client's phone book has it, else as the network told it; a withheld caller has none."""
    if row.caller_presentation != "shown":
        return ""
    return client.names.get(row.caller_number) or row.caller_name


def client_name(tenant: str, client: Client, lang: Lang) -> str:
    """The client as people call it."""
    if tenant == UNKNOWN_TENANT:
        return "該当なし" if lang == "ja" else "nobody"
    return shown(client.name)


def _switch_line(switch: Switch, lang: Lang) -> SwitchLine:
    since = date_time(switch.since_us, "Asia/Tokyo", lang)
    return SwitchLine(shown(switch.switch), since, shown(switch.reason, 120))
