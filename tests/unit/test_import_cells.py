"""What stands in a cell, and what Excel makes of numbers and days: taken where no doubt is left, else told."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.directory.imports import columns, sheets
from services.directory.imports.columns import Column
from services.directory.imports.model import Raw
from services.directory.imports.sheets import Unreadable, read_sheets
from services.directory.imports.values import Read, Wrong, number_shown, read_cell
from tests.spreadsheets import csv_of, workbook


def column(reads: str) -> Column:
    """Some column that is read so."""
    return next(c for kind in columns.KINDS for c in kind.columns if c.reads == reads)


def told(reads: str, raw: Raw) -> str:
    """What is said of a cell that cannot be read."""
    with pytest.raises(Wrong) as wrong:
        read_cell(column(reads), raw)
    return f"{wrong.value.say[1]}|{wrong.value.hint}"


@pytest.mark.parametrize(
    "raw",
    [
        "03-1234-5678",
        "０３−１２３４−５６７８",
        "03ー1234ー5678",
        " 0312345678 ",
        "(03) 1234-5678",
        "+81 3-1234-5678",
        "03‐1234–5678\u200b",
    ],
)
def test_numbers_are_read_as_people_write_them(raw: str) -> None:
    assert read_cell(column("number"), raw) == Read("0312345678")


@pytest.mark.parametrize(
    ("raw", "digits", "shown"),
    [
        (312345678, "0312345678", "03-1234-5678"),
        (9012345678.0, "09012345678", "090-1234-5678"),
        ("5081000001", "05081000001", "050-8100-0001"),
    ],
)
def test_a_lost_leading_zero_is_told_and_put_back_where_only_it_can_be_missing(
    raw: Raw, digits: str, shown: str
) -> None:
    read = read_cell(column("number"), raw)
    assert read is not None and read.value == digits
    assert read.taken is not None and shown in read.taken[0] and shown in read.taken[1]


def test_numbers_that_cannot_be_meant_are_told() -> None:
    assert told("number", 12345678).startswith("is no telephone number (no leading 0)")
    assert told("number", "3.12E+08").startswith("has lost digits")
    for raw in ("内線1001", "03-1234-567x", "0312345678\r\nX: y", "=1+1", "../../x"):
        assert told("number", raw)


@given(st.from_regex(r"0[3-9][1-9][0-9]{7}", fullmatch=True))
def test_a_number_comes_back_however_it_was_written(digits: str) -> None:
    for raw in (digits, number_shown(digits), number_shown(digits).replace("-", "ー"), f"+81{digits[1:]}"):
        assert read_cell(column("number"), raw) == Read(digits)


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_a_day_comes_back_however_it_was_written(day: date) -> None:
    wanted = day.isoformat()
    for raw in (
        day,
        datetime(day.year, day.month, day.day),
        wanted,
        f"{day.year}/{day.month}/{day.day}",
        f"{day:%Y%m%d}",
        f"{day.year}年{day.month}月{day.day}日",
    ):
        assert read_cell(column("date"), raw) == Read(wanted)
    counted = read_cell(column("date"), (day - date(1899, 12, 30)).days)
    assert counted is not None and counted.value == wanted and counted.taken is not None


@given(st.text(max_size=40) | st.floats(allow_nan=False) | st.integers() | st.booleans())
def test_no_cell_breaks_any_reader(raw: Raw) -> None:
    for kind in columns.KINDS:
        for one in kind.columns:
            try:
                read = read_cell(one, raw)
            except Wrong as wrong:
                assert wrong.say[0] and wrong.say[1]
            else:
                assert read is None or isinstance(read.value, str | int | tuple)


def test_ids_of_clients_are_no_paths_and_no_capitals() -> None:
    assert told("client", "../../x").startswith("is not allowed")
    assert told("client", "ACME") == "is not allowed|acme?"
    assert read_cell(column("client"), "ａｃｍｅ") == Read("acme")


def test_words_are_known_in_both_languages_and_with_what_people_add() -> None:
    kind = next(c for c in columns.NUMBERS.columns if c.key == "kind")
    assert [read_cell(kind, word).value for word in ("代表番号", "代表", "Representative", "直通", "ＬＥＡＳＥＤ")] == [  # type: ignore[union-attr]
        "representative",
        "representative",
        "representative",
        "direct",
        "leased",
    ]
    assert read_cell(column("closing"), "末日締め") == Read(31)
    assert read_cell(column("ranges"), "９：００〜１２：００、13:00-18:00") == Read(("9:00-12:00", "13:00-18:00"))
    assert read_cell(column("days"), "2026/12/29〜2027/1/3、2026-08-13") == Read(
        ("2026-12-29/2027-01-03", "2026-08-13")
    )


# -- files ---------------------------------------------------------------------------------------------------------

ROWS = [["顧客ID", "会社名"], ["acme", "株式会社髙橋"]]


@pytest.mark.parametrize(
    "data", [csv_of(ROWS), csv_of(ROWS, "utf-8-sig"), csv_of(ROWS, "cp932"), workbook({"": ROWS} | {"顧客": ROWS})]
)
def test_the_same_rows_are_read_from_every_kind_of_file(data: bytes) -> None:
    found = read_sheets("file", data)[-1]
    assert [row.cells for row in found.rows] == [tuple(row) for row in ROWS]


def test_empty_rows_and_trailing_blanks_are_nothing() -> None:
    (sheet,) = read_sheets("x.csv", "a,b,  \r\n\r\n , \u3000,\r\nc\r\n".encode())
    assert [(row.number, row.cells) for row in sheet.rows] == [(1, ("a", "b")), (4, ("c",))]


def test_formulas_are_never_worked_out() -> None:
    (sheet,) = read_sheets("x.xlsx", workbook({"a": [["k"], ["=1+1"]]}))
    assert [row.cells for row in sheet.rows] == [("k",)], "no value was kept, so there is none"


def test_files_that_are_none_are_refused_with_a_reason() -> None:
    many = b"a\r\n" * (sheets.MOST_ROWS + 1)
    for data in (b"PK\x03\x04 no zip", b"\xd0\xcf\x11\xe0 old", b"\xff\xfea\x00", b"\x81\xff\x81", many, b"a," * 100):
        with pytest.raises(Unreadable) as refused:
            read_sheets("x", data)
        assert all(refused.value.say)


def test_a_bomb_is_not_unpacked() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (sheets.MOST_UNPACKED + 1))
    assert len(target.getvalue()) < sheets.MOST_BYTES
    with pytest.raises(Unreadable, match="unpacks to more than"):
        read_sheets("x.xlsx", target.getvalue())


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for head in (b"", b"PK\x03\x04"):
        try:
            read_sheets("x", head + data)
        except Unreadable as refused:
            assert all(refused.say)


@pytest.mark.parametrize("bomb", ["<c/>" * 900_000, "<a>" * 450_000 + "</a>" * 450_000], ids=["one row", "deep"])
def test_a_sheet_that_would_fill_the_memory_is_not_parsed(bomb: str) -> None:
    target = io.BytesIO(workbook({"顧客": [("顧客ID",)]}))
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet2.xml", f"<worksheet><sheetData><row>{bomb}</row></sheetData></worksheet>")
    assert len(target.getvalue()) < 50_000
    with pytest.raises(Unreadable, match="more cells than 10,000 rows"):
        read_sheets("b.xlsx", target.getvalue(), 10_000)


def test_a_part_that_is_larger_than_it_says_is_not_unpacked() -> None:
    target, size = io.BytesIO(), 200 << 20
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(size))
    lying = target.getvalue().replace(struct.pack("<I", size), struct.pack("<I", 100))
    tracemalloc.start()
    with pytest.raises(Unreadable, match="is no workbook"):
        read_sheets("b.xlsx", lying)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 << 20


def test_a_full_workbook_is_read() -> None:
    rows = [("顧客ID", *(f"電話番号{n}" for n in range(1, 10))), *(("acme", *["03-1234-5678"] * 9),) * 999]
    (sheet,) = read_sheets("b.xlsx", workbook({"電話帳": rows}), 1_000)
    assert len(sheet.rows) == 1_000
    with pytest.raises(Unreadable, match="more than 999 rows"):
        read_sheets("b.xlsx", workbook({"電話帳": rows}), 999)


@pytest.mark.parametrize("name", ["番号", "番号 (2)", "番号（3）", "Numbers(2)"])
def test_a_name_with_a_count_says_the_same_kind(name: str) -> None:
    """So a browser calls what is loaded twice, and so files of the same name are told apart."""
    kind = columns.kind_of_name(name)
    assert kind is not None and kind.ja == "番号"
