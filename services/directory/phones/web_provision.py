"""What phones themselves fetch (/provision/<secret>/<file>): their settings, without a log-in, for a short time.

Enters: a secret that nobody guesses, the name of a file as the phone asks for it. Leaves: the settings, or 404. Each
fetch is an entry of the audit log with the address it went to; who tries other secrets has to wait. What else a phone
says of itself (User-Agent, the address of its card) is neither believed nor kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from services.directory.audit.rows import audited
from services.directory.people import rows as people
from services.directory.people import tries
from services.directory.phones import issuing, vouchers
from services.directory.phones.issuing import Reach, Unknown
from services.directory.phones.settings_files import TYPES, Account, Format, format_of, written
from services.runtime import clock
from services.runtime.log import get_logger
from services.runtime.store import Store, Tx
from services.runtime.web import public

log = get_logger("directory.provision")
T = TypeVar("T")
Read = Callable[[Tx], T]
SCOPE = "provision"
BY = "phone"
"""Who fetched, in the audit log."""


def add_routes(room: Blueprint, store: Store, reach: Mapping[str, Reach]) -> None:
    """The one route."""

    @room.get("/provision/<secret>/<file>")
    @public
    def settings_of_phone(secret: str, file: str) -> Response:
        address, kind = (request.remote_addr or "")[:100], format_of(file)
        if kind is None:  # firmware, phone books …: phones ask for much, and an answer to all of it guesses nothing
            abort(404)
        tried = store.run(lambda tx: tries.count_try(tx, ((SCOPE, address),), clock.now_us()), people.TRIES)
        if tried.wait_us:
            abort(429)
        found = store.run(lambda tx: _fetched(tx, secret[:200], kind, address, reach), people.TRIES)
        if found is None:
            log.warning("no settings for a phone", address=address, format=kind)
            abort(404)
        store.run(lambda tx: tries.take_back(tx, tried), people.TRIES)
        answer = Response(written(kind, found), content_type=f"{TYPES[kind]}; charset=utf-8")
        answer.headers["X-Robots-Tag"] = "noindex"
        return answer


def _fetched(tx: Tx, secret: str, kind: Format, address: str, reach: Mapping[str, Reach]) -> Account | None:
    now_us = clock.now_us()
    voucher = vouchers.fetch(tx, secret, now_us)
    if voucher is None:
        return None
    try:
        found = issuing.account(tx, voucher.owner, voucher.phone, voucher.password, reach)
    except Unknown:
        return None
    after = {"address": address, "format": kind}
    audited(tx, BY, "phone.settings_fetched", voucher.owner, voucher.phone, after=after, now_us=now_us)
    return found
