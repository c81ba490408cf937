"""The rules of a route between a form and a client's file: what each step is, and which of it changes.

Enters: rules as the file has them, rules as people arranged them. Leaves: rows for a form, rules for the file (what
did not change `Stands` as it is written), keys of tests that follow. What a form looks like belongs to `way.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from proto.tenant.routes import ACTIONS, Action, Rule
from proto.values import digits_of
from services.directory.settings.typed import read_number, read_seconds
from services.directory.tenants.edit import ABSENT, Stands
from services.directory.tenants.problems import Path
from services.runtime.telephone import written

LONGEST_S = 600
MOST = 20
"""Steps of a rule (proto/tenant/routes.py), and rules that one form shows."""
RINGS = ("ring", "forward")
"""Steps that take a number of seconds."""
ENDS = ("voicemail", "queue", "reject")
"""Steps behind which nothing can come."""
Row = dict[str, Any]
"""Field -> what it holds."""


def kind_of(action: Action) -> str:
    """`ring`, `forward`, …"""
    return next(kind for kind in ACTIONS if getattr(action, kind) is not None)


def what_of(action: Action) -> str:
    """A step as a choice of the form: `ring:sales`, `reject:busy`; `forward` alone, since its number is typed."""
    kind = kind_of(action)
    return kind if kind == "forward" else f"{kind}:{getattr(action, kind)}"


def as_rows(rules: Sequence[Rule]) -> list[Row]:
    """What the form holds of a route."""
    return [
        {
            "was": str(i),
            "when": (rule.when.hours or "") if rule.when is not None else "",
            "steps": [_as_row(f"{i}.{j}", action) for j, action in enumerate(rule.do)],
        }
        for i, rule in enumerate(rules)
    ]


def _as_row(was: str, action: Action) -> Row:
    return {
        "was": was,
        "what": what_of(action),
        "number": written(action.forward or ""),
        "for_s": str(action.for_s or "") if kind_of(action) in RINGS else "",
        "confirm": action.confirm == "key",
        "present": action.present or "",
    }


def blank_step() -> Row:
    """A step of which nobody has said anything yet."""
    return {"was": "", "what": "", "number": "", "for_s": "", "confirm": False, "present": ""}


# -- buttons of the form: nothing is saved yet -------------------------------------------------------------------------


class Pressed(NamedTuple):
    """The rows as a button leaves them, and the field at which the visitor goes on."""

    rows: list[Row]
    at: str


def pressed(rows: Sequence[Row], button: str, hours: Sequence[str]) -> Pressed | None:
    """`up.0.1`, `drop.0`, `add.0`, `add`: a step or a rule moved, taken out or put in; None: no such button."""
    if not re.fullmatch(r"(up|down|drop|add)(\.[0-9]{1,2}){0,2}", button):
        return None
    what, *numbers = button.split(".")
    where = [int(number) for number in numbers]
    made = [{**row, "steps": list(row["steps"])} for row in rows]
    if what == "add" and len(where) < 2:
        return _added_step(made, where[0]) if where else _added_rule(made, hours)
    if not where or what == "add" or where[0] >= len(made):
        return None
    entries: list[Row] = made[where[0]]["steps"] if len(where) == 2 else made
    at = where[-1]
    to = {"up": at - 1, "down": at + 1, "drop": at}[what]
    if not (at < len(entries) and 0 <= to < len(entries)) or (what == "drop" and len(entries) == 1):
        return None
    moved = entries.pop(at)
    if what == "drop":
        to = min(to, len(entries) - 1)
    else:
        entries.insert(to, moved)
    return Pressed(made, f"rules-{where[0]}-steps-{to}-what" if len(where) == 2 else f"rules-{to}-when")


def _added_step(rows: list[Row], rule: int) -> Pressed | None:
    """At the end, or before a last step behind which nothing can come."""
    if rule >= len(rows) or len(rows[rule]["steps"]) >= MOST:
        return None
    steps: list[Row] = rows[rule]["steps"]
    at = len(steps) - (bool(steps) and str(steps[-1]["what"]).partition(":")[0] in ENDS)
    steps.insert(at, blank_step())
    return Pressed(rows, f"rules-{rule}-steps-{at}-what")


def _added_rule(rows: list[Row], hours: Sequence[str]) -> Pressed | None:
    """Before the rule for all other times, with hours that no rule names yet."""
    if len(rows) >= MOST:
        return None
    named = {row["when"] for row in rows}
    free = next((one for one in hours if one not in named), "")
    at = len(rows) - (bool(rows) and not rows[-1]["when"])
    rows.insert(at, {"was": "", "when": free, "steps": [blank_step()]})
    return Pressed(rows, f"rules-{at}-when")


# -- what of the file changes ------------------------------------------------------------------------------------------


def changed_rules(name: str, rules: Sequence[Rule], rows: Sequence[Row]) -> list[Any] | None:
    """The rules of the route `name` as the file shall have them; None: they are so already."""
    wanted = [_rule(name, rules, row) for row in rows]
    as_it_is = [Stands(("routes", name, i)) for i in range(len(rules))]
    return None if wanted == as_it_is else wanted


def _rule(name: str, rules: Sequence[Rule], row: Row) -> Any:
    steps = [_step(name, rules, step) for step in row["steps"]]
    at = _place(row["was"], 1)
    if at is not None and at[0] < len(rules):
        (i,), old = at, rules[at[0]]
        here: Path = ("routes", name, i, "do")
        when = (old.when.hours or "") if old.when is not None else ""
        if when == row["when"] and steps == [Stands((*here, j)) for j in range(len(old.do))]:
            return Stands(("routes", name, i))
    return {**({"when": {"hours": row["when"]}} if row["when"] else {}), "do": steps}


def _step(name: str, rules: Sequence[Rule], row: Row) -> Any:
    """A step that is still the same kind keeps what the form does not show (the carrier)."""
    new = _typed(row)
    at = _place(row["was"], 2)
    if at is None or at[0] >= len(rules) or at[1] >= len(rules[at[0]].do):
        return new
    old = rules[at[0]].do[at[1]]
    kind = kind_of(old)
    if kind not in new:
        return new
    changed: dict[str, Any] = {}
    if (digits_of(new[kind]) if kind == "forward" else new[kind]) != getattr(old, kind):
        changed[kind] = new[kind]
    for option, kinds in (("for_s", RINGS), ("confirm", ("forward",)), ("present", ("forward",))):
        wanted = digits_of(new[option]) if option == "present" and option in new else new.get(option)
        if kind in kinds and wanted != getattr(old, option):
            changed[option] = new.get(option, ABSENT)
    return Stands(("routes", name, at[0], "do", at[1]), changed)


def _typed(row: Row) -> dict[str, Any]:
    kind, _, target = str(row["what"]).partition(":")
    found: dict[str, Any] = {kind: read_number(row["number"]) if kind == "forward" else target}
    if kind in RINGS and (row["for_s"] or "").strip():
        found["for_s"] = read_seconds(row["for_s"], LONGEST_S)
    if kind == "forward" and row["confirm"]:
        found["confirm"] = "key"
    if kind == "forward" and row["present"]:
        found["present"] = written(row["present"])
    return found


def _place(was: str | None, parts: int) -> tuple[int, ...] | None:
    found = re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", was or "")
    numbers = tuple(int(number) for number in (was or "").split(".")) if found else ()
    return numbers if len(numbers) == parts else None


# -- tests of the file that speak of a step that changes ---------------------------------------------------------------


def changed_steps(rules: Sequence[Rule], wanted: Sequence[Any]) -> Iterator[tuple[Action, Mapping[str, Any]]]:
    """Steps that stay what they are, each with those of its keys that change."""
    for rule in wanted:
        for step in rule["do"] if isinstance(rule, dict) else ():
            if isinstance(step, Stands) and step.changed:
                _, _, i, _, j = step.path
                yield rules[int(i)].do[int(j)], step.changed


def followed(expect: Action, old: Action, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a test that expects this very step, as it will be; empty: it speaks of another."""
    kind = kind_of(old)
    if getattr(expect, kind) != getattr(old, kind):
        return {}
    return {key: value for key, value in changed.items() if key == kind or getattr(expect, key) is not None}


def expecting(expect: Action, keys: Mapping[str, Any]) -> Action:
    """The expectation with these keys."""
    read = {key: None if value is ABSENT else value for key, value in keys.items()}
    numbers = {key: digits_of(value) for key, value in read.items() if key in ("forward", "present") and value}
    return msgspec.structs.replace(expect, **(read | numbers))
