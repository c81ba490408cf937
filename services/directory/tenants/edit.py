"""Edits of a client's file: a value changes, and every other character of the text stays where it is.

Enters: the text, the keys that shall have other values. Leaves: the new text, or `CannotEdit` where a person must do
it. The places come from the parser's marks; nothing is written anew but the value itself. Afterwards the text is read
again as `yaml_files.py` reads it: anything but the wanted change (an alias that stood for two keys) is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import yaml

from proto.schemas import Plain
from services.directory.tenants.problems import Path, key_of
from services.directory.tenants.yaml_files import Unreadable, read_yaml


class _Absent:
    """No such key."""


ABSENT: Final = _Absent()
"""In place of a value: the key shall not be there."""
_PLAIN = re.compile(r"[A-Za-z0-9\u3041-\u30ff\u4e00-\u9fff][A-Za-z0-9\u3041-\u30ff\u4e00-\u9fff_./-]*")
_QUOTED = re.compile(r"[0-9.]+|y|n|yes|no|on|off|true|false|null", re.IGNORECASE)
"""Plain to our reader, but to other readers of YAML something else than text."""


class Stands(NamedTuple):
    """In place of a value: what stands at this key now, as it is written, with other values at some of its own keys."""

    path: Path
    changed: Mapping[str, Any] = {}


class CannotEdit(Exception):
    """Why this must be done by hand."""


def edited(text: bytes, changes: Mapping[Path, Any]) -> bytes:
    """The text with these values at these keys. Raises CannotEdit.

    Values are what JSON knows (text, whole numbers, true and false, lists, mappings), ABSENT or Stands. A mapping is
    changed key by key and a list entry by entry, so that comments within them stay; entries that move take their
    comments along; a new key comes behind the others.
    """
    try:
        stands = read_yaml(text).value
        wanted = _plain(stands)
        new = text.decode("utf-8")
        for path, wish in changes.items():
            value = _looked_up(wish, stands)
            wanted = _with(wanted, path, value)
            new = _set(new, path, value)
        found = _plain(read_yaml(new.encode("utf-8")).value)
    except Unreadable as error:
        raise CannotEdit(str(error)) from None
    if found != wanted:
        raise CannotEdit(
            f"{', '.join(key_of(path) for path in changes)}: the file is written in a way that only a person can change"
        )
    return new.encode("utf-8")


def _looked_up(value: Any, stands: Any) -> Any:
    """The value with everything that is to be as it stands."""
    if isinstance(value, Stands):
        found = stands
        for step in value.path:
            try:
                found = found[step]
            except (LookupError, TypeError):
                raise CannotEdit(f"{key_of(value.path)} is not there") from None
        if not value.changed:
            return found
        others = {key: _looked_up(new, stands) for key, new in value.changed.items()}
        return {key: new for key, new in {**found, **others}.items() if new is not ABSENT}
    if isinstance(value, dict):
        return {key: _looked_up(below, stands) for key, below in value.items()}
    return [_looked_up(entry, stands) for entry in value] if isinstance(value, list) else value


def _set(text: str, path: Path, value: Any) -> str:
    """One change; every step reads the text again, since places move."""
    parent, node, depth = _find(text, path)
    if depth < len(path):
        if value is ABSENT:
            return text
        for key in reversed(path[depth + 1 :]):
            value = {key: value}
        return _add(text, node, path[depth], value)
    if value is ABSENT:
        return _remove(text, parent, path)
    old = _plain(_value(node))
    if old == _plain(value):
        return text
    if isinstance(node, yaml.MappingNode) and isinstance(value, dict) and value and node.value:
        for key in (*value, *(key for key in old if key not in value)):
            text = _set(text, (*path, key), value.get(key, ABSENT))
        return text
    if isinstance(node, yaml.SequenceNode) and isinstance(value, list) and value and node.value:
        return _set_entries(text, path, old, value)
    quoted = isinstance(node, yaml.ScalarNode) and node.style in ("'", '"')
    return _replaced(text, parent, node, rendered(value, quoted))


def _replaced(text: str, parent: Any, node: Any, new: str) -> str:
    """Another text in place of a node's; what stood on lines of its own moves up to its key."""
    begin, end = node.start_mark.index, _end(text, node)
    line = text.rfind("\n", 0, begin) + 1
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    key = next((key for key, value in parent.value if value is node), None) if parent.id == "mapping" else None
    if block and key is not None and not text[line:begin].strip():
        colon = text.index(":", key.end_mark.index) + 1
        return f"{text[:colon]} {new}{text[colon:line]}{text[_line_end(text, end) + 1 :]}"
    space = " " if text[begin - 1 : begin] in (":", "-") else ""
    return text[:begin] + space + new + text[end:]


