"""Pages of the number stock over HTTP: adding, searching, taking, releasing, suspending, and who sees what."""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec
import pytest

from proto.tenant import Tenant
from services.directory.audit.rows import oldest_first
from services.directory.numbers import stock
from services.directory.numbers.stock import Wanted
from tests.clients import ACME
from tests.pages_house import PagesHouse
from tests.visitor import Answer, Visitor

FREE, OTHER, USED = "0312345700", "0312345701", "0312345678"


@pytest.fixture
def stocked(house: PagesHouse, admin: Visitor) -> PagesHouse:
    """Five numbers in stock, and one that acme uses."""
    answer = admin.post(
        "/numbers/add", {"numbers": "０３−１２３４−５７００〜５７０４\n03-1234-5678", "carrier": "ひかり"}
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/numbers?added=6&known=0")
    return house


def states(house: PagesHouse) -> dict[str, str]:
    found = house.directory.run(lambda tx: stock.found(tx, Wanted()))
    return {held.number: f"{held.state} {held.client}".strip() for held in found}


def listed(answer: Answer) -> list[str]:
    assert answer.status == 200
    return re.findall(r'href="/numbers/(\d+)"', answer.text)


@pytest.mark.requirement("D3")
def test_numbers_are_added_as_people_write_them_and_what_a_client_uses_is_in_use(
    stocked: PagesHouse, admin: Visitor
) -> None:
    assert states(stocked)[USED] == "in_use acme" and states(stocked)[FREE] == "stock"
    page = admin.get("/numbers?added=6&known=0").text
    assert "6 番号を追加しました" in page and "03-1234-5700" in page and "東京 (03)" in page
    wrong = admin.post("/numbers/add", {"numbers": "03-1234-5700\n<b>x</b>"})
    assert wrong.status == 422 and "&lt;b&gt;x" in wrong.text and "<b>x" not in wrong.text
    assert "6 番号" not in admin.get("/numbers?added=<script>").text


@pytest.mark.requirement("D3")
def test_the_stock_is_searched_and_downloaded(stocked: PagesHouse, admin: Visitor) -> None:
    admin.post("/numbers/add", {"numbers": "050-1234-9999", "carrier": "=HYPERLINK(1)"})
    assert listed(admin.get(f"/numbers?part={quote('５７０１')}")) == [OTHER]
    assert listed(admin.get("/numbers?kind=ip")) == ["05012349999"]
    assert listed(admin.get(f"/numbers?area={quote('東京')}&state=in_use")) == [USED]
    assert listed(admin.get("/numbers?client=acme")) == [USED]
    assert "この条件に合う番号はありません" in admin.get("/numbers?part=99998888").text
    file = admin.get("/numbers.csv?kind=ip")
    assert file.headers["Content-Type"].startswith("text/csv") and "'=HYPERLINK(1)" in file.text
    assert "05012349999" not in file.text and "050-1234-9999" in file.text
    assert "number.exported" in {entry.what for entry in oldest_first(stocked.directory)}
    admin.post("/numbers/add", {"numbers": "06-6123-0000~0149"})
    first = admin.get("/numbers?area=06")
    assert len(listed(first)) == 100
    (following,) = re.findall(r'href="(/numbers\?[^"]*after=[^"]*)" rel="next"', first.text)
    second = listed(admin.get(following.replace("&amp;", "&")))
    assert len(second) == 50 and not set(second) & set(listed(first))


@pytest.mark.requirement("D3")
def test_a_number_is_taken_and_released_only_after_confirmation(stocked: PagesHouse, admin: Visitor) -> None:
    taken = admin.post(f"/numbers/{FREE}/reserve", {"client": "acme", "note": "来月から"})
    assert taken.headers["Location"] == f"/numbers/{FREE}?saved=1"
    assert states(stocked)[FREE] == "reserved acme"
    page = admin.get(f"/numbers/{FREE}").text
    assert f'href="/numbers/{FREE}/release"' in page and f'action="/numbers/{FREE}/release"' not in page
    assert "来月から" in page and "在庫に追加" in page
    asks = admin.get(f"/numbers/{FREE}/release")
    assert asks.status == 200 and f'action="/numbers/{FREE}/release"' in asks.text
    assert states(stocked)[FREE] == "reserved acme"
    assert admin.post(f"/numbers/{FREE}/release", {}).status == 303
    assert states(stocked)[FREE] == "stock"
    again = admin.post(f"/numbers/{FREE}/release", {})
    assert again.status == 409 and "予約されていません" in again.text
    assert admin.get(f"/numbers/{FREE}/release").status == 404
    stocked.add_client(msgspec.convert({**ACME, "tenant": "sakura", "name": "さくら", "numbers": []}, Tenant))
    admin.post(f"/numbers/{FREE}/reserve", {"client": "sakura", "note": "さくらの事情"})
    admin.post(f"/numbers/{FREE}/release", {})
    reseller = stocked.visitor("hanbai", "reseller", "acme")
    page = reseller.get(f"/numbers/{FREE}").text
    assert "在庫に追加" in page and "さくら" not in page
    assert "さくら" in admin.get(f"/numbers/{FREE}").text


@pytest.mark.requirement("R17")
def test_a_number_is_suspended_in_one_step_with_a_reason_and_resumed(stocked: PagesHouse, admin: Visitor) -> None:
    unsaid = admin.post(f"/numbers/{USED}/suspend", {"reason": "", "note": ""})
    assert unsaid.status == 422 and "停止の理由を選んでください" in unsaid.text
    done = admin.post(f"/numbers/{USED}/suspend", {"reason": "police", "note": "照会番号 12"})
    assert done.status == 303 and states(stocked)[USED] == "suspended acme"
    assert stocked.directory.run(lambda tx: tx.unposted()) == [], "told at once"
    page = admin.get(f"/numbers/{USED}").text
    assert "警察の要請" in page and "照会番号 12" in page
    assert "使われていない番号として断る" in admin.get("/settings/acme").text
    entry = next(one for one in oldest_first(stocked.directory) if one.what == "number.suspend")
    assert (entry.who, entry.about) == ("admin", USED)
    assert admin.post(f"/numbers/{USED}/resume", {}).status == 303
    assert states(stocked)[USED] == "in_use acme"


@pytest.mark.requirement("R17")
def test_a_number_in_no_stock_can_be_suspended_too(house: PagesHouse, admin: Visitor) -> None:
    found = admin.get("/numbers?part=03-1234-5678").text
    assert "在庫にありませんが" in found and f'href="/numbers/{USED}"' in found
    assert "在庫にありませんが" in admin.get(f"/numbers/{USED}").text
    assert admin.post(f"/numbers/{USED}/suspend", {"reason": "arrears", "note": ""}).status == 303
    assert states(house) == {USED: "suspended acme"}


@pytest.mark.requirement("D10")
def test_who_sees_and_does_what(stocked: PagesHouse, admin: Visitor) -> None:
    reseller = stocked.visitor("hanbai", "reseller", "acme")
    keiri = stocked.visitor("keiri", "tenant_administrator", "acme")
    stranger = stocked.visitor("yoso", "tenant_administrator", "sakura")
    admin.post(f"/numbers/{USED}/suspend", {"reason": "police", "note": "照会番号 12"})
    admin.post(f"/numbers/{FREE}/reserve", {"client": "acme", "note": "社内メモ"})
    assert set(listed(reseller.get("/numbers"))) == set(states(stocked))
    assert listed(keiri.get("/numbers")) == [USED, FREE]
    assert listed(stranger.get("/numbers")) == []
    looks = keiri.get(f"/numbers/{USED}").text
    assert "利用停止中" in looks and "警察" not in looks and "照会番号" not in looks
    assert "<form" not in looks.partition("<main")[2]
    assert "警察" not in keiri.get("/numbers").text + keiri.get("/numbers.csv").text + keiri.get("/audit").text
    assert "社内メモ" not in keiri.get(f"/numbers/{FREE}").text + keiri.get("/audit").text
    assert stranger.get(f"/numbers/{USED}").status == keiri.get(f"/numbers/{OTHER}").status == 404
    for path in ("reserve", "release", "suspend", "resume"):
        assert keiri.post(f"/numbers/{FREE}/{path}", {"client": "acme", "reason": "other"}).status == 403
        assert stranger.post(f"/numbers/{FREE}/{path}", {"client": "acme", "reason": "other"}).status == 403
    assert reseller.get("/numbers/add").status == reseller.post("/numbers/add", {"numbers": "0312340000"}).status == 403
    lifts = reseller.post(f"/numbers/{USED}/resume", {})
    assert lifts.status == 409 and "運営者だけ" in lifts.text
    assert states(stocked)[USED] == "suspended acme"
    assert reseller.post(f"/numbers/{OTHER}/reserve", {"client": "sakura"}).status == 409
    assert reseller.post(f"/numbers/{OTHER}/reserve", {"client": "acme"}).status == 303
