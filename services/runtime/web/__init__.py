"""The shell of pages and API: one Flask application out of the rooms' blueprints; it knows no business rule.

Enters: blueprints, the key file's path, a look-up of people as last heard. Leaves: an application in which each route
has declared who may see it, each request is checked against the person's present session version or token, and each
answer carries the security headers. What a page says belongs to its room (`pages.py`, `web.py`, `templates/`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from flask import Blueprint, Flask
from flask_bootstrap import Bootstrap5
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from services.runtime import clock
from services.runtime.web import access, errors, forms, headers, language
from services.runtime.web.access import (
    People,
    Person,
    current_person,
    end_session,
    public,
    roles,
    signed_in,
    start_session,
)
from services.runtime.web.api import Room, add_api
from services.runtime.web.key import read_or_make_key
from services.runtime.web.pace import Pace

SESSION_LASTS = timedelta(hours=12)
MAX_FORM_BYTES = 1 << 20
REQUESTS_AT_ONCE = 60
"""Of one program after a rest; then it is kept to its requests a minute."""


def create_app(
    blueprints: Iterable[Blueprint],
    *,
    key_file: Path,
    people: People,
    https: bool = False,
    trusted_proxies: int = 0,
    per_minute: int = 600,
) -> Flask:
    """The application. Raises access.UndeclaredScope if a route says nothing about who may see it.

    `people` gives the projection of PersonChanged by person id, or None; `https` marks cookies as Secure;
    `trusted_proxies`: how many entries of X-Forwarded-For and -Proto, counted from the end, are believed; `per_minute`:
    requests of one program.
    """
    app = Flask("services.runtime.web")
    if trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted_proxies, x_proto=trusted_proxies)  # type: ignore[method-assign]
    app.config.update(
        SECRET_KEY=read_or_make_key(key_file),
        SESSION_COOKIE_NAME="toritsugi",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        PERMANENT_SESSION_LIFETIME=SESSION_LASTS,
        SESSION_REFRESH_EACH_REQUEST=False,  # from the log-in on, however busy: a stolen cookie ends too
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
        BOOTSTRAP_SERVE_LOCAL=True,
        WTF_CSRF_TIME_LIMIT=None,  # the token lives as long as the session
    )
    rooms = list(blueprints)
    Bootstrap5(app)
    language.set_up(app, [Path(room.root_path) for room in rooms])
    access.set_up(app, people, Pace(per_minute, REQUESTS_AT_ONCE))
    forms.set_up(app)  # after access: what somebody sends who may not come here is not read
    csrf = CSRFProtect(app)  # after access: whoever is not logged in is sent to log in, not told about a token
    headers.set_up(app)
    errors.set_up(app)
    add_api(app, [room for room in rooms if isinstance(room, Room)], csrf)
    for room in rooms:
        if not isinstance(room, Room):
            app.register_blueprint(room)
    app.context_processor(lambda: {"now_ms": clock.now_us() // 1000})
    access.check_declared(app)
    return app


__all__ = [
    "People",
    "Person",
    "create_app",
    "current_person",
    "end_session",
    "public",
    "roles",
    "signed_in",
    "start_session",
]
