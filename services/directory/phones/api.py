"""Phones by API: which a client has, whether each is registered, and an end to the password of one.

Enters: requests of programs. Leaves: the lines of the page, and changes by `issuing.py`, in one transaction with the
answer. A new password is given on the page alone: whoever could ask for it again would have it kept for them here.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from flask import abort

from services.directory.people.ranks import MANAGERS
from services.directory.phones import issuing
from services.directory.phones.issuing import Unknown
from services.directory.phones.pages import PhoneLine
from services.directory.phones.web import lines
from services.runtime.store import Store, Tx, Within
from services.runtime.web import current_person
from services.runtime.web.api import Room
from services.runtime.web.api.room import Nothing
from services.runtime.web.api.writes import Changed
from services.runtime.web.problems import Refused


class PhonesPage(msgspec.Struct, frozen=True):
    """Everything that a client's people call with."""

    phones: tuple[PhoneLine, ...]


def add_phones(room: Room, store: Store, tell: Callable[[], object]) -> None:
    """Addresses below /api/v1/clients; `tell` sends what a change left in the outbox."""

    @room.reads("/clients/<tenant>/phones", PhonesPage, scope="phones:read", who=MANAGERS)
    def phones(tenant: str) -> PhonesPage:
        """A client's phones, and whether each is registered."""
        _visible(tenant)
        try:
            found = store.run(lambda tx: lines(tx, tenant, issuing.devices(tx, tenant)))
        except Unknown:
            abort(404)
        return PhonesPage(tuple(found))

    @room.writes(
        "POST",
        "/clients/<tenant>/phones/<phone>/revoke",
        PhoneLine,
        scope="phones:write",
        who=MANAGERS,
        body=Nothing,
        store=store,
        after=tell,
    )
    def revoke(_nothing: Nothing, tenant: str, phone: str) -> Callable[[Tx], Changed]:
        """End a phone's password: it can neither call nor be called."""
        _visible(tenant)
        who = current_person().id

        def end(tx: Tx) -> Changed:
            try:
                device = issuing.device(tx, tenant, phone)
            except Unknown:
                raise Refused(404) from None
            try:
                issuing.revoke(Within(tx), tenant, phone, who)
            except Unknown:
                raise Refused(409, "The phone has no password.") from None
            (line,) = lines(tx, tenant, [device])
            return Changed(line)

        return end


def _visible(tenant: str) -> None:
    """404 for what the token's person may not know of."""
    if not current_person().sees(tenant):
        abort(404)
