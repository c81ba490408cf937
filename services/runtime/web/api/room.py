"""A room's part of the API: views over structs, with the token's scope and the roles that open each.

Enters: views that take a struct of what is asked, and give one that is answered. Leaves: a blueprint of flask-smorest
that reads, checks and documents both by the schemas that are derived from the structs (`proto/schemas.py`). What has no
place in a struct is refused, not passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec
from flask import Request, Response, abort
from flask_smorest import Blueprint
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest

from proto.schemas import Plain, schema_for
from services.runtime.store import Store
from services.runtime.web.access import API, by_token, current_person, roles
from services.runtime.web.api import writes
from services.runtime.web.problems import Refused, wrong_field, wrong_fields

PREFIX = f"{API}/v1"
LARGEST_BODY = 1 << 18
View = Callable[..., Any]
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": "Names this state, for If-Match."}}
_LATER = "Written; it takes effect once all of the house can be reached again."
_ALWAYS = (400, 401, 403, 413, 422, 429, 500, 503)
"""Whatever is asked, these may come."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked where nothing can be."""


class _Reading(FlaskParser):
    """Queries and bodies as our schemas read them."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"query": None, "json": None}  # noqa: RUF012  (as webargs has it)

    def load_querystring(self, req: Request, schema: Schema) -> dict[str, Plain]:
        """Each parameter once; a number stands there as text."""
        for name, values in req.args.lists():
            if len(values) > 1:
                raise wrong_field(name[:60] if name.isprintable() else "?", "stands there more than once")
        return {name: Plain(value) for name, value in req.args.items()}

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Strictly JSON in UTF-8, not deeper than anything that we know, without NUL, which no database keeps."""
        if req.mimetype != "application/json":
            raise Refused(415)
        req.max_content_length = LARGEST_BODY
        text = req.get_data()
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadRequest from None
        if b"\\u0000" in text:
            raise BadRequest
        return found

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **_: Any) -> NoReturn:
        """422, field by field."""
        (messages,) = error.messages_dict.values()  # of the one location that was read
        raise wrong_fields(messages)


class Room(Blueprint):  # type: ignore[misc]
    """The API of one room; its name is that of the service, under which its part of the documents stands."""

    ARGUMENTS_PARSER = _Reading()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(f"api_{name}", __name__, url_prefix=PREFIX, description=description)
        self.service = name

    def reads(
        self,
        rule: str,
        answer: type[msgspec.Struct] | str,
        *,
        scope: str,
        who: tuple[str, ...],
        asked: type[msgspec.Struct] = Nothing,
    ) -> Callable[[View], View]:
        """GET. The view takes what is asked (nothing: nothing) and the parts of the address.

        `answer`: the struct that it gives; or a media type, and it gives a Response.
        """

        def declare(view: View) -> View:
            told = self._answering(view, answer, asked)
            described = self.arguments(schema_for(asked), location="query")(told)
            return self._open("GET", rule, described, scope, who, (404,) if "<" in rule else ())

        return declare

    def writes(
        self,
        method: str,
        rule: str,
        answer: type[msgspec.Struct],
        *,
        scope: str,
        who: tuple[str, ...],
        body: type[msgspec.Struct] | None,
        store: Store,
        matched: bool = False,
        after: Callable[[], object] = lambda: None,
    ) -> Callable[[View], View]:
        """PUT, POST or DELETE, done once per Idempotency-Key. The view takes the body and the parts of the address.

        It gives a function that, given a transaction of `store`, changes rows and gives a `Changed`; or `Changed`
        itself where the effect is no row: what it did already must then satisfy it when it is asked again. `matched`:
        the program says by If-Match which state it saw, for the view to `expect`; `after` is done once it is committed.
        """

        def declare(view: View) -> View:
            @wraps(view)
            def respond(*read: dict[str, Any], **parts: str) -> Response:
                if "tenant" in parts and not current_person().sees(parts["tenant"]):
                    abort(404)  # the answer may be kept from when its person still saw the client
                given = [msgspec.convert(one, body) for one in read]
                kept = writes.done(store, writes.write(matched), lambda: view(*given, **parts))
                after()
                found = Response(kept.body, kept.status, mimetype="application/json")
                if kept.etag:
                    found.set_etag(kept.etag)
                return found

            described = self.response(200, schema_for(answer), headers=_ETAG if matched else None)(respond)
            if matched:
                described = self.response(202, schema_for(answer), headers=_ETAG, description=_LATER)(described)
            if body is not None:
                described = self.arguments(schema_for(body), location="json")(described)
            described = self.doc(parameters=[writes.ONCE, writes.MATCH] if matched else [writes.ONCE])(described)
            return self._open(method, rule, described, scope, who, (404, 409, 415, *((412, 428) if matched else ())))

        return declare

    def _answering(self, view: View, answer: type[msgspec.Struct] | str, asked: type[msgspec.Struct]) -> View:
        @wraps(view)
        def respond(read: dict[str, Any], **parts: str) -> Response:
            given = () if asked is Nothing else (msgspec.convert(read, asked),)
            said = view(*given, **parts)
            return said if isinstance(said, Response) else as_json(said)

        if isinstance(answer, str):
            found: View = self.response(200, {}, content_type=answer)(respond)
        else:
            found = self.response(200, schema_for(answer))(respond)
        return found

    def _open(
        self, method: str, rule: str, view: View, scope: str, who: tuple[str, ...], more: tuple[int, ...]
    ) -> View:
        """Hang it under its address, for programs of these roles with this scope."""
        said: Any = view  # what flask-smorest knows of it; each alt_response would copy it all
        said._apidoc["response"]["responses"] |= {
            status: [HTTPStatus(status).name] for status in sorted({*_ALWAYS, *more})
        }
        view = self.doc(security=[{"token": [scope] if scope else []}])(view)
        opened: View = by_token(scope)(roles(*who)(view))
        self.add_url_rule(rule, opened.__name__, opened, methods=[method], tags=[self.service])
        return opened


def as_json(value: msgspec.Struct, etag: str = "") -> Response:
    """A struct as an answer; `etag` names the state that a write would change."""
    found = Response(msgspec.json.encode(value), mimetype="application/json")
    if etag:
        found.set_etag(etag)
    return found
