"""Edits from pages: the value changes, and not one other character."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto.tenant import Tenant
from services.directory.edit import ABSENT, CannotEdit, edited
from services.directory.yaml_files import parse, read_yaml

SAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "tenants").glob("*.yaml"))

ACME = """\
# アクメ
tenant: acme        # 記号
name: "株式会社アクメ"
contract: {from: 2026-04-01, closing_day: 20}   # 契約

hours:
  # 営業時間
  office:
    mon-fri: ["9:00-12:00", "13:00-18:00"]   # 昼休みあり
    closed:
      - 2026-08-11   # 山の日
      # お盆
      - 2026-08-13/2026-08-15
    holidays: closed
  night: {daily: ["22:00-5:00"],   # 夜
          holidays: open}
recording:
  calls: none

# おわり
"""


def change(*pairs: tuple[tuple[str | int, ...], Any], text: str = ACME) -> str:
    return edited(text.encode(), dict(pairs)).decode()


OFFICE = ("hours", "office")


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        ((*OFFICE, "mon-fri"), ["9:00-18:00"], '["9:00-12:00", "13:00-18:00"]', '["9:00-18:00"]'),
        ((*OFFICE, "holidays"), "open", "holidays: closed", "holidays: open"),
        (("name",), 'アクメ "A" 社', '"株式会社アクメ"', '"アクメ \\"A\\" 社"'),
        (("contract", "closing_day"), 31, "closing_day: 20", "closing_day: 31"),
        (("contract", "plan"), "cloud-pbx", "closing_day: 20}", "closing_day: 20, plan: cloud-pbx}"),
        (("contract", "closing_day"), ABSENT, ", closing_day: 20}", "}"),
        (("contract", "from"), ABSENT, "{from: 2026-04-01, closing_day", "{closing_day"),
        (("hours", "night", "sat"), [], "holidays: open}", "holidays: open, sat: []}"),
        ((*OFFICE, "sat"), ["9:00-12:00"], "holidays: closed\n", 'holidays: closed\n    sat: ["9:00-12:00"]\n'),
        ((*OFFICE, "holidays"), ABSENT, "    holidays: closed\n", ""),
        ((*OFFICE, "closed"), ABSENT, ACME[ACME.index("    closed:") : ACME.index("    holidays: closed")], ""),
        ((*OFFICE, "closed", 1), "2026-08-12", "2026-08-13/2026-08-15", "2026-08-12"),
        (
            (*OFFICE, "closed"),
            ["2026-08-11", "2026-08-13/2026-08-15", "2026-12-29/2027-01-03"],
            "2026-08-15\n",
            "2026-08-15\n      - 2026-12-29/2027-01-03\n",
        ),
        ((*OFFICE, "closed"), ["2026-08-13/2026-08-15"], "      - 2026-08-11   # 山の日\n", ""),
        ((*OFFICE, "closed"), ["2026-08-11"], "      - 2026-08-13/2026-08-15\n", ""),
        (("recording", "calls"), ABSENT, "calls: none", "{}"),
        (("answering", "greeting"), "お電話ありがとう: はい", "# おわり", "# おわり"),
        (OFFICE, {"mon-fri": ["9:00-17:00"], "closed": ["2026-08-11", "2026-08-13/2026-08-15"], "holidays": "closed"},
         '["9:00-12:00", "13:00-18:00"]', '["9:00-17:00"]'),
    ],
)  # fmt: skip
def test_only_the_value_changes(path: tuple[str | int, ...], value: Any, old: str, new: str) -> None:
    assert ACME.count(old) == 1
    said = change((path, value))
    if path[0] == "answering":  # a new key of the file stands behind the last one
        assert said == ACME.replace(
            "  calls: none\n", '  calls: none\nanswering: {greeting: "お電話ありがとう: はい"}\n'
        )
    else:
        assert said == ACME.replace(old, new)


def test_several_changes_are_one_text() -> None:
    said = change(((*OFFICE, "mon-fri"), ["8:00-17:00"]), (("name",), "新"), (("reading",), "シン"))
    assert said == ACME.replace('["9:00-12:00", "13:00-18:00"]', '["8:00-17:00"]').replace(
        '"株式会社アクメ"', '"新"'
    ).replace("  calls: none\n", "  calls: none\nreading: シン\n")


def test_what_is_so_already_is_not_written_anew() -> None:
    same = {"mon-fri": ["9:00-12:00", "13:00-18:00"], "holidays": "closed"}
    assert change(((*OFFICE, "mon-fri"), same["mon-fri"]), (("contract", "closing_day"), 20)) == ACME


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("a: &x [1]\nb: *x\n", ("b",), ["2"]),
        ("a: &x [1]\nb: *x\n", ("a",), ["2"]),
        ("a: [1\n", ("a",), ["2"]),
        ("a: 1\n", ("a", "b"), "2"),
        ("a: [1]\n", ("a", 5), "2"),
        ("a:\n  - b: 1\n    c: 2\n", ("a", 0, "b"), ABSENT),
        ("- a\n", ("a",), "1"),
        ("a: !!str 1\n", ("a",), "2"),
    ],
)
def test_what_a_program_cannot_change_safely_it_leaves_to_people(
    text: str, path: tuple[str | int, ...], value: Any
) -> None:
    with pytest.raises(CannotEdit):
        change((path, value), text=text)


@pytest.mark.parametrize("text", ["a:\nb: 1\n", "a: ''\n", "a: |\n  x\n  y\nb: 1 # n\n", "a: 1", "a: 1\r\nb: 2\r\n"])
def test_values_of_every_style_are_replaced(text: str) -> None:
    said = edited(text.encode(), {("a",): "neu"})
    assert read_yaml(said).value == {**read_yaml(text.encode()).value, "a": "neu"}
    assert said.count(b"\n") == text.count("\n") - (2 if "|" in text else 0)


_hostile = st.text(max_size=40) | st.sampled_from(
    ["no", "0312345678", "a: b", "# x", "- x", "[x", "*a", "&a", "%", "\u2028"]
)
_values = st.recursive(
    _hostile | st.integers(-99, 9999) | st.booleans(),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["mon", "tue", "on", "open"]), below, max_size=3)
    ),
    max_leaves=4,
)


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict | list) and value:
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, below in entries for leaf in _leaves(below, (*path, key))]
    return [path]


def _alike(one: str, other: str) -> int:
    """How many characters from the beginning."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


