"""The OpenAPI documents of the API: what this process serves, whole and service by service.

Enters: rooms. Leaves: `/api/v1/openapi.json`, and `/api/v1/openapi/<service>.json` by which documents are told apart
where each service is a process of its own. Schemas are those that msgspec derives from the structs; they say nothing of
anybody, so that tools may read them without a token.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Blueprint, Flask, Response, abort
from flask_smorest import Api
from flask_wtf.csrf import CSRFProtect
from marshmallow import Schema

from proto.contract import portable
from proto.schemas import schema_for, struct_of
from services.runtime.web.access import public
from services.runtime.web.api.room import PREFIX, Room
from services.runtime.web.problems import DETAILS, MEDIA_TYPE, Problem

_REFERENCE = "#/components/schemas/{name}"
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token that somebody makes under their name; the scopes that it needs stand at each operation.",
}


class _Converter(OpenAPIConverter):
    """A schema that was derived from a struct is described by what msgspec says of the struct."""

    def resolve_nested_schema(self, schema: Any) -> Any:
        """A reference; what it leads to stands among the components."""
        if not isinstance(schema, Schema):
            return schema
        top, parts = _described(struct_of(schema))
        for name, part in parts.items():
            standing = self.spec.components.schemas.get(name)
            if standing is None:
                self.spec.components.schema(name, part)
            elif standing != part:
                raise ValueError(f"two structs of the API are called {name}")
        return top

    def schema2parameters(self, schema: Any, *, location: str, **_: Any) -> list[dict[str, Any]]:
        """One parameter for each field."""
        top, parts = _described(struct_of(schema))
        of = parts[top["$ref"].removeprefix(_REFERENCE.format(name=""))]
        needed = of.get("required", ())
        return [
            {"in": location, "name": name, "required": name in needed}
            | {key: text for key, text in said.items() if key == "description"}
            | {"schema": {key: below for key, below in said.items() if key != "description"}}
            for name, said in of["properties"].items()
        ]


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


@cache
def _described(kind: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A reference to the struct, and what it and its parts are; nobody changes them."""
    (top,), parts = msgspec.json.schema_components((kind,), ref_template=_REFERENCE)
    portable(parts)
    return top, parts


class _Api(Api):  # type: ignore[misc]
    """flask-smorest with our errors, and without pages from elsewhere."""

    DEFAULT_ERROR_RESPONSE_NAME = None  # each operation says which answers there are

    def _register_error_handlers(self) -> None:
        """`runtime/web/errors.py` answers whatever goes wrong, here too."""

    def _register_doc_blueprint(self) -> None:
        """`add_api` serves the documents."""

    def _register_responses(self) -> None:
        """What a refusal looks like, by status."""
        for status, detail in DETAILS.items():
            said = {"description": detail, "content": {MEDIA_TYPE: {"schema": schema_for(Problem)}}}
            self.spec.components.response(HTTPStatus(status).name, said, lazy=True)


def add_api(app: Flask, rooms: Iterable[Room], csrf: CSRFProtect) -> None:
    """Serve the rooms, and the documents about them."""
    plugin = _Plugin()
    api = _Api(
        app,
        spec_kwargs={
            "title": "Toritsugi (取次)",
            "version": "1",
            "openapi_version": "3.1.0",
            "marshmallow_plugin": plugin,
        },
    )
    api.spec.components.security_scheme("token", _TOKEN)
    here = list(rooms)
    for room in here:
        csrf.exempt(room)  # no cookie counts below /api
        api.register_blueprint(room)
    app.register_blueprint(_documents(api, [room.service for room in here]))


def _documents(api: _Api, services: list[str]) -> Blueprint:
    room = Blueprint("api_documents", __name__, url_prefix=PREFIX)

    @cache
    def document(service: str) -> bytes:
        """Made when it is first asked for: anybody may ask, as often as they like."""
        whole = api.spec.to_dict()
        paths = {path: item for path, item in whole["paths"].items() if not service or _of(item, service)}
        return msgspec.json.encode({**whole, "paths": paths})

    @room.get("/openapi.json")
    @public
    def openapi() -> Response:
        return Response(document(""), mimetype="application/json")

    @room.get("/openapi/<service>.json")
    @public
    def openapi_of(service: str) -> Response:
        if service not in services:
            abort(404)
        return Response(document(service), mimetype="application/json")

    return room


def _of(item: dict[str, Any], service: str) -> bool:
    return any(service in operation["tags"] for operation in item.values() if isinstance(operation, dict))
