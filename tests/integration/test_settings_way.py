"""The way of a call and the sets of hours on pages: the client adds, moves, takes out, and the next call goes so."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from proto.plan import AnyStep, Forward
from proto.tenant import Tenant
from proto.values import Party
from services.directory.audit.rows import oldest_first
from services.directory.service import in_force
from services.directory.tenants.route_tests import moment_us
from services.directory.tenants.words import in_words
from services.routing.explain import explain
from tests.settings_house import SAMPLES, SettingsHouse
from tests.stores import stores_of
from tests.visitor import Answer, Visitor

WAY = "/settings/acme/way/main"
NEW = "/settings/acme/new-hours"
FOLLOWERS = "/settings/acme/hours-followers"
Form = dict[str, str]

BLOCK = """\
routes:
  main:
    # 昼の当番
    - when: {hours: office}
      do:
        - {ring: sales, for_s: 20}      # 営業部
        # 社長の携帯
        - forward: 090-1234-5678
          for_s: 30
          carrier: hikari
          confirm: key
        - {voicemail: sales}            # 伝言
    - do: [{play: closed}, {voicemail: sales}]   # 夜
"""


@pytest.fixture(scope="module")
def one_house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SettingsHouse]:
    """Stores, files and pages, which all tests here share; how they are kept is the matter of other tests."""
    with stores_of("sqlite", request, tmp_path_factory.mktemp("stores")) as database:
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


def typed(answer: Answer) -> Form:
    """What the form of the page holds; of boxes those that are ticked."""
    assert answer.status == 200, answer.text
    form = re.findall(r'<form method="post" action="/settings/.*?</form>', answer.text, re.DOTALL)[0]
    found = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = (re.search(rf' {key}="([^"]*)"', tag) for key in ("name", "value"))
        if 'type="checkbox"' not in tag or " checked" in tag:
            assert name is not None
            found[name.group(1)] = value.group(1) if value is not None else ""
    found |= dict(re.findall(r'<textarea[^>]* name="([\w-]+)"[^>]*>\s*(.*?)</textarea>', form, re.DOTALL))
    for name, options in re.findall(r'<select[^>]* name="([\w-]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        found[name] = re.findall(r'<option selected value="([^"]*)"', options)[0]
    return {name: html.unescape(value) for name, value in found.items() if name != "csrf_token"}


def press(visitor: Visitor, path: str, form: Form, button: str) -> Form:
    """The form after one of its own buttons."""
    return typed(visitor.post(path, {**form, "do": button}))


def save(visitor: Visitor, path: str, form: Form) -> str:
    """Saved; the page on which the visitor goes on."""
    answer = visitor.post(path, {**form, "do": "save"})
    assert answer.status == 303, re.findall(r'<p class="(?:mb-0|field-error)".*?</p>', answer.text)
    return answer.headers["Location"]


def take_back(visitor: Visitor) -> None:
    number = re.search(r'name="number" value="(\d+)"', visitor.get("/settings/acme").text)
    assert number is not None
    assert visitor.post("/settings/acme/undo", {"number": number.group(1)}).status == 303


def acme(house: SettingsHouse) -> Tenant:
    """The client as everybody works with it."""
    return house.store.run(in_force).tenants["acme"].body


def call(house: SettingsHouse, at: str, number: str = "0312345678") -> list[AnyStep]:
    """What routing decides for somebody who calls at this time."""
    now = house.store.run(in_force)
    assert now.platform is not None
    tenant = now.tenants["acme"].body
    return list(explain(tenant, now.platform, number, Party("0901"), moment_us(at, tenant.timezone))[0])


def met(house: SettingsHouse, at: str) -> str:
    """The same in words."""
    return in_words(call(house, at), acme(house), "ja")


def steps(form: Form) -> list[list[str]]:
    """What the form says is done, time by time."""
    found: dict[int, list[str]] = {}
    for name, value in form.items():
        if place := re.fullmatch(r"rules-(\d+)-steps-(\d+)-what", name):
            found.setdefault(int(place.group(1)), []).append(value)
    return [found[i] for i in sorted(found)]


def replace_routes(house: SettingsHouse, routes: str) -> str:
    """The client's file with other routes and without tests; its text."""
    text = house.acme()
    text = f"{text[: text.index('routes:')]}{routes}  secretary:\n    - do: [{{queue: tokyo-pool}}]\n"
    (house.folder / "acme.yaml").write_text(text, encoding="utf-8")
    house.files.reload()
    return text


