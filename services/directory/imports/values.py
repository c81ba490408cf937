"""PURE One cell -> the value that its column wants, or what is wrong with it; what Excel does to numbers and dates.

Enters: a cell as the file has it, its column. Leaves: a value, or `Wrong`; with it a warning where a value was taken
for another than it looks (a telephone number that Excel took for a figure).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec

from proto.values import digits_of
from services.directory.imports.columns import Column, Reads, folded
from services.directory.imports.model import Pair, Raw
from services.directory.phone_book.model import read_number
from services.directory.settings.week import read_days, read_ranges
from services.runtime.csv_file import meant
from services.runtime.telephone import written

LONGEST_TEXT = 200
LONGEST_NOTE = 500
EVERYONE, VOICEMAIL, ANNOUNCEMENT = "everyone", "voicemail", "announcement"
"""Targets that are no names of the client's own: every line, a message, `closed` and the end."""
_TARGETS = {
    **dict.fromkeys(("全員", "全部", "everyone", "all"), EVERYONE),
    **dict.fromkeys(("留守番電話", "留守電", "voicemail"), VOICEMAIL),
    **dict.fromkeys(("案内", "アナウンス", "announcement", "closed"), ANNOUNCEMENT),
}
_FIRST_DAY = date(1899, 12, 30)
"""Day 0 of Excel's count, as it counts since March 1900 (ECMA-376 part 1, 18.17.4.1)."""
_DAYS = (36_526, 73_050)
"""Counts from 2000-01-01 to 2099-12-31: what stands in a column of days and lies between is one."""
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
_EXCEL_ERRORS = frozenset({"#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"})
_SPLIT = re.compile(r"[,、，・;；\s]+")


class Wrong(Exception):
    """What is wrong with a cell, and what may stand there."""

    def __init__(self, ja: str, en: str, allowed: str = "", hint: str = "") -> None:
        super().__init__(en)
        self.say: Pair = (ja, en)
        self.allowed, self.hint = allowed, hint


class Read(msgspec.Struct, frozen=True):
    """A value; `taken` says for what the cell was taken, where that should be seen."""

    value: Any
    taken: Pair | None = None


def read_cell(column: Column, raw: Raw) -> Read | None:
    """None for a cell with nothing in it. Raises Wrong."""
    if raw is None or (isinstance(raw, str) and not raw.strip(f" \t\r\n\u3000\xa0{_INVISIBLE}")):
        return None
    if isinstance(raw, str) and raw.strip() in _EXCEL_ERRORS:
        raise Wrong("は数式の誤りです", "is an error of a formula")
    return _READERS[column.reads](column, raw)


def shown(raw: Raw) -> str:
    """A cell as it is quoted in a note."""
    if isinstance(raw, datetime):
        return raw.strftime("%Y-%m-%d %H:%M" if raw.time() != time() else "%Y-%m-%d")
    return str(raw)


def text_of(raw: Raw) -> str:
    """One line of plain text (NFKC). Raises Wrong for line breaks and what cannot be printed."""
    text = str(int(raw)) if isinstance(raw, float) and raw.is_integer() else shown(raw)
    text = unicodedata.normalize("NFKC", text.strip().strip(_INVISIBLE)).strip()
    text = meant(text)
    _check_printable(text)
    return text


def _check_printable(text: str) -> None:
    if not text.isprintable():
        bad = next(c for c in text if not c.isprintable())
        raise Wrong(
            f"に改行または見えない文字(U+{ord(bad):04X})があります",
            f"holds a line break or a sign that cannot be seen (U+{ord(bad):04X})",
        )


def _text(_column: Column, raw: Raw) -> Read:
    text = text_of(raw)
    if len(text) > LONGEST_TEXT:
        raise Wrong(f"は{LONGEST_TEXT}文字を超えています", f"has more than {LONGEST_TEXT} characters")
    return Read(text)


