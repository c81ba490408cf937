"""PURE. What was found -> the page of the report: calls by day, the form as it was filled in, and where to go on.

Enters: a `Found`, the `Filter` and what of it could not be read. Leaves: frozen structs of finished text and addresses,
for the page and for the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from urllib.parse import urlencode

import msgspec

from services.history.filters import FIELDS, Field, Filter, Problem, written
from services.history.model import Answer, Client, Day, Found, Known
from services.history.pages import CallLine, call_line, client_name
from services.history.words import DIRECTIONS, RESULTS, Lang, Pair, date_time, day, day_of, word

PATH = "/report"
_WRONG: dict[Problem, Pair] = {
    "date": ("日付は 2026-11-21 のように入力してください。", "Write a date like 2026-11-21."),
    "order": ("終わりの日は、始めの日より後にしてください。", "The last day must not be before the first."),
    "number": ("電話番号は数字で入力してください。", "Write a telephone number in digits."),
    "employee": ("担当の番号は64文字までです。", "An ID has at most 64 characters."),
    "seconds": ("通話時間は秒数を数字で入力してください。", "Write the length in seconds, as a number."),
    "rows": (
        "この条件の通話は10万件を超えるため、Excelには保存できません。期間を短くするか、CSVをお使いください。",
        "These are more than 100,000 calls, too many for Excel. Choose fewer days, or take CSV.",
    ),
    "choice": ("一覧から選んでください。", "Choose one of the list."),
}


class Choice(msgspec.Struct, frozen=True):
    """One line of a list to choose from."""

    value: str
    name: str
    chosen: bool


class DayGroup(msgspec.Struct, frozen=True):
    """The calls of one day on this page."""

    day: str
    counted: str
    """How many there were in all, and how they went; empty where that is not asked for."""
    lines: tuple[CallLine, ...]


class ReportPage(msgspec.Struct, frozen=True):
    """The report."""

    days: tuple[DayGroup, ...]
    typed: dict[str, str]
    """What stands in the fields."""
    wrong: dict[str, str]
    """What is to be mended, by field."""
    clients: tuple[Choice, ...]
    """Empty where there is nothing to choose."""
    directions: tuple[Choice, ...]
    results: tuple[Choice, ...]
    older: str
    """Where earlier calls are; empty: there are none."""
    newest: str
    """Where the newest are; empty: here."""
    searched_to: str
    """So far back it was looked; empty: as far as there is anything to look at."""
    csv: str
    xlsx: str


class CallsPage(msgspec.Struct, frozen=True):
    """Calls that are over, newest first, for programs."""

    calls: tuple[CallLine, ...]
    next: str | None
    """Where earlier ones are; null: there are none."""
    searched_to_us: int | None
    """So far back it was looked before this answer became long enough to wait for; null: as far as `calls` reach."""


def calls_page(found: Found, wanted: Filter, path: str, limit: int, lang: Lang, now_us: int) -> CallsPage:
    """`path`: where the page was asked for."""
    words = {**written(msgspec.structs.replace(wanted, before=found.next)), "limit": str(limit), "lang": lang}
    return CallsPage(
        calls=tuple(call_line(one, found.clients[one.tenant], lang, now_us) for one in found.calls),
        next=f"{path}?{urlencode(words)}" if found.next else None,
        searched_to_us=found.next.started_at_us if found.next and found.cut else None,
    )


def problems(wrong: Mapping[Field, Problem], lang: Lang) -> dict[str, str]:
    """What is to be mended, by field."""
    return {field: _WRONG[problem][lang == "en"] for field, problem in wrong.items()}


def report_page(
    answer: Answer,
    wanted: Filter,
    typed: Mapping[str, str],
    wrong: Mapping[Field, Problem],
    lang: Lang,
    now_us: int,
) -> ReportPage:
    """`typed` is the form as it came."""
    found, timezone = answer.found, answer.timezone
    per_day = {one.day: one for one in answer.days}

    def day_here(one: Known) -> date:
        return day_of(one.row.started_at_us, timezone)

    def group(first: date, calls: Sequence[Known]) -> DayGroup:
        lines = tuple(call_line(one, found.clients[one.tenant], lang, now_us) for one in calls)
        return DayGroup(day(first, lang), _counted(per_day[first], lang) if first in per_day else "", lines)

    newest = msgspec.structs.replace(wanted, before=None)
    end = found.next if found.cut else None
    return ReportPage(
        days=tuple(group(when, tuple(calls)) for when, calls in groupby(found.calls, day_here)),
        typed={name: typed.get(name, "") for name in FIELDS},
        wrong=problems(wrong, lang),
        clients=_clients(answer.clients, wanted, lang),
        directions=_choices(DIRECTIONS, wanted.direction, lang),
        results=_choices(RESULTS, wanted.result, lang),
        older=address(PATH, msgspec.structs.replace(wanted, before=found.next)) if found.next else "",
        newest=address(PATH, newest) if wanted.before else "",
        searched_to=date_time(end.started_at_us, timezone, lang) if end else "",
        csv=address(f"{PATH}.csv", newest),
        xlsx=address(f"{PATH}.xlsx", newest),
    )


def address(path: str, wanted: Filter) -> str:
    """The address that shows this, for anybody who may see it."""
    query = urlencode(written(wanted))
    return f"{path}?{query}" if query else path


def _counted(one: Day, lang: Lang) -> str:
    calls = sum(one.results.values())
    parts = [f"{word(RESULTS, result, lang)} {one.results[result]:,}" for result in RESULTS if one.results.get(result)]
    if one.more:
        return f"{calls - 1:,}件以上" if lang == "ja" else f"more than {calls - 1:,} calls"
    if lang == "ja":
        return f"全{calls:,}件({'、'.join(parts)})"
    return f"{calls:,} {'call' if calls == 1 else 'calls'} ({', '.join(parts)})"


def _clients(clients: Mapping[str, Client], wanted: Filter, lang: Lang) -> tuple[Choice, ...]:
    if len(clients) < 2:
        return ()
    named = sorted((client_name(name, client, lang), name) for name, client in clients.items())
    return tuple(Choice(name, shown, name == wanted.tenant) for shown, name in named)


def _choices(words: Mapping[str, Pair], chosen: str, lang: Lang) -> tuple[Choice, ...]:
    return tuple(Choice(key, pair[lang == "en"], key == chosen) for key, pair in words.items())
