"""The pages of history: calls in progress, the last calls, the story of one call, and their JSON twins.

Enters: requests of people who may see call histories. Leaves: HTML, JSON, and a stream that tells open pages when
something changed. What a page says stands in `pages.py`; what is asked of the store in `reads.py`.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from flask import Blueprint, Response, abort, make_response, render_template, request

from services.history import filters, pages, reads, report, search
from services.history.live import FEED
from services.history.model import Answer
from services.history.words import Lang
from services.runtime import clock
from services.runtime.store import Store, Tx
from services.runtime.web import current_person, roles
from services.runtime.web.language import current_language
from services.runtime.web.live import Feed, serve_feed

SHOWN = 50
_readers = roles("platform_operator", "reseller", "tenant_administrator", "read_only")


def blueprint(store: Store, feed: Feed = FEED) -> Blueprint:
    """Routes over history's own store."""
    room = Blueprint(
        "history", __name__, template_folder="templates", static_folder="static", static_url_path="/history/static"
    )
    serve_feed(room, feed)

    @room.get("/")
    @_readers
    def overview() -> str:
        return render_template("history/overview.html", page=_overview(store))

    @room.get("/calls.json")
    @_readers
    def overview_json() -> Response:
        return _json(_overview(store))

    @room.get("/calls/<tenant>/<call>")
    @_readers
    def story(tenant: str, call: str) -> str:
        return render_template("history/call.html", page=_story(store, tenant, call))

    @room.get("/calls/<tenant>/<call>.json")
    @_readers
    def story_json(tenant: str, call: str) -> Response:
        return _json(_story(store, tenant, call))

    @room.get(report.PATH)
    @_readers
    def calls() -> Response:
        page = _report(store)
        return make_response(render_template("history/report.html", page=page), 422 if page.wrong else 200)

    @room.get(f"{report.PATH}.json")
    @_readers
    def calls_json() -> Response:
        return _json(_report(store))

    @room.get("/live")
    @_readers
    def live() -> Response:
        return feed.respond()

    return room


def _overview(store: Store) -> pages.OverviewPage:
    visible = current_person().visible
    rows = store.run(lambda tx: reads.overview(tx, visible, SHOWN))
    return pages.overview_page(rows, _lang(), clock.now_us())


def _story(store: Store, tenant: str, call: str) -> pages.CallPage:
    person, now_us = current_person(), clock.now_us()
    found = store.run(lambda tx: reads.story(tx, person.visible, tenant, call, person.id, now_us))
    if found is None:
        abort(404)
    return pages.call_page(found, _lang(), now_us)


def _report(store: Store) -> report.ReportPage:
    person, now_us, asked = current_person(), clock.now_us(), request.args.to_dict()
    wanted, wrong = filters.read(asked)

    def ask(tx: Tx) -> Answer:
        reads.note_access(tx, "report", search.looked_at(person.visible, wanted), "", person.id, now_us)
        return search.report(tx, person.visible, wanted)

    return report.report_page(store.run(ask), wanted, asked, wrong, _lang(), now_us)


def _lang() -> Lang:
    return cast(Lang, current_language())


def _json(page: Any) -> Response:
    return Response(msgspec.json.encode(page), mimetype="application/json")
