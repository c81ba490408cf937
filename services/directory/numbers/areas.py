"""PURE What kind of number a number is, of which numbering area (番号区画), and whether it fits an address (R5).

Enters: digits, a registered address. Leaves: a kind, an area, a verdict. The rules are two dated tables that come with
the program (`areas-*.tsv`, `places-*.tsv`; their heads name the sources); what they do not say is `unknown`, not wrong.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from proto.tenant.contract import Address
from proto.values import is_geographic
from services.directory.numbers.tables import lines

AREAS = "areas-2023-01.tsv"
PLACES = "places-2026-02.tsv"
WHOLE = frozenset({"東京都", "埼玉県", "千葉県", "神奈川県", "大阪府"})
"""Prefectures of which the table names every municipality."""

Kind = Literal["geographic", "ip", "freephone", "mobile", "navi", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("0120", "freephone"),
    ("0800", "freephone"),
    ("0570", "navi"),
    ("050", "ip"),
    ("060", "mobile"),
    ("070", "mobile"),
    ("080", "mobile"),
    ("090", "mobile"),
)
"""電気通信番号計画 (総務省): the first that fits holds."""


class Area(NamedTuple):
    """A numbering area: its area code (市外局番) and the name by which it is known."""

    code: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class Fit(NamedTuple):
    """Whether a number fits an address. `which_town`: its municipality lies in several areas, the town decides."""

    verdict: Literal["fits", "wrong", "which_town", "unknown"]
    area: Area | None = None
    """Of the number."""
    wanted: tuple[Area, ...] = ()
    """Of the address, where it is known."""


class _Places(NamedTuple):
    areas: dict[tuple[str, str], frozenset[Area]]
    """By prefecture and place."""
    complete: frozenset[Area]
    """Areas all of whose places are named."""


def kind_of(number: str) -> Kind:
    """What kind of number this is, by how it begins."""
    if is_geographic(number):
        return "geographic"
    return next((kind for begins, kind in _KINDS if number.startswith(begins)), "other")


def area_of(number: str) -> Area | None:
    """The area of a geographic number; None for all others, and where the table does not say."""
    if not is_geographic(number):
        return None
    table = _beginnings()
    return next((table[number[:n]] for n in range(6, 1, -1) if number[:n] in table), None)


def fit(number: str, address: Address) -> Fit:
    """Whether a number may be used at an address. What is of no place fits everywhere."""
    if not is_geographic(number):
        return Fit("fits")
    area = area_of(number)
    if area is None:
        return Fit("unknown")
    prefecture, text = _plain(address.prefecture), _plain(address.municipality + address.street)
    here = _longest(prefecture, text)
    if here is None:
        return Fit(_of_unnamed_place(area, prefecture, bool(text)), area)
    wanted = _places().areas[prefecture, here]
    if area in wanted:
        return Fit("fits", area)
    places = _places().areas.items()
    towns = [areas for (where, place), areas in places if where == prefecture and place.startswith(here)]
    if _ends_there(text, here) and any(area in areas for areas in towns):
        return Fit("which_town", area, tuple(sorted(set().union(*towns))))
    return Fit("wrong", area, tuple(sorted(wanted)))


def _of_unnamed_place(area: Area, prefecture: str, named: bool) -> Literal["wrong", "unknown"]:
    """The table does not name the municipality. Only an area all of whose places it names can be ruled out."""
    known = _places()
    there = any(where == prefecture and area in areas for (where, _), areas in known.areas.items())
    if area not in known.complete or (there and (not named or prefecture in WHOLE)):
        return "unknown"
    return "wrong"


def _longest(prefecture: str, text: str) -> str | None:
    """The longest place at the beginning of an address; a county may be written or left out."""
    places = _places().areas
    return next((text[:n] for n in range(len(text), 1, -1) if (prefecture, text[:n]) in places), None)


def _ends_there(text: str, place: str) -> bool:
    """Whether the address names no town: it ends with the municipality, or with a ward of it."""
    rest = text[len(place) :]
    return not rest or (len(rest) <= 5 and rest.endswith("区"))


@lru_cache(maxsize=1)
def _beginnings() -> dict[str, Area | None]:
    """None: sources disagree."""
    return {
        begins: None if code == "?" else Area(code, name)
        for code, name, beginnings in lines(AREAS)
        for begins in beginnings.split(" ")
    }


@lru_cache(maxsize=1)
def _places() -> _Places:
    areas: dict[tuple[str, str], frozenset[Area]] = {}
    reaching: set[Area] = set()
    for prefecture, code, name, places in lines(PLACES):
        area = Area(code.removeprefix("+"), name)
        if code.startswith("+"):
            reaching.add(area)
        for place in places.split(" "):
            town = place.partition("郡")[2]  # whoever writes an address may leave the county out
            for written in {place, town if "町" in town or "村" in town else place}:
                areas[prefecture, written] = areas.get((prefecture, written), frozenset()) | {area}
    return _Places(areas, frozenset(area for found in areas.values() for area in found) - reaching)


def _plain(text: str) -> str:
    """As the table writes it: 茅ヶ崎市 and 茅ケ崎市, full-width and blanks are one."""
    folded = unicodedata.normalize("NFKC", text).replace("ヶ", "ケ").replace("ヵ", "カ").replace("ｹ", "ケ")
    return "".join(folded.split())
