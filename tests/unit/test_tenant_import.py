"""`toritsugi tenants import`: clients out of spreadsheets, all or none, errors by row, never over what stands."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook

from proto.tenant import Tenant
from proto.topics import service_queue
from proto.values import Party
from services.cli import main
from services.directory import service as directory
from services.directory.imports.file_text import text_of
from services.directory.imports.model import Proposal
from services.directory.imports.proposal import proposal
from services.directory.imports.records import records_of
from services.directory.imports.sheets import read_sheets
from services.directory.imports.template import template
from services.directory.tenants.route_tests import moment_us
from services.directory.tenants.settle import InForce
from services.directory.tenants.words import in_words
from services.directory.tenants.writing import refusals
from services.directory.tenants.yaml_files import parse, read_folder
from services.routing.explain import explain
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from tests.spreadsheets import CLIENTS, LINES, NUMBERS, Rows, csv_of, of_clients, workbook
from tests.stores import Database
from tests.unit.test_tenant_plan import HOUSE

assert HOUSE is not None
EMPTY = InForce(HOUSE.body)
ACME = ("acme", "株式会社アクメ", "アクメ", "東京都", "2026-04-01", "末", "acme.example.jp", "9:00-18:00")


def proposed(sheets: dict[str, Rows], now: InForce = EMPTY) -> Proposal:
    """What a workbook would make beside nobody."""
    return of_file(workbook(sheets), now)


def of_file(data: bytes, now: InForce = EMPTY) -> Proposal:
    read = records_of(read_sheets("moving.xlsx", data))
    return proposal(read, now, {}, {}, text_of, lambda new: refusals(new, now))


def said(sheets: dict[str, Rows], lang: Any = "en") -> list[str]:
    return [note.line(lang) for note in proposed(sheets).notes]


def acme(*, lines: Rows = (), numbers: Rows = (), client: tuple[Any, ...] = ACME) -> dict[str, Rows]:
    return {"顧客": [CLIENTS, client], "回線": [LINES, *lines], "番号": [NUMBERS, *numbers]}


TWO = [("acme", 1001, "佐藤 花子", "机", "sato"), ("acme", 1101, "佐藤 花子", "app", "sato")]


def test_a_client_becomes_a_file_as_a_person_would_write_it() -> None:
    found = proposed(acme(lines=TWO, numbers=[("acme", "03-1234-5678", "代表"), ("acme", "03-1234-5601", "", "1001")]))
    assert found.notes == ()
    (made,) = found.clients
    assert made.text.decode() == (
        "tenant: acme\n"
        "name: 株式会社アクメ\n"
        "reading: アクメ\n"
        "address: {prefecture: 東京都}\n"
        "contract: {from: 2026-04-01, closing_day: 31}\n"
        "domain: acme.example.jp\n"
        "numbers:\n"
        "  - {number: 03-1234-5678, kind: representative, route: main}\n"
        '  - {number: 03-1234-5601, kind: direct, id: "1001"}\n'
        "ids:\n"
        '  - {id: "1001", name: "佐藤 花子", device: desk}\n'
        '  - {id: "1101", name: "佐藤 花子", device: app}\n'
        "lines:\n"
        '  - {line: sato, ids: ["1001", "1101"]}\n'
        "hours:\n"
        '  office: {mon-fri: ["9:00-18:00"]}\n'
        "routes:\n"
        "  main:\n"
        "    - {when: {hours: office}, do: [{ring: sato, for_s: 30}, {voicemail: sato}]}\n"
        "    - {do: [{play: closed}, {voicemail: sato}]}\n"
    )


def test_calls_ring_somewhere_also_where_the_sheet_says_nothing() -> None:
    sheets = of_clients(3)
    found = proposed(sheets)
    assert found.errors == () and [one.client for one in found.clients] == ["kaisha001", "kaisha002", "kaisha003"]
    document, _ = parse(Tenant, found.clients[1].text, "x.yaml")
    assert document is not None and HOUSE is not None
    for number in ("05081000002", "05082000002"):
        plan, _ = explain(
            document.body,
            HOUSE.body,
            number,
            Party(presentation="unavailable"),
            moment_us("2026-11-22 3:00", "Asia/Tokyo"),
        )
        assert in_words(plan, document.body, "en").startswith("ring ")


def test_destinations_are_lines_groups_pools_numbers_and_words() -> None:
    head = (*NUMBERS, "着信先", "時間外", "呼出秒数")
    rows = [
        ("acme", "0312345001", "代表", "", "sato", "090-1111-2222", 15),
        ("acme", "0312345002", "貸出", "", "tokyo-pool", "案内", ""),
        ("acme", "0312345003", "貸出", "", "09011112222", "留守番電話", ""),
    ]
    sheets = acme(lines=TWO) | {"番号": [head, *rows]}
    assert HOUSE is not None
    pools = HOUSE.body.pools[0].pool
    sheets["番号"] = [head, *(tuple(pools if cell == "tokyo-pool" else cell for cell in row) for row in rows)]
    found = proposed(sheets)
    assert found.notes == ()
    text = found.clients[0].text.decode()
    assert (
        "do: [{ring: sato, for_s: 15}, {voicemail: sato}]" in text
        and "do: [{forward: 090-1111-2222, for_s: 15}]" in text
    )
    assert f"do: [{{queue: {pools}}}]" in text and "n0312345002:" in text


def test_headings_stand_in_any_order_language_and_width() -> None:
    sheet = [["備考", "Ｎａｍｅ", "client_id(必須)", "契約開始日＊"], ["x", "アクメ", "acme", 46113]]
    found = proposed({"Sheet1": sheet, "説明": [["読むもの"]], "その他": [["?"]]})
    assert [note.level for note in found.notes] == ["warning"] * 3
    assert [str(note.place) for note in found.notes] == [
        "moving.xlsx:Sheet1:1:備考",
        "moving.xlsx:Sheet1:2:契約開始日*",
        "moving.xlsx:その他",
    ]
    assert b"from: 2026-04-01" in found.clients[0].text


def test_every_error_of_every_row_is_told_at_once_with_its_place() -> None:
    lines = [("acme", "1001", "", "机", "sato"), ("acmee", "1002", "鈴木", "電話", "x")]
    numbers = [("acme", 12345, "代表"), ("acme", "03-1234-5678", "直通"), ("acme", "03-1234-5678", "代表番号")]
    bad = ("beta", "ベータ\nX: y", "", "", "2026-02-30", 32, "", "9時から")
    sheets = acme(lines=lines, numbers=numbers)
    sheets["顧客"] = [*sheets["顧客"], bad]
    assert said(sheets) == [
        "moving.xlsx:回線:2:氏名: is empty",
        'moving.xlsx:回線:3:端末の種類: "電話" is not allowed; allowed: 机/desk, アプリ/app',
        'moving.xlsx:番号:2:電話番号: "12345" is no telephone number (no leading 0); allowed: 03-1234-5678',
        'moving.xlsx:顧客:3:会社名: "ベータ\\x0aX: y" holds a line break or a sign that cannot be seen (U+000A)',
        'moving.xlsx:顧客:3:契約開始日: "2026-02-30" is no day of the calendar; allowed: 2026-04-01',
        'moving.xlsx:顧客:3:締め日: "32" is no closing day; allowed: 1-31, 末/end',
        'moving.xlsx:顧客:3:平日の営業時間: "9時から" is no range of times; allowed: 9:00-12:00, 13:00-18:00',
    ]
    assert all("is " not in line for line in said(sheets, "ja"))


def test_what_the_check_of_files_finds_is_told_at_its_cell() -> None:
    two = ("beta", "ベータ", "", "", "2026-04-01", "", "acme.example.jp", "")
    sheets = acme(lines=[*TWO, ("beta", "1001", "鈴木", "", "")], numbers=[("acme", "0312345678", "代表")])
    sheets["顧客"] = [*sheets["顧客"], two]
    (note,) = proposed(sheets).errors
    assert (note.client, str(note.place)) == ("beta", "moving.xlsx:回線:4:端末ID")
    assert "のものです" in note.sentence("ja") and "acme" in note.sentence("ja")


def test_the_template_is_read_back_and_its_example_is_right() -> None:
    for lang in ("ja", "en"):
        data = template(lang)  # type: ignore[arg-type]
        (nothing,) = of_file(data).notes
        assert nothing.say[1] == "there is nothing to import"
        book = load_workbook(io.BytesIO(data))
        for sheet in book.worksheets[1:]:
            sheet["A2"] = sheet["A2"].value.split()[1]
        filled = io.BytesIO()
        book.save(filled)
        found = of_file(filled.getvalue())
        assert found.notes == () and [one.client for one in found.clients] == ["aoba"]


# -- the command ---------------------------------------------------------------------------------------------------


class Moving:
    """The command beside a directory, which reads the folder when it is told to."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.database = folder / "tenants", database
        self.bus = EmbeddedBus(folder / "bus.sqlite")
        self.bus.start([service_queue("directory")])
        self.store = Store(database.store("directory"), directory.build().metadata)
        self.store.start()
        self.files = directory.Files(self.store, self.bus, self.folder, every_s=0.05)

    def run(self, *arguments: str, within: str = "10s") -> tuple[int, list[str]]:
        told = {
            "TORITSUGI_DATABASE": self.database.url,
            "TORITSUGI_DATA_DIR": str(self.folder.parent),
            "TORITSUGI_TENANTS_DIR": str(self.folder),
        }
        command = ["tenants", "import", *arguments, "--lang", "en", "--within", within]
        result = CliRunner(env=told).invoke(main, command, catch_exceptions=False)
        return result.exit_code, result.stdout.splitlines()

    def file(self, name: str, data: bytes) -> str:
        path = self.folder.parent / name
        path.write_bytes(data)
        return str(path)