def _set_entries(text: str, path: Path, old: list[Any], value: list[Any]) -> str:
    """Entries that are no longer wanted go with their lines; the others move, come in or are changed where they are."""
    sources = _sources(old, [_plain(entry) for entry in value])
    stay = [source for source in sources if source is not None]
    if stay == sorted(stay) and None not in sources[: len(stay)]:
        for i in reversed(range(len(old))):
            if i not in stay:
                text = _set(text, (*path, i), ABSENT)
    else:
        text = _arranged(text, path, sources, value)
    for i, entry in enumerate(value):
        text = _set(text, (*path, i), entry)
    return text


def _sources(old: list[Any], wanted: list[Any]) -> list[int | None]:
    """Of which old entry each one is made: of one that is alike, or has most in common, or nobody needs (None: new)."""
    free = set(range(len(old)))
    found: list[int | None] = [None] * len(wanted)
    for in_common in (_is_same, _common):
        for j, entry in enumerate(wanted):
            likely = [(-in_common(old[i], entry), abs(i - j), i) for i in free if in_common(old[i], entry)]
            if found[j] is None and likely:
                found[j] = i = min(likely)[-1]
                free.remove(i)
    for j in (j for j, source in enumerate(found) if source is None):
        above = max((one for one in found[:j] if one is not None), default=-1)
        below = min((one for one in found[j + 1 :] if one is not None), default=len(old))
        between = [i for i in sorted(free) if above < i < below]
        found[j] = between[0] if between else None
        free -= set(between[:1])
    return found


def _is_same(old: Any, wanted: Any) -> int:
    return int(old == wanted)


def _common(old: Any, wanted: Any) -> int:
    """How many keys of two mappings have the same value."""
    both = isinstance(old, dict) and isinstance(wanted, dict)
    return sum(wanted.get(key) == value for key, value in old.items()) if both else 0


def _arranged(text: str, path: Path, sources: Sequence[int | None], value: list[Any]) -> str:
    """A list in another order, with new entries between; entries on lines of their own take comments along."""
    node: Any = _find(text, path)[1]
    if node.flow_style:
        spans, dash = [(one.start_mark.index, _end(text, one)) for one in node.value], ""
    else:
        spans, dash = _lines_of(text, node), " " * node.start_mark.column + "- "
    between = [text[end:begin] for (_, end), (begin, _) in pairwise(spans)]
    pieces = [
        text[slice(*spans[source])] if source is not None else f"{dash}{rendered(value[j])}"
        for j, source in enumerate(sources)
    ]
    new = pieces[0]
    for i, piece in enumerate(pieces[1:]):
        new += (between[i] if i < len(between) else ", " if node.flow_style else "\n") + piece
    return text[: spans[0][0]] + new + text[spans[-1][1] :]


def _lines_of(text: str, node: Any) -> list[tuple[int, int]]:
    """Where the lines of each entry of a block begin, with the comments above it, and where they end."""
    spans: list[tuple[int, int]] = []
    for entry in node.value:
        begin = text.rfind("\n", 0, entry.start_mark.index) + 1
        if text[begin : entry.start_mark.index].strip(" ") != "-":
            raise CannotEdit("an entry shares its line with something else")
        while True:
            above = text.rfind("\n", 0, max(begin - 1, 0)) + 1
            if begin == 0 or not text[above:begin].lstrip(" ").startswith("#"):
                break
            begin = above
        spans.append((begin, _line_end(text, _end(text, entry))))
    return spans


def _find(text: str, path: Path) -> tuple[yaml.Node, yaml.Node, int]:
    """The node of the path (or of its longest part that is there), the one around it, and how long that part is."""
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    if top is None:
        raise CannotEdit("the file is empty")
    node = parent = top
    for depth, step in enumerate(path):
        below = _below(node, step)
        if below is None:
            return parent, node, depth
        parent, node = node, below
    return parent, node, len(path)


