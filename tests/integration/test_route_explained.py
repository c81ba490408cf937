"""What would become of a call is told without a call: by `toritsugi route explain` and on the client's page (R33)."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from services.cli import main
from services.directory.explaining.asking import CannotAsk, Question, asked
from services.directory.numbers import desk
from services.directory.people.ranks import Actor
from services.routing.explain import explain
from tests.clients import PLATFORM, client
from tests.settings_house import SAMPLES, SettingsHouse
from tests.stores import Database
from tests.visitor import Answer, Visitor

FRIDAY, SUNDAY = "2026-11-20 10:00", "2026-11-22 10:00"
SHOWN = "0312345678"


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[SettingsHouse]:
    house = SettingsHouse(tmp_path, database)
    house.start()
    yield house
    house.stop()


def typed(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["route", "explain", *(str(one) for one in arguments), "--lang", "en"])


def of_samples(*arguments: object) -> Result:
    return typed(*arguments, "--with", SAMPLES)


# -- typed -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R33")
def test_each_rule_that_was_looked_at_and_where_the_call_goes() -> None:
    said = of_samples("090-1111-2222", "03-1234-5678", "--at", SUNDAY).stdout.splitlines()
    assert said[0] == "090-1111-2222 → 03-1234-5678  2026-11-22T10:00+09:00  acme 株式会社アクメ"
    assert "営業時間「office」" in said[2] and "時間外、次の規則へ" in said[2]
    assert "規則2：条件なし、適用" in said[3]
    assert said[-1] == "→ hear the announcement closed → reach the voicemail sales"


def test_the_same_number_on_a_working_day_written_from_abroad() -> None:
    told = json.loads(of_samples("withheld", "+81312345678", "--at", FRIDAY, "--json").stdout)
    assert [step["step"] for step in told["plan"]] == ["ring", "forward", "take_message"]
    assert (told["tenant"], told["caller"], told["dialled"]) == ("acme", "withheld", "03-1234-5678")


def test_a_phone_of_the_client_calls_somebody_outside() -> None:
    told = json.loads(of_samples("acme/1001", "090-2222-3333", "--at", FRIDAY, "--json").stdout)
    assert told["plan"][0]["number"] == "09022223333" and told["plan"][0]["present"] == SHOWN


def test_a_number_that_is_nobodys_is_not_in_use() -> None:
    told = json.loads(of_samples("unknown", "0399999999", "--json").stdout)
    assert told["tenant"] == "" and told["plan"][-1]["cause"] == "UNALLOCATED_NUMBER"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a%0Ab", "0312345678"), "FROM: 'a%0Ab' is not allowed; allowed: a number, withheld"),
        (("unknown", "${x}"), "TO: '${x}' is not allowed; allowed: a number"),
        (("unknown", "0312345678", "--at", "2026-02-30 10:00"), "--at: '2026-02-30 10:00' is not allowed"),
        (("acme/9999", "0312345678"), "FROM: '9999' is no phone of this client"),
        (("nobody/1001", "0312345678"), "FROM: 'nobody/1001' is no phone of this client"),
    ],
)
def test_what_cannot_be_asked_is_named_with_what_is_allowed(arguments: tuple[str, ...], said: str) -> None:
    result = of_samples(*arguments)
    assert (result.exit_code, result.stdout) == (2, "") and said in result.stderr


def test_a_folder_with_mistakes_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_bytes((SAMPLES / "platform.yaml").read_bytes())
    (tmp_path / "acme.yaml").write_text("tenant: acme\nnmae: x\n", encoding="utf-8")
    result = typed("unknown", SHOWN, "--with", tmp_path)
    assert result.exit_code == 1 and "acme.yaml" in result.stderr and "nmae" in result.stderr


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["", "1001", "9"]), st.text(max_size=20))
def test_whatever_is_typed_is_answered_or_named(dialled: str, caller: str, phone: str, at: str) -> None:
    try:
        answer = asked(Question(dialled, caller, phone, at), client(), PLATFORM, frozenset(), explain, 0, "ja")
    except CannotAsk as wrong:
        assert wrong.value in (dialled[:64], caller[:64], phone, at[:64])
    else:
        assert answer.plan and answer.why


# -- in force, and on the page ----------------------------------------------------------------------------------------


def on_page(visitor: Visitor, **question: str) -> Answer:
    return visitor.get("/explain/acme?" + urlencode(question))


def logged_in(house: SettingsHouse, name: str) -> Visitor:
    visitor = Visitor(house.server.port)
    assert visitor.log_in(name, house.passwords[name]).status == 303
    return visitor


@pytest.mark.requirement("R33")
def test_a_client_asks_on_its_page(house: SettingsHouse) -> None:
    keiri = logged_in(house, "keiri")
    assert keiri.get("/explain").headers["Location"] == "/explain/acme", "one company: no list"
    assert "/explain/acme" in keiri.get("/settings/acme").text
    said = html.unescape(on_page(keiri, dialled="０３−１２３４−５６７８", caller="非通知", at="2026-11-22T10:00").text)
    assert "案内「closed」を聞く → 留守番電話「sales」" in said and "規則2：条件なし、適用" in said
    assert "佐藤 花子を" in html.unescape(on_page(keiri, dialled="1001", phone="1101", at=FRIDAY).text)
    wrong = on_page(keiri, dialled="<b>x</b>", caller="x" * 2000, at="<script>")
    assert wrong.status == 200 and "<b>x" not in wrong.text and "<script>" not in wrong.text
    assert "にはかけられません" in wrong.text
    assert on_page(keiri, dialled=SHOWN, phone="9999").text.count("という電話機はありません") >= 1
    assert keiri.get("/explain/sakura-tax").status == 404
    assert len(logged_in(house, "admin").get("/explain").text.split("/explain/")) == 3, "each client, and a choice"


def test_what_is_in_force_is_asked_also_a_number_that_is_suspended(house: SettingsHouse, database: Database) -> None:
    def told() -> str:
        stores = ("--data", house.folder.parent, "--database", database.url)
        return str(json.loads(typed("unknown", SHOWN, "--at", FRIDAY, "--json", *stores).stdout)["plan"][0]["step"])

    assert told() == "ring"
    desk.suspend(house.store, Actor("admin", "platform_operator", ()), SHOWN, "arrears")
    assert told() == "play"
