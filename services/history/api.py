"""History's part of the API: ended calls, calls in progress, the story of one call; the values of the pages as JSON.

Enters: requests of programs whose token and person may see call histories. Leaves: what the pages show (`pages.py`),
each text in the language that is asked for, with raw times, amounts and words beside it. Looks are written down as
those at pages are.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import abort, request

from services.history import filters, pages, reads, report, search
from services.history.model import Found
from services.history.report_web import READERS
from services.runtime import clock
from services.runtime.store import Store, Tx
from services.runtime.web import current_person
from services.runtime.web.api import PREFIX, Room
from services.runtime.web.problems import FieldProblem, Refused

_SCOPE = "calls:read"
_Typed = Annotated[str, msgspec.Meta(max_length=64)]
_Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", description="2026-12-29")]
Language = Annotated[Literal["ja", "en"], msgspec.Meta(description="of the texts")]


class TextsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How things are said."""

    lang: Language = "ja"


class CallsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"since": "from"}):
    """Which ended calls; all of it must hold."""

    client: Annotated[str, msgspec.Meta(pattern=r"^_?[a-z0-9][a-z0-9-]{0,31}$(?!\n)", description="a client's id")] = ""
    since: _Day = ""
    to: Annotated[_Day, msgspec.Meta(description="2026-12-29, the last day that counts")] = ""
    direction: Literal["", "inbound", "outbound", "internal", "emergency"] = ""
    result: Literal["", "answered", "message", "missed", "busy", "failed", "not_in_use", "fallback"] = ""
    employee: Annotated[_Typed, msgspec.Meta(description="whose phone called or answered: its id, or a number")] = ""
    own: Annotated[_Typed, msgspec.Meta(description="the client's own number")] = ""
    number: Annotated[_Typed, msgspec.Meta(description="the other side's number, or a part of it")] = ""
    talk: Annotated[
        int, msgspec.Meta(ge=0, le=604_800, description="at least so many seconds of talk, 0 to 604800")
    ] = 0
    before: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[0-9]{1,18}~[a-z0-9_-]{1,33}~([A-Za-z0-9._:-]{1,128}|!)$(?!\n)", description="of `next`"
        ),
    ] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200, description="1 to 200 calls in one answer")] = 50
    lang: Language = "ja"


def room(store: Store) -> Room:
    """Addresses below /api/v1/calls, over history's own store."""
    room = Room("history", "Calls: those that are over, those in progress, the story of each.")

    @room.reads("/calls", report.CallsPage, scope=_SCOPE, who=READERS, asked=CallsAsked)
    def ended_calls(asked: CallsAsked) -> report.CallsPage:
        """Calls that are over, newest first.

        `next` is where earlier ones are. One answer tests a bounded number of calls: it may hold fewer than `limit`,
        or none, and still have a `next`.
        """
        wanted = _wanted()
        person, now_us = current_person(), clock.now_us()

        def ask(tx: Tx) -> Found:
            reads.note_access(tx, "report", search.looked_at(person.visible, wanted), "", person.id, now_us)
            timezone = search.zone(search.clients(tx, person.visible), wanted)
            return search.find(tx, person.visible, wanted, timezone, asked.limit)

        return report.calls_page(store.run(ask), wanted, f"{PREFIX}/calls", asked.limit, asked.lang, now_us)

    @room.reads("/calls/live", pages.OverviewPage, scope=_SCOPE, who=READERS, asked=TextsAsked)
    def live_calls(asked: TextsAsked) -> pages.OverviewPage:
        """Calls in progress, the last calls, and switches that are not heard."""
        visible = current_person().visible
        rows = store.run(lambda tx: reads.overview(tx, visible, search.PAGE))
        return pages.overview_page(rows, asked.lang, clock.now_us())

    @room.reads("/calls/<tenant>/<call>", pages.CallPage, scope=_SCOPE, who=READERS, asked=TextsAsked)
    def one_call(asked: TextsAsked, tenant: str, call: str) -> pages.CallPage:
        """The story of one call: its line, its legs over time, each step with its reasons."""
        person, now_us = current_person(), clock.now_us()
        found = store.run(lambda tx: reads.story(tx, person.visible, tenant, call, person.id, now_us))
        if found is None:
            abort(404)
        return pages.call_page(found, asked.lang, now_us)

    return room


def _wanted() -> filters.Filter:
    """As the report's page reads it; what cannot be read is told in the report's words. Raises Refused."""
    wanted, wrong = filters.read(request.args)
    if wrong:
        raise Refused(422, errors=[FieldProblem(*pair) for pair in report.problems(wrong, "en").items()])
    return wanted
