"""PURE Lines of a CSV file that a spreadsheet opens as text: nothing in it is ever run as a formula.

Enters: values; cells of such a file. Leaves: lines (RFC 4180); the texts that were meant. A caller's name
`=HYPERLINK(…)` would otherwise act on whoever opens the file (OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable

BOM = "\ufeff"
"""At the head of a file: without it Excel in Japan takes UTF-8 for Shift_JIS."""
_FORMULA = frozenset("=+-@|\t\r\n")


def line(values: Iterable[object]) -> str:
    """One line with its end; texts that a spreadsheet would run begin with an apostrophe."""
    target = io.StringIO()
    csv.writer(target).writerow([as_text(value) for value in values])
    return target.getvalue()


def as_text(value: object) -> str:
    """`value` as a cell holds it; None is empty, figures stay figures."""
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and _runs(text) else text


def meant(cell: str) -> str:
    """What `as_text` was given, where it made this cell."""
    return cell[1:] if cell.startswith("'") and _runs(cell[1:]) else cell


def _runs(text: str) -> bool:
    """Whether a spreadsheet takes it for a formula; full-width signs count too, as Excel has it in Japan."""
    return not _FORMULA.isdisjoint(unicodedata.normalize("NFKC", text[:1])[:1])
