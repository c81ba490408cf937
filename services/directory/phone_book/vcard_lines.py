"""PURE Content lines of vCards: how their bytes are folded, coded and escaped (RFC 6350, RFC 2426, vCard 2.1).

Enters: bytes of any quality; a name and a value. Leaves: lines with their parameters, texts; `Undecodable` where a
value is not what it says of itself. Nothing is parsed further than asked: pictures stay bytes. What the properties mean
stands in `vcards.py`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

import msgspec

_FOLD = 75
"""Octets of a line (RFC 6350, 3.2)."""
_LONGEST_HEAD = 1_000
_LONGEST = 60_000
"""Octets of a value that is decoded: thrice what a cell may hold as Japanese text, quoted-printable."""
_BREAK = re.compile(rb"\r\n|\r|\n")
_HEAD = re.compile(rb'[^":]*(?:"[^"]*"[^":]*)*')
_CHARSETS = {
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "cp932", "ms932"), "cp932"),
    **dict.fromkeys(("utf-8", "utf8"), "utf-8"),
    **dict.fromkeys(("us-ascii", "ascii", "iso-8859-1", "latin1"), "iso-8859-1"),
    "windows-1252": "cp1252",
    "iso-2022-jp": "iso2022_jp_ext",
    "euc-jp": "euc_jp",
}
_ESCAPED = re.compile(r"\\([\\,;:nN])")


class Undecodable(Exception):
    """A value is not coded as its line says."""


class Line(msgspec.Struct, frozen=True):
    """One property: `item1.TEL;TYPE=CELL:090…` has the name TEL."""

    name: str
    """Upper case; empty: the line is none."""
    params: dict[str, tuple[str, ...]]
    """By upper-case name; what vCard 2.1 writes without one stands under the empty name."""
    raw: bytes = b""

    def says(self, word: str) -> bool:
        """Whether the word stands among the parameters, as 2.1 or as later versions have it."""
        return any(word == value.upper() for values in self.params.values() for value in values)

    def text(self) -> str:
        """The value, decoded, its escapes still in it. Raises Undecodable."""
        data = self.raw
        if len(data) > _LONGEST:
            raise Undecodable
        try:
            if self.says("QUOTED-PRINTABLE"):
                data = binascii.a2b_qp(data)
            elif self.says("BASE64") or self.params.get("ENCODING", ("",))[0].upper() == "B":
                data = binascii.a2b_base64(re.sub(rb"\s", b"", data), strict_mode=True)
            return _decoded(data, self.params.get("CHARSET", ("",))[0].lower())
        except ValueError:  # UnicodeDecodeError and binascii.Error are ones
            raise Undecodable from None

    def texts(self) -> list[str]:
        """The value's parts between semicolons, as they are meant. Raises Undecodable."""
        return [_meant(part) for part in split(self.text())]

    def whole(self) -> str:
        """The value as one text, as it is meant. Raises Undecodable."""
        return _meant(self.text())


def lines(data: bytes) -> Iterator[Line]:
    """Every line, unfolded."""
    for line in _unfolded(_BREAK.split(data.removeprefix(b"\xef\xbb\xbf"))):
        yield _line(line)


def split(text: str) -> list[str]:
    """At semicolons that no backslash stands before."""
    parts: list[list[str]] = [[]]
    for piece in re.split(r"(\\.|;)", text, flags=re.DOTALL):
        if piece == ";":
            parts.append([])
        else:
            parts[-1].append(piece)
    return ["".join(part) for part in parts]


def escaped(value: str) -> str:
    """RFC 6350, 3.4."""
    return re.sub(r"\r\n|\r|\n", r"\\n", re.sub(r"([\\,;])", r"\\\1", value))


def folded(text: str) -> str:
    """Lines of at most 75 octets, never cut within a character."""
    parts: list[str] = []
    here = ""
    for character in text:
        if len((here + character).encode()) > _FOLD - bool(parts):
            parts.append(here)
            here = ""
        here += character
    return "\r\n ".join([*parts, here])


def _unfolded(physical: list[bytes]) -> Iterator[bytes]:
    """A line that begins with a blank goes on with the one before, in quoted-printable one after a `=` at the end."""
    here: list[bytes] = []
    quoted = False
    for line in physical:
        if here and (line[:1] in (b" ", b"\t") or (quoted and here[-1].endswith(b"="))):
            here.append((b"\n" + line) if quoted and here[-1].endswith(b"=") else line[1:])
            continue
        if here:
            yield b"".join(here)
        here = [line] if line.strip() else []
        quoted = b"QUOTED-PRINTABLE" in line.partition(b":")[0].upper()
    if here:
        yield b"".join(here)


def _line(line: bytes) -> Line:
    head = _HEAD.match(line)
    end = head.end() if head else 0
    if line[end : end + 1] != b":" or end > _LONGEST_HEAD:
        return Line("", {})
    try:
        name, *params = re.findall(r'(?:[^";]|"[^"]*")+', line[:end].decode())
    except (UnicodeDecodeError, ValueError):
        return Line("", {})
    found: dict[str, tuple[str, ...]] = {}
    for param in params:
        key, said, value = param.partition("=")
        key, value = (key.strip().upper(), value) if said else ("", key)
        values = [each.strip('" ') for each in re.findall(r'(?:[^",]|"[^"]*")+', value)]
        found[key] = (*found.get(key, ()), *(values or [""]))
    return Line(name.strip().rpartition(".")[2].upper(), found, line[end + 1 :])


def _decoded(data: bytes, charset: str) -> str:
    if charset:
        if charset not in _CHARSETS:
            raise Undecodable
        return data.decode(_CHARSETS[charset])
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp932")


def _meant(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], text).strip()
