"""PURE Numbers of the stock -> lines of a page and rows of a spreadsheet.

Enters: numbers as they stand, names of clients, words of the visitor's language. Leaves: values that the template
prints and that stand in the CSV file. Who may see what was decided in `desk.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from services.directory.days import day_of, minute_of
from services.directory.numbers.areas import area_of, kind_of
from services.directory.numbers.model import Held, Line, State
from services.runtime.csv_file import BOM, line
from services.runtime.telephone import written

TONES: dict[State, str] = {
    State.STOCK: "",
    State.RESERVED: "",
    State.IN_USE: "tag-good",
    State.SUSPENDED: "tag-bad",
    State.QUARANTINE: "tag-warn",
}


class NumberLine(msgspec.Struct, frozen=True):
    """A number on a page; `state`, `kind` and `reason` are words for the template to translate."""

    number: str
    written: str
    kind: str
    area: str
    state: str
    tone: str
    client: str
    client_name: str
    carrier: str
    since: str
    reason: str
    until: str
    note: str


class HistoryLine(msgspec.Struct, frozen=True):
    """What happened to a number."""

    at: str
    who: str
    what: str
    client_name: str
    reason: str
    note: str


def number_line(held: Held, clients: Mapping[str, str], *, with_reason: bool) -> NumberLine:
    """`with_reason`: why a number was stopped may be the police's, and is not its client's to read."""
    area = area_of(held.number)
    return NumberLine(
        number=held.number,
        written=written(held.number),
        kind=kind_of(held.number),
        area=str(area) if area else "",
        state=str(held.state),
        tone=TONES[held.state],
        client=held.client,
        client_name=clients.get(held.client, held.client),
        carrier=held.carrier if with_reason else "",
        since=str(day_of(held.since_us)) if held.since_us else "",
        reason=held.reason if with_reason else "",
        until=str(day_of(held.until_us)) if held.until_us is not None else "",
        note=held.note if with_reason else "",
    )


def history_lines(lines: Iterable[Line], clients: Mapping[str, str], *, with_reason: bool) -> list[HistoryLine]:
    """The newest first, as the rows come."""
    return [
        HistoryLine(
            at=minute_of(one.at_us),
            who=one.who,
            what=one.what,
            client_name=clients.get(one.client, one.client),
            reason=one.reason if with_reason else "",
            note=one.note if with_reason else "",
        )
        for one in lines
    ]


def csv_lines(
    found: Iterable[NumberLine], heads: Iterable[str], words: Mapping[str, str], reasons: Mapping[str, str]
) -> Iterator[str]:
    """A file for spreadsheets: a row per number, nothing in it a formula. `words` of kinds and states."""
    yield BOM + line(heads)
    for one in found:
        said = (words[one.kind], one.area, words[one.state], one.client_name, one.carrier)
        yield line((one.written, *said, one.since, one.until, reasons.get(one.reason, ""), one.note))
