"""Who may see what: sessions, roles, and the rule that every route declares its scope.

Enters: signed cookies (pages), tokens of programs (the API, below /api), people as last heard. Leaves:
`current_person()`, or a redirect to /login, 401, 403 or 429. Passwords are checked by directory, which then calls
`start_session`; a tenant's data is filtered by `Person.sees`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import gevent
from flask import Flask, abort, current_app, g, redirect, request, session
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from proto.events import PersonChanged, Token
from services.runtime import clock
from services.runtime.web.pace import Pace

People = Callable[[str], PersonChanged | None]
View = TypeVar("View", bound=Callable[..., Any])

ROLES = frozenset(
    {"platform_operator", "reseller", "tenant_administrator", "answering_operator", "employee", "read_only"}
)
TOKEN_SCOPES = frozenset(
    {
        "calls:read",
        "audit:read",
        "health:read",
        "clients:read",
        "settings:write",
        "numbers:read",
        "numbers:write",
        "phones:read",
        "phones:write",
        "phone_book:read",
        "phone_book:write",
    }
)
"""What a program's token may be good for; a route of the API says which of them opens it, besides the roles."""
ANY_SCOPE = ""
"""Of a route that every token opens."""
API = "/api"
"""Below it are programs alone, each with its token; everywhere else are people alone, each with a cookie."""
LOG_IN = "/login"
"""The one log-in of all pages; directory serves it."""
HEARD_WITHIN_S = 5
LOOK_AGAIN_S = 0.05
_SCOPE = "_toritsugi_scope"
_FOR_TOKENS = "_toritsugi_for_tokens"


class UndeclaredScope(Exception):
    """A route does not say who may see it; the application does not start."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asking, as last heard."""

    id: str
    name: str
    role: str
    tenants: tuple[str, ...]

    @property
    def visible(self) -> tuple[str, ...] | None:
        """The clients whose data this person may see; None: all, since the person runs the platform."""
        return None if self.role == "platform_operator" else self.tenants

    def sees(self, tenant: str) -> bool:
        """Whether this client's data may be shown."""
        return self.visible is None or tenant in self.visible


def public(view: View) -> View:
    """Everybody may see it, also without log-in."""
    return _declare(view, frozenset())


def signed_in(view: View) -> View:
    """Whoever is logged in may see it."""
    return _declare(view, ROLES)


def roles(*allowed: str) -> Callable[[View], View]:
    """Only these roles may see it. Raises ValueError for a role that does not exist."""
    if not allowed or not ROLES.issuperset(allowed):
        raise ValueError(f"roles are {', '.join(sorted(ROLES))}; got {allowed}")
    return lambda view: _declare(view, frozenset(allowed))


def by_token(scope: str) -> Callable[[View], View]:
    """A program opens it by a token with this scope whose person may. Raises ValueError for an unknown scope."""
    if scope != ANY_SCOPE and scope not in TOKEN_SCOPES:
        raise ValueError(f"scopes of tokens are {', '.join(sorted(TOKEN_SCOPES))}; got {scope}")

    def declare(view: View) -> View:
        setattr(view, _FOR_TOKENS, scope)
        return view

    return declare


def token_text(person: str, secret: str) -> str:
    """What a program shows (RFC 6750, 2.1: letters that need no quoting)."""
    return f"{base64.urlsafe_b64encode(person.encode()).decode().rstrip('=')}.{secret}"


def token_digest(secret: str) -> str:
    """What is kept of a token's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def person_of_token(text: str, people: People, now_us: int) -> tuple[Person, Token] | None:
    """Whose token this is, if it holds now."""
    name, _, secret = text[:1000].partition(".")
    try:
        named = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
    except ValueError:  # no base64, or no UTF-8 in it
        return None
    known = people(named) if named.isprintable() else None
    shown = token_digest(secret)
    for token in known.tokens if known is not None and known.active else ():
        if hmac.compare_digest(shown, token.digest) and now_us < token.expires_at_us:
            assert known is not None
            return Person(known.person, known.name, known.role, known.tenants), token
    return None


def _declare(view: View, allowed: frozenset[str]) -> View:
    setattr(view, _SCOPE, allowed)
    return view


def set_up(app: Flask, people: People, pace: Pace) -> None:
    """Check every request before its view runs; programs are kept to their `pace`."""
    app.extensions["toritsugi_people"], app.extensions["toritsugi_pace"] = people, pace
    app.before_request(_check)
    app.context_processor(lambda: {"person": g.get("person")})


def check_declared(app: Flask) -> None:
    """Raises UndeclaredScope naming the routes without a scope. Files in `static` folders are public.

    What is not public below /api says which tokens open it, and nothing else does.
    """

    def is_silent(path: str, view: Callable[..., Any]) -> bool:
        allowed: frozenset[str] | None = getattr(view, _SCOPE, None)
        return allowed is None or (bool(allowed) and is_api(path) != hasattr(view, _FOR_TOKENS))

    silent = [
        f"{rule.rule} ({rule.endpoint})"
        for rule in app.url_map.iter_rules()
        if not is_file(app, rule.endpoint) and is_silent(rule.rule, app.view_functions[rule.endpoint])
    ]
    if silent:
        raise UndeclaredScope(f"who may see it? {', '.join(sorted(silent))}: add @public, @signed_in or @roles(…)")


def is_file(app: Flask, endpoint: str | None) -> bool:
    """Whether the endpoint is Flask's own, for a `static` folder: a view cannot have that name beside it."""
    room, _, name = (endpoint or "").rpartition(".")
    owner = app.blueprints.get(room) if room else app
    return name == "static" and owner is not None and owner.has_static_folder


