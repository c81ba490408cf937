"""The pages of history: calls in progress, the last calls, the story of one call.

Enters: requests of people who may see call histories. Leaves: HTML, and a stream that tells open pages when something
changed. What a page says stands in `pages.py`, what is asked of the store in `reads.py`; programs go to `api.py`.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template
from markupsafe import Markup

from services.history import pages, reads, report_web, usage_web
from services.history.drawing import svg
from services.history.live import FEED
from services.history.report_web import language, readers
from services.runtime import clock
from services.runtime.store import Store
from services.runtime.web import current_person
from services.runtime.web.live import Feed, serve_feed

SHOWN = 50


def blueprint(store: Store, feed: Feed = FEED) -> Blueprint:
    """Routes over history's own store."""
    room = Blueprint(
        "history", __name__, template_folder="templates", static_folder="static", static_url_path="/history/static"
    )
    serve_feed(room, feed)

    @room.get("/")
    @readers
    def overview() -> str:
        return render_template("history/overview.html", page=_overview(store))

    @room.get("/calls/<tenant>/<call>")
    @readers
    def story(tenant: str, call: str) -> str:
        page = _story(store, tenant, call)
        return render_template("history/call.html", page=page, picture=Markup(svg(page.drawing, language())))

    @room.get("/calls/<tenant>/<call>/drawing.svg")
    @readers
    def drawing(tenant: str, call: str) -> Response:
        lang = language()
        return Response(svg(_story(store, tenant, call).drawing, lang, record=True), mimetype="image/svg+xml")

    @room.get("/live")
    @readers
    def live() -> Response:
        return feed.respond()

    report_web.add_routes(room, store)
    usage_web.add_routes(room, store)
    return room


def _overview(store: Store) -> pages.OverviewPage:
    visible = current_person().visible
    rows = store.run(lambda tx: reads.overview(tx, visible, SHOWN))
    return pages.overview_page(rows, language(), clock.now_us())


def _story(store: Store, tenant: str, call: str) -> pages.CallPage:
    person, now_us = current_person(), clock.now_us()
    found = store.run(lambda tx: reads.story(tx, person.visible, tenant, call, person.id, now_us))
    if found is None:
        abort(404)
    return pages.call_page(found, language(), now_us)
