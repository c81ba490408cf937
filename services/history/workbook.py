"""Rows -> a file of Excel, written as they come: what is in memory does not grow with their number.

Enters: pieces of rows. Leaves: an open file. It stands in the system's temporary folder without a name until it is
closed. What the cells say is made in `downloads.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from typing import IO

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from services.history.downloads import Cell as Value
from services.runtime.threads import in_thread

MOST_ROWS = 100_000
"""Excel itself ends at 1,048,576; a file of so many takes a browser's patience."""
_WIDTH = 18


class TooManyRows(Exception):
    """More than MOST_ROWS: CSV has no such limit."""


def write(header: Sequence[str], pieces: Iterable[Sequence[Sequence[Value]]]) -> IO[bytes]:
    """The file, at its beginning. Raises TooManyRows, and whatever `pieces` raises."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(header[0][:31])
    sheet.freeze_panes = "A2"
    for number in range(1, len(header) + 1):
        sheet.column_dimensions[get_column_letter(number)].width = _WIDTH
    sheet.append([_bold(sheet, name) for name in header])
    written = 0
    try:
        for rows in pieces:
            written += len(rows)
            if written > MOST_ROWS:
                raise TooManyRows
            for row in rows:
                sheet.append(list(row))
    except BaseException:
        sheet.close()
        sheet._writer.cleanup()  # what a saved book does; nothing public removes the file of one that is given up
        raise
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
    in_thread(lambda: book.save(file))
    file.seek(0)
    return file


def _bold(sheet: WriteOnlyWorksheet, name: str) -> Cell:
    cell: Cell = WriteOnlyCell(sheet, name)
    cell.font = Font(bold=True)
    return cell