def _below(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        below: yaml.Node = node.value[step]
        return below
    return None


def _add(text: str, node: Any, key: str | int, value: Any) -> str:
    """A new entry behind the last one."""
    if isinstance(node, yaml.MappingNode) and isinstance(key, str):
        entry, last = f"{key}: {rendered(value)}", node.value[-1][1] if node.value else None
    elif isinstance(node, yaml.SequenceNode) and key == len(node.value):
        entry, last = rendered(value), node.value[-1] if node.value else None
    else:
        raise CannotEdit(f"{key}: there is nothing to add it to")
    if last is None:
        begin, end = node.start_mark.index, node.end_mark.index
        return text[:begin] + text[begin] + entry + text[end - 1 :]
    end = _end(text, last)
    if node.flow_style:
        return f"{text[:end]}, {entry}{text[end:]}"
    dash = "- " if isinstance(node, yaml.SequenceNode) else ""
    end = _line_end(text, end)
    return f"{text[:end]}\n{' ' * node.start_mark.column}{dash}{entry}{text[end:]}"


def _remove(text: str, parent: Any, path: Path) -> str:
    """An entry with its line, or with its comma."""
    if isinstance(parent, yaml.MappingNode):
        spans = [(key.start_mark.index, _end(text, value)) for key, value in parent.value]
        at = [key.value for key, _ in parent.value].index(path[-1])
    else:
        spans = [(entry.start_mark.index, _end(text, entry)) for entry in parent.value]
        at = int(path[-1])
    begin, end = spans[at]
    if len(spans) == 1:
        around, whole, _ = _find(text, path[:-1])
        return _replaced(text, around, whole, "{}" if isinstance(parent, yaml.MappingNode) else "[]")
    if parent.flow_style:
        return _remove_from_braces(text, spans, at)
    line, line_end = text.rfind("\n", 0, begin) + 1, _line_end(text, end)
    before = text[line:begin].strip(" ")
    if before == "" or (before == "-" and isinstance(parent, yaml.SequenceNode)):
        return text[:line] + text[line_end + 1 :]
    if before.strip("- ") or at > 0:
        raise CannotEdit(f"{key_of(path)} shares its line with something else")
    following = spans[1][0]  # the first key of an entry: the dash stays for the next one
    if text[line_end:following].isspace():
        return text[:begin] + text[following:]
    return text[:begin].rstrip(" ") + text[line_end:]


def _remove_from_braces(text: str, spans: Sequence[tuple[int, int]], at: int) -> str:
    """With the comma behind it, or (the last) before it; comments between stay."""
    begin, end = spans[at]
    from_, to = (end, spans[at + 1][0]) if at + 1 < len(spans) else (spans[at - 1][1], begin)
    gap = text[from_:to]
    if "#" not in gap:
        kept = ""
    elif gap.lstrip().startswith(","):
        kept = " " + gap.replace(",", "", 1).lstrip(" ")
    else:
        raise CannotEdit("a comment stands before the comma")
    return text[: min(begin, from_)] + kept + text[max(end, to) :]


def _end(text: str, node: yaml.Node) -> int:
    """Where what is written of a node ends; to the parser a block goes on up to the next token."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(node, yaml.MappingNode) else last)
    begin, end = node.start_mark.index, node.end_mark.index
    return begin + len(text[begin:end].rstrip())


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found


def rendered(value: Any, quoted: bool = False) -> str:
    """A value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Plain):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(rendered(entry, quoted) for entry in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {rendered(below)}' for key, below in value.items())}}}"
    if not quoted and _PLAIN.fullmatch(value) and not _QUOTED.fullmatch(value):
        return str(value)
    escaped = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped)


def _value(node: Any) -> Any:
    """What stands there, as our reader would have it."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _value(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_value(entry) for entry in node.value]
    return None if node.style is None and node.value in ("", "~", "null") else node.value


def _plain(value: Any) -> Any:
    """Comparable: whole numbers and yes/no as the words that stand in a file."""
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value if value is None else rendered(value) if isinstance(value, bool | int) else str(value)


def _with(value: Any, path: Path, new: Any) -> Any:
    """The plain value with one change, as it must come out."""
    if not path:
        return _plain(new)
    step, rest = path[0], path[1:]
    if isinstance(step, int) and isinstance(value, list):
        below = [_with(value[step] if step < len(value) else None, rest, new)] if new is not ABSENT or rest else []
        return [*value[:step], *below, *value[step + 1 :]]
    known = value if isinstance(value, dict) else {}
    if new is ABSENT and (not rest or step not in known):
        return {key: below for key, below in known.items() if key != step}
    return {**known, step: _with(known.get(step), rest, new)}
