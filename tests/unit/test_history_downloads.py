"""Calls as rows of a spreadsheet: nothing that a caller sent begins a formula or breaks a line."""

from __future__ import annotations

import csv
import io

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.values import Party
from services.history import workbook
from services.history.downloads import csv_bytes, header, rows
from services.history.fold import fold
from services.history.model import Call, Client, Found, Known
from services.history.row import row
from services.runtime.csv_file import as_text, meant
from tests import stories


def found(name: str, number: str = "09011112222") -> Found:
    """One abandoned call of a caller with that name."""
    story, call = stories.abandoned("c1", caller=Party(number="", name=name)), Call(first_at_us=0)
    for fact in story.facts:
        call = fold(call, fact)
    return Found((Known("acme", "c1", row(call, "acme")),), None, False, {"acme": Client('アクメ, "Inc"')})


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋81", "－1", "＠a", "|cmd"]
)
def test_no_text_begins_a_formula(text: str) -> None:
    assert as_text(text) == f"'{text}" and meant(f"'{text}") == text


@pytest.mark.parametrize("text", ["", "03-1234-5678", "山田 太郎", "a=b", "'x"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert as_text(text) == text and meant(text) == text


@given(st.text(max_size=300))
def test_whatever_a_caller_sends_stays_in_its_cell_of_both_files(name: str) -> None:
    lines = rows(found(name), "ja")
    text = csv_bytes([header("ja"), *lines]).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [list(header("ja")), [str(cell) for cell in lines[0]]]
    assert text.count("\r\n") == 2
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in read[1])
    with workbook.write(header("ja"), [lines]) as file:
        (_, only) = openpyxl.load_workbook(file).active.iter_rows(values_only=True)
    assert [cell or "" for cell in only] == [cell or "" for cell in lines[0]]
