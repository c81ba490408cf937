"""The dialplan of the simulated switch: the very files that are shipped for a real one, freeswitch/conf/dialplan.

Enters: context and number of a leg. Leaves: the applications of the first extensions that match, or None. Only what
these files use is understood: destination_number, `$1`, `$${global}`, continue="true".
Source: mod_dialplan_xml.c.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from xml.etree import ElementTree

from freeswitch.simulator.leg import Leg
from freeswitch.simulator.plan import App

_FILES = {
    "public": "public/10_toritsugi.xml",
    "default": "default/10_toritsugi.xml",
    "fallback": "toritsugi_fallback.xml",
}
_GLOBAL = re.compile(r"\$\$\{(\w+)\}")
_GROUP = re.compile(r"\$(\d)")


@dataclass(frozen=True)
class Extension:
    """One `<extension>`: a pattern and what it does."""

    name: str
    pattern: re.Pattern[str]
    actions: tuple[App, ...]
    goes_on: bool = False


class Dialplan:
    """Contexts with their extensions, in order."""

    def __init__(self, global_variables: Mapping[str, str]) -> None:
        folder = files("freeswitch") / "conf" / "dialplan"
        self.contexts: dict[str, tuple[Extension, ...]] = {}
        for context, name in _FILES.items():
            text = (folder / name).read_text(encoding="utf-8")
            self.contexts[context] = _extensions(text, global_variables)

    def apps(self, context: str, number: str, channel: Leg) -> tuple[App, ...] | None:
        """What a call to this number does; None if nothing matches."""
        found: list[App] = []
        for extension in self.contexts.get(context, ()):
            match = extension.pattern.search(number)
            if match is None:
                continue
            if not found:
                channel.story.found(extension.name, number)
            groups = (match.group(0), *match.groups())
            channel.variables["DP_MATCH"] = [*groups]
            found += [App(one.name, _filled(one.data, groups)) for one in extension.actions]
            if not extension.goes_on:
                break
        return tuple(found) or None


def _filled(data: str, groups: tuple[str | None, ...]) -> str:
    return _GROUP.sub(lambda m: (groups[int(m[1])] or "") if int(m[1]) < len(groups) else "", data)


def _extensions(text: str, global_variables: Mapping[str, str]) -> tuple[Extension, ...]:
    text = _GLOBAL.sub(lambda m: global_variables.get(m[1], ""), text)
    found = []
    for extension in ElementTree.fromstring(text).iter("extension"):
        for condition in extension.iter("condition"):
            actions = tuple(App(one.get("application", ""), one.get("data", "")) for one in condition.iter("action"))
            pattern = re.compile(condition.get("expression", ".*"))
            goes_on = extension.get("continue") == "true"
            found.append(Extension(extension.get("name", ""), pattern, actions, goes_on))
    return tuple(found)
