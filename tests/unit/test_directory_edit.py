"""Edits from pages: the value changes, and not one other character."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proto.tenant import Tenant
from services.directory.tenants.edit import ABSENT, CannotEdit, Stands, edited
from services.directory.tenants.yaml_files import parse, read_yaml

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
        (("recording", "calls"), ABSENT, "recording:\n  calls: none\n", "recording: {}\n"),
        (("recording",), "none", "recording:\n  calls: none\n", "recording: none\n"),
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
        ("a: [{b: 1 # x\n, c: 2}]\n", ("a", 0, "b"), ABSENT),
        ("- a\n", ("a",), "1"),
        ("a: !!str 1\n", ("a",), "2"),
    ],
)
def test_what_a_program_cannot_change_safely_it_leaves_to_people(
    text: str, path: tuple[str | int, ...], value: Any
) -> None:
    with pytest.raises(CannotEdit):
        change((path, value), text=text)


# -- lists of mappings: steps of routes, lines, devices ------------------------------------------------------------

ROUTES = """\
ids:
- id: "1001"       # 受付
  name: 佐藤
  # 机の上
  device: desk
- {id: "1002", name: 鈴木}   # 倉庫
routes:
  main:
    # 昼
    - when: {hours: office}
      do:
        - forward: 090-1234-5678   # 社長
          for_s: 30
          confirm: key
        - {voicemail: main}
    - do: [{play: closed},   # 夜
           {forward: 090-1234-5678, confirm: key}, {voicemail: main}]
"""
STEP = ("routes", "main", 0, "do", 0)


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        ((*STEP, "forward"), "080-0000-1111", "- forward: 090-1234-5678 ", "- forward: 080-0000-1111 "),
        ((*STEP, "for_s"), 20, "for_s: 30", "for_s: 20"),
        ((*STEP, "confirm"), ABSENT, "          confirm: key\n", ""),
        ((*STEP, "for_s"), ABSENT, "          for_s: 30\n", ""),
        ((*STEP, "present"), "03-1234-5678", "confirm: key\n", "confirm: key\n          present: 03-1234-5678\n"),
        ((*STEP, "forward"), ABSENT, "forward: 090-1234-5678   # 社長\n          for_s", "for_s"),
        (("routes", "main", 1, "do", 1, "confirm"), ABSENT, "5678, confirm: key}", "5678}"),
        (("routes", "main", 1, "do", 1, "for_s"), 15, "5678, confirm: key}", "5678, confirm: key, for_s: 15}"),
        (("routes", "main", 1, "do", 0), ABSENT, "[{play: closed},   # 夜", "[ # 夜"),
        (("routes", "main", 1, "do"), [{"play": "closed"}, {"voicemail": "main"}],
         "{forward: 090-1234-5678, confirm: key}, ", ""),
        (("ids", 0, "id"), ABSENT, '- id: "1001"       # 受付\n  name', "- name"),
        (("ids", 0, "name"), "佐藤 花子", "name: 佐藤\n", 'name: "佐藤 花子"\n'),
        (("ids", 1, "device"), "app", "name: 鈴木}", "name: 鈴木, device: app}"),
        (("ids", 1), ABSENT, '- {id: "1002", name: 鈴木}   # 倉庫\n', ""),
        (("ids", 2), {"id": "1003", "name": "高橋"}, "# 倉庫\n", '# 倉庫\n- {id: "1003", name: 高橋}\n'),
        (("webhooks",), [{"url": "https://a.example/x"}], "voicemail: main}]\n",
         'voicemail: main}]\nwebhooks: [{url: "https://a.example/x"}]\n'),
    ],
)  # fmt: skip
def test_values_within_lists_of_mappings_change_alone(
    path: tuple[str | int, ...], value: Any, old: str, new: str
) -> None:
    assert ROUTES.count(old) == 1
    assert change((path, value), text=ROUTES) == ROUTES.replace(old, new)


def test_a_comment_under_the_first_key_of_an_entry_stays_when_that_key_goes() -> None:
    text = "a:\n  - b: 1   # x\n    # about c\n    c: 2\n"
    assert change((("a", 0, "b"), ABSENT), text=text) == "a:\n  -   # x\n    # about c\n    c: 2\n".replace(
        "   # x", ""
    )


def test_comments_between_braces_stay_when_an_entry_goes() -> None:
    text = "a: [{b: 1},  # one, two\n    {c: 2},  # three\n    {d: 3}]\n"
    assert change((("a", 1), ABSENT), text=text) == "a: [{b: 1},  # one, two\n     # three\n    {d: 3}]\n"
    assert change((("a", 2), ABSENT), text=text) == "a: [{b: 1},  # one, two\n    {c: 2} # three\n    ]\n"


STEPS = """\
do:
  # the first
  - {ring: sales, for_s: 20}   # one

  # the second
  # of two lines
  - forward: 090-1234-5678     # two
    for_s: 030
  - {voicemail: sales}         # three