def _note(_column: Column, raw: Raw) -> Read:
    """Text of several lines, each as it stands; an apostrophe against formulas is the cell's, not a line's."""
    lines = (raw if isinstance(raw, str) else shown(raw)).strip().strip(_INVISIBLE).splitlines()
    kept = [text_of(lines[0]) if lines else "", *(unicodedata.normalize("NFKC", line) for line in lines[1:])]
    for line in kept[1:]:
        _check_printable(line)
    note = "\n".join(kept).strip()
    if len(note) > LONGEST_NOTE:
        raise Wrong(f"は{LONGEST_NOTE}文字を超えています", f"has more than {LONGEST_NOTE} characters")
    return Read(note)


def _pattern(pattern: str, allowed: str) -> Callable[[Column, Raw], Read]:
    compiled = re.compile(pattern)

    def read(_column: Column, raw: Raw) -> Read:
        text = text_of(raw)
        if not compiled.fullmatch(text):
            near = re.sub(r"[\s_.]+", "-", text.lower())
            raise Wrong("は使えません", "is not allowed", allowed, f"{near}?" if compiled.fullmatch(near) else "")
        return Read(text)

    return read


_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
_name = _pattern(_NAME, "a-z 0-9 - _ (64)")


def _names(_column: Column, raw: Raw) -> Read:
    names = tuple(dict.fromkeys(part for part in _SPLIT.split(text_of(raw)) if part))
    for name in names:
        if not re.fullmatch(_NAME, name):
            raise Wrong("は使えません", "is not allowed", "a-z 0-9 - _ (64)")
    return Read(names)


def _number(_column: Column, raw: Raw) -> Read:
    """A telephone number of Japan or abroad, as digits. A lost leading zero is told, and taken where only it can be."""
    text = text_of(raw)
    digits = digits_of(text)
    if re.fullmatch(r"[0-9.]+E\+?[0-9]+", text, re.IGNORECASE):
        raise Wrong(
            "は桁が失われた番号です。列を文字列にして入力し直してください",
            "has lost digits: make the column text and type the number again",
        )
    if not re.fullmatch(r"\+?[0-9]{1,32}", digits):
        raise Wrong("は電話番号ではありません", "is no telephone number", "03-1234-5678")
    if digits.startswith("+81"):
        digits = "0" + digits[3:].removeprefix("0")
    if digits.startswith(("0", "+")):
        return Read(digits)
    if len(digits) in (9, 10) and in_japan(f"0{digits}"):
        taken = number_shown(f"0{digits}")
        return Read(
            f"0{digits}",
            (
                f"は先頭の0が失われた番号です。{taken} として取り込みます",
                f"has lost its leading zero: taken for {taken}",
            ),
        )
    hint = f"0{digits}?" if 8 <= len(digits) <= 10 else ""
    raise Wrong(
        "は電話番号ではありません(先頭の0がありません)", "is no telephone number (no leading 0)", "03-1234-5678", hint
    )


def _listed(column: Column, raw: Raw) -> Read:
    """A number of a phone book, as its form takes them too: also one that is dialled without an area code (104)."""
    digits = digits_of(text_of(raw))
    read = Read(digits) if re.fullmatch(r"[1-9][0-9]{2,7}", digits) else _number(column, raw)
    try:
        read_number(read.value)
    except ValueError:
        raise Wrong("は電話番号ではありません", "is no telephone number", "03-1234-5678") from None
    return read


def in_japan(digits: str) -> bool:
    """Whether the numbering plan knows such a number: only then a lost zero is beyond doubt."""
    return len(digits) in (10, 11) and number_shown(digits) != digits


def number_shown(digits: str) -> str:
    """`0312345678` -> `03-1234-5678`; what the numbering plan does not know stays as it is."""
    hyphened = written(digits)
    return hyphened if digits_of(hyphened) == digits else digits


def _target(column: Column, raw: Raw) -> Read:
    """everyone, voicemail, announcement, a name, or an outside number."""
    text = text_of(raw)
    if (word := _TARGETS.get(text.casefold())) is not None:
        return Read(word)
    if re.fullmatch(r"\+?[0-9]{9,}", digits_of(text)):
        return _number(column, raw)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise Wrong(
            "は使えません",
            "is not allowed",
            "全員/everyone, 留守番電話/voicemail, 案内/announcement, 03-1234-5678, sales",
        )
    return Read(text)