@pytest.fixture
def moving(tmp_path: Path, database: Database) -> Any:
    from tests.unit.test_directory_files import PLATFORM

    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    moving = Moving(tmp_path, database)
    moving.files.start()
    yield moving
    moving.files.stop()
    moving.store.stop()
    moving.bus.stop()


def test_clients_move_in_take_effect_and_may_be_imported_again(moving: Moving) -> None:
    book = moving.file("moving.xlsx", workbook(of_clients(20, "9:00-18:00")))
    code, lines = moving.run(book, "--dry-run")
    assert code == 0 and lines[-1] == "20 clients, 0 errors, 0 warnings: 0 written"
    assert list(moving.folder.glob("kaisha*")) == []
    code, lines = moving.run(book)
    assert (code, lines[-2]) == (0, "20 clients, 0 errors, 0 warnings: 20 written")
    assert lines[-1].startswith("in force: kaisha001, ")
    folder = read_folder(moving.folder)
    assert [p for p in folder.problems if p.level == "error"] == [] and len(folder.tenants) == 20
    code, lines = moving.run(book)
    assert code == 0, lines
    assert lines[0].split("\t")[2] == "as it is" and lines[-1].endswith(": 0 written")


def test_nothing_is_written_while_a_row_is_wrong_unless_that_is_asked_for(moving: Moving) -> None:
    sheets = of_clients(3)
    sheets["番号"] = [*sheets["番号"], ("kaisha002", "050-9999-9999", "直通", "999")]
    book = moving.file("moving.xlsx", workbook(sheets))
    code, lines = moving.run(book, "--json")
    told = [json.loads(line) for line in lines]
    assert code == 1 and told[-1] == {"clients": 3, "errors": 1, "written": 0}
    assert (told[0]["sheet"], told[0]["row"], told[0]["column"], told[0]["value"]) == ("番号", 8, "端末ID", "999")
    assert list(moving.folder.glob("kaisha*")) == []
    code, lines = moving.run(book, "--skip-wrong", "--json")
    assert code == 1 and json.loads(lines[-1])["written"] == 2
    assert sorted(path.name for path in moving.folder.glob("kaisha*")) == ["kaisha001.yaml", "kaisha003.yaml"]


