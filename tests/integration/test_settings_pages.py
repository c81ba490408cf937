"""The client company changes its business hours on a page: tried before, checked, in force, taken back."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from proto.tenant.hours import Hours
from services.directory.audit.rows import oldest_first
from services.directory.service import in_force
from services.directory.settings import client as settings_client
from services.directory.settings.week import (
    DAYS,
    as_week,
    read_days,
    read_ranges,
    read_special,
    special_line,
    week_changes,
)
from services.directory.tenants.changing import put
from services.directory.tenants.writing import alone
from tests.hub import nobody_keeps_the_hub
from tests.settings_house import SettingsHouse
from tests.stores import Database
from tests.visitor import Answer, Visitor

PAGE = "/settings/acme/hours/office"


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[SettingsHouse]:
    house = SettingsHouse(tmp_path, database)
    house.start()
    yield house
    house.stop()


@pytest.fixture
def keiri(house: SettingsHouse) -> Visitor:
    """The client's own administrator, logged in."""
    return logged_in(house, "keiri")


def logged_in(house: SettingsHouse, name: str) -> Visitor:
    visitor = Visitor(house.server.port)
    assert visitor.log_in(name, house.passwords[name]).status == 303
    return visitor


def typed(answer: Answer) -> dict[str, str]:
    """What the form holds."""
    fields = dict(re.findall(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"', answer.text))
    areas = dict(re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\s*(.*?)</textarea>', answer.text, re.DOTALL))
    found = {name: html.unescape(value) for name, value in {**fields, **areas}.items()}
    found["holidays"] = re.findall(r'<option selected value="(\w+)"', answer.text)[0]
    return {name: value for name, value in found.items() if name in (*DAYS, "holidays", "closed", "special", "stands")}


def test_hours_are_tried_saved_and_taken_back(house: SettingsHouse, keiri: Visitor) -> None:
    before = house.acme()
    assert keiri.get("/settings").headers["Location"] == "/settings/acme", "one company: no list"
    assert f'href="{PAGE}"' in keiri.get("/settings/acme").text
    form = typed(keiri.get(PAGE))
    assert (form["mon"], form["sat"], form["closed"]) == ("9:00-18:00", "", "2026-12-29/2027-01-03")

    longer = {**form, **dict.fromkeys(DAYS[:5], "９：００〜２０：００")}
    tried = keiri.post(PAGE, {**longer, "do": "preview"})
    assert tried.status == 200 and house.acme() == before
    assert "03-1234-5678 月〜金 18:00–20:00（" in tried.text and "まだ保存していません" in tried.text
    assert typed(tried)["mon"] == "９：００〜２０：００", "nothing is lost"

    saved = keiri.post(PAGE, {**longer, "do": "save"})
    assert (saved.status, saved.headers["Location"]) == (303, f"{PAGE}?done=saved")
    assert house.acme() == before.replace('["9:00-18:00"]', '["9:00-20:00"]'), "one value, comments stay"
    assert house.store.run(in_force).tenants["acme"].body.hours["office"].mon_fri == ("9:00-20:00",)
    page = keiri.get(f"{PAGE}?done=saved").text
    assert "保存しました" in page and "最後の変更を元に戻す" in page

    undone = keiri.post("/settings/acme/undo", {"number": "2", "page": "hours/office"})
    assert undone.headers["Location"] == f"{PAGE}?done=undone" and house.acme() == before
    entries = [e for e in oldest_first(house.store) if e.tenant == "acme" and e.what == "tenant_file.changed"]
    assert [entry.who for entry in entries] == ["file", "keiri", "keiri"]


def test_what_cannot_be_meant_is_said_beside_its_field(house: SettingsHouse, keiri: Visitor) -> None:
    before = house.acme()
    form = typed(keiri.get(PAGE))
    answer = keiri.post(PAGE, {**form, "mon": "9時から", "closed": "2026-02-30", "do": "save"})
    assert answer.status == 422 and house.acme() == before
    assert "時刻は 9:00-12:00" in answer.text and "日付は一行に一つ" in answer.text
    refused = keiri.post(PAGE, {**form, "mon": "9:00-9:00", "do": "save"})
    assert refused.status == 422 and house.acme() == before
    assert 'id="mon-error">始まりと終わりが同じ時刻です' in refused.text


def test_who_comes_second_is_told(house: SettingsHouse, keiri: Visitor) -> None:
    form = typed(keiri.get(PAGE))
    assert keiri.post(PAGE, {**form, "sat": "9:00-12:00", "do": "save"}).status == 303
    answer = keiri.post(PAGE, {**form, "sun": "9:00-12:00", "do": "save"})
    assert answer.status == 409 and "その間に設定が変わりました" in answer.text
    assert "sun" not in house.acme()


def test_of_two_who_save_in_the_same_moment_one_is_told(house: SettingsHouse, keiri: Visitor) -> None:
    form = typed(keiri.get(PAGE))
    saving = [
        gevent.spawn(visitor.post, PAGE, {**form, day: "18:00-19:00", "do": "save"})
        for visitor, day in ((keiri, "sat"), (logged_in(house, "admin"), "sun"))
    ]
    gevent.joinall(saving, raise_error=True)
    assert sorted(one.value.status for one in saving) == [303, 409]
    told_saved = "sat" if saving[0].value.status == 303 else "sun"
    assert re.findall(r"\b(sat|sun):", house.acme()) == [told_saved]


def test_whoever_waits_for_the_folder_keeps_nobody_else_waiting(house: SettingsHouse) -> None:
    """`tenants apply` of a thousand files has the folder for itself for seconds; meanwhile calls are decided."""
    text = house.acme().replace("9:00-18:00", "9:00-20:00").encode()
    with nobody_keeps_the_hub(5):
        with alone(house.folder):
            saving = gevent.spawn(put, house.store, house.folder, {"acme.yaml": text}, "keiri", "", 1)
            with pytest.raises(gevent.Timeout), gevent.Timeout(0.5):
                saving.get()
        saving.get(timeout=10)
    assert house.acme().encode() == text


def test_a_file_that_an_operator_is_changing_is_left_alone(house: SettingsHouse, keiri: Visitor) -> None:
    form = typed(keiri.get(PAGE))
    half = house.acme() + "lines: [\n"
    (house.folder / "acme.yaml").write_text(half, encoding="utf-8")
    assert keiri.post(PAGE, {**form, "sat": "9:00-12:00", "do": "save"}).status == 409
    assert house.acme() == half


def test_only_ones_own_change_is_taken_back_and_only_ones_own_company_seen(
    house: SettingsHouse, keiri: Visitor
) -> None:
    admin = logged_in(house, "admin")
    listed = admin.get("/settings").text
    assert "/settings/acme" in listed and "/settings/sakura-tax" in listed
    form = typed(admin.get(PAGE))
    assert admin.post(PAGE, {**form, "sat": "9:00-12:00", "do": "save"}).status == 303
    assert "最後の変更を元に戻す" not in keiri.get(PAGE).text
    assert keiri.post("/settings/acme/undo", {"number": "2", "page": "hours/office"}).status == 409
    for path in ("/settings/sakura-tax", "/settings/sakura-tax/hours/office", "/settings/nobody", f"{PAGE}x"):
        assert keiri.get(path).status == 404
    assert keiri.post("/settings/sakura-tax/undo", {"number": "1"}).status == 404
    assert Visitor(house.server.port).get(PAGE).status == 302, "to the log-in"
    assert admin.post("/settings/acme/undo", {"number": "1", "page": "hours/office"}).status == 409, (
        "another was faster"
    )
    assert admin.post("/settings/acme/undo", {"number": "2", "page": "hours/office"}).status == 303


def test_an_operators_change_that_takes_effect_in_that_moment_is_not_taken_back(
    house: SettingsHouse, keiri: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = typed(keiri.get(PAGE))
    assert keiri.post(PAGE, {**form, "mon": "10:00-18:00", "do": "save"}).status == 303
    look = settings_client.Settings.may_take_back

    def operator_comes_between(settings: settings_client.Settings, client: settings_client.Client) -> bool:
        monkeypatch.undo()
        (house.folder / "acme.yaml").write_text(house.acme() + "# checked by the operator\n", encoding="utf-8")
        house.files.reload()
        return look(settings, client)

    monkeypatch.setattr(settings_client.Settings, "may_take_back", operator_comes_between)
    assert keiri.post("/settings/acme/undo", {"number": "2", "page": "hours/office"}).status == 409
    assert "checked by the operator" in house.acme()


def test_the_page_speaks_english_too(keiri: Visitor) -> None:
    keiri.get(f"{PAGE}?lang=en")
    text = keiri.get(PAGE).text
    assert "Business hours" in text and "A call at this time would" in text


# -- between a week and the keys of a file -------------------------------------------------------------------------

_ranges = st.sampled_from([(), ("9:00-18:00",), ("9:00-12:00",), ("9:00-12:00", "13:00-18:00")])
_names = st.sampled_from(["daily", "mon_fri", "mon_sat", "sat_sun", *DAYS])
_hours = st.dictionaries(_names, _ranges, max_size=6).map(lambda entries: Hours(**entries))


@given(_hours, st.fixed_dictionaries(dict.fromkeys(DAYS, _ranges)))
@tries(max_examples=300, deadline=None, database=None)
def test_the_keys_that_change_make_the_week_that_was_typed(hours: Hours, week: dict[str, tuple[str, ...]]) -> None:
    entries = {name: getattr(hours, name) for name in Hours.__struct_fields__}
    for key, value in week_changes(hours, week).items():
        entries[key.replace("-", "_")] = None if value is None else tuple(value)
    assert as_week(Hours(**entries)) == week
    assert week_changes(hours, as_week(hours)) == {}


def test_five_days_alike_stay_one_key() -> None:
    hours = Hours(mon_fri=("9:00-18:00",))
    week = as_week(hours)
    longer = {**week, **dict.fromkeys(DAYS[:5], ("9:00-20:00",))}
    assert week_changes(hours, longer) == {"mon-fri": ["9:00-20:00"]}
    assert week_changes(hours, {**week, "wed": ()}) == {"wed": []}
    assert week_changes(Hours(mon_fri=("9:00-18:00",), wed=()), week) == {"wed": None}


def test_what_people_type_is_read() -> None:
    assert read_ranges("9:00 〜 12:00、１３：００－１８：００") == ("9:00-12:00", "13:00-18:00")
    assert read_ranges("  ") == ()
    assert read_days("2026-12-29/2027-01-03\n２０２７年１月４日\n2027/5/1〜2027/5/5\n") == [
        "2026-12-29/2027-01-03",
        "2027-01-04",
        "2027-05-01/2027-05-05",
    ]
    (special,) = read_special("2026-12-28  9:00-12:00, 13:00-15:00\n\n")
    assert special == {"on": "2026-12-28", "open": ["9:00-12:00", "13:00-15:00"]}
    assert read_special(special_line("2026-12-28", ("9:00-12:00",))) == [{"on": "2026-12-28", "open": ["9:00-12:00"]}]


@pytest.mark.parametrize("wrong", ["9-18", "9:00", "25:70-26:00", "9:00-18:00 x", "<b>"])
def test_what_is_no_time_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        read_ranges(wrong)


@pytest.mark.parametrize("wrong", ["2026-13-01", "12-29", "2026-12-29 2027-01-03 2027-01-04", "x 2026-12-29"])
def test_what_is_no_day_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        read_days(wrong)
