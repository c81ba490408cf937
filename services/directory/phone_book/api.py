"""Phone books by API: a client's entries looked for, added, changed and removed.

Enters: requests of programs, with the entry that they saw (If-Match). Leaves: rows by `entries.py`, each change in one
transaction with the answer that a repeated request gets. What a card may be stands in `model.py`.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import msgspec
from flask import Response, abort, request

from services.directory.audit.rows import audited, is_noted
from services.directory.people.ranks import MANAGERS
from services.directory.phone_book import entries
from services.directory.phone_book.model import Card, Entry, Wrong, read_number, wrong_with
from services.directory.phone_book.web import WRITERS, Books
from services.directory.tenants.changing import TRIES
from services.runtime import clock
from services.runtime.store import Tx
from services.runtime.web import current_person
from services.runtime.web.access import ROLES
from services.runtime.web.api import Room
from services.runtime.web.api.room import View, as_json
from services.runtime.web.api.writes import Changed, expect
from services.runtime.web.forms import plain
from services.runtime.web.problems import Refused, wrong_field

LOOKED_UP = 20
"""Whoever looks for somebody and finds more is taking the book, however it is asked for."""
_READ, _WRITE = "phone_book:read", "phone_book:write"
_WRONG: dict[Wrong, str] = {
    "nobody": "a name or a company is needed",
    "numbers": "1 to 4 numbers",
    "number": "write a number like 03-1234-5678",
    "long": "is too long",
    "line": "holds characters that cannot stand here",
}


class BookAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which entries."""

    q: Annotated[str, msgspec.Meta(max_length=100, description="part of a name, reading, company or number")] = ""
    after: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$(?!\n)", description="of `next`")] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=500, description="1 to 500 entries in one answer")] = 100


class BookPage(msgspec.Struct, frozen=True):
    """Entries by id."""

    entries: tuple[Entry, ...]
    next: str | None


def add_phone_book(room: Room, books: Books) -> None:
    """Addresses below /api/v1/clients; `books` tells at once what a change left in the outbox."""
    store, path = books.store, "/clients/<tenant>/phone-book"

    @room.reads(path, BookPage, scope=_READ, who=tuple(ROLES), asked=BookAsked)
    def phone_book(asked: BookAsked, tenant: str) -> BookPage:
        """A client's phone book, or what of it is looked for. Whoever begins to take all of it is in the audit log."""
        books.client(tenant)
        who = current_person().id

        def read(tx: Tx) -> list[Entry]:
            here, now_us = entries.after(tx, tenant, asked.q, asked.limit + 1, asked.after), clock.now_us()
            begins = not asked.q and not asked.after
            looks_up = asked.q and not asked.after and len(here) <= LOOKED_UP
            if begins or not (looks_up or is_noted(tx, who, "phone_book.exported", tenant, now_us)):
                what = {"as": "api", "entries": entries.count(tx, tenant)}
                audited(tx, who, "phone_book.exported", tenant, "", after=what, now_us=now_us)
            return here

        found = store.run(read, TRIES)
        here = tuple(found[: asked.limit])
        more = len(found) > asked.limit
        link = f"{request.path}?{urlencode({**request.args, 'after': here[-1].id})}" if more else None
        return BookPage(here, link)

    @room.reads(f"{path}/<entry>", Entry, scope=_READ, who=tuple(ROLES))
    def one_entry(tenant: str, entry: str) -> Response:
        """One entry."""
        books.client(tenant)
        known = books.entry(tenant, entry)
        return as_json(known, _etag(known))

    @room.writes("POST", path, Entry, scope=_WRITE, who=WRITERS, body=Card, store=store, after=books.tell)
    def add_entry(sent: Card, tenant: str) -> View:
        """A new entry."""
        books.client(tenant)
        card, who = _checked(sent), current_person().id

        def add(tx: Tx) -> Changed:
            try:
                made = entries.add(tx, tenant, card, who, clock.now_us())
            except entries.Full:
                raise Refused(409, "The phone book is full.") from None
            return _changed(tx, tenant, made)

        return add

    @room.writes(
        "PUT",
        f"{path}/<entry>",
        Entry,
        scope=_WRITE,
        who=WRITERS,
        body=Card,
        store=store,
        matched=True,
        after=books.tell,
    )
    def change_entry(sent: Card, tenant: str, entry: str) -> View:
        """Change an entry."""
        books.client(tenant)
        known, card, who = books.entry(tenant, entry), _checked(sent), current_person().id
        expect(_etag(known))

        def change(tx: Tx) -> Changed:
            if not entries.change(tx, tenant, known, card, who, clock.now_us()):
                raise Refused(412)
            return _changed(tx, tenant, entry)

        return change

    @room.writes(
        "DELETE",
        f"{path}/<entry>",
        Entry,
        scope=_WRITE,
        who=MANAGERS,
        body=None,
        store=store,
        matched=True,
        after=books.tell,
    )
    def remove_entry(tenant: str, entry: str) -> View:
        """Remove an entry; the answer is what it was."""
        books.client(tenant)
        known, who = books.entry(tenant, entry), current_person().id
        expect(_etag(known))

        def remove(tx: Tx) -> Changed:
            stands = entries.find(tx, tenant, entry)
            if stands is None or stands != known:
                raise Refused(412)
            entries.remove(tx, tenant, known, who, clock.now_us())
            return Changed(known)

        return remove


def _checked(sent: Card) -> Card:
    """The card as it is kept. Raises Refused."""
    try:
        numbers = tuple(dict.fromkeys(read_number(number) for number in sent.numbers))
    except ValueError:
        raise wrong_field("numbers", _WRONG["number"]) from None
    texts = {name: plain(getattr(sent, name)) for name in ("name", "reading", "company", "note")}
    texts["note"] = texts["note"].replace("\r\n", "\n")
    card = Card(numbers=numbers, **texts)
    if (wrong := wrong_with(card)) is not None:
        raise wrong_field(wrong[0], _WRONG[wrong[1]])
    return card


def _changed(tx: Tx, tenant: str, entry: str) -> Changed:
    found = entries.find(tx, tenant, entry)
    return Changed(found, _etag(found)) if found is not None else abort(404)


def _etag(entry: Entry) -> str:
    return str(entry.changed_at_us)
