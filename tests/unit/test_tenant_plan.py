"""`toritsugi tenants plan`: what a folder would change, said by keys and by what callers would meet."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from proto.tenant import Tenant
from proto.tenant.numbers import NumberEntry
from proto.tenant.platform import Platform
from proto.topics import service_queue
from proto.values import Party
from services.cli import main
from services.directory import service as directory
from services.directory.tenants.effects import Effect, State, effects
from services.directory.tenants.plan_command import changes, sentence
from services.directory.tenants.route_tests import moment_us
from services.directory.tenants.settle import Held, InForce
from services.directory.tenants.words import in_words
from services.directory.tenants.yaml_files import parse, read_folder
from services.routing.explain import explain
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from tests.stores import Database
from tests.unit.test_directory_files import ARCHITECTURE_SAMPLE, PLATFORM, TODAY, tenant_of

HOUSE = parse(Platform, PLATFORM.encode(), "platform.yaml")[0]
assert HOUSE is not None
OFFICE = 'office: {mon-fri: ["9:00-18:00"], holidays: closed, closed: [2026-12-29/2027-01-03]}'
ACME = tenant_of(ARCHITECTURE_SAMPLE).body


def with_office(hours: str) -> Tenant:
    return tenant_of(ARCHITECTURE_SAMPLE.replace(OFFICE, f"office: {hours}").partition("tests:")[0]).body


def told(hours: str, lang: str = "en", number: str = "0312345678") -> list[str]:
    """What callers of 03-1234-5678 would notice of other office hours."""
    assert HOUSE is not None
    found = effects(State(ACME, HOUSE.body), State(with_office(hours), HOUSE.body), explain, TODAY)
    return [sentence(effect, "ja" if lang == "ja" else "en") for effect in found if effect.number == number]


RINGS = (
    "ring 佐藤 花子 for 20 s → are forwarded to 090-1234-5678 for 30 s (whoever presses 1) → reach the voicemail sales"
)
CLOSED = "hear the announcement closed → reach the voicemail sales"


def test_longer_hours_ring_in_the_evening() -> None:
    said = told('{mon-fri: ["9:00-20:00"], closed: [2026-12-29/2027-01-03]}')
    assert said == [f"03-1234-5678, Mon–Fri 18:00–20:00 (from 2026-11-25): calls {RINGS}; until now they {CLOSED}"]


def test_the_same_in_japanese() -> None:
    (said,) = told('{mon-fri: ["9:00-18:00"], wed: ["9:00-12:00"], closed: [2026-12-29/2027-01-03]}', "ja")
    assert said == (
        "03-1234-5678 水 12:00–18:00（2026-11-25から）の着信：案内「closed」を聞く → 留守番電話「sales」"
        "（これまで：佐藤 花子を20秒呼び出す → 090-1234-5678へ30秒転送する（1を押した人だけにつなぐ）"
        " → 留守番電話「sales」）"
    )


def test_one_more_closed_day_is_told_by_its_date_alone() -> None:
    (said,) = told('{mon-fri: ["9:00-18:00"], closed: [2026-12-28/2027-01-04]}')
    assert said == f"03-1234-5678, 2026-12-28, 2027-01-04 9:00–18:00: calls {CLOSED}; until now they {RINGS}"


def test_a_span_without_an_end_costs_its_kinds_of_days_and_no_more() -> None:
    """Somebody mistypes the year: decisions for each day of a year and more took half a minute."""
    assert HOUSE is not None
    asked: list[int] = []

    def counting(*call: Any) -> Any:
        asked.append(call[4])
        return explain(*call)

    closed = with_office('{mon-fri: ["9:00-18:00"], closed: [2026-12-01/9999-12-31]}')
    found = effects(State(ACME, HOUSE.body), State(closed, HOUSE.body), counting, TODAY)
    assert len({day for one in found for day in one.days if one.only}) > 200
    assert len(asked) < 1_000, "each day by itself: 7,000"


def test_seventy_numbers_cost_a_decision_each_for_open_and_one_for_closed() -> None:
    """Routes know of hours, not of the clock: each number cost a decision for each minute at which hours may change."""
    assert HOUSE is not None
    asked: Counter[str] = Counter()

    def counting(*call: Any) -> Any:
        asked[call[2]] += 1
        return explain(*call)

    numbers = tuple(NumberEntry(number=f"03123450{n:02}", route="main") for n in range(70))
    before, after = (
        msgspec.structs.replace(with_office(json.dumps(week)), numbers=numbers)
        for week in ({"mon-fri": ["9:00-18:00"]}, {"mon-fri": ["9:00-12:00", "13:00-17:00"], "closed": ["2026-12-28"]})
    )
    found = effects(State(before, HOUSE.body), State(after, HOUSE.body), counting, TODAY)
    assert {one.number for one in found} == {entry.number for entry in numbers}
    assert {asked[entry.number] for entry in numbers} == {4}, "open and closed, before and after"


def test_a_contract_that_ends_within_closed_days_is_seen() -> None:
    """The last day of a contract changes calls, and no hours."""
    assert HOUSE is not None
    before = with_office('{mon-fri: ["9:00-18:00"], closed: [2026-12-26/2027-01-06]}')
    after = msgspec.structs.replace(before, contract=msgspec.structs.replace(before.contract, until="2026-12-31"))
    found = effects(State(before, HOUSE.body), State(after, HOUSE.body), explain, TODAY)
    days = {day for one in found for day in one.days if one.number == "0312345678"}
    assert min(days) == date(2027, 1, 1)
    assert {one.after.en for one in found} == {"hear the announcement not_in_use → be refused (not in use)"}


def test_open_holidays_are_told_by_the_next_one() -> None:
    (said,) = told('{mon-fri: ["9:00-18:00"], holidays: open, closed: [2026-12-29/2027-01-03]}')
    assert said.startswith("03-1234-5678, 2026-11-23 9:00–18:00: calls ring")  # 勤労感謝の日


def test_another_way_to_write_the_same_hours_changes_nothing() -> None:
    hours = '{mon: ["9:00-12:00", "12:00-18:00"], tue: ["09:00-18:00"], wed: ["9:00-18:00"], thu: ["9:00-18:00"],'
    assert told(hours + ' fri: ["9:00-18:00"], closed: [2026-12-29/2027-01-03]}') == []


def test_a_night_that_reaches_into_a_closed_day_is_seen() -> None:
    assert HOUSE is not None
    before, after = with_office('{daily: ["22:00-5:00"]}'), with_office('{daily: ["22:00-5:00"], closed: [2026-12-05]}')
    found = effects(State(before, HOUSE.body), State(after, HOUSE.body), explain, TODAY)
    when = [(e.days, e.begins_min, e.ends_min) for e in found if e.number == "0312345678"]
    assert when == [((date(2026, 12, 5),), 22 * 60, 24 * 60), ((date(2026, 12, 6),), 0, 5 * 60)]


_clock = st.integers(0, 95).map(lambda quarter: f"{quarter // 4}:{quarter % 4 * 15:02}")
_ranges = st.lists(st.tuples(_clock, _clock).filter(lambda r: r[0] != r[1]).map("-".join), max_size=2)
_week = st.fixed_dictionaries({"mon-fri": _ranges}, optional={"sat": _ranges, "daily": _ranges, "wed": _ranges})


@given(_week, _week, st.integers(0, 13), st.integers(0, 24 * 60 - 1))
@settings(max_examples=25, deadline=None, database=None)
def test_a_call_goes_elsewhere_exactly_where_an_effect_says_so(
    old: dict[str, list[str]], new: dict[str, list[str]], day: int, minute: int
) -> None:
    """Any call of an ordinary fortnight, asked of routing itself."""
    assert HOUSE is not None
    before, after = (with_office(json.dumps(week)) for week in (old, new))
    start = date(2026, 11, 30)
    when = date.fromordinal(start.toordinal() + day)
    found = effects(State(before, HOUSE.body), State(after, HOUSE.body), explain, start)
    at_us = moment_us(f"{when} {minute // 60}:{minute % 60:02}", "Asia/Tokyo")
    plans = [
        in_words(explain(one, HOUSE.body, "0312345678", Party(presentation="unavailable"), at_us)[0], one, "en")
        for one in (before, after)
    ]

    def covers(effect: Effect) -> bool:
        days = effect.days if effect.only else [day for day in effect.days if day.weekday() == when.weekday()]
        named = bool(days) and (not effect.only or when in days)
        return effect.number == "0312345678" and named and effect.begins_min <= minute < effect.ends_min

    assert [[e.before.en, e.after.en] for e in found if covers(e)] == ([plans] if plans[0] != plans[1] else [])


def test_a_client_that_comes_and_one_that_goes(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (tmp_path / "new.yaml").write_text(ARCHITECTURE_SAMPLE.replace("tenant: acme", "tenant: new"), encoding="utf-8")
    assert HOUSE is not None
    now = InForce(HOUSE.body, {"acme": Held("acme.yaml", ACME)})
    gone, new = changes(read_folder(tmp_path), now, explain, TODAY)
    assert (gone.tenant, gone.what, new.tenant, new.what) == ("acme", "gone", "new", "new")
    (first, *_) = [effect for effect in gone.effects if effect.number == "0312345678"]
    assert first.after.en == "hear the announcement not_in_use → be refused (not in use)"


def test_another_first_carrier_changes_no_words_but_the_platform_is_named(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(PLATFORM.replace("name: trunk", "name: other"), encoding="utf-8")
    (tmp_path / "acme.yaml").write_text(ARCHITECTURE_SAMPLE, encoding="utf-8")
    assert HOUSE is not None
    (platform,) = changes(read_folder(tmp_path), InForce(HOUSE.body, {"acme": Held("acme.yaml", ACME)}), explain, TODAY)
    assert [(k.key, k.before, k.after) for k in platform.keys] == [("carriers[0].name", "trunk", "other")]


# -- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def plan(tmp_path: Path, database: Database) -> Callable[..., tuple[int, str]]:
    """The command, beside a directory that has taken acme's file into force."""
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (folder / "acme.yaml").write_text(ARCHITECTURE_SAMPLE, encoding="utf-8")
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.start([service_queue("directory")])
    store = Store(database.store("directory"), directory.build().metadata)
    store.start()
    directory.Files(store, bus, folder).reload()
    store.stop()
    bus.stop()

    def run(text: str, *options: str) -> tuple[int, str]:
        draft = tmp_path / "draft"
        draft.mkdir(exist_ok=True)
        (draft / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
        (draft / "acme.yaml").write_text(text, encoding="utf-8")
        os.utime(draft / "acme.yaml", (1, 1))
        told = {"TORITSUGI_DATABASE": database.url, "TORITSUGI_DATA_DIR": str(tmp_path)}
        result = CliRunner(env=told).invoke(main, ["tenants", "plan", str(draft), *options], catch_exceptions=False)
        return result.exit_code, result.output

    return run


def test_the_command_shows_keys_and_calls(plan: Callable[..., tuple[int, str]]) -> None:
    assert plan(ARCHITECTURE_SAMPLE, "--lang", "en") == (0, "Nothing would change.\n")
    longer = ARCHITECTURE_SAMPLE.replace("9:00-18:00", "9:00-20:00")
    code, said = plan(longer, "--lang", "en")
    first, key, call, *_ = said.splitlines()
    assert (code, first, key) == (0, "acme (acme.yaml): changed", "  hours.office.mon-fri: 9:00-18:00 → 9:00-20:00")
    assert "03-1234-5678, Mon–Fri 18:00–20:00 (from " in call
    assert "変更" in plan(longer, "--lang", "ja")[1]


def test_the_command_says_the_same_to_a_program(plan: Callable[..., tuple[int, str]]) -> None:
    code, said = plan(ARCHITECTURE_SAMPLE.replace("9:00-18:00", "9:00-20:00"), "--json")
    (change,) = [json.loads(line) for line in said.splitlines()]
    assert code == 0 and change["what"] == "changed"
    effect = change["effects"][0]
    assert (effect["begins_min"], effect["ends_min"], effect["only"]) == (1080, 1200, False)
    assert effect["after"]["ja"].startswith("佐藤 花子を20秒呼び出す")


def test_a_draft_with_a_mistake_would_change_nothing_and_says_why(plan: Callable[..., tuple[int, str]]) -> None:
    code, said = plan(ARCHITECTURE_SAMPLE.replace("route: main}", "route: mian}"), "--lang", "en")
    assert code == 1 and said.startswith("acme.yaml:7: numbers[0].route: ") and "Nothing would change." in said
