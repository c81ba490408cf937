"""Directory's part of the API: clients with their files, the audit log, how the house stands, the token itself.

Enters: requests of programs whose token and person may see it. Leaves: rows and page values as JSON, files as they were
written. Whoever takes entries of the audit log away is an entry, too.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from flask import Response, abort, request

from proto.values import PLATFORM_TENANT
from services.directory.audit import rows as audit
from services.directory.audit.chain import Entry
from services.directory.audit.rows import Wanted, audited
from services.directory.days import day_us
from services.directory.health.standing import HealthPage
from services.directory.people import staff
from services.directory.people.ranks import MANAGERS
from services.directory.people.rows import TRIES
from services.directory.tenants import texts
from services.runtime import clock
from services.runtime.store import Store, Tx
from services.runtime.web import current_person
from services.runtime.web.access import ANY_SCOPE, ROLES, current_token
from services.runtime.web.api import Room
from services.runtime.web.problems import wrong_field

_YAML = "application/yaml"
_WITH_FILES = ("platform_operator", "reseller")
"""Whoever runs the platform for clients writes into their files what they think of them."""
_Id = Annotated[str, msgspec.Meta(max_length=64)]
_Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", description="2026-12-29, in Japan")]
_Limit = Annotated[int, msgspec.Meta(ge=1, le=500, description="1 to 500 entries in one answer")]
_Number = Annotated[int, msgspec.Meta(ge=1, le=10**15)]


class ClientsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which part of the list."""

    after: Annotated[_Id, msgspec.Meta(description="a client's id, from `next`")] = ""
    limit: _Limit = 100


class AuditAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which entries; all of it must hold."""

    who: Annotated[_Id, msgspec.Meta(description="a person, or `console:USER`")] = ""
    tenant: Annotated[_Id, msgspec.Meta(description="a client's id")] = ""
    since: _Day = ""
    until: Annotated[_Day, msgspec.Meta(description="2026-12-29, the last day that counts")] = ""
    before: Annotated[_Number, msgspec.Meta(description="only entries with a smaller number")] | None = None
    limit: _Limit = 100


class RevisionsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which part of the list."""

    before: Annotated[_Number, msgspec.Meta(description="only revisions with a smaller number")] | None = None
    limit: _Limit = 100


class TokenShown(msgspec.Struct, frozen=True):
    """What the token of this request is good for."""

    id: str
    person: str
    name: str
    role: str
    clients: tuple[str, ...] | None
    """null: all."""
    scopes: tuple[str, ...]
    expires_at_us: int


class ClientLine(msgspec.Struct, frozen=True):
    """One client company."""

    tenant: str
    name: str


class ClientsPage(msgspec.Struct, frozen=True):
    """Client companies, by id."""

    clients: tuple[ClientLine, ...]
    next: str | None


class AuditEntry(Entry, frozen=True):
    """Who did what, when, for which client, and how it was before and after (JSON)."""


class AuditPage(msgspec.Struct, frozen=True):
    """Entries of the audit log, newest first, with everything that their chain was made of."""

    entries: tuple[AuditEntry, ...]
    next: str | None


class Revision(msgspec.Struct, frozen=True):
    """A text of a client's file that took effect."""

    number: int
    at_us: int
    who: str
    why: str
    file: str
    gone: bool
    """The file was removed, and the client with it."""


class RevisionsPage(msgspec.Struct, frozen=True):
    """What a client's file was, newest first."""

    revisions: tuple[Revision, ...]
    next: str | None


def room(store: Store, health: Callable[[], HealthPage]) -> Room:
    """Addresses below /api/v1, over directory's own store; `health` asks rows and bus."""
    room = Room("directory", "Clients and their files, settings, the audit log, how the house stands.")

    @room.reads("/token", TokenShown, scope=ANY_SCOPE, who=tuple(ROLES))
    def token() -> TokenShown:
        """What this token is good for, and until when."""
        person, shown = current_person(), current_token()
        return TokenShown(
            shown.id, person.id, person.name, person.role, person.visible, shown.scopes, shown.expires_at_us
        )

    @room.reads("/health", HealthPage, scope="health:read", who=("platform_operator",))
    def how_the_house_stands() -> HealthPage:
        """Who runs and who fell silent, switches, what waits, what was put aside."""
        return health()

    _add_clients(room, store)
    _add_audit(room, store)
    return room


