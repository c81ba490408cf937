"""Every form of the settings: tried before, what is wrong beside its field, in force when it says so, taken back."""

from __future__ import annotations

import html
import inspect
import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from proto.tenant import Tenant
from proto.tenant.lines import NoAnswer
from proto.values import digits_of
from services.directory.audit.rows import oldest_first
from services.directory.service import in_force
from services.directory.settings.typed import read_number
from services.directory.settings.wording import WORDS
from services.directory.tenants import check, doubts
from tests.clients import ACME
from tests.settings_house import SAMPLES, SettingsHouse
from tests.stores import KINDS, stores_of
from tests.visitor import Answer, Visitor

MAIN = "/settings/acme/forwarding/main"
PERMISSIONS = "/settings/acme/permissions/sato"
UNANSWERED = "/settings/acme/no-answer/sato"
RINGING = "/settings/acme/ringing/sato"


@pytest.fixture(scope="module", params=KINDS)
def one_house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SettingsHouse]:
    """Stores, files and pages, which all tests here share."""
    with stores_of(request.param, request, tmp_path_factory.mktemp("stores")) as database:
        house = SettingsHouse(tmp_path_factory.mktemp("house"), database)
        house.start()
        yield house
        house.stop()


@pytest.fixture
def house(one_house: SettingsHouse) -> SettingsHouse:
    """With the client's file as the sample has it."""
    (one_house.folder / "acme.yaml").write_bytes((SAMPLES / "acme.yaml").read_bytes())
    one_house.files.reload()
    return one_house


@pytest.fixture
def keiri(house: SettingsHouse) -> Visitor:
    """The client's own administrator, logged in."""
    visitor = Visitor(house.server.port)
    assert visitor.log_in("keiri", house.passwords["keiri"]).status == 303
    return visitor


