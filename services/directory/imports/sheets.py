"""PURE Files of a spreadsheet -> sheets of cells: CSV in UTF-8 or cp932 (Shift_JIS of Windows), workbooks of Excel.

Enters: a file's name and bytes, of any quality. Leaves: sheets, or `Unreadable`. What is unpacked is bounded, formulas
are never worked out (the value that Excel kept counts), rows without anything in them are left out.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from services.directory.imports.model import Pair, Raw, Row, Sheet
from services.directory.imports.unpacked import said_bytes, tags

MOST_BYTES = 20 << 20
MOST_UNPACKED = 100 << 20
"""A workbook is a zip file: what its parts come to."""
MOST_ROWS = 100_000
"""Of one sheet, empty ones between others counted."""
MOST_COLUMNS = 60
_TAGS_OF_A_ROW = 80
"""Twenty cells with a text each. What is parsed is kept until its row ends, or for good, at many times its size."""
LONGEST_CELL = 5_000


class Unreadable(Exception):
    """Why a file holds no sheets: in Japanese and English."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(en)
        self.say: Pair = (ja, en)


def read_sheets(file: str, data: bytes, most_rows: int = MOST_ROWS) -> tuple[Sheet, ...]:
    """Every sheet with something in it. Raises Unreadable."""
    if len(data) > MOST_BYTES:
        raise Unreadable(
            f"{MOST_BYTES >> 20} MBを超えています。ファイルを分けてください",
            f"is larger than {MOST_BYTES >> 20} MB: split it",
        )
    if data.startswith(b"PK\x03\x04"):
        return tuple(_workbook(file, data, most_rows))
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable(
            "古いExcel形式(.xls)かパスワード付きです。.xlsxで保存し直してください",
            "is an old .xls or has a password: save it as .xlsx",
        )
    rows = _rows(csv.reader(io.StringIO(_text(data), newline="")), most_rows)
    try:
        return _sheet(file, "", rows)
    except csv.Error as error:
        raise Unreadable(f"CSVとして読めません: {error}", f"is no CSV: {error}") from None


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data:
        raise Unreadable("CSV(UTF-8)か.xlsxで保存し直してください", "is neither CSV in UTF-8 nor .xlsx: save it so")
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable("文字コードがUTF-8でもShift_JISでもありません", "is neither UTF-8 nor Shift_JIS (cp932)")


def _workbook(file: str, data: bytes, most_rows: int) -> Iterator[Sheet]:
    try:
        _check_unpacked(data, most_rows)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs write wrong ones, and rows beyond would be lost
                values = sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True)
                yield from _sheet(file, sheet.title, _rows(values, most_rows))
        finally:
            book.close()
    except Unreadable:
        raise
    except (zipfile.BadZipFile, InvalidFileException) as error:
        raise Unreadable("Excelのファイルではありません", f"is no workbook: {error}") from None
    except Exception as error:  # openpyxl raises whatever it stumbles over: KeyError, ValueError, ParseError, …
        raise Unreadable("Excelのファイルとして読めません", f"cannot be read: {type(error).__name__}") from None


def _check_unpacked(data: bytes, most_rows: int) -> None:
    """Nothing is parsed before it is known how much there is. Raises Unreadable, and whatever zipfile does."""
    if said_bytes(data) > MOST_UNPACKED:
        raise Unreadable(
            f"展開すると{MOST_UNPACKED >> 20} MBを超えます", f"unpacks to more than {MOST_UNPACKED >> 20} MB"
        )
    if tags(data) > most_rows * _TAGS_OF_A_ROW:
        raise Unreadable(
            f"{most_rows:,}行より多くのセルがあります。ファイルを分けてください",
            f"has more cells than {most_rows:,} rows: split it",
        )


def _sheet(file: str, name: str, rows: Iterable[Row]) -> tuple[Sheet, ...]:
    found = tuple(rows)
    return (Sheet(file, name, found),) if found else ()


def _rows(lines: Iterable[Iterable[Any]], most_rows: int) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if number > most_rows:
            raise Unreadable(
                f"{most_rows:,}行を超えています。下の空の行を消すか、ファイルを分けてください",
                f"has more than {most_rows:,} rows: delete empty ones below, or split it",
            )
        cells: list[Raw] = [cell[:LONGEST_CELL] if isinstance(cell, str) else cell for cell in line]
        while cells and (cells[-1] is None or (isinstance(cells[-1], str) and not cells[-1].strip())):
            cells.pop()
        if len(cells) > MOST_COLUMNS:
            raise Unreadable(
                f"{number}行目が{MOST_COLUMNS}列を超えています", f"has more than {MOST_COLUMNS} columns in row {number}"
            )
        if cells:
            yield Row(number, tuple(cells))
