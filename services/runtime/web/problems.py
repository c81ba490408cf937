"""What the API says when it refuses: problem details as JSON (RFC 9457), in the words of whoever writes programs.

Enters: a status, what is wrong with which field. Leaves: an answer. Nothing of what a program sent is repeated but the
names of its fields, cut; words for people who look at pages stand in `errors.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus

import msgspec
from flask import Response
from werkzeug.exceptions import HTTPException

from proto.schemas import Wrong, flatten

MEDIA_TYPE = "application/problem+json"
DETAILS = {
    400: "The request cannot be read.",
    401: "Show a token: `Authorization: Bearer …`. It may have ended.",
    403: "The token's scopes, or its person's role, do not allow this.",
    404: "There is nothing here that this token may see.",
    405: "This address does not know the method.",
    409: "A request with this Idempotency-Key is still under way.",
    412: "What stands here now is not what If-Match names; read it again.",
    413: "The body is too large.",
    415: "The body must be application/json.",
    422: "Something in the request cannot be.",
    428: "Say by If-Match which state is to be changed: the ETag of an earlier answer.",
    429: "Too many requests; Retry-After says when to go on.",
    500: "Something went wrong here; it stands in our log.",
    503: "This cannot be answered now; try again later.",
}
LONGEST_NAME = 60
MOST_ERRORS = 20


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field."""

    field: str
    """Its name; within other fields joined by dots."""
    problem: str


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused (RFC 9457)."""

    title: str
    status: int
    detail: str
    errors: tuple[FieldProblem, ...]
    type: str = "about:blank"


class Refused(HTTPException):
    """A request is refused with words of its own."""

    def __init__(
        self, status: int, detail: str = "", errors: Iterable[FieldProblem] = (), retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code, self.errors, self.retry_after_s = status, tuple(errors), retry_after_s


def wrong_field(field: str, problem: str) -> Refused:
    """422 about one field."""
    return Refused(422, errors=[FieldProblem(field, problem)])


def wrong_fields(messages: object) -> Refused:
    """422 about each field that marshmallow refuses."""
    found = [FieldProblem(_name(path), _sentence(wrong)) for path, wrong in flatten(messages)]
    return Refused(422, errors=found[:MOST_ERRORS])


def _name(path: tuple[str | int, ...]) -> str:
    return ".".join("".join(c if c.isprintable() else "?" for c in str(part)[:LONGEST_NAME]) for part in path[:10])


def _sentence(wrong: Wrong) -> str:
    """What is allowed. A message that carries a value quotes it, and is written anew without."""
    if wrong.value is None:
        return str(wrong)
    hint = f" ({wrong.hint})" if wrong.hint else ""
    return f"is not allowed; allowed: {wrong.allowed}{hint}"


def answer(status: int, error: HTTPException | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for a status, with what a `Refused` says of it."""
    refused = error if isinstance(error, Refused) else Refused(status)
    said = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=refused.description or DETAILS.get(status, DETAILS[400 if status < 500 else 500]),
        errors=refused.errors,
    )
    found = Response(msgspec.json.encode(said), status, headers, mimetype=MEDIA_TYPE)
    if refused.retry_after_s is not None:
        found.headers["Retry-After"] = str(refused.retry_after_s)
    return found
