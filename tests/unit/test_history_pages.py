"""How calls are written for people, in Japanese and English."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.eventsocket.plan_text import GOES_ON
from services.history import words
from services.history.fold import fold
from services.history.model import Call, Client, Known, PlanStep, Step, Story
from services.history.pages import call_line, call_page
from services.history.row import row
from services.history.sentences import sentence
from services.history.steps import step_of
from services.history.words import Lang
from tests import stories

ACME = Client("株式会社アクメ")
LANGUAGES: tuple[Lang, ...] = ("ja", "en")


def known(story: stories.Story) -> Known:
    """The row of a whole call."""
    call: Call | None = None
    for fact in story.facts:
        call = fold(call, fact)
    assert call is not None
    return Known(story.tenant, story.call, row(call, story.tenant))


def page_of(story: stories.Story, lang: Lang) -> object:
    """The page of a whole call."""
    call: Call | None = None
    for fact in story.facts:
        call = fold(call, fact)
    assert call is not None
    steps = tuple(step for fact in story.facts if (step := step_of(fact)) is not None)
    return call_page(Story(known(story), tuple(call.legs.items()), steps, ACME), lang, story.us(200))


@pytest.mark.parametrize(
    ("digits", "written"),
    [
        ("0312345678", "03-1234-5678"),
        ("09012345678", "090-1234-5678"),
        ("05012345678", "050-1234-5678"),
        ("0120123456", "0120-123-456"),
        ("+819012345678", "090-1234-5678"),
        ("+14155552671", "+1 415-555-2671"),
        ("110", "110"),
        ("1001", "1001"),
        ("", ""),
        ("*99#", "*99#"),
    ],
)
def test_numbers_are_written_as_people_write_them(digits: str, written: str) -> None:
    assert words.number(digits) == written


@pytest.mark.parametrize(
    ("presentation", "ja", "en"),
    [
        ("withheld", "非通知", "Withheld"),
        ("payphone", "公衆電話", "Payphone"),
        ("unavailable", "表示圏外", "Unavailable"),
    ],
)
def test_a_caller_without_a_number_says_why_and_a_hidden_number_stays_hidden(
    presentation: str, ja: str, en: str
) -> None:
    assert words.party("09011112222", presentation, "ja") == ja
    assert words.party("09011112222", presentation, "en") == en


def test_times_are_the_clients_with_the_day_of_the_week() -> None:
    assert words.date_time(stories.FRIDAY_US, "Asia/Tokyo", "ja") == "2026年11月21日(土) 14:05"
    assert words.date_time(stories.FRIDAY_US, "Asia/Tokyo", "en") == "Sat 21 Nov 2026 14:05"
    assert words.date_time(stories.FRIDAY_US, "UTC", "en") == "Sat 21 Nov 2026 05:05"


@pytest.mark.parametrize(
    ("incl", "excl", "charges", "ja", "en"),
    [
        ("1234", "0", 1, "1,234円(税込)", "¥1,234 (tax incl.)"),
        ("9.35", "0", 1, "9.35円(税込)", "¥9.35 (tax incl.)"),
        ("0", "8.00", 1, "8円(税抜)", "¥8 (tax excl.)"),
        ("9.35", "8", 2, "9.35円(税込) + 8円(税抜)", "¥9.35 (tax incl.) + ¥8 (tax excl.)"),
        ("0", "0", 1, "0円", "¥0"),
        ("0", "0", 0, "", ""),
    ],
)
def test_charges_say_whether_tax_is_in(incl: str, excl: str, charges: int, ja: str, en: str) -> None:
    assert words.money(Decimal(incl), Decimal(excl), charges, "ja") == ja
    assert words.money(Decimal(incl), Decimal(excl), charges, "en") == en


@pytest.mark.parametrize(
    ("seconds", "ja", "en", "clock"),
    [
        (7, "7秒", "7 s", "0:07"),
        (125, "2分05秒", "2 min 05 s", "2:05"),
        (3723, "1時間02分03秒", "1 h 02 min 03 s", "1:02:03"),
    ],
)
def test_lengths(seconds: int, ja: str, en: str, clock: str) -> None:
    assert words.span(seconds * 1_000_000, "ja") == ja
    assert words.span(seconds * 1_000_000, "en") == en
    assert words.running(seconds * 1_000_000) == clock


def test_the_line_of_a_forwarded_call() -> None:
    line = call_line(known(stories.forwarded("c1")), ACME, "ja", stories.FRIDAY_US)
    assert (line.started, line.caller, line.dialled) == ("2026年11月21日(土) 14:05", "090-1111-2222", "03-1234-5678")
    assert (line.result, line.answered_by, line.talk) == ("応答", "090-1234-5678", "2分05秒")
    assert (line.charge, line.recording, line.client) == ("52.8円(税込)", "録音あり", "株式会社アクメ")


def test_a_call_in_progress_shows_its_state_and_a_running_clock_but_no_result() -> None:
    story = stories.queued("c1")
    line = call_line(known(story), ACME, "en", story.us(65))
    assert (line.state, line.result, line.running, line.talk) == ("Talking", "", "1:05", "")


@pytest.mark.parametrize("make", stories.STORIES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_step_of_every_call_is_a_sentence_without_gaps(make: object, lang: Lang) -> None:
    page = page_of(make("c1"), lang)  # type: ignore[operator]
    texts = [step.text for step in page.steps]  # type: ignore[attr-defined]
    assert texts
    assert all(text and "{" not in text and "  " not in text for text in texts)


def test_the_story_says_who_rang_why_it_went_on_and_what_each_leg_cost() -> None:
    texts = [step.text for step in page_of(stories.forwarded("c1"), "ja").steps]  # type: ignore[attr-defined]
    assert texts[0] == "090-1111-2222 から 03-1234-5678 に着信"
    assert texts[1] == "振り分け: 1001 を呼び出し 20秒 → 090-1234-5678 へ転送 30秒"
    assert "電話機 1001が終了(応答なし)" in texts
    assert texts.index("転送先 090-1234-5678が終了(通常の終話)") + 1 == texts.index(
        "転送先 090-1234-5678の料金 52.8円(税込)"
    )
    assert "転送先 090-1234-5678と通話開始" in texts
    assert "転送先 090-1234-5678の料金 52.8円(税込)" in texts
    assert "振り分けの指示を実行(6.2 ms)" in texts


def test_what_happened_at_the_same_time_is_told_cause_first() -> None:
    story = stories.Story("c1")
    story.arrive()
    at_once = [msgspec.structs.replace(fact, occurred_at_us=story.start_us) for fact in reversed(story.facts)]
    story.facts[:] = at_once
    assert page_of(story, "en").steps[0].what == "call.arrived"  # type: ignore[attr-defined]


HOSTILE = [
    "<script>alert(1)</script>",
    "a\r\nvariable_tt_tenant: victim",
    "{leg} {0} {by.__class__}",
    "‮olleh",
    "x" * 2000,
    "\x00\x1b[31m",
]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_short_line_and_is_never_a_format(text: str, lang: Lang) -> None:
    for what in ("operator.offered", "command.refused", "call.routed", "leg.started", "call.handed_over", "novel"):
        names = ("phone", "pool", "reason", "name", "plan", "to", "disposition", "queue", "destination")
        plan = (PlanStep("ring", (text,), 5), PlanStep("reject", (text,)), PlanStep(text, (text,)))
        step = Step("k", "i", 0, what, "leg", dict.fromkeys(names, text), plan=plan)
        written = sentence(step, {"leg": words.shown(text)}, lang)
        assert written.isprintable()
        assert len(written) < 400


@given(st.text(), st.text(), st.integers(min_value=-(10**15), max_value=4 * 10**15))
def test_nothing_that_can_be_stored_breaks_a_page(text: str, digits: str, at_us: int) -> None:
    assert not {unicodedata.category(c) for c in words.shown(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(words.number(digits)) <= 40
    assert words.date_time(abs(at_us), text, "ja")


@pytest.mark.parametrize("cause", GOES_ON)
def test_why_a_leg_ended_is_told_in_words(cause: str) -> None:
    assert cause not in (words.word(words.CAUSES, cause, "ja"), words.word(words.CAUSES, cause, "en"))
