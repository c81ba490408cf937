"""PURE: FreeSWITCH's little languages, as far as plans use them: inline dialplan, multiset, dial strings, originate.

Enters: the text of a command or of an application's data. Leaves: typed values. What they do belongs to apps.py.
Source: mod_dptools (inline dialplan, multiset), switch_ivr_originate.c, switch_utils.c (separate_string).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from types import MappingProxyType

MAX_APPS = 128
MOST_WORDS = 7
"""Of an originate."""


@dataclass(frozen=True)
class App:
    """One application with its data, unexpanded."""

    name: str
    data: str = ""
    uuid: str = ""
    """The Application-UUID that whoever sent it wants; empty draws one."""


@dataclass(frozen=True)
class Target:
    """One leg to dial."""

    endpoint: str
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DialString:
    """Groups one after the other; the targets of one group at once."""

    groups: tuple[tuple[Target, ...], ...]
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Originate:
    """What `originate` asks for: whom to dial, and what the leg does when it has answered."""

    dial: DialString
    then: App | None
    extension: str = ""
    dialplan: str = "XML"
    context: str = "default"


class Malformed(ValueError):
    """Text that FreeSWITCH would not take either."""


class Unusable(Malformed):
    """It is answered with how the command is to be used."""


def words(text: str, limit: int = 0) -> list[str]:
    """Cut at blanks; `'…'` keeps a word together, `\\'` is a quote and `\\s`, `\\n`, `\\t` are blank, LF and tab."""
    found: list[str] = []
    at = 0
    while at < len(text):
        while at < len(text) and text[at] == " ":
            at += 1
        if at >= len(text):
            break
        if limit and len(found) == limit - 1:
            found.append(_unquote(text[at:].rstrip(" ")))
            break
        end = _word_end(text, at)
        found.append(_unquote(text[at:end]))
        at = end
    return found


def _word_end(text: str, at: int) -> int:
    quoted = False
    while at < len(text) and (quoted or text[at] != " "):
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        elif text[at] == "'":
            quoted = not quoted
        at += 1
    return at


def separated(text: str, delimiter: str) -> list[str]:
    """Cut at a delimiter other than a blank; quotes and `\\` keep it. Source: separate_string_char_delim."""
    parts, start, at, quoted = list[str](), 0, 0, False
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "'" and (quoted or "'" in text[at + 1 :]):
            quoted = not quoted
        elif text[at] == delimiter and not quoted:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    if start < len(text):
        parts.append(text[start:])
    return [_unquote(part.strip(" "), delimiter) for part in parts]


_ESCAPES = {"'": "'", "\\": "\\", '"': '"', "n": "\n", "r": "\r", "t": "\t", "s": " "}


def _unquote(text: str, delimiter: str = "") -> str:
    out, at, quoted = [], 0, False
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            escaped = text[at + 1]
            out.append(escaped if escaped == delimiter else _ESCAPES.get(escaped, char + escaped))
            at += 1
        elif char == "'" and (quoted or "'" in text[at + 1 :]):
            quoted = not quoted
        else:
            out.append(char)
        at += 1
    return "".join(out)


def inline(text: str) -> tuple[App, ...]:
    """`m:~:a:x~b` or `a:x,b` -> applications in order. `\\~` is the delimiter itself."""
    delimiter = ","
    if text.startswith("m:") and text[3:4] == ":":
        delimiter, text = text[2], text[4:]
    parts = re.split(rf"(?<!\\){re.escape(delimiter)}", text)
    apps = []
    for part in parts[:MAX_APPS]:
        name, _, data = part.replace("\\" + delimiter, delimiter).partition(":")
        if name.strip():
            apps.append(App(name.strip(), data))
    return tuple(apps)


def assignments(data: str) -> list[tuple[str, str]]:
    """The data of `multiset` (`^^|a=b|c=d`, or cut at blanks); an empty value unsets."""
    parts = data[3:].split(data[2]) if data.startswith("^^") and len(data) > 2 else data.split(" ")
    return [(name.strip(), value) for name, equals, value in (part.partition("=") for part in parts) if equals and name]


def _bracketed(text: str, opening: str, closing: str) -> tuple[dict[str, str], str]:
    """Variables of all `{…}` (or `[…]`) at the beginning, and the rest; of two equal names the last wins.

    `name=` with nothing behind it sets nothing (switch_event_create_brackets: it does not fall into two parts).
    """
    found: dict[str, str] = {}
    text = text.lstrip(" ")
    while text.startswith(opening):
        end = text.find(closing)
        if end < 0:
            raise Malformed(f"{opening} without {closing}")
        inside, text = text[1:end], text[end + 1 :].lstrip(" ")
        delimiter = ","
        if inside.startswith("^^") and len(inside) > 2:
            delimiter, inside = inside[2], inside[3:]
        for part in re.split(rf"(?<!\\){re.escape(delimiter)}", inside):
            name, equals, value = part.partition("=")
            if equals and value and name.strip():
                found[name.strip()] = value.replace("\\" + delimiter, delimiter).strip("'")
    return found, text


def _split_outside(text: str, delimiter: str) -> list[str]:
    """Cut where the delimiter stands outside `[…]` and `{…}`."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char in "[{":
            depth += 1
        elif char in "]}":
            depth = max(0, depth - 1)
        elif char == delimiter and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def dial_string(text: str) -> DialString:
    """`{all}[one]endpoint,[two]endpoint|[later]endpoint`. Raises Malformed."""
    common, rest = _bracketed(text, "{", "}")
    groups = []
    for group in _split_outside(rest, "|"):
        targets = []
        for one in _split_outside(group, ","):
            variables, endpoint = _bracketed(one, "[", "]")
            if endpoint.strip():
                targets.append(Target(endpoint.strip(), variables))
        if targets:
            groups.append(tuple(targets))
    if not groups:
        raise Malformed("nobody to dial")
    return DialString(tuple(groups), common)


def originate(argument: str) -> Originate:
    """`{…}endpoint &app(data)` or `{…}endpoint extension [dialplan [context]]`, cut at blanks wherever they stand.

    Raises Unusable, or Malformed where only the dial string is. Source: originate_function.
    """
    parts = ["" if one.lower() == "undef" else one for one in words(argument, 10)]
    if not 2 <= len(parts) <= MOST_WORDS:
        raise Unusable("usage")
    dial, extension = dial_string(parts[0]), parts[1]
    if extension.startswith("&") and len(extension) > 1:
        name, _, data = extension[1:].partition(")")[0].partition("(")
        return Originate(dial, App(name, data))
    dialplan, context = [*parts[2:], "", ""][:2]
    return Originate(dial, None, extension, dialplan or "XML", context or "default")


_REFERENCE = re.compile(r"\$\{([^{}$]*)\}")
_PIECE = re.compile(r"([^:]*):(-?\d{1,6})(?::(-?\d{1,6}))?")
DENIED = "<API Execute Permission Denied>"


def expand(text: str, lookup: Callable[[str], str | None]) -> str:
    """`${name}` -> its value, and what stands in the value again (the switch does so, hence never write one).
    `${name:2:4}` is a piece of it, `${name:-4}` its end.

    `${api(…)}` is denied: the product runs the switch with api-expansion=false.
    """
    for _round in range(8):
        expanded = _REFERENCE.sub(lambda m: DENIED if "(" in m[1] else _value(m[1], lookup), text)
        if expanded == text:
            break
        text = expanded
    return text


def _value(reference: str, lookup: Callable[[str], str | None]) -> str:
    piece = _PIECE.fullmatch(reference)
    if piece is None:
        return lookup(reference) or ""
    value, offset, length = lookup(piece[1]) or "", int(piece[2]), int(piece[3] or 0)
    value = value[offset:] if abs(offset) <= len(value) else ("" if offset > 0 else value)
    return value[:length] if length > 0 else value


def whole(text: str, otherwise: int = 0) -> int:
    """A number of at most nine digits, as a C int holds it; `otherwise` where it is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else otherwise


def says_yes(text: str) -> bool:
    """As switch_true() reads it."""
    return text.lower() in ("true", "yes", "on", "t", "enabled", "active", "allow") or whole(text) > 0


def sanitized(text: str) -> str:
    """A name or number as a dialled leg gets it: what stands before an @, and there after the last / and :. Source:
    switch_sanitize_number.
    """
    return text.partition("@")[0].rpartition("/")[2].rpartition(":")[2]


_TONE = re.compile(r"%\(\s*(\d+)\s*,\s*(\d+)")
_LOOPS = re.compile(r"loops=(-?)(\d+)")


def pattern_ms(path: str) -> int:
    """One turn of a tone's pattern; 0 for other sounds."""
    if not path.startswith("tone_stream://"):
        return 0
    return sum(whole(on) + whole(off) for on, off in _TONE.findall(path))


READ_AHEAD_MS = 2048
"""A sound is read in pieces of 16,384 samples, a tone never beyond one turn of its pattern (mod_tone_stream)."""
FILE_S = 2.0
"""A file of which nobody knows better."""
_NO_LENGTHS: Mapping[str, float] = MappingProxyType({})


def duration_s(path: str, lengths_s: Mapping[str, float] = _NO_LENGTHS) -> float | None:
    """How long a sound lasts; None for ever. `lengths_s`: of files.

    Tones: `tone_stream://%(on ms,off ms,Hz);loops=n`; `silence_stream://ms`; `file_string://a!b`; `local_stream://`.
    """
    scheme, _, rest = path.partition("://")
    if scheme == "local_stream":
        return None
    if scheme == "silence_stream":
        found = re.match(r"(-?)(\d*)", rest)
        return None if found and found[1] else whole(found[2]) / 1000 if found else 0.0
    if scheme == "tone_stream":
        found = _LOOPS.search(rest)
        return None if found and found[1] else (whole(found[2]) if found else 1) * pattern_ms(path) / 1000
    if scheme == "file_string":
        parts = [FILE_STRING_LEAD_MS / 1000, *(duration_s(one, lengths_s) for one in rest.split("!"))]
        return None if None in parts else sum(part for part in parts if part is not None)
    return lengths_s.get(path, FILE_S)


FILE_STRING_LEAD_MS = 250
"""The silence ahead of the first of several files (mod_dptools.c, next_file)."""
_FOR_EVER_MS = 1 << 40


def pieces_ms(path: str, lengths_s: Mapping[str, float] = _NO_LENGTHS) -> Iterator[int]:
    """The parts of a sound beyond whose ends it is not read ahead: turns of a tone, files in a row. 0: not known."""
    scheme, _, rest = path.partition("://")
    if scheme == "file_string":
        yield FILE_STRING_LEAD_MS
        for one in rest.split("!"):
            yield from pieces_ms(one, lengths_s)
    elif scheme == "tone_stream":
        found = _LOOPS.search(rest)
        yield from repeat(pattern_ms(path), _FOR_EVER_MS if found and found[1] else whole(found[2]) if found else 1)
    else:
        seconds = duration_s(path, lengths_s)
        yield _FOR_EVER_MS if seconds is None else round(seconds * 1000)