def typed(answer: Answer) -> dict[str, str]:
    """What the form of the page holds; of boxes those that are ticked."""
    assert answer.status == 200, answer.text
    form = re.findall(r'<form method="post" action="/settings/.*?</form>', answer.text, re.DOTALL)[0]
    found = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = (re.search(rf' {key}="([^"]*)"', tag) for key in ("name", "value"))
        if 'type="checkbox"' not in tag or " checked" in tag:
            assert name is not None
            found[name.group(1)] = value.group(1) if value is not None else ""
    found |= dict(re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\s*(.*?)</textarea>', form, re.DOTALL))
    for name, options in re.findall(r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        found[name] = re.findall(r'<option selected value="([^"]*)"', options)[0]
    return {name: html.unescape(value) for name, value in found.items() if name != "csrf_token"}


def acme(house: SettingsHouse) -> Tenant:
    """The client as everybody works with it."""
    return house.store.run(in_force).tenants["acme"].body


def saved(visitor: Visitor, path: str, form: dict[str, str]) -> None:
    answer = visitor.post(path, {**form, "do": "save"})
    assert (answer.status, answer.headers.get("Location")) == (303, f"{path}?done=saved"), answer.text


def undone(visitor: Visitor, path: str) -> None:
    page = visitor.get(path).text
    number = re.search(r'name="number" value="(\d+)"', page)
    assert number is not None
    answer = visitor.post(
        "/settings/acme/undo", {"number": number.group(1), "page": path.removeprefix("/settings/acme/")}
    )
    assert (answer.status, answer.headers["Location"]) == (303, f"{path}?done=undone")


@pytest.mark.requirement("D4")
def test_everything_that_holds_stands_on_one_page_with_the_way_to_its_form(keiri: Visitor) -> None:
    text = keiri.get("/settings/acme").text
    for words in (
        "営業時間「office」のあいだ：グループ「sales」を20秒呼び出す → 090-1234-5678へ30秒転送する（1を",
        "そのほかの時間：案内「closed」を聞く",
        "月〜金 9:00-18:00、土〜日 休み",
        "休業日：2026-12-29/2027-01-03",
        "20秒で留守番電話へ",
        "机の電話機が先に鳴り、アプリは 6 秒後に鳴る",
        "お電話ありがとうございます。株式会社アクメでございます。",
    ):
        assert words in text, words
    forms = set(re.findall(r'href="(/settings/acme/[^"]+)"', text))
    assert forms == {
        MAIN,
        PERMISSIONS,
        UNANSWERED,
        RINGING,
        *(f"/settings/acme/{page}" for page in ("hours/office", "devices/1001", "devices/1101", "greeting", "notices")),
        *(
            f"/settings/acme/{page}"
            for page in ("new-hours", "hours-followers", "way/main", "way/secretary", "number-ways")
        ),
    }
    for path in forms:
        assert keiri.get(path).status == 200, path


@pytest.mark.requirement("D4")
def test_a_forwarding_target_is_changed_where_it_stands(house: SettingsHouse, keiri: Visitor) -> None:
    before = house.acme()
    form = typed(keiri.get(MAIN))
    assert (form["number_0_1"], form["for_s_0_1"], form["confirm_0_1"]) == ("090-1234-5678", "30", "y")
    new = {**form, "number_0_1": "０８０ー９８７６ー５４３２", "for_s_0_1": "２５秒"}
    del new["confirm_0_1"]

    tried = keiri.post(MAIN, {**new, "do": "preview"})
    assert tried.status == 200 and house.acme() == before
    assert "→ 080-9876-5432へ25秒転送する →" in tried.text and "まだ保存していません" in tried.text
    assert "<dt>営業時間「office」のあいだ 呼び出す秒数</dt>" in tried.text

    saved(keiri, MAIN, new)
    old = "{forward: 090-1234-5678, for_s: 30, confirm: key}"
    assert house.acme() == before.replace(old, "{forward: 080-9876-5432, for_s: 25}"), "the rest stays as it was"
    action = acme(house).routes["main"][0].do[1]
    assert (action.forward, action.for_s, action.confirm) == ("08098765432", 25, None)
    undone(keiri, MAIN)
    assert house.acme() == before and acme(house).routes["main"][0].do[1].forward == "09012345678"
    reasons = [entry for entry in oldest_first(house.store) if entry.who == "keiri" and entry.tenant == "acme"]
    assert [entry.what for entry in reasons][-2:] == ["tenant_file.changed"] * 2


_CHECK = "電話番号を確かめてください"
WRONG = {
    "": "転送先の電話番号を入力してください",
    **dict.fromkeys(("090-1234-567", "090-1234-56789", "+9991234567", "ひみつ", "${x}", "1" * 2000), _CHECK),
    "110": "110・118・119 へは転送できません",
    "０３－１２３４－５６０１": "この会社自身の番号へは転送できません",
}


def test_a_wrong_target_is_refused_beside_its_field(house: SettingsHouse, keiri: Visitor) -> None:
    before, form = house.acme(), typed(keiri.get(MAIN))
    for number, said in WRONG.items():
        answer = keiri.post(MAIN, {**form, "number_0_1": number, "do": "save"})
        assert answer.status == 422 and house.acme() == before, number
        assert f'id="number_0_1-error">{said}' in answer.text, number


def test_a_test_of_the_file_that_no_longer_comes_out_refuses_the_save(house: SettingsHouse, keiri: Visitor) -> None:
    page, before = "/settings/acme/hours/office", house.acme()
    form = typed(keiri.get(page))
    for do in ("preview", "save"):
        answer = keiri.post(page, {**form, "sun": "9:00-12:00", "do": do})
        assert answer.status == 422 and house.acme() == before
        assert "2026-11-22 10:00 に 03-1234-5678 へかけた電話は「案内「closed」を聞く」のはずですが" in answer.text


def test_a_test_that_failed_before_keeps_nobody_from_saving(house: SettingsHouse, keiri: Visitor) -> None:
    wrong = house.acme() + '  - {call: 03-1234-5678, at: "2026-11-20 10:00", expect: {play: closed}}\n'
    (house.folder / "acme.yaml").write_text(wrong, encoding="utf-8")
    house.files.reload()
    page = "/settings/acme/hours/office"
    saved(keiri, page, {**typed(keiri.get(page)), "sat": "9:00-12:00"})


def test_a_test_that_names_the_old_target_follows_and_is_said(house: SettingsHouse, keiri: Visitor) -> None:
    text = house.acme().replace("do: [{ring: sales, for_s: 20}, {forward", "do: [{forward")
    text = text.replace("expect: {ring: sales, for_s: 20}", "expect: {forward: 090-1234-5678, confirm: key}")
    (house.folder / "acme.yaml").write_text(text, encoding="utf-8")
    house.files.reload()
    new = {**typed(keiri.get(MAIN)), "number_0_0": "080 9876 5432"}
    tried = keiri.post(MAIN, {**new, "do": "preview"})
    assert tried.status == 200 and "確認 1 件も、新しい転送先に合わせて変わります" in tried.text
    saved(keiri, MAIN, new)
    assert house.acme() == text.replace("090-1234-5678", "080-9876-5432")


@pytest.mark.requirement("D4")
def test_what_a_line_may_do(house: SettingsHouse, keiri: Visitor) -> None:
    before, form = house.acme(), typed(keiri.get(PERMISSIONS))
    assert (form["hours"], form["present"]) == ("office", "0312345678")
    del form["allow"]
    new = {**form, "allow": "receive"}
    tried = keiri.post(PERMISSIONS, {**new, "do": "preview"})
    assert "佐藤 花子（机の電話機）から外へはかけられない" in tried.text and house.acme() == before
    saved(keiri, PERMISSIONS, new)
    assert house.acme() == before.replace("allow: [receive, internal, originate]", "allow: [receive]")
    undone(keiri, PERMISSIONS)
    saved(keiri, PERMISSIONS, {**new, "hours": "", "present": ""})
    line = acme(house).lines[0]
    assert (line.allow, line.hours, line.present) == (("receive",), "", None)


@pytest.mark.requirement("D4")
def test_where_a_call_goes_that_nobody_takes(house: SettingsHouse, keiri: Visitor) -> None:
    before, form = house.acme(), typed(keiri.get(UNANSWERED))
    assert form["to"] == "voicemail" and form["after_s"] == "20"
    outside = {**form, "to": "+", "number": "06-6123-4567"}
    assert "03-1234-5601" in keiri.post(UNANSWERED, {**outside, "do": "preview"}).text
    saved(keiri, UNANSWERED, outside)
    assert house.acme() == before.replace("to: voicemail", "to: 06-6123-4567")
    assert acme(house).lines[0].no_answer == NoAnswer(20, "0661234567")
    none = {**typed(keiri.get(UNANSWERED)), "to": ""}
    saved(keiri, UNANSWERED, none)
    assert acme(house).lines[0].no_answer is None
    saved(keiri, UNANSWERED, {**typed(keiri.get(UNANSWERED)), "to": "sales", "after_s": ""})
    assert acme(house).lines[0].no_answer == NoAnswer(20, "sales")
    for wrong, field in (
        ({"to": "+", "number": ""}, "number"),
        ({"to": "nowhere"}, "to"),
        ({"after_s": "0"}, "after_s"),
    ):
        answer = keiri.post(UNANSWERED, {**typed(keiri.get(UNANSWERED)), **wrong, "do": "save"})
        assert answer.status == 422 and f'id="{field}-error"' in answer.text


@pytest.mark.requirement("D4")
def test_which_device_rings_first_and_what_it_is_called(house: SettingsHouse, keiri: Visitor) -> None:
    before = house.acme()
    tried = keiri.post(RINGING, {**typed(keiri.get(RINGING)), "ring": "all", "do": "preview"})
    assert "机の電話機とアプリが同時に鳴る" in tried.text.partition("まだ保存していません")[0]
    saved(keiri, RINGING, {**typed(keiri.get(RINGING)), "app_after_s": "１０"})
    assert house.acme() == before.replace("app_after_s: 6", "app_after_s: 10")
    undone(keiri, RINGING)
    device = "/settings/acme/devices/1101"
    saved(keiri, device, {**typed(keiri.get(device)), "title": "佐藤の携帯", "line": ""})
    assert acme(house).ids[1].name == "佐藤の携帯" and acme(house).lines[0].ids == ("1001",)
    assert keiri.get(RINGING).status == 404, "one device: there is no order"
    last = keiri.post("/settings/acme/devices/1001", {**typed(keiri.get("/settings/acme/devices/1001")), "line": ""})
    assert last.status == 422 and 'id="line-error"' in last.text
    saved(keiri, device, {**typed(keiri.get(device)), "line": "sato"})
    assert house.acme() == before.replace('{id: "1101", name: 佐藤 花子,', '{id: "1101", name: 佐藤の携帯,')
    for hostile in ("", "x" * 201, "a\r\nb", "\u202e"):
        answer = keiri.post(device, {**typed(keiri.get(device)), "title": hostile, "do": "save"})
        assert answer.status == 422, hostile


@pytest.mark.requirement("D4")
def test_how_operators_answer_and_who_is_told_of_calls(house: SettingsHouse, keiri: Visitor) -> None:
    greeting, notices, before = "/settings/acme/greeting", "/settings/acme/notices", house.acme()
    saved(keiri, greeting, {**typed(keiri.get(greeting)), "greeting": "はい、アクメ：でございます #1"})
    assert acme(house).answering.greeting == "はい、アクメ：でございます #1"
    undone(keiri, greeting)
    two = "https://crm.example.jp/calls\r\nhttps://crm.example.jp/b?x=1#y"
    saved(keiri, notices, {**typed(keiri.get(notices)), "addresses": two})
    assert [one.url for one in acme(house).webhooks] == two.split("\r\n")
    saved(keiri, notices, {**typed(keiri.get(notices)), "addresses": two.split()[1]})
    assert [one.url for one in acme(house).webhooks] == two.split()[1:]
    for wrong in ("crm.example.jp", "http://crm.example.jp/", "\n".join(f"https://a.example/{i}" for i in range(11))):
        answer = keiri.post(notices, {**typed(keiri.get(notices)), "addresses": wrong, "do": "save"})
        assert answer.status == 422 and 'id="addresses-error"' in answer.text
    saved(keiri, notices, {**typed(keiri.get(notices)), "addresses": ""})
    assert acme(house).webhooks == () and acme(house).ids == acme(house).ids
    assert house.acme().startswith(before.rstrip("\n"))


def test_of_two_forms_the_second_is_told_and_others_see_nothing(house: SettingsHouse, keiri: Visitor) -> None:
    form = typed(keiri.get(MAIN))
    saved(keiri, UNANSWERED, {**typed(keiri.get(UNANSWERED)), "after_s": "15"})
    for do in ("preview", "save"):
        answer = keiri.post(MAIN, {**form, "number_0_1": "080-9876-5432", "do": do})
        assert answer.status == 409 and "その間に設定が変わりました" in answer.text
    for path in ("forwarding/secretary", "forwarding/none", "devices/9", "no-answer/x", "greeting/x", "nothing"):
        assert keiri.get(f"/settings/acme/{path}").status == 404, path
    for path in ("forwarding/reception", "greeting", "notices"):
        assert keiri.get(f"/settings/sakura-tax/{path}").status == 404, path
        assert keiri.post(f"/settings/sakura-tax/{path}", {"do": "save"}).status == 404, path


def test_colleagues_and_loops_are_spoken_of(house: SettingsHouse, keiri: Visitor) -> None:
    """A file of three lines that pass calls on to each other, written as JSON."""
    (house.folder / "acme.yaml").write_text(json.dumps(ACME), encoding="utf-8")
    house.files.reload()
    suzuki, takahashi = "/settings/acme/no-answer/suzuki", "/settings/acme/no-answer/takahashi"
    outside = {**typed(keiri.get(suzuki)), "to": "+", "number": "0661234567"}
    tried = keiri.post(suzuki, {**outside, "do": "preview"}).text.partition("まだ保存していません")[0]
    assert '<dt>転送先</dt><dd><span class="quiet">高橋 健（回線 takahashi）</span> → 外の電話番号' in tried
    assert "社内から 鈴木 一郎（回線 suzuki） へ今かけた電話：鈴木 一郎を15秒呼び出す → 06-6123-4567へ" in tried
    looped = keiri.post(takahashi, {**typed(keiri.get(takahashi)), "to": "suzuki", "do": "save"})
    assert looped.status == 422 and looped.text.count("転送が一回りして元の回線に戻ってしまいます") == 2
    saved(keiri, suzuki, outside)
    assert json.loads(house.acme())["lines"][1]["no_answer"] == {"after_s": 15, "to": "06-6123-4567"}


def test_every_form_speaks_english(keiri: Visitor) -> None:
    keiri.get("/settings?lang=en")
    paths = re.findall(r'href="(/settings/acme/[^"]+)"', keiri.get("/settings/acme").text)
    own = "お電話ありがとうございます。株式会社アクメでございます。佐藤 花子日本語"
    for path in ("/settings/acme", *paths):
        body = keiri.get(path).text.partition("<main")[2]
        left = {c for c in body if "\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff"} - set(own)
        assert not left, (path, left)


# -- what people type --------------------------------------------------------------------------------------------------


@given(
    st.from_regex(r"0[1-9][0-9]{8,9}", fullmatch=True),
    st.lists(st.sampled_from(["-", "‐", "–", "—", "―", "−", "ー", "－", "ｰ", " ", "　", "(", ")"]), max_size=4),
    st.booleans(),
)
@tries(max_examples=200, deadline=None, database=None)
def test_a_number_is_read_however_it_is_written(digits: str, between: list[str], wide: bool) -> None:
    text = digits
    for place, sign in enumerate(between, 1):
        text = text[: place * 2] + sign + text[place * 2 :]
    if wide:
        text = text.translate({ord("0") + i: ord("０") + i for i in range(10)})
    length = 11 if digits.startswith(("020", "050", "060", "070", "080", "090")) else 10
    if len(digits) == length:
        assert digits_of(read_number(text)) == digits
        assert read_number(read_number(text)) == read_number(text)
    else:
        with pytest.raises(ValueError):
            read_number(text)


@pytest.mark.parametrize(
    ("text", "number"), [("+81 90 1234 5678", "090-1234-5678"), ("+1 212 555 0100", "+12125550100"), ("119", "119")]
)
def test_numbers_with_a_country_and_short_ones(text: str, number: str) -> None:
    assert read_number(text) == number


def test_what_is_told_in_plain_words_is_what_the_check_says() -> None:
    said = inspect.getsource(check) + inspect.getsource(doubts)
    assert [words for words in WORDS if words not in said] == []
