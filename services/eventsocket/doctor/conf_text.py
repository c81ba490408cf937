"""FreeSWITCH's configuration text as the switch itself reads it. Pure.

Enters: the text of each file by its path below the prefix. Leaves: one document with includes, `$${variables}` and
left-out lines treated as in switch_xml.c (preprocess), and its pieces. Nothing is ever executed: `exec` and `stun-set`
are passed over. Reading files belongs to `conf_files.py`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

DEEPEST = 100
"""Files within files (switch_xml.c, rlevel)."""
MOST_INCLUDED = 20_000
"""Files that include all of their folder, themselves among them, would otherwise never end."""
_COMMAND = re.compile(r"<x-pre-process\s+cmd\s*=\s*\"([^\"]*)\"\s+data\s*=\s*\"([^\"]*)\"", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\$\{([^}]{0,500})\}")
_CONTEXTS = "context:"


def expand(files: Mapping[str, str], variables: dict[str, str], start: str = "freeswitch.xml") -> str:
    """The one document that begins in `start`; variables that files set are added to `variables`."""
    return "".join(_lines(files, start, variables, 0, iter(range(MOST_INCLUDED))))


def _lines(
    files: Mapping[str, str], path: str, variables: dict[str, str], depth: int, left: Iterator[int]
) -> Iterator[str]:
    if depth > DEEPEST or next(left, None) is None:
        return
    for raw in files.get(path, "").splitlines(keepends=True):
        line = _VARIABLE.sub(lambda m: variables.get(m[1], ""), raw)
        if "<include>" in line or "</include>" in line or "<?" in line:
            continue  # the whole line, with everything else that stands on it
        if "x-pre-process" not in line.lower():
            yield line
        elif (command := _COMMAND.search(line)) is not None:
            yield from _obeyed(files, path, variables, depth, left, command[1].lower(), command[2])


def _obeyed(
    files: Mapping[str, str],
    path: str,
    variables: dict[str, str],
    depth: int,
    left: Iterator[int],
    command: str,
    data: str,
) -> Iterator[str]:
    if command == "set" and "=" in data:
        name, _, value = data.partition("=")
        variables[name.strip()] = value.lstrip()
    elif command == "include":
        for one in _included(files, path, data):
            yield from _lines(files, one, variables, depth + 1, left)


def includes(path: str, text: str) -> list[str]:
    """The patterns that a file includes, below the prefix: `autoload_configs/*.xml`."""
    folder = posixpath.dirname(path)
    found = [m[2] for m in _COMMAND.finditer(text) if m[1].lower() == "include"]
    return [posixpath.normpath(posixpath.join(folder, pattern)) for pattern in found]


def _included(files: Mapping[str, str], path: str, data: str) -> list[str]:
    pattern = posixpath.normpath(posixpath.join(posixpath.dirname(path), data))
    folder = posixpath.dirname(pattern)
    return [one for one in sorted(files) if posixpath.dirname(one) == folder and fnmatchcase(one, pattern)]


def pieces(document: str) -> dict[str, Element]:
    """Each configuration by name (`switch.conf`) and each context of the dialplan (`context:public`), the first of two.

    Raises ElementTree.ParseError where the text is no well-formed document.
    """
    found: dict[str, Element] = {}
    for section in ElementTree.fromstring(document).iter("section"):
        if section.get("name") == "configuration":
            for one in section.iter("configuration"):
                found.setdefault(one.get("name", ""), one)
        elif section.get("name") == "dialplan":
            for one in section.iter("context"):
                found.setdefault(_CONTEXTS + one.get("name", ""), one)
    return found


def without_comments(text: str) -> str:
    """The same lines with comments blanked, so that line numbers stay."""
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept += [text[at:start], re.sub(r"[^\n]", " ", text[start : end + 3])]
        at = end + 3
    return "".join([*kept, text[at:]])


def lines_with(text: str, pattern: re.Pattern[str]) -> list[tuple[int, str]]:
    """(line, what matched) outside comments."""
    clean = without_comments(text)
    found, line, at = [], 1, 0
    for m in pattern.finditer(clean):
        line, at = line + clean.count("\n", at, m.start()), m.start()
        found.append((line, m[0]))
    return found