@pytest.mark.requirement("D4", "R13", "R23")
def test_from_noon_to_one_the_calls_go_to_the_president(house: SettingsHouse, keiri: Visitor) -> None:
    """営業時間「lunch」を作り、その時間は社長の携帯へ転送する。作ったものは一つずつ元に戻せる。"""
    before = house.acme()
    noon, afternoon, night = "2026-11-24 12:30", "2026-11-24 15:00", "2026-11-24 22:00"
    as_ever = {at: met(house, at) for at in (noon, afternoon, night)}
    assert (
        as_ever[noon]
        == as_ever[afternoon]
        == ("佐藤 花子を20秒呼び出す → 090-1234-5678へ30秒転送する（1を押した人だけにつなぐ） → 留守番電話「sales」")
    )

    lunch = {
        **typed(keiri.get(NEW)),
        "name": "ｌｕｎｃｈ",
        **dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "12:00〜13:00"),
    }
    tried = keiri.post(NEW, {**lunch, "do": "preview"}).text
    assert "<dt>月曜日</dt>" in tried and "まだ保存していません" in tried and house.acme() == before
    assert save(keiri, NEW, lunch) == f"{FOLLOWERS}?done=saved"
    made = 'lunch: {mon-fri: ["12:00-13:00"], holidays: closed}'
    assert house.acme() == before.replace("2027-01-03]}\n", f"2027-01-03]}}\n  {made}\n")
    assert {at: met(house, at) for at in as_ever} == as_ever, "nothing goes by it yet"

    form = press(keiri, WAY, typed(keiri.get(WAY)), "add")
    assert form["rules-1-when"] == "lunch" and steps(form)[1] == [""], "before the rest of the time"
    form = press(keiri, WAY, form, "up.1")
    form |= {"rules-0-steps-0-what": "forward", "rules-0-steps-0-number": "０８０ー９８７６ー５４３２"}
    form = press(keiri, WAY, form, "add.0") | {"rules-0-steps-1-what": "voicemail:sales"}
    tried = keiri.post(WAY, {**form, "do": "preview"}).text.partition("まだ保存していません")[0]
    assert "03-1234-5678 月〜金 12:00–13:00（" in tried and "080-9876-5432へ30秒転送する → 留守番電話" in tried
    assert "営業時間「lunch」のあいだ：080-9876-5432へ転送する → 留守番電話「sales」" in tried
    assert met(house, noon) == as_ever[noon], "nothing is saved yet"
    assert save(keiri, WAY, form) == f"{WAY}?done=saved"

    assert met(house, noon) == "080-9876-5432へ30秒転送する → 留守番電話「sales」"
    assert {at: met(house, at) for at in (afternoon, night)} == {at: as_ever[at] for at in (afternoon, night)}
    whys = [entry.after for entry in oldest_first(house.store) if entry.who == "keiri" and entry.tenant == "acme"]
    assert ["way main" in str(why) or "new-hours lunch" in str(why) for why in whys] == [True, True], whys

    assert keiri.get("/settings/acme/unused-hours/lunch").status == 404, "it is used"
    take_back(keiri)
    assert met(house, noon) == as_ever[noon]
    page = "/settings/acme/unused-hours/lunch"
    assert page in keiri.get("/settings/acme").text and "月〜金 12:00-13:00" in keiri.get(page).text
    assert save(keiri, page, typed(keiri.get(page))) == "/settings/acme?done=saved"
    assert house.acme() == before