@given(st.data(), st.sampled_from(SAMPLES), _values)
@settings(max_examples=50, deadline=None, database=None)
def test_whatever_is_written_anywhere_all_else_stays_as_it_was(data: st.DataObject, sample: Path, value: Any) -> None:
    """The text before and behind the old value is the same, and reading gives the wanted change alone."""
    old = sample.read_text(encoding="utf-8")
    raw = read_yaml(old.encode())
    path = data.draw(st.sampled_from(_leaves(raw.value)))
    before = raw.value
    for step in path:
        before = before[step]
    try:
        new = edited(old.encode(), {path: value}).decode()
    except CannotEdit:
        assert "\x00" in repr(value) or any(ord(c) in range(0xD800, 0xE000) for c in str(value))
        return
    same = _alike(old, new)
    gone = old[same : len(old) - _alike(old[same:][::-1], new[same:][::-1])]
    assert len(gone) <= len(str(before)) + 2, "no more than the value and its quotes"
    assert "\n" not in gone and "#" not in gone
    again = edited(new.encode(), {path: before}).decode()
    assert read_yaml(again.encode()).value == raw.value


def test_an_edited_sample_is_still_a_client() -> None:
    text = SAMPLES[0].read_bytes()
    new = edited(text, {("hours", "office", "mon-fri"): ["8:30-17:30"], ("hours", "office", "wed"): []})
    document, _ = parse(Tenant, new, "acme.yaml")
    assert document is not None and document.body.hours["office"].mon_fri == ("8:30-17:30",)
    assert new.count(b"\n") == text.count(b"\n") and new.count(b"#") == text.count(b"#")
