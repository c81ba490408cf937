"""A client's phone book: kept by its people, found by part of anything, and its names stand beside incoming calls."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

import pytest

from proto.envelope import Envelope
from proto.events import PhoneBookRevised, ServiceStarted
from proto.values import Party
from services.directory.audit.rows import oldest_first
from services.directory.phone_book import entries
from services.directory.service import say_everything
from services.runtime import projections
from services.runtime.worker import Cause
from tests import stories
from tests.pages_house import PagesHouse
from tests.spreadsheets import csv_of
from tests.visitor import Answer, Visitor

BOOK = "/phone-book/acme"
YAMADA = {
    "name": "山田 太郎",
    "reading": "ヤマダ タロウ",
    "company": "山田商店",
    "number1": "０９０−１１１１−２２２２",
    "note": "得意先",
}


def text(answer: Answer) -> str:
    return html.unescape(answer.text)


def entry_of(answer: Answer) -> str:
    return re.findall(rf'href="({BOOK}/[0-9a-f]{{16}})"', answer.text)[0]


def seen(answer: Answer) -> str:
    return re.findall(r'name="seen"[^>]*value="([0-9]+)"', answer.text)[0]


def named(house: PagesHouse, number: str) -> str:
    """What history has heard of a number."""
    house.drained()
    return house.history.run(lambda tx: projections.names(tx, [("acme", number)])).get(("acme", number), "")


@pytest.mark.requirement("D5")
def test_a_name_that_is_added_stands_beside_calls_and_goes_with_its_entry(house: PagesHouse, admin: Visitor) -> None:
    house.tell(stories.forwarded("call-1", caller=Party(number="09011112222", name="NETWORK")).facts)
    house.tell(stories.abandoned("call-2", caller=Party(presentation="withheld")).facts)
    house.tell(stories.abandoned("call-3", caller=Party(number="+819011112222")).facts)
    house.drained()
    assert "NETWORK" in admin.get("/").text
    employee = house.visitor("sato", "employee", "acme")
    assert employee.get("/phone-book").headers["Location"] == BOOK
    assert "まだ誰も登録されていません" in employee.get(BOOK).text
    assert employee.post(f"{BOOK}/add", YAMADA).headers["Location"] == f"{BOOK}?done=saved"
    house.until(lambda: named(house, "09011112222") == "山田 太郎 (山田商店)")
    for path in ("/", "/report", "/calls/acme/call-1"):
        page = admin.get(path)
        assert "山田 太郎 (山田商店)" in page.text and "NETWORK" not in re.sub("<section.*", "", page.text), path
    assert admin.get("/report.csv").body.decode("utf-8-sig").count("山田 太郎 (山田商店)") == 2, (
        "+81 is the same number"
    )
    withheld = admin.get("/calls/acme/call-2")
    assert "非通知" in withheld.text and "山田" not in withheld.text

    edit = employee.get(entry_of(employee.get(BOOK)))
    path = entry_of(employee.get(BOOK))
    changed = {**YAMADA, "name": "山田 花子", "number1": "03-9876-5432", "seen": seen(edit)}
    assert employee.post(path, changed).status == 303
    house.until(lambda: named(house, "0398765432") == "山田 花子 (山田商店)")
    assert named(house, "09011112222") == "", "the number that it no longer has"
    assert employee.post(path, changed).status == 409, "somebody was faster"

    keiri = house.visitor("keiri", "tenant_administrator", "acme")
    assert employee.get(f"{path}/remove").status == employee.post(f"{path}/remove", {}).status == 403
    assert "元に戻せません" in keiri.get(f"{path}/remove").text
    assert keiri.post(f"{path}/remove", {}).headers["Location"] == f"{BOOK}?done=removed"
    house.until(lambda: named(house, "0398765432") == "")
    told = [(e.who, e.what) for e in oldest_first(house.directory) if e.what.startswith("phone_book")]
    assert told == [("sato", "phone_book.added"), ("sato", "phone_book.changed"), ("keiri", "phone_book.removed")]


def test_what_cannot_be_meant_is_said_beside_its_field(house: PagesHouse, admin: Visitor) -> None:
    wrong = admin.post(f"{BOOK}/add", {"number1": "内線", "note": "x"})
    assert wrong.status == 422 and "電話番号は 03-1234-5678 のように" in wrong.text
    nobody = admin.post(f"{BOOK}/add", {"number1": "0312345678"})
    assert nobody.status == 422 and "氏名か会社名を入力してください。" in nobody.text
    alone = admin.post(f"{BOOK}/add", {"name": "<b>山田</b>\u202e"})
    assert alone.status == 422 and "<b>山田" not in alone.text
    assert house.directory.run(lambda tx: entries.count(tx, "acme")) == 0


def test_people_are_found_by_part_of_name_reading_or_number(house: PagesHouse, admin: Visitor) -> None:
    admin.post(f"{BOOK}/add", YAMADA)
    admin.post(f"{BOOK}/add", {"company": "100%鈴木", "number1": "0312345678", "number2": "0312345679"})
    for typed, found in (("やまだ", "山田"), ("1111-22", "山田"), ("0%鈴", "鈴木"), ("45679", "鈴木")):
        page = admin.get(f"{BOOK}?q={quote(typed)}")
        assert page.text.count(f'href="{BOOK}/') - page.text.count(f'href="{BOOK}/add"') >= 1, typed
        assert found in text(page) and ("山田 太郎" in text(page)) == (found == "山田"), typed
    assert "見つかりませんでした" in admin.get(f"{BOOK}?q=_").text
    assert admin.get("/phone-book/nobody").status == 404 and admin.get(f"{BOOK}/0").status == 404


def test_many_come_from_a_file_and_leave_as_one(house: PagesHouse, admin: Visitor) -> None:
    head = ("氏名", "フリガナ", "会社名", "電話番号1", "電話番号2", "メモ")
    rows = [head, *((f"客 {n}", f"キャク {n}", "客商事", f"03-1234-{n:04}", "", "=1+1") for n in range(60))]

    def send(data: bytes) -> Answer:
        return admin.send(f"{BOOK}/import", {"file": [("book.csv", data)]})

    bad = send(csv_of([*rows, ("誰か", "", "", "12", "", "")]))
    assert bad.status == 422 and "何も登録していません" in bad.text
    assert send(b"").status == 422 and admin.send(f"{BOOK}/import", {}).status == 422
    assert "60件を読み、新しい60件を登録しました。" in send(csv_of(rows, "cp932")).text
    assert "60件を読み、新しい0件を登録しました。" in send(csv_of(rows)).text, "nobody is added twice"
    assert "次の50件" in admin.get(BOOK).text and "前の50件" in admin.get(f"{BOOK}?page=1").text
    house.until(lambda: named(house, "0312340042") == "客 42 (客商事)")
    saved = admin.get(f"{BOOK}/export.csv")
    assert saved.body.decode("utf-8-sig").count("'=1+1") == 60
    assert "60件を読み、新しい0件を登録しました。" in send(saved.body).text, "what was saved is read again"
    vcf = admin.get(f"{BOOK}/export.vcf?version=3.0")
    assert vcf.text.count("VERSION:3.0\r\n") == 60 and vcf.headers["Content-Type"].startswith("text/vcard")
    assert "60件を読み、新しい0件を登録しました。" in send(vcf.body).text, "and so are vCards"
    assert [e.what for e in oldest_first(house.directory) if e.what.startswith("phone_book")] == [
        "phone_book.imported",
        "phone_book.exported",
        "phone_book.exported",
    ]


def test_contacts_of_a_phone_come_from_its_vcards(house: PagesHouse, admin: Visitor) -> None:
    def send(*cards: str) -> Answer:
        data = "".join(f"BEGIN:VCARD\r\nVERSION:2.1\r\n{card}\r\nEND:VCARD\r\n" for card in cards)
        return admin.send(f"{BOOK}/import", {"file": [("contacts.vcf", data.encode("cp932"))]})

    yamada = "N;CHARSET=SHIFT_JIS:山田 太郎;;;;\r\nTEL;CELL:090-1111-2222"
    wrong = send(yamada, "N;CHARSET=SHIFT_JIS:<b>誰か</b>;;;;\r\nTEL;CELL:#5555")
    cells = [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", wrong.text)]
    assert wrong.status == 422 and "何も登録していません" in wrong.text
    assert cells[:5] == ["何件目", "列", "内容", "2", "電話番号1"] and "#5555" in html.unescape(cells[5])
    nobody = send("N:x;;;;\r\nEMAIL:x@example.com")
    assert nobody.status == 422 and "取り込める人がいません。" in nobody.text and "電話番号がないため" in nobody.text
    assert house.directory.run(lambda tx: entries.count(tx, "acme")) == 0
    done = send(yamada, "N:x;;;;\r\nEMAIL:x@example.com")
    assert "1件を読み、新しい1件を登録しました。" in done.text and "電話番号がないため" in done.text
    house.until(lambda: named(house, "09011112222") == "山田 太郎")


def test_a_history_that_begins_anew_is_told_every_name_again(house: PagesHouse, admin: Visitor) -> None:
    admin.post(f"{BOOK}/add", YAMADA)

    def told(service: str) -> list[dict[str, str]]:
        body = ServiceStarted(service=service, instance="1")
        started = Envelope(body=body, id="1", source=service, tenant="_platform", occurred_at_us=1)
        emits = house.directory.run(lambda tx: say_everything(tx, started, Cause(started, "directory")))
        return [emit.body.names for emit in emits if isinstance(emit.body, PhoneBookRevised)]

    assert told("history") == told("house") == [{"09011112222": "山田 太郎 (山田商店)"}]
    assert told("routing") == []