def test_steps_move_with_their_comments_and_the_rest_of_the_file_stays(house: SettingsHouse, keiri: Visitor) -> None:
    text = replace_routes(house, BLOCK)
    form = press(keiri, WAY, typed(keiri.get(WAY)), "down.0.0")
    assert steps(form)[0] == ["forward", "ring:sales", "voicemail:sales"]
    save(keiri, WAY, form)
    ring = "        - {ring: sales, for_s: 20}      # 営業部\n"
    target = text[text.index("        # 社長の携帯") : text.index("        - {voicemail: sales}            # 伝言")]
    assert house.acme() == text.replace(ring + target, target + ring)
    first = call(house, "2026-11-24 15:00")[0]
    assert isinstance(first, Forward) and (first.number, first.carrier.name) == ("09012345678", "hikari")

    save(keiri, WAY, press(keiri, WAY, typed(keiri.get(WAY)), "drop.0.0"))
    kept = "        # 社長の携帯\n"
    assert house.acme() == text.replace(ring + target, kept + ring), "with its line; a comment above may be about more"
    form = press(keiri, WAY, typed(keiri.get(WAY)), "add.1")
    assert steps(form)[1] == ["play:closed", "", "voicemail:sales"], "before a step behind which nothing comes"
    save(keiri, WAY, form | {"rules-1-steps-1-what": "ring:1101", "rules-1-steps-1-for_s": "１５"})
    assert '[{play: closed}, {ring: "1101", for_s: 15}, {voicemail: sales}]   # 夜' in house.acme()
    save(keiri, WAY, {**typed(keiri.get(WAY)), "rules-0-steps-0-for_s": "25"})
    assert house.acme().count("{ring: sales, for_s: 25}      # 営業部") == 1


def test_a_step_that_changes_keeps_what_the_form_does_not_show(house: SettingsHouse, keiri: Visitor) -> None:
    text = replace_routes(house, BLOCK)
    form = typed(keiri.get(WAY))
    form |= {"rules-0-steps-1-number": "080-9876-5432", "rules-0-steps-1-present": "0312345601"}
    del form["rules-0-steps-1-confirm"]
    save(keiri, WAY, form)
    new = text.replace("forward: 090-1234-5678", "forward: 080-9876-5432").replace("          confirm: key\n", "")
    assert house.acme() == new.replace("carrier: hikari\n", "carrier: hikari\n          present: 03-1234-5601\n")
    unchanged = keiri.post(WAY, {**typed(keiri.get(WAY)), "do": "preview"})
    assert "変わる項目はありません" in unchanged.text


WRONG = {
    "a step behind one that ends the way": (
        {"rules-0-steps-1-what": "voicemail:sales"},
        "rules-0-steps-1-what-error",
        "電話の流れはこの手順で終わる",
    ),
    "a time below the rest of the time": ({"rules-0-when": ""}, "rules-0-when-error", "は一番下に置いてください"),
    "the same hours twice": ({"rules-1-when": "office"}, "rules-1-when-error", "同じ営業時間の時間帯が上にある"),
    "round to the client itself": (
        {"rules-0-steps-1-number": "03-1234-5601"},
        "rules-0-steps-1-number-error",
        "この会社自身の番号へは転送できません",
    ),
    "an emergency number": ({"rules-0-steps-1-number": "１１０"}, "rules-0-steps-1-number-error", "110・118・119"),
    "nothing chosen": ({"rules-0-steps-0-what": ""}, "rules-0-steps-0-what-error", "何をするかを選んで"),
    "somebody who is not there": ({"rules-0-steps-0-what": "ring:nobody"}, "rules-0-steps-0-what-error", "何をするか"),
    "operators of others": ({"rules-0-steps-0-what": "queue:osaka-pool"}, "rules-0-steps-0-what-error", "何をするか"),
    "no number": ({"rules-1-steps-0-what": "forward"}, "rules-1-steps-0-number-error", "転送先の電話番号を入力"),
    "no seconds": ({"rules-0-steps-0-for_s": "601"}, "rules-0-steps-0-for_s-error", "1 から 600"),
    "hours that are not there": ({"rules-0-when": "x"}, "rules-0-when-error", ""),
    "a number of somebody else": ({"rules-0-steps-1-present": "0399999999"}, "rules-0-steps-1-present-error", ""),
}


