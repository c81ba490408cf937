"""Settings by API: business hours of a client as its file has them, and a change taken back; forms: `api_forms.py`.

Enters: requests of programs, with the state that they saw (If-Match: the digest of the client's file) and an
Idempotency-Key. Leaves: edits of the client's file, tried, saved and audited as those of the pages are (`client.py`).
What already is as it is wanted is a success, whatever was seen (RFC 9110, 13.1.1): so a change may be asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from flask import Response, abort

from proto.tenant.hours import Hours
from services.directory.people.ranks import MANAGERS
from services.directory.settings.api_forms import add_forms, saved
from services.directory.settings.client import Client, Settings
from services.directory.settings.frame import Change
from services.directory.settings.hours import OpeningHours
from services.directory.settings.web import SETTINGS
from services.directory.tenants import texts
from services.directory.tenants.changing import take_back
from services.directory.tenants.edit import ABSENT, CannotEdit
from services.directory.tenants.route_tests import Explain
from services.runtime import clock
from services.runtime.store import Store
from services.runtime.web import current_person
from services.runtime.web.api import Room
from services.runtime.web.api.room import as_json
from services.runtime.web.api.writes import Changed, expect
from services.runtime.web.problems import FieldProblem, Refused, wrong_field

_READ, _WRITE = "clients:read", "settings:write"
_HOURS = OpeningHours()


class HoursPage(msgspec.Struct, frozen=True):
    """Everything that a client calls its hours, by name."""

    hours: dict[str, Hours]


class Undo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which text shall hold again."""

    to: Annotated[int, msgspec.Meta(ge=1, le=10**15, description="the number of a revision")]


class Undone(msgspec.Struct, frozen=True):
    """The client's file is as it was."""

    to: int


def add_settings(room: Room, store: Store, folder: Path, take: Callable[[], object], explain: Explain) -> None:
    """Addresses below /api/v1/clients; `take` has the folder read at once."""
    settings = Settings(store, folder, take, explain)
    add_forms(room, store, settings, SETTINGS)

    @room.reads("/clients/<tenant>/hours", HoursPage, scope=_READ, who=MANAGERS)
    def all_hours(tenant: str) -> Response:
        """Business hours of a client, by name."""
        client = settings.client(tenant)
        return as_json(HoursPage(client.tenant.hours), client.last.digest)

    @room.reads("/clients/<tenant>/hours/<hours>", Hours, scope=_READ, who=MANAGERS)
    def one_of_the_hours(tenant: str, hours: str) -> Response:
        """Business hours of this name."""
        client = settings.client(tenant)
        return as_json(_standing(client, hours), client.last.digest)

    @room.writes(
        "PUT",
        "/clients/<tenant>/hours/<hours>",
        Hours,
        scope=_WRITE,
        who=MANAGERS,
        body=Hours,
        store=store,
        matched=True,
    )
    def change_hours(wanted: Hours, tenant: str, hours: str) -> Changed:
        """Change business hours.

        What the body leaves out is as if nobody had said anything. The tests of the client's file run first.
        """
        client = settings.client(tenant)
        stands = _standing(client, hours)
        if wanted == stands:
            return Changed(stands, client.last.digest)
        expect(client.last.digest)
        new = _tried(settings, client, hours, stands, wanted)
        saved(lambda: settings.save(client, new, f"hours {hours}"))
        return Changed(wanted, texts.digest_of(new), 200 if settings.taken() else 202)

    @room.writes(
        "POST", "/clients/<tenant>/undo", Undone, scope=_WRITE, who=MANAGERS, body=Undo, store=store, matched=True
    )
    def undo(wanted: Undo, tenant: str) -> Changed:
        """Let an earlier text of the client's file hold again.

        Platform operators any; others take back their own last change.
        """
        client, person = settings.client(tenant), current_person()
        found = store.run(lambda tx: texts.text_of(tx, tenant, wanted.to))
        if found is not None and found[0].digest == client.last.digest:
            return Changed(Undone(wanted.to), client.last.digest)
        before = wanted.to == client.last.number - 1
        if person.role != "platform_operator" and not (before and settings.may_take_back(client)):
            abort(403)
        expect(client.last.digest)
        if found is None:
            raise wrong_field("to", "is no revision of this client")
        last = client.last.number
        saved(lambda: take_back(store, folder, tenant, wanted.to, person.id, "", clock.now_us(), of=last))
        return Changed(Undone(wanted.to), found[0].digest, 200 if settings.taken() else 202)


def _standing(client: Client, hours: str) -> Hours:
    return client.tenant.hours.get(hours) or abort(404)


def _tried(settings: Settings, client: Client, name: str, stands: Hours, wanted: Hours) -> bytes:
    """The text with those keys changed that differ. Raises Refused."""
    old, new = msgspec.to_builtins(stands), msgspec.to_builtins(wanted)
    changes = [
        Change(key, ("hours", name, key), new.get(key, ABSENT))
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    ]
    try:
        tried = settings.tried(client, _HOURS, name, changes)
    except CannotEdit:
        raise Refused(409, "The file is written in a way that only a person can change.") from None
    if tried.failed:
        raise Refused(422, "Tests in the client's file would fail.")
    if tried.refused:
        said = [FieldProblem(problem.key, problem.text) for problem in tried.problems[:20]]
        raise Refused(422, "The client's file cannot be so.", said)
    return tried.text
