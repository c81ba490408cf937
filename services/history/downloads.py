"""PURE. Calls -> rows of a file for a spreadsheet, and those rows as CSV.

Enters: calls with their clients, the language. Leaves: cells, and bytes of CSV. Nothing that a caller sent can begin
a formula, in either file (`runtime/csv_file.py`). The file of Excel is made in `workbook.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from services.history.model import Client, Found, Known
from services.history.pages import client_name, name_of_caller
from services.history.words import DIRECTIONS, RESULTS, Lang, Pair, number, party, shown, stamp, word
from services.runtime.csv_file import as_text, line

Cell = str | int | Decimal
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
    return (*map(as_text, texts), talk, row.recorded_ms // 1000, *charges, estimated, as_text(one.call))


def csv_bytes(lines: Iterable[tuple[Cell, ...]]) -> bytes:
    """Lines of a CSV file, each with its end."""
    return "".join(map(line, lines)).encode()
