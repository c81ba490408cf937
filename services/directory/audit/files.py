"""PURE Entries of the audit log as files: CSV for a spreadsheet, JSON Lines for programs.

Enters: entries. Leaves: lines. Texts stay texts (`runtime/csv_file.py`); times are those of Japan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from services.directory.audit.chain import Entry
from services.directory.days import in_japan
from services.runtime.csv_file import BOM, line

COLUMNS = ("seq", "at", "who", "what", "tenant", "about", "before", "after", "chain")


def at_text(at_us: int) -> str:
    """`2026-11-22T10:00:00.123+09:00`."""
    return in_japan(at_us).isoformat(timespec="milliseconds")


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """Lines with a head; the first begins with a mark by which Excel knows UTF-8."""
    yield BOM + line(COLUMNS)
    for entry in entries:
        values = {**msgspec.structs.asdict(entry), "at": at_text(entry.at_us)}
        yield line(values[name] for name in COLUMNS)


def as_json_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """One object per line, with everything that the chain was made of."""
    for entry in entries:
        yield msgspec.json.encode({"at": at_text(entry.at_us), **msgspec.structs.asdict(entry)}).decode() + "\n"
