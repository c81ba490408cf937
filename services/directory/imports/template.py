"""An empty workbook to fill in: headings, one row that shows how, lists to choose from, and what is allowed.

Enters: a language. Leaves: the bytes of an .xlsx file. Everything in it is made of `columns.py`; columns are text, so
that Excel leaves leading zeros alone.
"""

from __future__ import annotations

import io
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from services.directory.imports.columns import EXAMPLE, KINDS, Column, Kind
from services.directory.imports.model import Lang

_WIDTH = 20
_TO_ROW = 2_000
_NOTES_HEAD = (("シート", "列", "必須", "使えるもの"), ("Sheet", "Column", "Required", "What is allowed"))
_ABOUT = (
    "各シートの2行目は例です。顧客IDが「例:」で始まる行は取り込みません。見出しの順は自由で、使わない列は消せます。",
    'Row 2 of each sheet is an example: a row whose client ID begins with "e.g." is not imported. Columns may stand in '
    "any order; those you do not need may be deleted.",
)


def template(lang: Lang) -> bytes:
    """The workbook."""
    book = Workbook()
    notes: Any = book.active
    notes.title = "説明" if lang == "ja" else "Notes"
    for kind in KINDS:
        _add(book, kind, lang)
    _explain(notes, lang)
    book.active = 1
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _add(book: Workbook, kind: Kind, lang: Lang) -> None:
    sheet = book.create_sheet(kind.ja if lang == "ja" else kind.en)
    sheet.freeze_panes = "A2"
    for number, column in enumerate(kind.columns, 1):
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = _WIDTH
        sheet.column_dimensions[letter].number_format = "@"
        head, example = sheet.cell(1, number), sheet.cell(2, number)
        head.value = column.ja if lang == "ja" else column.en
        head.font = Font(bold=True)
        if column.required:
            head.fill = PatternFill("solid", fgColor="FFF2CC")
        example.value = _example(column, lang)
        example.font = Font(italic=True, color="FF7F7F7F")
        example.number_format = "@"
        if column.reads == "choice":
            words = ",".join(pair[lang == "en"] for pair in column.choices.values())
            choose = DataValidation(type="list", formula1=f'"{words}"', allow_blank=True, showErrorMessage=False)
            sheet.add_data_validation(choose)
            choose.add(f"{letter}2:{letter}{_TO_ROW}")


def _example(column: Column, lang: Lang) -> str:
    if column.key == "client":
        return f"{EXAMPLE[lang == 'en']} {column.example}"
    if lang == "ja" or not column.example:
        return column.example
    pairs = [*column.choices.values(), ("末", "end"), ("全員", "everyone"), ("留守番電話", "voicemail")]
    english = dict(pairs)
    return ", ".join(english.get(word, word) for word in column.example.split("、"))


def _explain(sheet: Any, lang: Lang) -> None:
    sheet.append([_ABOUT[lang == "en"]])
    sheet.append([])
    sheet.append(list(_NOTES_HEAD[lang == "en"]))
    for cell in sheet[3]:
        cell.font = Font(bold=True)
    for kind in KINDS:
        for column in kind.columns:
            sheet.append(
                [
                    kind.ja if lang == "ja" else kind.en,
                    column.ja if lang == "ja" else column.en,
                    ("○" if lang == "ja" else "yes") if column.required else "",
                    allowed(column, lang),
                ]
            )
    for letter, width in zip("ABCD", (12, 22, 10, 80), strict=True):
        sheet.column_dimensions[letter].width = width
    for row in sheet.iter_rows(min_row=4):
        row[3].alignment = Alignment(wrap_text=True, vertical="top")


def allowed(column: Column, lang: Lang) -> str:
    """What a cell may hold, in one line."""
    parts = [", ".join(f"{ja}/{en}" for ja, en in column.choices.values()), column.note[lang == "en"]]
    return ("。" if lang == "ja" else "; ").join(part for part in parts if part)
