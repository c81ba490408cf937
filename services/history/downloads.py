"""PURE. Calls -> rows of a file for a spreadsheet, and those rows as CSV.

Enters: calls with their clients, the language. Leaves: cells, and bytes as RFC 4180 has them, with the mark by which
Excel knows UTF-8. Nothing that a caller sent can begin a formula. The file of Excel is made in `workbook.py`.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

from services.history.model import Client, Found, Known
from services.history.pages import client_name, name_of_caller
from services.history.words import DIRECTIONS, RESULTS, Lang, Pair, number, party, shown, stamp, word

Cell = str | int | Decimal
BOM = b"\xef\xbb\xbf"
_COLUMNS: tuple[Pair, ...] = (
    ("開始", "Start"),
    ("契約者", "Client"),
    ("種別", "Kind"),
    ("結果", "Result"),
    ("発信者", "Caller"),
    ("発信者名", "Caller's name"),
    ("かけた内線", "Calling extension"),
    ("着信先", "Called"),
    ("応答者", "Answered by"),
    ("自社の電話番号", "Own number"),
    ("通話時間(秒)", "Talk time (s)"),
    ("録音(秒)", "Recorded (s)"),
    ("料金(税込・円)", "Charge, tax incl. (yen)"),
    ("料金(税抜・円)", "Charge, tax excl. (yen)"),
    ("推定", "Estimated"),
    ("通話ID", "Call"),
)
_FORMULA = frozenset("=+-@\t\r\n|")


def header(lang: Lang) -> tuple[str, ...]:
    """What the columns are called."""
    return tuple(pair[lang == "en"] for pair in _COLUMNS)


def rows(found: Found, lang: Lang) -> list[tuple[Cell, ...]]:
    """A row per call: times on the client's clock, lengths in whole seconds, charges exact."""
    return [_row(one, found.clients[one.tenant], lang) for one in found.calls]


def _row(one: Known, client: Client, lang: Lang) -> tuple[Cell, ...]:
    row = one.row
    texts = (
        stamp(row.started_at_us, client.timezone),
        client_name(one.tenant, client, lang),
        word(DIRECTIONS, row.direction, lang),
        word(RESULTS, row.result, lang),
        party(row.caller_number, row.caller_presentation, lang),
        shown(name_of_caller(row, client)),
        shown(row.placed_by),
        number(row.dialled),
        number(row.answered_by),
        number(row.own_number),
    )
    charges: tuple[Cell, Cell] = (row.charge_incl, row.charge_excl) if row.charges else ("", "")
    estimated = ("推定", "estimated")[lang == "en"] if row.estimated else ""
    talk: Cell = row.talk_ms // 1000 if row.answered_at_us is not None else ""
    return (*map(guarded, texts), talk, row.recorded_ms // 1000, *charges, estimated, guarded(one.call))


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula: full-width signs count too, as Excel has it in Japan (OWASP)."""
    return f"'{text}" if unicodedata.normalize("NFKC", text[:1])[:1] in _FORMULA and text else text


def csv_bytes(lines: Iterable[tuple[Cell, ...]]) -> bytes:
    """Lines of a CSV file, each with its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([f"{cell}" for cell in line] for line in lines)
    return text.getvalue().encode()