@pytest.mark.requirement("D4", "R12")
def test_what_cannot_be_meant_is_said_beside_its_field(house: SettingsHouse, keiri: Visitor) -> None:
    text = replace_routes(house, BLOCK)
    form = typed(keiri.get(WAY))
    for name, (wrong, beside, said) in WRONG.items():
        answer = keiri.post(WAY, {**form, **wrong, "do": "save"})
        assert answer.status == 422 and house.acme() == text, name
        assert f'id="{beside}">{said}' in answer.text or (f'id="{beside}"' in answer.text and said in answer.text), name
        assert f'href="#{beside.removesuffix("-error")}"' in answer.text, f"{name}: in the summary too"
    for button in ("", "up.9.9", "up.0.0", "drop.7", "add.30", "down.x", "${x}", "up." + "0" * 5000):
        assert steps(press(keiri, WAY, form, button)) == steps(form), button
    for name in ("rules-²-when", f"rules-{'9' * 5000}-when", "rules-0-steps-٣-what", "rules--1-when", "rules"):
        assert keiri.post(WAY, {**form, name: "office", "do": "preview"}).status == 200, name[:20]
    empty = keiri.post(WAY, {"stands": form["stands"], "do": "save"})
    assert empty.status == 422 and "手順がありません" in empty.text
    hostile = {**form, "rules-0-was": "9.9.9", "rules-0-steps-1-was": "0.7", "rules-99999-when": "office"}
    assert keiri.post(WAY, {**hostile, "do": "save"}).status in (303, 422)


@pytest.mark.requirement("R12")
def test_a_circle_over_another_client_is_refused_beside_the_number(house: SettingsHouse, keiri: Visitor) -> None:
    """The other company forwards its calls to this one; whose number it is, nobody is told."""
    replace_routes(house, BLOCK)
    other = (SAMPLES / "sakura-tax.yaml").read_text(encoding="utf-8")
    number = "050-1234-3020"
    assert f"number: {number}" in other
    back = f"{other[: other.index('routes:')]}routes:\n  reception: [{{do: [{{forward: 03-1234-5678}}]}}]\n"
    (house.folder / "sakura-tax.yaml").write_text(back, encoding="utf-8")
    house.files.reload()
    form = {**typed(keiri.get(WAY)), "rules-0-steps-1-number": number}
    answer = keiri.post(WAY, {**form, "do": "save"})
    assert answer.status == 422, "they would go round until all channels are taken"
    assert 'id="rules-0-steps-1-number-error">転送先からまたこの会社へ転送され' in answer.text
    (house.folder / "sakura-tax.yaml").write_text(other, encoding="utf-8")
    house.files.reload()
    save(keiri, WAY, {**form, "stands": typed(keiri.get(WAY))["stands"]})


def test_a_test_that_expects_the_step_follows_it_and_another_refuses_the_save(
    house: SettingsHouse, keiri: Visitor
) -> None:
    before = house.acme()
    longer = {**typed(keiri.get(WAY)), "rules-0-steps-0-for_s": "25"}
    assert "確認 1 件も" in keiri.post(WAY, {**longer, "do": "preview"}).text
    save(keiri, WAY, longer)
    assert house.acme() == before.replace("ring: sales, for_s: 20", "ring: sales, for_s: 25")
    moved = press(keiri, WAY, typed(keiri.get(WAY)), "down.0.0")
    answer = keiri.post(WAY, {**moved, "do": "save"})
    assert answer.status == 422 and "運営者が決めた確認に合いません：2026-11-20 10:00 に 03-1234-5678" in answer.text


@pytest.mark.requirement("D4", "R13")
def test_who_goes_by_which_hours(house: SettingsHouse, keiri: Visitor) -> None:
    text = replace_routes(house, BLOCK)
    save(keiri, NEW, {**typed(keiri.get(NEW)), "name": "late", "mon": "18:00-22:00", "tue": "9:00-12:00"})
    assert 'late: {mon: ["18:00-22:00"], tue: ["9:00-12:00"], holidays: closed}' in house.acme()
    form = typed(keiri.get(FOLLOWERS))
    assert {name: value for name, value in form.items() if name != "stands"} == {
        "route_0_0": "office",
        "line_0": "office",
    }
    tried = keiri.post(FOLLOWERS, {**form, "route_0_0": "late", "do": "preview"}).text
    assert "<dt>電話番号 03-1234-5678 への電話</dt>" in tried and "月 18:00–22:00" in tried
    save(keiri, FOLLOWERS, {**form, "route_0_0": "late", "line_0": ""})
    assert acme(house).lines[0].hours == "" and acme(house).routes["main"][0].when is not None
    assert met(house, "2026-11-24 15:00").startswith("案内「closed」")
    assert met(house, "2026-11-24 10:00").startswith("佐藤 花子を20秒呼び出す")
    assert house.acme().startswith(text[: text.index("lines:")])
    assert "/settings/acme/unused-hours/office" in keiri.get("/settings/acme").text

    way = press(keiri, WAY, typed(keiri.get(WAY)), "add") | {"rules-1-steps-0-what": "reject:busy"}
    save(keiri, WAY, way | {"rules-1-when": "office"})
    both = keiri.post(FOLLOWERS, {**typed(keiri.get(FOLLOWERS)), "route_0_1": "late", "do": "save"})
    assert both.status == 422 and 'id="route_0_1-error">同じ営業時間の時間帯が上にある' in both.text