def test_a_client_that_stands_is_completed_and_its_comments_stay_but_nothing_is_changed(moving: Moving) -> None:
    book = moving.file("moving.xlsx", workbook(of_clients(1)))
    assert moving.run(book)[0] == 0
    path = moving.folder / "kaisha001.yaml"
    path.write_text("# ours\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    moving.files.reload()
    more = moving.file("lines.csv", csv_of([LINES, ("kaisha001", "103", "高橋 三", "机", "")], "cp932"))
    code, lines = moving.run(more)
    assert code == 0 and lines[0].startswith("kaisha001\t第1商事株式会社\tcompleted")
    text = path.read_text(encoding="utf-8")
    assert (
        text.startswith("# ours\n")
        and '{id: "103", name: "高橋 三", device: desk}' in text
        and "line: line-103" in text
    )
    other = [CLIENTS, ("kaisha001", "別の名前", "", "", "2026-04-01", "", "", "")]
    code, lines = moving.run(moving.file("clients.csv", csv_of(other)))
    assert code == 1 and lines[0] == (
        'clients.csv:2:会社名: "別の名前" differs from what stands, which an import does not change (第1商事株式会社)'
    )
    assert path.read_text(encoding="utf-8") == text


def test_the_command_writes_a_template(moving: Moving) -> None:
    target = str(moving.folder.parent / "empty.xlsx")
    assert moving.run("--template", target) == (0, [target])
    assert load_workbook(target).sheetnames == ["Notes", "Clients", "Numbers", "Lines", "Phone book"]