def _date(_column: Column, raw: Raw) -> Read:
    if isinstance(raw, date):  # a datetime is one, too
        return Read(raw.date().isoformat() if isinstance(raw, datetime) else raw.isoformat())
    text = text_of(raw)
    parts = re.fullmatch(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?", text) or re.fullmatch(
        r"([0-9]{4})([0-9]{2})([0-9]{2})", text
    )
    try:
        if parts:
            return Read(date(*(int(part) for part in parts.groups())).isoformat())
        if re.fullmatch(r"[0-9]{5}", text) and _DAYS[0] <= int(text) <= _DAYS[1]:
            day = (_FIRST_DAY + timedelta(days=int(text))).isoformat()
            return Read(
                day,
                (
                    f"はExcelの日付の通し番号です。{day} として取り込みます",
                    f"is Excel's count of days: taken for {day}",
                ),
            )
    except ValueError:
        raise Wrong("は暦にない日です", "is no day of the calendar", "2026-04-01") from None
    raise Wrong("は日付ではありません", "is no date", "2026-04-01, 2026/4/1")


def _closing(_column: Column, raw: Raw) -> Read:
    text = text_of(raw).removesuffix("締め").removesuffix("日")
    if text.casefold() in ("末", "月末", "end"):
        return Read(31)
    if not text.isascii() or not text.isdigit() or len(text) > 2 or not 1 <= int(text) <= 31:
        raise Wrong("は締め日ではありません", "is no closing day", "1-31, 末/end")
    return Read(int(text))


def _whole(column: Column, raw: Raw) -> Read:
    text, (low, high) = text_of(raw), column.bounds
    if not text.isascii() or not text.isdigit() or len(text) > 6 or not low <= int(text) <= high:
        raise Wrong("は使えません", "is not allowed", f"{low}-{high}")
    return Read(int(text))


def _one_of(column: Column, text: str) -> str:
    for value, words in column.choices.items():
        if folded(text) in (folded(value), *map(folded, words)):
            return value
    for value, words in column.choices.items():  # 代表番号, 直通番号, 机の電話機, 営業時間のみ
        if any(len(word) > 1 and text.startswith(word) for word in words):
            return value
    raise Wrong("は使えません", "is not allowed", ", ".join(f"{ja}/{en}" for ja, en in column.choices.values()))


def _choice(column: Column, raw: Raw) -> Read:
    return Read(_one_of(column, text_of(raw)))


def _choices(column: Column, raw: Raw) -> Read:
    words = [part for part in _SPLIT.split(text_of(raw)) if part]
    found = {_one_of(column, word) for word in words}
    return Read(tuple(value for value in column.choices if value in found))


def _ranges(_column: Column, raw: Raw) -> Read:
    text = raw if isinstance(raw, str) else text_of(raw)
    if folded(text) in ("休み", "休", "なし", "closed"):
        return Read(())
    try:
        return Read(read_ranges(text))
    except ValueError:
        raise Wrong("は時刻の範囲ではありません", "is no range of times", "9:00-12:00, 13:00-18:00") from None


def _days(_column: Column, raw: Raw) -> Read:
    if isinstance(raw, date):
        return Read((_date(_column, raw).value,))
    text = "\n".join(part for part in re.split(r"[,、，;；\n]+", str(raw)) if part.strip())
    try:
        return Read(tuple(read_days(text)))
    except ValueError:
        raise Wrong("は日付ではありません", "is no day", "2026-12-29/2027-01-03, 2026-08-13") from None


_READERS: dict[Reads, Callable[[Column, Raw], Read]] = {
    "client": _pattern(r"[a-z0-9][a-z0-9-]{0,31}", "a-z 0-9 - (32)"),
    "text": _text,
    "name": _name,
    "names": _names,
    "domain": _pattern(r"[A-Za-z0-9][A-Za-z0-9.-]{0,253}", "A-Z a-z 0-9 . -"),
    "phone": _pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", "A-Z a-z 0-9 . _ - (32)"),
    "number": _number,
    "listed": _listed,
    "target": _target,
    "date": _date,
    "closing": _closing,
    "whole": _whole,
    "choice": _choice,
    "choices": _choices,
    "ranges": _ranges,
    "days": _days,
    "note": _note,
}