def start_session(person: PersonChanged) -> bool:
    """Remember who logged in. What an earlier visitor of this browser had is forgotten.

    Waits until the pages have heard of this person's session version, since they would refuse the cookie until then.
    False: they have not within HEARD_WITHIN_S.
    """
    people: People = current_app.extensions["toritsugi_people"]
    cookie = (person.person, person.role, person.session_version)
    deadline_us = clock.monotonic_us() + HEARD_WITHIN_S * 1_000_000
    while still_valid(cookie, people) is None:
        if clock.monotonic_us() > deadline_us:
            return False
        gevent.sleep(LOOK_AGAIN_S)
    session.clear()
    session.permanent = True
    session["person"] = person.person
    session["role"] = person.role
    session["version"] = person.session_version
    # flask-wtf would add it with the first form, and a cookie that changes is signed anew, for twelve hours more.
    session[current_app.config["WTF_CSRF_FIELD_NAME"]] = secrets.token_hex(20)
    return True


def end_session() -> None:
    """Forget who was logged in at this browser."""
    session.clear()


def current_person() -> Person:
    """Who is asking. Only in views that are not public."""
    person: Person | None = g.get("person")
    if person is None:
        abort(401)
    return person


def current_token() -> Token:
    """By which token. Only in views of the API."""
    token: Token = g.token
    return token


def still_valid(cookie: tuple[Any, Any, Any], people: People) -> Person | None:
    """The person whom (id, role, session version) of a cookie names, if all three hold now."""
    name, role, version = cookie
    if not isinstance(name, str):
        return None
    known = people(name)
    if known is None or not known.active or known.role != role or known.session_version != version:
        return None
    return Person(known.person, known.name, known.role, known.tenants)


def watch_session() -> Callable[[], Person | None]:
    """A check that long answers (live updates) repeat: the person, or None once the session has become worthless."""
    cookie = _cookie()
    people: People = current_app.extensions["toritsugi_people"]
    return lambda: still_valid(cookie, people)


def _cookie() -> tuple[Any, Any, Any]:
    return session.get("person"), session.get("role"), session.get("version")


def wants_page() -> bool:
    """Whether a person looks at the answer, rather than a program."""
    return request.accept_mimetypes.accept_html and not is_api(request.path)


def is_api(path: str) -> bool:
    """Whether programs alone come here."""
    return path == API or path.startswith(f"{API}/")


def _check() -> Response | None:
    if is_file(current_app, request.endpoint):
        return None
    view = current_app.view_functions.get(request.endpoint or "")
    allowed: frozenset[str] = frozenset() if view is None else getattr(view, _SCOPE)
    if is_api(request.path):
        if allowed:  # 404 and 405 come later and show nothing
            _check_token(view, allowed)
        return None
    if request.authorization is not None and request.authorization.type == "bearer":
        abort(403)  # no token opens a page
    g.person = still_valid(_cookie(), current_app.extensions["toritsugi_people"])
    if not allowed:
        return None
    if g.person is None:
        if request.method == "GET" and wants_page():
            return redirect(f"{LOG_IN}?{urlencode({'next': request.full_path.rstrip('?')})}")
        abort(401)
    if g.person.role not in allowed:
        abort(403)
    return None


def _check_token(view: Callable[..., Any] | None, allowed: frozenset[str]) -> None:
    """Whose program asks, and whether it may. A cookie counts for nothing here, so nobody else's page can use one."""
    shown = request.authorization
    if shown is None or shown.type != "bearer":
        abort(401, www_authenticate=WWWAuthenticate("bearer"))
    found = person_of_token(shown.token or "", current_app.extensions["toritsugi_people"], clock.now_us())
    if found is None:
        abort(401, www_authenticate=WWWAuthenticate("bearer", {"error": "invalid_token"}))
    g.person, g.token = found
    pace: Pace = current_app.extensions["toritsugi_pace"]
    wait_us = pace.wait_us(g.token.id, clock.monotonic_us())
    if wait_us:
        raise TooManyRequests(retry_after=-(-wait_us // 1_000_000))
    scope: str = getattr(view, _FOR_TOKENS)
    if g.person.role not in allowed or (scope != ANY_SCOPE and scope not in g.token.scopes):
        abort(403)
