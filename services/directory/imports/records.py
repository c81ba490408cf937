"""PURE Sheets -> records: which kind a sheet is, which column is which, each cell read, everything wrong named.

Enters: sheets. Leaves: records by kind, notes with file, sheet, row and column. Nothing is guessed in silence: a
column or sheet that is not read is told. What records mean together stands in `clients.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from services.directory.imports.columns import (
    EXAMPLE,
    KINDS,
    NOT_READ,
    Column,
    Kind,
    folded,
    kind_of_headings,
    kind_of_name,
)
from services.directory.imports.model import Note, Pair, Place, Record, Row, Sheet
from services.directory.imports.values import Wrong, read_cell, shown, text_of

Records = dict[str, list[Record]]
"""By the key of the kind, in the order of the files."""
ByClient = dict[str, list[Record]]


def by_client(records: Iterable[Record]) -> ByClient:
    """Whose rows they are, in their order."""
    found: ByClient = {}
    for record in records:
        found.setdefault(record.client, []).append(record)
    return found


def records_of(sheets: Iterable[Sheet], only: Kind | None = None) -> tuple[Records, list[Note]]:
    """Everything that could be read, and everything that could not. `only`: every sheet is of this kind."""
    found: Records = {kind.key: [] for kind in KINDS}
    notes: list[Note] = []
    for sheet in sheets:
        place, headings = Place(sheet.file, sheet.name), [_heading(cell) for cell in sheet.rows[0].cells]
        kind = only or kind_of_name(sheet.name or PurePath(sheet.file).stem) or kind_of_headings(headings)
        if kind is not None:
            columns = _columns(kind, headings, place, notes)
            if columns is not None:
                found[kind.key] += _records(sheet, columns, headings, notes)
        elif folded(sheet.name) not in NOT_READ:
            notes.append(_unknown(place, alone=not sheet.name))
    return found, notes


def _unknown(place: Place, alone: bool) -> Note:
    names = ", ".join(f"{kind.ja}/{kind.en}" for kind in KINDS)
    say: Pair = (
        ("見出しから種類が分かりません", "its headings say no kind")
        if alone
        else ("このシートは読みません", "this sheet is not read")
    )
    hint = f"{names}?"
    return Note(place=place, say=say, hint=hint, level="error" if alone else "warning")


def _heading(cell: Any) -> str:
    try:
        return "" if cell is None else text_of(str(cell).replace("\n", " "))
    except Wrong:
        return ""


def _columns(kind: Kind, headings: Sequence[str], place: Place, notes: list[Note]) -> dict[int, Column] | None:
    """Position -> column; None if one is missing or stands twice, and the sheet cannot be read."""
    found: dict[int, Column] = {}
    wrong = False
    known = {heading: column for column in reversed(kind.columns) for heading in column.headings}
    for position, heading in enumerate(headings):
        if not folded(heading):
            continue
        here = Place(place.file, place.sheet, 1, heading)
        column = known.get(folded(heading))
        if column is None:
            words = [word for one in kind.columns for word in (one.ja, one.en)]
            near = difflib.get_close_matches(heading, words, 1)
            say = ("この列は読みません", "this column is not read")
            notes.append(Note(place=here, say=say, hint=f"{near[0]}?" if near else "", level="warning"))
        elif column in found.values():
            wrong = True
            notes.append(Note(place=here, say=("同じ見出しが2つあります", "stands twice")))
        else:
            found[position] = column
    for column in kind.columns:
        if column.required and column not in found.values():
            wrong = True
            say = (f"見出し「{column.ja}」がありません", f"the heading {column.en} is missing")
            notes.append(Note(place=Place(place.file, place.sheet, 1), say=say))
    return None if wrong else found


def _records(sheet: Sheet, columns: dict[int, Column], headings: Sequence[str], notes: list[Note]) -> list[Record]:
    found = []
    names = {column.key: headings[position] for position, column in columns.items()}
    for row in sheet.rows[1:]:
        if not any(position < len(row.cells) and row.cells[position] is not None for position in columns):
            continue
        client = _client(row, columns)
        if client is not None and client.startswith(EXAMPLE):
            continue
        record, wrong = _record(Place(sheet.file, sheet.name, row.number), row, columns, names, notes)
        if record is not None and not wrong:
            found.append(record)
    return found


def _client(row: Row, columns: dict[int, Column]) -> str | None:
    """The client's ID as it stands, right or wrong."""
    position = next((position for position, column in columns.items() if column.key == "client"), None)
    return _heading(row.cells[position]).lower() if position is not None and position < len(row.cells) else None


def _record(
    place: Place, row: Row, columns: dict[int, Column], names: dict[str, str], notes: list[Note]
) -> tuple[Record | None, bool]:
    values: dict[str, Any] = {}
    own: list[tuple[Column, Pair, str | None, str, str, bool]] = []
    for position, column in columns.items():
        raw = row.cells[position] if position < len(row.cells) else None
        try:
            read = read_cell(column, raw)
        except Wrong as error:
            own.append((column, error.say, shown(raw), error.allowed, error.hint, True))
            continue
        if read is not None and read.value != "":
            values[column.key] = read.value
            if read.taken is not None:
                own.append((column, read.taken, shown(raw), "", "", False))
        elif column.required:
            hint = "結合したセルは行ごとに入力 / merged cells: write it in every row" if column.key == "client" else ""
            own.append((column, ("空です", "is empty"), None, "", hint, True))
    client = values.get("client", "")
    for column, say, value, allowed, hint, wrong in own:
        here = Place(place.file, place.sheet, place.row, names[column.key])
        level = "error" if wrong else "warning"
        notes.append(
            Note(place=here, say=say, value=value, allowed=allowed, hint=hint, level=level, client=client)  # type: ignore[arg-type]
        )
    return Record(place, client, values, names), any(wrong for *_, wrong in own)
