"""One write of a program: the key it comes with, the state it saw, its effect and its answer.

Enters: a request's headers, a view that changes something. Leaves: the answer, given once and the same again each time
the request comes again. How answers are kept stands in `once.py`; what is changed belongs to the rooms.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec
from flask import request

from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.store import Store, Tx
from services.runtime.web.access import current_token
from services.runtime.web.api import once
from services.runtime.web.api.once import Kept, Write
from services.runtime.web.problems import Refused

TRIES = 10
_KEY = re.compile(r'"?([A-Za-z0-9][A-Za-z0-9._:-]{0,63})"?')
ONCE = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"},
    "description": "A new one (a UUID) for each change; the same once more gives the same answer, for 24 hours.",
}
MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "schema": {"type": "string", "pattern": '^"[A-Za-z0-9._:-]{1,128}"$'},
    "description": "The ETag of the state that is to be changed.",
}


class Changed(NamedTuple):
    """What a write led to."""

    value: msgspec.Struct
    etag: str = ""
    status: int = 200


def expect(etag: str) -> None:
    """What is to be changed stands as the program saw it. Raises Refused (412)."""
    if not request.if_match.contains(etag):
        raise Refused(412)


def write(matched: bool) -> Write:
    """What this request is as a write. Raises Refused: a query, no key, or no state named although it must be."""
    if request.args:
        raise Refused(422, "A change takes no query.")
    key = _KEY.fullmatch(request.headers.get("Idempotency-Key", ""))
    if key is None:
        raise Refused(400, "A change needs an Idempotency-Key: letters, digits and . _ : -, at most 64.")
    if matched and "If-Match" not in request.headers:
        raise Refused(428)
    said = (request.method, request.path, request.headers.get("If-Match", ""))
    digest = hashlib.sha256(msgspec.json.encode(said) + request.get_data())
    return Write(current_token().id, key.group(1), digest.hexdigest())


def done(store: Store, write: Write, view: Callable[[], Changed | Callable[[Tx], Changed]]) -> Kept:
    """The answer, now or before. Raises Refused, and whatever `view` does: then nothing is kept."""
    began_us = clock.now_us()
    known = store.run(lambda tx: once.begin(tx, write, began_us), TRIES)
    if known is not None:
        return known

    def effect(tx: Tx) -> Kept:
        kept = _kept(made(tx) if callable(made) else made)
        once.finish(tx, write, began_us, kept)
        return kept

    try:
        made = view()
        return store.run(effect, TRIES)
    except BaseException:
        with suppress(Unavailable):
            store.run(lambda tx: once.forget(tx, write, began_us), TRIES)
        raise


def _kept(made: Changed) -> Kept:
    return Kept(made.status, made.etag, msgspec.json.encode(made.value))
