"""PURE Lines of a CSV file that a spreadsheet opens as text: nothing in it is ever run as a formula.

Enters: values. Leaves: lines (RFC 4180). A caller's name `=HYPERLINK(…)` would otherwise act on whoever opens the file
(OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

BOM = "\ufeff"
"""At the head of a file: without it Excel in Japan takes UTF-8 for Shift_JIS."""
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "=", "+", "-", "@")


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
    return f"'{text}" if isinstance(value, str) and text.startswith(_RUN_BY_SPREADSHEETS) else text
