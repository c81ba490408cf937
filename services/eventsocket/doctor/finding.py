"""What the doctor finds, as a value, and what a check is. Pure.

Enters: what a check saw. Leaves: findings with the sentence that mends them, in Japanese and English; `Check`, a small
function with the title that is shown when it finds nothing. The list of all checks is `checks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

from services.eventsocket.doctor.facts import Facts

Severity = Literal["error", "warning", "ok", "unseen"]
Lang = Literal["ja", "en"]
Pair = tuple[str, str]
"""The same in Japanese and in English."""

LIMIT = 400
"""Characters of one sentence; file names and extensions in it come from the switch."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `unseen`: the check could not look, `found` says why."""

    severity: Severity
    found: Pair
    mend: Pair = ("", "")
    check: str = ""

    def text(self, lang: Lang) -> str:
        """What was found, and what to do about it."""
        number = lang == "en"
        return " → ".join(on_one_line(part) for part in (self.found[number], self.mend[number]) if part)

    def as_json(self) -> dict[str, str]:
        """For `--json`."""
        return {
            "check": self.check,
            "severity": self.severity,
            "found": on_one_line(self.found[1]),
            "mend": on_one_line(self.mend[1]),
            "found_ja": on_one_line(self.found[0]),
            "mend_ja": on_one_line(self.mend[0]),
        }


def error(found: Pair, mend: Pair) -> Finding:
    """Calls or safety suffer until it is mended."""
    return Finding(severity="error", found=found, mend=mend)


def warning(found: Pair, mend: Pair) -> Finding:
    """It works, but not as well or as safely as it should."""
    return Finding(severity="warning", found=found, mend=mend)


def unseen(found: Pair) -> Finding:
    """It could not be looked at."""
    return Finding(severity="unseen", found=found)


@dataclass(frozen=True)
class Check:
    """One question and the sentence that is true when nothing was found."""

    name: str
    title: Pair
    look: Callable[[Facts], Iterable[Finding]]

    def findings(self, facts: Facts) -> list[Finding]:
        """What it finds, or that all is well."""
        found = [msgspec.structs.replace(one, check=self.name) for one in self.look(facts)]
        return found or [Finding(severity="ok", found=self.title, check=self.name)]


def check(name: str, ja: str, en: str) -> Callable[[Callable[[Facts], Iterable[Finding]]], Check]:
    """Makes a function from facts to findings a Check; it yields nothing when all is well."""

    def named(look: Callable[[Facts], Iterable[Finding]]) -> Check:
        return Check(name, (ja, en), look)

    return named


def on_one_line(text: str) -> str:
    """Names and paths come from files: nothing that a terminal would act on is left in them."""
    clean = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return clean if len(clean) <= LIMIT else clean[: LIMIT - 1] + "…"


def listed(names: Iterable[str], most: int = 5) -> str:
    """`a, b, c, … (12)`."""
    all_names = list(dict.fromkeys(names))
    shown = ", ".join(all_names[:most])
    return shown if len(all_names) <= most else f"{shown}, … ({len(all_names)})"