def _add_clients(room: Room, store: Store) -> None:
    @room.reads("/clients", ClientsPage, scope="clients:read", who=MANAGERS, asked=ClientsAsked)
    def clients(asked: ClientsAsked) -> ClientsPage:
        """Client companies that the token's person looks after."""
        person = current_person()
        names = ((name, title) for name, title in store.run(staff.clients).items() if person.sees(name))
        found = list(islice((pair for pair in names if pair[0] > asked.after), asked.limit + 1))
        here = tuple(ClientLine(*pair) for pair in found[: asked.limit])
        return ClientsPage(here, _next(after=here[-1].tenant) if len(found) > asked.limit else None)

    @room.reads("/clients/<tenant>/file", _YAML, scope="clients:read", who=_WITH_FILES)
    def client_file(tenant: str) -> Response:
        """The client's file as it took effect."""
        return _text(store, tenant, None)

    @room.reads(
        "/clients/<tenant>/revisions", RevisionsPage, scope="clients:read", who=_WITH_FILES, asked=RevisionsAsked
    )
    def revisions(asked: RevisionsAsked, tenant: str) -> RevisionsPage:
        """What the client's file was, newest first, with who changed it and why."""
        if not current_person().sees(tenant):
            abort(404)
        found = store.run(lambda tx: list(texts.history(tx, tenant, asked.limit + 1, asked.before)))
        if not found and asked.before is None:
            abort(404)
        here = tuple(Revision(e.number, e.at_us, e.who, e.why, e.file, e.gone) for e in found[: asked.limit])
        return RevisionsPage(here, _next(before=here[-1].number) if len(found) > asked.limit else None)

    @room.reads("/clients/<tenant>/revisions/<int:revision>", _YAML, scope="clients:read", who=_WITH_FILES)
    def one_revision(tenant: str, revision: int) -> Response:
        """One text of the client's file."""
        return _text(store, tenant, revision)


def _text(store: Store, tenant: str, number: int | None) -> Response:
    """Of this revision, or of the last if the client is still there."""
    if not current_person().sees(tenant) or (number or 0) > 10**15:
        abort(404)

    def read(tx: Tx) -> tuple[texts.Entry, bytes] | None:
        last = texts.latest(tx, tenant)
        if last is None or (number is None and last.gone):
            return None
        return texts.text_of(tx, tenant, last.number if number is None else number)

    found = store.run(read)
    if found is None:
        abort(404)
    answer = Response(found[1], mimetype=_YAML)
    answer.set_etag(found[0].digest)
    return answer


def _add_audit(room: Room, store: Store) -> None:
    @room.reads("/audit", AuditPage, scope="audit:read", who=MANAGERS, asked=AuditAsked)
    def entries(asked: AuditAsked) -> AuditPage:
        """Entries of the audit log about clients of the token's person, newest first.

        Whoever begins to ask is an entry, too.
        """
        person = current_person()
        since, until = _day("since", asked.since, 0), _day("until", asked.until, 1)
        wanted = Wanted(person.visible, asked.tenant, asked.who, since, until)
        of = person.tenants[0] if person.visible is not None and len(person.tenants) == 1 else PLATFORM_TENANT
        told = msgspec.to_builtins(asked)

        def read(tx: Tx) -> list[Entry]:
            now_us = clock.now_us()
            if asked.before is None or not audit.is_noted(tx, person.id, "audit.exported", of, now_us):
                audited(tx, person.id, "audit.exported", of, "api", after=told, now_us=now_us)
            return audit.entries(tx, wanted, asked.limit + 1, asked.before)

        found = store.run(read, TRIES)
        here = tuple(AuditEntry(**msgspec.structs.asdict(entry)) for entry in found[: asked.limit])
        return AuditPage(here, _next(before=here[-1].seq) if len(found) > asked.limit else None)


def _day(field: str, text: str, later: int) -> int | None:
    try:
        return day_us(text, later)
    except (ValueError, OverflowError):
        raise wrong_field(field, "is no day") from None


def _next(**place: str | int) -> str:
    """The same question once more, from another place on."""
    return f"{request.path}?{urlencode({**request.args, **place})}"
