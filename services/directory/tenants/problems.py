"""A mistake in a tenant file, as a value.

Enters: what a reader or a check found. Leaves: one line for a person (`acme.yaml:14: numbers[0].kind: …`) and one JSON
object. Pure; where the mistake was found belongs to `yaml_files.py` and `check.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from proto.schemas import quoted

Path = tuple[str | int, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong where. An error keeps the file from taking effect; a warning does not."""

    text: str
    """What is wrong, without value and place, for example `names no route`."""
    path: Path = ()
    value: object = None
    """The value as it stands in the file; None where there is none to show."""
    allowed: str = ""
    hint: str = ""
    level: Literal["error", "warning"] = "error"
    file: str = ""
    line: int = 0
    """Counted from 1; 0 where the file as a whole is meant."""
    tenant: str = ""

    @property
    def key(self) -> str:
        """The path as people write it: `numbers[0].kind`."""
        return key_of(self.path)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line or "") if part)
        shown = " ".join(part for part in ("" if self.value is None else quoted(self.value), self.text) if part)
        shown += f"; allowed: {self.allowed}" if self.allowed else ""
        shown += f" ({self.hint})" if self.hint else ""
        parts = (place, "warning" if self.level == "warning" else "", self.key, shown)
        return on_one_line(": ".join(part for part in parts if part))

    def as_json(self) -> dict[str, object]:
        """For `--json`: every field by name, the path as text."""
        return {
            "level": self.level,
            "tenant": self.tenant,
            "file": self.file,
            "line": self.line,
            "key": self.key,
            "text": self.text,
            "value": None if self.value is None else quoted(self.value),
            "allowed": self.allowed,
            "hint": self.hint,
        }


def key_of(path: Path) -> str:
    """`("numbers", 0, "kind")` -> `numbers[0].kind`."""
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:64]}" for step in path)
    return on_one_line(words.removeprefix("."))


def on_one_line(text: str) -> str:
    """Keys and names come from the file: nothing that a terminal would act on is left in them."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that keep a file from taking effect."""
    return [problem for problem in problems if problem.level == "error"]
