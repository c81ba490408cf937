"""Changes of people, by pages and commands alike: checked by `ranks.py`, audited, told to everybody.

Enters: who acts and what is wanted. Leaves: rows, PersonChanged in the outbox, new passwords (shown once, kept only as
hashes), or Refused. Sessions end with any change of role, clients, password or activity.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import select

from proto.events import PersonChanged
from services.directory.audit.rows import audited
from services.directory.people import passwords, ranks, tokens
from services.directory.people import rows as people
from services.directory.people.ranks import Actor, Refusal
from services.runtime import clock
from services.runtime.store import Store, Tx


class Refused(Exception):
    """The change is not allowed; nothing was done."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason


def clients(tx: Tx) -> dict[str, str]:
    """The clients that exist, by id: the name of each."""
    table = tx.tables["revisions"]
    rows = tx.sql.execute(
        select(table.c.tenant, table.c.body).where(~table.c.gone, ~table.c.tenant.startswith("_", autoescape=True))
    )
    return dict(sorted((row.tenant, msgspec.json.decode(row.body, type=_Named).name) for row in rows))


class _Named(msgspec.Struct):
    name: str


def listed(tx: Tx, actor: Actor) -> list[PersonChanged]:
    """The people of whom `actor` may know, by id."""
    return [person for person in people.everybody(tx) if ranks.sees(actor, person)]


def one(tx: Tx, actor: Actor, person: str) -> PersonChanged | None:
    """This person, if `actor` may know of them."""
    found = people.find(tx, person)
    return found if found is not None and ranks.sees(actor, found) else None


def add(store: Store, actor: Actor, wanted: PersonChanged) -> str:
    """Somebody new; their first password. Raises Refused."""
    wanted = _tidy(wanted)
    password = passwords.new_password()
    stored = passwords.hash_password(password)

    def work(tx: Tx) -> None:
        _allow(tx, actor, None, wanted, 0)
        if not people.insert(tx, wanted, stored, actor.id, clock.now_us()):
            raise Refused("taken")

    store.run(work, people.TRIES)
    return password


def change(store: Store, actor: Actor, person: str, alter: Callable[[PersonChanged], PersonChanged]) -> PersonChanged:
    """What `alter` makes of this person (name, role, clients, activity). Raises Refused."""

    def work(tx: Tx) -> PersonChanged:
        before, operators = _locked(tx, person)
        after = _tidy(alter(before))
        _allow(tx, actor, before, after, operators)
        if after == before:
            return before
        if ranks.ends_sessions(before, after):
            after = msgspec.structs.replace(after, session_version=before.session_version + 1)
        now_us = clock.now_us()
        if before.active and not after.active and tokens.end(tx, person, now_us):
            after = msgspec.structs.replace(after, tokens=())
            audited(tx, actor.id, "program.ended", ranks.concerns(before), person, now_us=now_us)
        people.replace(tx, before, after, now_us)
        old, new = people.shown(before), people.shown(after)
        changed = [name for name in new if old[name] != new[name]]
        audited(
            tx,
            actor.id,
            "person.changed",
            ranks.concerns(before, after),
            person,
            {name: old[name] for name in changed},
            {name: new[name] for name in changed},
            now_us=now_us,
        )
        return after

    return store.run(work, people.TRIES)


def set_active(store: Store, actor: Actor, person: str, active: bool) -> PersonChanged:
    """Let somebody in again, or no longer. Raises Refused."""
    return change(store, actor, person, lambda known: msgspec.structs.replace(known, active=active))


def reset_password(store: Store, actor: Actor, person: str) -> str:
    """A new password for somebody, and an end to their sessions. Raises Refused."""
    password = passwords.new_password()
    stored = passwords.hash_password(password)

    def work(tx: Tx) -> None:
        known, operators = _locked(tx, person)
        _allow(tx, actor, known, known, operators)
        people.renew(tx, known, stored, actor.id, clock.now_us())

    store.run(work, people.TRIES)
    return password


def set_own_password(store: Store, person: str, password: str) -> PersonChanged:
    """The password that somebody chose for themselves, and an end to their other sessions."""
    stored = passwords.hash_password(password)
    return store.run(
        lambda tx: people.renew(tx, people.locked(tx, person)[0], stored, person, clock.now_us()), people.TRIES
    )


def make_token(store: Store, person: str, name: str, scopes: tuple[str, ...], days: int) -> str:
    """A token for a program of this person, shown once. Raises ValueError for what cannot be."""

    def work(tx: Tx) -> str:
        now_us, (known, _) = clock.now_us(), people.locked(tx, person)
        token_id, text = tokens.insert(tx, person, name, scopes, days, now_us)
        people.replace(tx, known, msgspec.structs.replace(known, tokens=tokens.of(tx, person)), now_us)
        made = {"name": name, "scopes": list(scopes), "days": days}
        audited(tx, person, "program.added", ranks.concerns(known), token_id, after=made, now_us=now_us)
        return text

    return store.run(work, people.TRIES)


def end_token(store: Store, person: str, token_id: str) -> bool:
    """End a token of this person. False: they have none of that id."""

    def work(tx: Tx) -> bool:
        now_us, (known, _) = clock.now_us(), people.locked(tx, person)
        if not tokens.end(tx, person, now_us, token_id):
            return False
        people.replace(tx, known, msgspec.structs.replace(known, tokens=tokens.of(tx, person)), now_us)
        audited(tx, person, "program.ended", ranks.concerns(known), token_id, now_us=now_us)
        return True

    return store.run(work, people.TRIES)


def _locked(tx: Tx, person: str) -> tuple[PersonChanged, int]:
    try:
        return people.locked(tx, person)
    except KeyError:
        raise Refused("not_yours") from None


def _allow(tx: Tx, actor: Actor, before: PersonChanged | None, after: PersonChanged, operators: int) -> None:
    refused = ranks.refusal(actor, before, after, clients(tx), operators)
    if refused is not None:
        raise Refused(refused)


def _tidy(wanted: PersonChanged) -> PersonChanged:
    """Each client once; a platform operator has all of them and so names none."""
    tenants = () if wanted.role == "platform_operator" else tuple(sorted(set(wanted.tenants)))
    return msgspec.structs.replace(wanted, name=ranks.clean(wanted.name), tenants=tenants)