def test_what_an_operator_left_unreachable_refuses_nothing(house: SettingsHouse, keiri: Visitor) -> None:
    text = replace_routes(
        house, BLOCK.replace("[{play: closed}, {voicemail: sales}]", "[{voicemail: sales}, {play: closed}]")
    )
    save(keiri, WAY, {**typed(keiri.get(WAY)), "rules-0-steps-0-for_s": "25"})
    assert house.acme() == text.replace("ring: sales, for_s: 20", "ring: sales, for_s: 25")


@pytest.mark.requirement("D4")
def test_a_number_gets_a_way_of_its_own_and_goes_the_way_of_another(house: SettingsHouse, keiri: Visitor) -> None:
    """貸出番号を代表番号と同じ流れにしてから、その番号だけの流れにする。"""
    page, leased, day = "/settings/acme/number-ways", "05012345678", "2026-11-24 15:00"
    text = replace_routes(house, BLOCK)
    form = typed(keiri.get(page))
    assert {form["number_0"], form["number_2"]} == {"main", "secretary"} and "number_1" not in form
    tried = keiri.post(page, {**form, "number_2": "main", "do": "preview"}).text.partition("まだ保存していません")[0]
    assert "050-1234-5678 の流れ</span> → 03-1234-5678、050-1234-5678 の流れ" in tried
    save(keiri, page, {**form, "number_2": "main"})
    assert house.acme() == text.replace("mode: published, route: secretary", "mode: published, route: main")
    assert call(house, day, leased) == call(house, day)

    save(keiri, page, {**typed(keiri.get(page)), "number_2": "+"})
    assert call(house, day, leased) == call(house, day), "it begins as the way that it had"
    own = f"/settings/acme/way/way-{leased}"
    assert own in keiri.get("/settings/acme").text
    save(keiri, own, press(keiri, own, typed(keiri.get(own)), "drop.0.0"))
    assert call(house, day, leased) == call(house, day)[1:]
    answer = keiri.post(page, {**typed(keiri.get(page)), "number_0": "nowhere", "do": "save"})
    assert answer.status == 422 and 'id="number_0-error"' in answer.text
    save(keiri, page, {**typed(keiri.get(page)), "number_0": ""})
    assert met(house, day) == "佐藤 花子を30秒呼び出す"


def test_a_name_that_cannot_be(house: SettingsHouse, keiri: Visitor) -> None:
    before, form = house.acme(), typed(keiri.get(NEW))
    for name in ("", "昼休み", "office", "-x", "x" * 65, "a b", "${x}", "a\r\nb"):
        answer = keiri.post(NEW, {**form, "name": name, "do": "save"})
        assert answer.status == 422 and 'id="name-error"' in answer.text and house.acme() == before, name


def test_the_pages_speak_english(house: SettingsHouse, keiri: Visitor) -> None:
    keiri.get(f"{WAY}?lang=en")
    replace_routes(house, BLOCK)
    for path in (WAY, NEW, FOLLOWERS):
        body = keiri.get(path).text.partition("<main")[2]
        left = {c for c in body if "\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff"} - set(
            "株式会社アクメ佐藤花子日本語"
        )
        assert not left, (path, left)


def test_the_form_after_a_button_begins_where_it_was_pressed(house: SettingsHouse, keiri: Visitor) -> None:
    answer = keiri.post(WAY, {**typed(keiri.get(WAY)), "do": "add.0"})
    (focus,) = re.findall(r"<select[^>]*autofocus[^>]*>", answer.text)
    assert 'name="rules-0-steps-2-what"' in focus
    first = re.findall(r'<button[^>]* name="do" value="([^"]+)"', answer.text)[0]
    assert first == "preview", "Enter in a field looks what would change; it moves no step"
