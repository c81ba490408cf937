"""The dialplan of the simulated switch: the very files that are shipped for a real one, freeswitch/conf/dialplan.

Enters: context and number of a leg. Leaves: the applications of the first extensions that match, or None. Only what
these files use is understood: destination_number, `${variable}`, several conditions, `$1`, `$${global}`,
continue="true", and `XML:<file>,XML`: a file read for this call, then the plain dialplan.
Source: mod_dialplan_xml.c; switch_core_state_machine.c (the list of dialplans).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from freeswitch.simulator.plan import App

if TYPE_CHECKING:
    from freeswitch.simulator.calls.leg import Leg

_FILES = {
    "public": "public/10_toritsugi.xml",
    "default": "default/10_toritsugi.xml",
    "fallback": "toritsugi_fallback.xml",
}
_GLOBAL = re.compile(r"\$\$\{(\w+)\}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_GROUP = re.compile(r"\$(\d)")


@dataclass(frozen=True)
class Condition:
    """One `<condition>`: what is looked at, the pattern, and what is done when it holds."""

    field: str
    pattern: re.Pattern[str]
    actions: tuple[App, ...]


@dataclass(frozen=True)
class Extension:
    """One `<extension>`: its conditions hold in turn, up to the first that does not."""

    name: str
    conditions: tuple[Condition, ...]
    goes_on: bool = False


Contexts = Mapping[str, tuple[Extension, ...]]


class Dialplan:
    """Contexts with their extensions, in order."""

    def __init__(self, global_variables: Mapping[str, str]) -> None:
        self._globals = global_variables
        folder = files("freeswitch") / "conf" / "dialplan"
        self.contexts: dict[str, tuple[Extension, ...]] = {}
        for context, name in _FILES.items():
            text = (folder / name).read_text(encoding="utf-8")
            self.contexts[context] = _extensions(_expanded(text, global_variables))

    def apps(self, number: str, channel: Leg) -> tuple[App, ...] | None:
        """What a call to this number does, in the leg's context; None if nothing matches."""
        for named in channel.profile.dialplan.split(","):
            kind, _, path = named.partition(":")
            if kind == "XML":
                contexts = _of_file(Path(path)) if path else self.contexts
                found = self._hunt(contexts.get(channel.profile.context, ()), number, channel)
                if found:
                    return found
        return None

    def _hunt(self, extensions: tuple[Extension, ...], number: str, channel: Leg) -> tuple[App, ...]:
        found: list[App] = []
        for extension in extensions:
            before = len(found)
            holds = all(self._holds(one, number, channel, found) for one in extension.conditions)
            if found and not before:
                channel.story.found(extension.name, number)
            if holds and not extension.goes_on:
                break
        return tuple(found)

    def _holds(self, condition: Condition, number: str, channel: Leg, found: list[App]) -> bool:
        looked_at = number if condition.field == "destination_number" else self._of_leg(condition.field, channel)
        match = condition.pattern.search(looked_at)
        if match is None:
            return False
        groups = (match.group(0), *match.groups())
        if "(" in condition.pattern.pattern or condition.field == "destination_number":
            channel.variables["DP_MATCH"] = [one or "" for one in groups]
        found += [App(one.name, self._of_leg(_filled(one.data, groups), channel)) for one in condition.actions]
        return True

    def _of_leg(self, text: str, channel: Leg) -> str:
        """`${x}`: a variable of the leg, else a global one (switch_channel_get_variable)."""
        return _VARIABLE.sub(lambda m: channel.get(m[1]) or self._globals.get(m[1], ""), text)


def _filled(data: str, groups: tuple[str | None, ...]) -> str:
    return _GROUP.sub(lambda m: (groups[int(m[1])] or "") if int(m[1]) < len(groups) else "", data)


def _expanded(text: str, global_variables: Mapping[str, str]) -> str:
    return _GLOBAL.sub(lambda m: global_variables.get(m[1], ""), text)


def _of_file(path: Path) -> Contexts:
    """The contexts of `<document><section name="dialplan">`; none if there is no such file, or it is no XML."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return {}
    return {name: tuple(found) for name, found in _contexts(root)}


def _contexts(root: ElementTree.Element) -> Iterator[tuple[str, list[Extension]]]:
    for section in root.findall("section[@name='dialplan']"):
        for context in section.findall("context"):
            yield context.get("name", ""), [_extension(one) for one in context.findall("extension")]


def _extensions(text: str) -> tuple[Extension, ...]:
    return tuple(_extension(one) for one in ElementTree.fromstring(text).iter("extension"))


def _extension(node: ElementTree.Element) -> Extension:
    conditions = tuple(
        Condition(
            one.get("field", "destination_number"),
            re.compile(one.get("expression", ".*")),
            tuple(App(action.get("application", ""), action.get("data", "")) for action in one.iter("action")),
        )
        for one in node.iter("condition")
    )
    return Extension(node.get("name", ""), conditions, node.get("continue") == "true")
