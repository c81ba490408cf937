"""Tenant files: YAML text -> plain values with the line of each key -> structs, or problems that name the line.

Enters: files of one folder (`platform.yaml` and one file per client), of any quality. Leaves: a `Document` or a list of
`Problem`. Every unquoted scalar stays text (`0312345670`, `9:00`, `no`) until the schema wants a number there; tags
are refused, never run. What the values mean together belongs to `check.py`; what takes effect to `settle.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

import msgspec
import yaml
from marshmallow import ValidationError

from proto.schemas import Plain, Wrong, flatten, quoted, read
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from services.directory.tenants.documents import PLATFORM_FILE, Document, Folder, K, line_of
from services.directory.tenants.problems import Path, Problem

MAX_BYTES = 1 << 20
MAX_VALUES = 50_000
"""Values in one file, those that an alias repeats counted again: a bomb of aliases goes off here."""
MAX_DEPTH = 20

_STANDARD_TAGS = (None, "!")
"""`!` alone means: text, whatever it looks like."""


class Raw(msgspec.Struct, frozen=True):
    """YAML as plain values, each key with its line."""

    value: Any
    lines: dict[Path, int]


class Unreadable(Exception):
    """Why a text is no tenant file, whatever it means."""

    def __init__(self, text: str, line: int, path: Path = (), hint: str = "", value: object = None) -> None:
        super().__init__(text)
        self.problem = Problem(text=text, line=line, path=path, hint=hint, value=value)


def read_yaml(data: bytes) -> Raw:
    """The one YAML document in `data`: mappings, lists, texts (`Plain` where unquoted) and None.

    Raises Unreadable for anything else: tags, duplicate keys, several documents, too large, too deep, not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise Unreadable(f"has {len(data)} bytes; at most {MAX_BYTES} are read", 0)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable("is not UTF-8", line, hint="save the file as UTF-8") from None
    try:
        return _Builder(yaml.parse(text, Loader=yaml.CSafeLoader)).document()
    except yaml.YAMLError as error:
        raise _unreadable(error, text) from None


def _unreadable(error: yaml.YAMLError, text: str) -> Unreadable:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 0
    if isinstance(error, yaml.reader.ReaderError):  # it names no line, but the byte (libyaml: problem_offset)
        line = text.encode().count(b"\n", 0, error.position) + 1
    source = text.splitlines()[line - 1] if 0 < line <= len(text.splitlines()) else ""
    if "\t" in source[: len(source) - len(source.lstrip())]:
        return Unreadable("a tab stands at the beginning of the line", line, hint="indent with spaces")
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    return Unreadable(f"is not YAML: {what}", line, hint="a tab stands in the line" if "\t" in source else "")


class _Builder:
    """Parser events -> values. No constructor of PyYAML ever runs, so no tag can make an object."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._lines: dict[Path, int] = {}
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> Raw:
        """The only document of the stream."""
        value: Any = None
        seen = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                seen += 1
                if seen > 1:
                    raise Unreadable("a second document begins (---)", _line(event))
                value = self._value(next(self._events), ())
        return Raw(value, self._lines)

    def _value(self, event: Any, path: Path) -> Any:
        line = _line(event)
        self._lines.setdefault(path, line)
        if len(path) > MAX_DEPTH:
            raise Unreadable(f"is nested more than {MAX_DEPTH} deep", line, path[:3])
        self._count(1, line, path)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line, path)
        if event.tag not in _STANDARD_TAGS:
            raise Unreadable(f"has the tag {quoted(event.tag)}", line, path, hint="tags are not used in these files")
        before = self._values
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path)
        else:
            value = self._mapping(path)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values - before + 1)
        return value

    def _count(self, more: int, line: int, path: Path) -> None:
        self._values += more
        if self._values > MAX_VALUES:
            raise Unreadable(f"holds more than {MAX_VALUES} values", line, path, hint="aliases count each time")

    def _alias(self, event: Any, line: int, path: Path) -> Any:
        if event.anchor not in self._anchors:
            raise Unreadable(f"the alias *{event.anchor[:40]} names nothing before it", line, path)
        value, size = self._anchors[event.anchor]
        self._count(size, line, path)
        return value

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent) or event.tag not in _STANDARD_TAGS:
                raise Unreadable("a key is a plain word", line, path)
            key = str(event.value)
            if key in found:
                raise Unreadable("stands twice", line, (*path, key), hint=f"first in line {self._lines[*path, key]}")
            self._lines[*path, key] = line
            found[key] = self._value(next(self._events), (*path, key))
        return found


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any) -> Any:
    if not event.implicit[0] or event.tag == "!":
        return str(event.value)
    return None if event.value in ("", "~", "null") else Plain(event.value)


def parse(kind: type[K], data: bytes, file: str) -> tuple[Document[K] | None, list[Problem]]:
    """A file's bytes -> the struct, or everything that is wrong with its form."""
    try:
        raw = read_yaml(data)
    except Unreadable as refused:
        return None, [msgspec.structs.replace(refused.problem, file=file)]
    if not isinstance(raw.value, dict):
        return None, [Problem(text="holds no keys", file=file, line=1, hint="the file begins with `tenant: name`")]
    try:
        body = read(kind, raw.value)
    except ValidationError as error:
        found = [_located(raw, path, wrong, file) for path, wrong in flatten(error.messages)]
        return None, sorted(found, key=lambda problem: (problem.line, problem.key))
    return Document(file, body, raw.lines, data), []


