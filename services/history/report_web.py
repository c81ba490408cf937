"""The report's addresses: the page, and the same calls as CSV and as a file of Excel.

Enters: requests with the conditions in their address. Leaves: HTML, files sent piece by piece as they are read, a few
at a time. A download is written down before its first byte leaves, and ends when its reader may no longer read.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import cast
from urllib.parse import urlencode

import msgspec
from flask import Blueprint, Response, abort, make_response, render_template, request
from gevent.lock import BoundedSemaphore

from services.history import downloads, filters, reads, report, search, workbook
from services.history.filters import Filter
from services.history.model import Answer, Found
from services.history.words import JAPAN, Lang, stamp
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.csv_file import BOM
from services.runtime.log import get_logger
from services.runtime.store import Store, Tx
from services.runtime.web import current_person, roles
from services.runtime.web.access import watch_session
from services.runtime.web.language import current_language

log = get_logger("history.web")
READERS = ("platform_operator", "reseller", "tenant_administrator", "read_only")
"""Who may see histories of calls."""
readers = roles(*READERS)
PIECE = 250
"""Calls that are read and written at once."""
AT_ONCE = 3
"""Downloads of this process: each keeps a core busy for as long as it takes."""
BYTES_AT_ONCE = 1 << 16
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class SessionOver(Exception):
    """The reader logged out, or may no longer see this."""


def add_routes(room: Blueprint, store: Store) -> None:
    """Below `report.PATH`."""
    slots = BoundedSemaphore(AT_ONCE)

    @room.get(report.PATH)
    @readers
    def calls() -> Response:
        return _page(store)

    @room.get(f"{report.PATH}.csv")
    @readers
    def calls_csv() -> Response:
        lang, pieces = language(), _pieces(store, "csv", slots)
        head = BOM.encode() + downloads.csv_bytes([downloads.header(lang)])
        return _file(chain([head], _lines(pieces, lang)), "csv", "text/csv", slots)

    @room.get(f"{report.PATH}.xlsx")
    @readers
    def calls_xlsx() -> Response:
        lang, pieces = language(), _pieces(store, "xlsx", slots)
        try:
            file = workbook.write(downloads.header(lang), (downloads.rows(piece, lang) for piece in pieces))
        except BaseException as error:
            slots.release()
            if isinstance(error, workbook.TooManyRows):
                return _page(store, {"xlsx": "rows"})
            if isinstance(error, SessionOver):
                abort(401)
            raise
        answer = _file(iter(lambda: file.read(BYTES_AT_ONCE), b""), "xlsx", _EXCEL, slots)
        answer.call_on_close(file.close)
        return answer


def _page(store: Store, wrong: dict[filters.Field, filters.Problem] | None = None) -> Response:
    page = _report(store, wrong or {})
    return make_response(render_template("history/report.html", page=page), 422 if page.wrong else 200)


def _report(store: Store, more: dict[filters.Field, filters.Problem] | None = None) -> report.ReportPage:
    person, now_us, asked = current_person(), clock.now_us(), request.args.to_dict()
    wanted, wrong = filters.read(asked)

    def ask(tx: Tx) -> Answer:
        reads.note_access(tx, "report", search.looked_at(person.visible, wanted), "", person.id, now_us)
        return search.report(tx, person.visible, wanted)

    return report.report_page(store.run(ask), wanted, asked, {**wrong, **(more or {})}, language(), now_us)


def _pieces(store: Store, what: reads.Look, slots: BoundedSemaphore) -> Iterator[Found]:
    """The calls of this request, the first of them read already. Takes one of `slots` unless it raises."""
    person, now_us, watch = current_person(), clock.now_us(), watch_session()
    wanted, wrong = filters.read(request.args.to_dict())
    if wrong:
        abort(400)  # nobody gets other calls than those asked for
    wanted = msgspec.structs.replace(wanted, before=None)

    def begin(tx: Tx) -> str:
        taken = urlencode(filters.written(_without_numbers(wanted)))
        reads.note_access(tx, what, search.looked_at(person.visible, wanted), taken, person.id, now_us)
        return search.zone(search.clients(tx, person.visible), wanted)

    def run(work: Callable[[Tx], Found]) -> Found:
        if watch() is None:
            raise SessionOver
        return store.run(work)

    if not slots.acquire(blocking=False):
        abort(503)
    try:
        pieces = search.every(run, person.visible, wanted, store.run(begin), PIECE)
        return chain([next(pieces)], pieces)
    except BaseException:
        slots.release()
        raise


def _lines(pieces: Iterable[Found], lang: Lang) -> Iterator[bytes]:
    """CSV. Where it cannot go on the connection is cut, so that nobody takes half of a file for the whole."""
    try:
        for piece in pieces:
            yield downloads.csv_bytes(downloads.rows(piece, lang))
    except (SessionOver, Unavailable) as error:
        log.warning("download broken off", reason=str(error) or "session over")
        raise ConnectionResetError(errno.ECONNRESET, "download broken off") from None


def _without_numbers(wanted: Filter) -> Filter:
    """The log of looks outlives the numbers that somebody looked for."""
    hidden = {name: "*" for name in ("number", "own_number") if getattr(wanted, name)}
    if len(wanted.employee) >= filters.WHOLE_NUMBER and wanted.employee.isdigit():  # where calls were forwarded to
        hidden["employee"] = "*"
    return msgspec.structs.replace(wanted, **hidden)


def _file(body: Iterable[bytes], ending: str, kind: str, slots: BoundedSemaphore) -> Response:
    answer = Response(body, mimetype=kind)
    day = stamp(clock.now_us(), JAPAN).partition(" ")[0]
    answer.headers["Content-Disposition"] = f"attachment; filename=calls-{day}.{ending}"
    answer.call_on_close(slots.release)
    return answer


def language() -> Lang:
    """The visitor's."""
    return cast(Lang, current_language())