other: x   # end
"""


def test_entries_that_change_places_take_their_comments_along() -> None:
    swapped = change((("do",), [Stands(("do", 1)), Stands(("do", 0)), Stands(("do", 2))]), text=STEPS)
    one, two = STEPS[STEPS.index("  # the first") : STEPS.index("\n\n")], STEPS[STEPS.index("  # the second") :]
    two = two[: two.index("\n  - {voicemail")]
    assert swapped == STEPS.replace(f"{one}\n\n{two}", f"{two}\n\n{one}")
    between = change(
        (("do",), [Stands(("do", 0)), {"play": "closed"}, *(Stands(("do", i)) for i in (1, 2))]), text=STEPS
    )
    assert between.count("  - {play: closed}\n") == 1 and between.replace("  - {play: closed}\n", "") != between
    assert [line for line in between.splitlines() if line not in STEPS.splitlines()] == ["  - {play: closed}"]


def test_what_stands_is_kept_as_it_is_written_but_for_the_keys_that_change() -> None:
    new = [Stands(("do", 1), {"for_s": 25}), {"ring": "sales", "for_s": 20}]
    said = change((("do",), new), text=STEPS)
    assert "  - forward: 090-1234-5678     # two\n    for_s: 25\n" in said and "voicemail" not in said
    flow = "a: [{b: 1}, {c: 02, d: x}, {e: 3}]   # all\n"
    swapped = [Stands(("a", 2)), Stands(("a", 1), {"d": ABSENT}), Stands(("a", 0))]
    assert change((("a",), swapped), text=flow) == "a: [{e: 3}, {c: 02}, {b: 1}]   # all\n"
    with pytest.raises(CannotEdit):
        change((("a",), [Stands(("a", 7))]), text=flow)
    with pytest.raises(CannotEdit):
        change((("a",), [Stands(("a", 0, "b", "x"))]), text=flow)


@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True),
    st.lists(st.sampled_from("abcdefxyz"), min_size=1, max_size=7, unique=True),
    st.sampled_from(["block", "mapping", "flow"]),
)
@settings(max_examples=150, deadline=None, database=None)
def test_however_a_list_is_arranged_each_comment_stays_with_its_entry(old: list[str], new: list[str], how: str) -> None:
    entry = {"block": "  - {k: %s}   # about %s\n", "mapping": "  - k: %s   # about %s\n    n: 1\n", "flow": ""}[how]
    lines = (
        "".join(entry % (one, one) for one in old) if entry else f"  [{', '.join(f'{{k: {one}}}' for one in old)}]\n"
    )
    text = f"head: 1\na:   # these\n{lines}tail: 2   # end\n"
    made = {"k": "", "n": 1} if how == "mapping" else {"k": ""}
    said = change(
        (("a",), [Stands(("a", old.index(one))) if one in old else {**made, "k": one} for one in new]), text=text
    )
    assert [one["k"] for one in read_yaml(said.encode()).value["a"]] == new
    assert said.startswith("head: 1\na:   # these\n") and said.endswith("tail: 2   # end\n")
    if entry and [one for one in new if one in old] != []:
        kept = [line for line in said.splitlines() if "# about" in line and line in text.splitlines()]
        assert [line[-1] for line in kept] == [one for one in new if one in old]


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


def _in_blocks(sample: Path) -> str:
    """The sample as others might write it: every key on a line of its own, every line with its own comment."""
    raw = json.loads(json.dumps(read_yaml(sample.read_bytes()).value))
    lines = yaml.safe_dump(raw, allow_unicode=True, sort_keys=False, width=9999).splitlines()
    return "".join(f"{line}   # {i}.\n" for i, line in enumerate(lines))


def _lines_of(value: Any) -> int:
    """How many lines of its own a value may take."""
    return str(yaml.safe_dump(json.loads(json.dumps(value)))).count("\n")


def _entries(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every key of a mapping that stands in a list."""
    if isinstance(value, list):
        return [entry for i, below in enumerate(value) for entry in _entries(below, (*path, i))]
    if isinstance(value, dict):
        here = [(*path, key) for key in value] if path and isinstance(path[-1], int) else []
        return here + [entry for key, below in value.items() for entry in _entries(below, (*path, key))]
    return []


@given(st.data(), st.sampled_from(SAMPLES), st.booleans(), st.sampled_from(["gone", "added", "changed"]))
@settings(max_examples=40, deadline=None, database=None)
def test_whatever_is_done_to_an_entry_of_a_list_the_comments_of_all_others_stay(
    data: st.DataObject, sample: Path, blocks: bool, what: str
) -> None:
    old = _in_blocks(sample) if blocks else sample.read_text(encoding="utf-8")
    raw = read_yaml(old.encode()).value
    path = data.draw(st.sampled_from(_entries(raw) or [("name",)]))
    before: Any = raw
    for step in path:
        before = before[step]
    changes = {
        "gone": (path, ABSENT),
        "added": ((*path[:-1], "added"), data.draw(_hostile.filter(lambda text: "\x00" not in text))),
        "changed": (path, "neu"),
    }
    try:
        new = edited(old.encode(), dict([changes[what]])).decode()
    except CannotEdit:
        assert what != "changed" and any(ord(c) in range(0xD800, 0xE000) for c in str(changes[what][1]))
        return
    comments = [line.partition("   # ")[2] for line in old.splitlines()] if blocks else []
    lost = [one for one in comments if f"# {one}" not in new]
    assert len(lost) <= (1 + _lines_of(before) if what != "added" else 0), lost
    untouched = [line for line in old.splitlines() if line in new.splitlines()]
    assert len(untouched) >= len(old.splitlines()) - 2 - _lines_of(before)
    if what == "added":
        assert read_yaml(edited(new.encode(), {changes[what][0]: ABSENT})).value == raw


def test_an_edited_sample_is_still_a_client() -> None:
    text = SAMPLES[0].read_bytes()
    new = edited(text, {("hours", "office", "mon-fri"): ["8:30-17:30"], ("hours", "office", "wed"): []})
    document, _ = parse(Tenant, new, "acme.yaml")
    assert document is not None and document.body.hours["office"].mon_fri == ("8:30-17:30",)
    assert new.count(b"\n") == text.count(b"\n") and new.count(b"#") == text.count(b"#")
