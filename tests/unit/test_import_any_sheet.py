"""Whatever rows come: every one is taken or told, what would be written is right, and a second time changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proto.tenant import Tenant
from services.directory.imports.columns import KINDS, Column, Kind
from services.directory.imports.file_text import text_of
from services.directory.imports.model import Proposal, Row, Sheet
from services.directory.imports.proposal import Standing, proposal
from services.directory.imports.records import records_of
from services.directory.tenants.check import check_tenant
from services.directory.tenants.problems import errors
from services.directory.tenants.settle import Held, InForce
from services.directory.tenants.writing import refusals
from services.directory.tenants.yaml_files import parse
from tests.unit.test_tenant_plan import HOUSE

assert HOUSE is not None
EMPTY = InForce(HOUSE.body)
USUAL: dict[str, tuple[Any, ...]] = {
    "client": ("acme", "beta"),
    "id": ("1001", "1002", 1003),
    "line": (None, "sato"),
    "to": (None, None, "全員", "1001", "090-1111-2222", "案内", "留守番電話"),
    "closed_to": (None, None, "案内"),
    "no_answer_to": (None, None, "留守番電話", "03-1234-5678"),
    "no_answer_s": (None, 20),
    "number": ("03-1234-5678", 312345679, "050-8100-0001", "06-6123-4567"),
    "number1": ("03-9876-5432", 312345679),
    "present": (None,),
    "hours": (None, "いつでも"),
    "group": (None, "sales"),
    "mode": (None,),
    "kind": (None, None, "代表", "貸出"),
    "channels": (None, 1),
    "from": ("2026-04-01", 46113),
    "weekdays": ("9:00-18:00",),
    "holidays": (None, "休み", "営業"),
    "name": ("佐藤 花子",),
    "prices": (None,),
    "purpose": (None, "支店ごとの番号"),
}
ODD: dict[str, tuple[Any, ...]] = {
    "client": ("ACME", "", "gamma"),
    "id": ("x y", None),
    "line": ("suzuki",),
    "to": ("nowhere", "sales", "sato"),
    "closed_to": (9011112222,),
    "no_answer_to": ("sato", "sales", "110"),
    "number": ("110", "x"),
    "present": ("03-1234-5678", "03-9999-9999"),
    "hours": ("営業時間",),
    "mode": ("公開",),
    "kind": ("直通",),
    "channels": (9,),
    "from": ("明日",),
    "weekdays": (None, "9:00-9:00", "9時"),
    "name": (None, "a\nb"),
    "prices": ("nothing",),
}


def row_of(kind: Kind, client: str = "") -> st.SearchStrategy[tuple[Any, ...]]:
    """A row in which each cell is one that people write; now and then an odd one."""

    def cell(column: Column) -> st.SearchStrategy[Any]:
        if column.key == "client" and client:
            return st.just(client)
        if column.key == "domain":
            return st.just(f"{client}.example")
        words = (None, None, *(pair[0] for pair in column.choices.values()), *([column.example] * bool(column.example)))
        return st.sampled_from(USUAL.get(column.key, words) * 40 + ODD.get(column.key, ()))

    of_numbers = kind.key == "numbers"  # a device makes a number direct, and then a destination means nothing
    return st.tuples(*(st.none() if of_numbers and column.key == "id" else cell(column) for column in kind.columns))


@st.composite
def books(draw: st.DrawFn) -> list[Sheet]:
    """Two clients with a few rows of each kind."""
    found = []
    for kind in KINDS:
        rows = draw(st.lists(row_of(kind), min_size=1, max_size=3))
        if kind.key == "clients":
            rows = [draw(row_of(kind, "acme")), draw(row_of(kind, "beta"))]
        head = Row(1, tuple(column.ja for column in kind.columns))
        found.append(Sheet("x.xlsx", kind.ja, (head, *(Row(n, row) for n, row in enumerate(rows, 2)))))
    return found


def proposed(sheets: list[Sheet], now: InForce, standing: dict[str, Standing]) -> Proposal:
    return proposal(records_of(sheets), now, standing, {}, text_of, lambda new: refusals(new, now))


@settings(max_examples=60, deadline=None)
@given(books())
def test_every_row_is_taken_or_told_and_what_is_written_is_right(sheets: list[Sheet]) -> None:
    found = proposed(sheets, EMPTY, {})
    assert HOUSE is not None
    for note in found.notes:
        assert note.say[0] and note.say[1] and note.place.row >= 0 and "\n" not in note.line("ja")
    told = {note.client for note in found.errors}
    tenants: dict[str, Held] = {}
    standing: dict[str, Standing] = {}
    for made in found.clients:
        assert made.wrong == (made.client in told)
        if made.wrong:
            continue
        document, problems = parse(Tenant, made.text, made.file)
        assert document is not None and problems == []
        assert errors(check_tenant(document.body, HOUSE.body)) == []
        tenants[made.client] = Held(made.file, document.body)
        standing[made.client] = Standing(made.file, made.text, "digest")
    if not found.errors and tenants:
        again = proposed(sheets, InForce(HOUSE.body, tenants), standing)
        assert again.errors == () and all(made.text == b"" for made in again.clients), "a second time changes no file"
