"""Who takes a call in a context of the XML dialplan, without placing one. Pure.

Enters: a context as XML, a called number, global variables. Leaves: the extensions that would act on it, in order, as
mod_dialplan_xml.c walks them. Variables of a call are taken as unset; times of day and nested conditions count as
`perhaps`, since the doctor does not know when people call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

Answer = Literal["yes", "no", "perhaps"]
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_TIMES = frozenset(
    [
        "year",
        "yday",
        "mon",
        "mday",
        "week",
        "mweek",
        "wday",
        "hour",
        "minute",
        "minute-of-day",
        "time-of-day",
        "date-time",
        "tz-offset",
        "dst",
    ]
)


@dataclass(frozen=True)
class Taking:
    """One extension that acts on a number, in the order of the walk."""

    name: str
    answer: Answer
    goes_on: bool
    """`continue="true"`: the walk goes on behind it."""
    actions: tuple[tuple[str, str], ...]
    """Application and data."""

    @property
    def ours(self) -> bool:
        """Ours are named so; nobody else's are."""
        return self.name.startswith("toritsugi-")


def takers(context: Element, number: str, variables: Mapping[str, str]) -> Iterator[Taking]:
    """Every extension up to the one that surely ends the walk."""
    for extension in context.iter("extension"):
        answer = _answer(extension, number, variables)
        if answer == "no":
            continue
        actions = tuple((one.get("application", ""), one.get("data", "")) for one in extension.iter("action"))
        goes_on = extension.get("continue", "").lower() == "true"
        yield Taking(extension.get("name", ""), answer, goes_on, actions)
        if answer == "yes" and not goes_on and actions:
            return


def stands_before_ours(context: Element) -> list[str]:
    """Foreign extensions that end the walk and stand before the first of ours."""
    names: list[str] = []
    for extension in context.iter("extension"):
        name = extension.get("name", "")
        if name.startswith("toritsugi-"):
            return names
        if extension.get("continue", "").lower() != "true":
            names.append(name)
    return names


def has_ours(context: Element) -> bool:
    """Whether any extension of ours stands in it."""
    return any(one.get("name", "").startswith("toritsugi-") for one in context.iter("extension"))


def _answer(extension: Element, number: str, variables: Mapping[str, str]) -> Answer:
    """All conditions of an extension together; a broken pattern matches nothing."""
    together: Answer = "yes"
    for condition in extension.findall("condition"):
        one = _condition(condition, number, variables)
        if one == "no" and condition.get("break", "on-false") in ("on-false", "always"):
            return "no"
        if one != "yes":
            together = "perhaps"
    return together


def _condition(condition: Element, number: str, variables: Mapping[str, str]) -> Answer:
    if _TIMES & set(condition.keys()) or condition.get("regex") or condition.find("condition") is not None:
        return "perhaps"
    field, pattern = condition.get("field"), condition.get("expression")
    if field is None or pattern is None:
        return "yes" if condition.find("expression") is None else "perhaps"
    if field == "destination_number":
        value = number
    elif "${" in field:
        value = _VARIABLE.sub(lambda m: variables.get(m[1], ""), field)
    else:
        return "perhaps"  # the caller's number or network: anybody's
    try:
        return "yes" if re.search(pattern, value) else "no"
    except re.error:
        return "perhaps"
