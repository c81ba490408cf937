"""Clients move in on a page: sent, looked at with every error, written in the background, in force at the end."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from services.directory.audit.rows import oldest_first
from services.directory.imports import kept
from services.directory.phone_book import entries
from services.directory.service import in_force
from services.runtime import clock
from services.runtime.store import Tx
from services.runtime.store.errors import Locked
from tests.pages_house import PagesHouse
from tests.spreadsheets import csv_of, of_clients, workbook
from tests.visitor import Answer, Visitor


def send(visitor: Visitor, **files: bytes) -> Answer:
    """The files, as a browser sends them; the page that then shows what they would make."""
    answer = visitor.send("/imports", {"files": [(name.replace("_", "."), data) for name, data in files.items()]})
    return visitor.get(answer.headers["Location"]) if answer.status == 303 else answer


def write(visitor: Visitor, page: Answer, **form: str) -> str:
    """The button of the page; where it leads."""
    path = re.findall(r'action="(/imports/[0-9a-f]+)"', page.text)[0]
    assert visitor.post(path, form).status == 303
    return str(path)


def done(house: PagesHouse, visitor: Visitor, path: str) -> str:
    """The page as soon as it needs no more looking at."""
    house.until(lambda: "data-again" not in visitor.get(path).text)
    return html.unescape(visitor.get(path).text)


def clients(house: PagesHouse) -> list[str]:
    return [name for name in house.directory.run(in_force).tenants if name.startswith("kaisha")]


def test_clients_are_looked_at_written_and_in_force(house: PagesHouse, admin: Visitor, tmp_path: Path) -> None:
    page = send(admin, moving_xlsx=workbook(of_clients(12, "9:00-18:00")))
    assert "誤りはありません" in page.text and "12件の顧客を書き込む" in page.text and "第12商事株式会社" in page.text
    assert clients(house) == [] and not list((tmp_path / "tenants").glob("kaisha*"))
    path = write(admin, page)
    said = done(house, admin, path)
    assert "12件の顧客を取り込みました。次の着信から有効です。" in said and 'href="/settings/kaisha012"' in said
    assert len(clients(house)) == 12
    entries = [entry for entry in oldest_first(house.directory) if entry.what == "import.done"]
    assert [(entry.who, entry.tenant) for entry in entries] == [("admin", "_platform")]
    assert "kaisha007" in (entries[0].after or "") and "moving.xlsx" in (entries[0].after or "")
    imported = path.rpartition("/")[2]
    assert house.directory.run(lambda tx: kept.files_of(tx, imported)) is None, "what was sent is kept no longer"
    assert admin.post(path, {}).status == 409 and "書き込むものはありません" not in said
    again = send(admin, moving_xlsx=workbook(of_clients(12, "9:00-18:00")))
    assert "すべて登録済みです" in again.text


def test_errors_stand_by_sheet_row_and_column_and_the_others_may_go_first(house: PagesHouse, admin: Visitor) -> None:
    sheets = of_clients(3)
    sheets["番号"] = [*sheets["番号"], ("kaisha002", 312345678, "直通", "999")]
    page = send(admin, moving_xlsx=workbook(sheets))
    cells = [re.sub("<[^>]*>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", page.text, re.DOTALL)]
    assert cells[:3] == ["番号", "8", "端末ID"] and html.unescape(cells[3]).startswith('誤り "999" という端末IDは')
    assert "先頭の0が失われた番号です" in page.text and "03-1234-5678" in page.text
    path = re.findall(r'action="(/imports/[0-9a-f]+)"', page.text)[0]
    assert admin.post(path, {}).status == 409 and clients(house) == [], "all or none, unless somebody says so"
    said = done(house, admin, write(admin, page, skip="yes"))
    assert "2件の顧客を取り込みました" in said and clients(house) == ["kaisha001", "kaisha003"]
    english = html.unescape(admin.get(f"{path}?lang=en").text)
    assert "2 clients are imported, in force from the next call on." in english and "取り込み" not in english


def test_csv_files_are_sent_together(house: PagesHouse, admin: Visitor) -> None:
    sheets = of_clients(2)
    names = {"顧客": "clients_csv", "回線": "lines_csv", "番号": "numbers_csv"}
    page = send(admin, **{names[name]: csv_of(rows, "cp932") for name, rows in sheets.items()})
    assert "2件の顧客を書き込む" in page.text


def test_files_of_the_same_name_are_read_each(house: PagesHouse, admin: Visitor) -> None:
    """Two branches send a clients.csv each, out of two folders: a browser sends names alone."""
    one, two = of_clients(1), of_clients(2)
    two["顧客"] = [two["顧客"][0], two["顧客"][2]]
    sent = [("clients.csv", csv_of(sheets["顧客"], "utf-8")) for sheets in (one, two)]
    answer = admin.send("/imports", {"files": sent})
    page = admin.get(answer.headers["Location"])
    assert "kaisha001" in page.text and "kaisha002" in page.text
    assert "clients.csv, clients (2).csv" in admin.get("/imports").text
    assert "見出しから種類が分かりません" not in page.text


def test_what_is_no_sheet_is_said_and_nobody_else_comes_here(house: PagesHouse, admin: Visitor) -> None:
    assert send(admin).status == 422
    assert "見出しから種類が分かりません" in send(admin, x_csv=b"a,b\r\n1,2\r\n").text
    assert "Excelのファイルではありません" in send(admin, x_xlsx=b"PK\x03\x04 no").text
    assert "UTF-8でもShift_JISでもありません" in send(admin, x_csv=b"\x81\xff\x81").text
    assert send(admin, x_csv=b"x" * (9 << 20)).status == 413
    assert admin.get("/imports/../../etc").status == 404 and admin.get("/imports/0").status == 404
    workbook_of = admin.get("/imports/template.xlsx")
    assert workbook_of.body.startswith(b"PK") and "attachment" in workbook_of.headers["Content-Disposition"]
    keiri = house.visitor("keiri", "tenant_administrator", "acme")
    for path in ("/imports", "/imports/template.xlsx", "/imports/0"):
        assert keiri.get(path).status == 403


def test_nothing_that_a_stranger_sends_is_read(house: PagesHouse) -> None:
    """A view that takes files takes none of who may not come there: its megabytes are not parsed beside calls."""
    stranger, reader = Visitor(house.server.port), house.visitor("mori", "read_only", "acme")
    nul = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\x00\r\n--b--\r\n'
    for path in ("/imports", "/identity/acme/copies", "/phone-book/acme/import"):
        answer = stranger._ask("POST", path, nul, "text/html", "multipart/form-data; boundary=b")
        assert answer.status == 401, "whoever had read it would have found the NUL, and said 400"
        assert reader._ask("POST", path, nul, "text/html", "multipart/form-data; boundary=b").status == 403


def test_a_file_that_somebody_changes_meanwhile_is_left_alone(
    house: PagesHouse, admin: Visitor, tmp_path: Path
) -> None:
    page = send(admin, moving_xlsx=workbook(of_clients(2)))
    draft = tmp_path / "tenants" / "kaisha002.yaml"
    draft.write_text("# a draft\n", encoding="utf-8")
    said = done(house, admin, write(admin, page))
    assert "1件の顧客を取り込みました" in said and "書き込まなかった顧客" in said and clients(house) == ["kaisha001"]
    assert draft.read_text(encoding="utf-8") == "# a draft\n"


def test_an_import_whose_process_died_can_be_written_again(house: PagesHouse, admin: Visitor) -> None:
    page = send(admin, moving_xlsx=workbook(of_clients(2)))
    imported = re.findall(r'action="/imports/([0-9a-f]+)"', page.text)[0]
    long_ago = kept.SILENT_US + 60_000_000
    house.directory.run(lambda tx: kept.begin(tx, imported, 2, clock.now_us() - long_ago))
    stopped = admin.get(f"/imports/{imported}")
    assert "書き込みが途中で止まりました" in stopped.text and "中断" in admin.get("/imports").text
    assert "2件の顧客を取り込みました" in done(house, admin, write(admin, stopped))


def test_an_import_goes_on_when_its_progress_cannot_be_noted(
    house: PagesHouse, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets = of_clients(3)
    sheets["電話帳"] = [("顧客ID", "氏名", "電話番号1"), *((f"kaisha00{n}", "客", "03-9876-5432") for n in (1, 3))]
    told: list[int] = []

    def step(_tx: Tx, wanted: str, done: int, now_us: int) -> None:
        told.append(done)
        raise Locked("database: locked")

    monkeypatch.setattr(kept, "step", step)
    said = done(house, admin, write(admin, send(admin, moving_xlsx=workbook(sheets))))
    assert "3件の顧客を取り込みました" in said and len(clients(house)) == 3
    assert list(dict.fromkeys(told)) == [1, 2, 3], "a client is dealt with once its phone book is"
    assert [house.directory.run(lambda tx, n=n: entries.count(tx, f"kaisha00{n}")) for n in (1, 2, 3)] == [1, 0, 1]
