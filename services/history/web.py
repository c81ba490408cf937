"""The pages of history: calls in progress, the last calls, the story of one call.

Enters: requests of people who may see call histories. Leaves: HTML, and a stream that tells open pages when something
changed; the calls in progress and the last ones are made once for all who see the same. What a page says stands in
`pages.py`, what is asked of the store in `reads.py`; programs go to `api.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, abort, current_app, render_template
from markupsafe import Markup

from services.history import capacity_web, pages, reads, report_web, usage_web
from services.history.drawing import svg
from services.history.live import FEED
from services.history.reads import Visible
from services.history.report_web import language, readers
from services.history.words import Lang
from services.runtime import clock
from services.runtime.store import Store
from services.runtime.web import current_person
from services.runtime.web.live import Feed, serve_feed
from services.runtime.web.shared import Shared

SHOWN = 50
Seen = tuple[frozenset[str] | None, Lang]
"""All that the list of calls depends on: whose calls somebody sees (None: everybody's), and the language."""


def blueprint(store: Store, feed: Feed = FEED) -> Blueprint:
    """Routes over history's own store."""
    room = Blueprint(
        "history", __name__, template_folder="templates", static_folder="static", static_url_path="/history/static"
    )
    serve_feed(room, feed)
    shared: Shared[Seen, Markup] = Shared()

    def calls(news: Callable[[Visible], int]) -> Markup:
        visible = current_person().visible
        seen = None if visible is None else frozenset(visible), language()
        return shared.get(seen, news(visible), lambda: _calls(store, *seen))

    @room.get("/")
    @readers
    def overview() -> str:
        return render_template("history/overview.html", calls=calls(feed.latest))

    @room.get("/live/calls")
    @readers
    def live_calls() -> str:
        return calls(feed.told)  # an open page, which is told of what is not in it yet

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
    capacity_web.add_routes(room, store)
    return room


def _calls(store: Store, visible: frozenset[str] | None, lang: Lang) -> Markup:
    """Made without the visitor: the template is given these calls and nothing else."""
    chosen = None if visible is None else tuple(sorted(visible))
    rows = store.run(lambda tx: reads.overview(tx, chosen, SHOWN))
    page = pages.overview_page(rows, lang, clock.now_us())
    return Markup(current_app.jinja_env.get_template("history/calls.html").render(page=page))


def _story(store: Store, tenant: str, call: str) -> pages.CallPage:
    person, now_us = current_person(), clock.now_us()
    found = store.run(lambda tx: reads.story(tx, person.visible, tenant, call, person.id, now_us))
    if found is None:
        abort(404)
    return pages.call_page(found, language(), now_us)
