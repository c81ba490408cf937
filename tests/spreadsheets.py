"""Spreadsheets as operators bring them, for tests of imports: workbooks and CSV with clients, lines and numbers.

Enters: rows. Leaves: bytes, and a hundred clients that move in at once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openpyxl import Workbook

Rows = Sequence[Sequence[Any]]
CLIENTS = ("顧客ID", "会社名", "フリガナ", "都道府県", "契約開始日", "締め日", "端末のドメイン", "平日の営業時間")
LINES = ("顧客ID", "端末ID", "氏名", "端末の種類", "回線")
NUMBERS = ("顧客ID", "電話番号", "種類", "端末ID")


def workbook(sheets: Mapping[str, Rows]) -> bytes:
    """An .xlsx file."""
    book = Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def csv_of(rows: Rows, encoding: str = "utf-8") -> bytes:
    """A CSV file."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


def number_of(client: int, kind: int = 0) -> str:
    """A number that nobody has: 050-8100-0000 and on, direct ones 050-8200."""
    return f"050-{8100 + kind * 100}-{client:04}"


def of_clients(count: int, hours: str = "") -> dict[str, Rows]:
    """Sheets of so many clients: two people each, a representative and a direct number."""
    each = range(1, count + 1)
    return {
        "顧客": [
            CLIENTS,
            *(
                (
                    f"kaisha{n:03}",
                    f"第{n}商事株式会社",
                    f"ダイ{n}ショウジ",
                    "東京都",
                    "2026-04-01",
                    20,
                    _domain(n),
                    hours,
                )
                for n in each
            ),
        ],
        "回線": [LINES, *_lines(each)],
        "番号": [
            NUMBERS,
            *((f"kaisha{n:03}", number_of(n), "代表", "") for n in each),
            *((f"kaisha{n:03}", number_of(n, 1), "直通", "102") for n in each),
        ],
    }


def _domain(n: int) -> str:
    return f"kaisha{n:03}.example.jp"


def _lines(each: Iterable[int]) -> Iterable[tuple[str, ...]]:
    for n in each:
        yield f"kaisha{n:03}", "101", f"佐藤 {n}", "机", "sato"
        yield f"kaisha{n:03}", "102", f"鈴木 {n}", "アプリ", "suzuki"