def _located(raw: Raw, path: Path, wrong: Wrong, file: str) -> Problem:
    text = str(wrong)
    if wrong.allowed:
        text = text.split("; allowed: ", 1)[0]
    elif wrong.hint:
        text = text.removesuffix(f" ({wrong.hint})")
    value = wrong.value
    if value is not None:
        text = text.removeprefix(quoted(value)).strip()
        value = value if isinstance(value, str | int | float | bool) else _outline(value)
    hint = wrong.hint
    if wrong.allowed and value is None and path and isinstance(path[-1], str):  # a key that is not known
        near = difflib.get_close_matches(path[-1], wrong.allowed.split(", "), 1)
        hint = hint or (f"did you mean {near[0]}?" if near and near[0] != path[-1] else "")
    line = line_of(raw.lines, path)
    return Problem(text=text, path=path, value=value, allowed=wrong.allowed, hint=hint, file=file, line=line)


def _outline(value: object) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "something else"


def stamps(folder: FilePath) -> dict[str, tuple[int, int]]:
    """File -> (mtime in ns, size), for noticing changes. Raises OSError if the folder is not there."""
    found: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in (".yaml", ".yml") and not path.name.startswith("."):
            stat = path.stat()
            found[path.name] = (stat.st_mtime_ns, stat.st_size)
    return found


def read_folder(folder: FilePath) -> Folder:
    """Read every `*.yaml` of a folder. Raises OSError if the folder itself cannot be read."""
    order = stamps(folder)
    found = _folder({name: _bytes(folder / name) for name in sorted(order, key=lambda file: (order[file][0], file))})
    if PLATFORM_FILE in order:
        return found
    missing = Problem(text="is missing", file=PLATFORM_FILE, hint="switches, carriers, pools, prices")
    return msgspec.structs.replace(found, problems=(*found.problems, missing))


def with_texts(folder: Folder, texts: Mapping[str, bytes]) -> Folder:
    """The folder as it would be with these texts in its files, as the ones changed last."""
    changed = _folder(texts)
    return Folder(
        changed.platform if PLATFORM_FILE in texts else folder.platform,
        (*(document for document in folder.tenants if document.file not in texts), *changed.tenants),
        (*(name for name in folder.broken if name not in texts), *changed.broken),
        (*(problem for problem in folder.problems if problem.file not in texts), *changed.problems),
    )


def _folder(files: Mapping[str, bytes | Problem]) -> Folder:
    platform: Document[Platform] | None = None
    tenants: list[Document[Tenant]] = []
    problems: list[Problem] = []
    broken: list[str] = []
    for name, data in files.items():
        if isinstance(data, Problem):
            problems.append(data)
            broken.append(name)
        elif name == PLATFORM_FILE:
            platform, found = parse(Platform, data, name)
            problems += found
        else:
            document, found = parse(Tenant, data, name)
            problems += found
            if document is None:
                broken.append(name)
            else:
                tenants.append(document)
    return Folder(platform, tuple(tenants), tuple(broken), tuple(problems))


def _bytes(path: FilePath) -> bytes | Problem:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        return Problem(text=f"cannot be read: {error.strerror}", file=path.name)
