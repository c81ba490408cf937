"""The number stock by API: numbers that one may know of, kept for a client, stopped and let work again.

Enters: requests of programs. Leaves: numbers as they stand, and changes by `desk.py`, each in one transaction with the
answer that a repeated request gets. A number of which the token's person may not know is answered like none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from flask import request

from services.directory.numbers import desk
from services.directory.numbers.desk import Denied
from services.directory.numbers.model import LONGEST_NOTE, Held, Reason, State
from services.directory.numbers.stock import Wanted
from services.directory.people.ranks import MANAGERS, Actor
from services.directory.people.web_people import acting
from services.runtime.store import Runs, Store, Tx, Within
from services.runtime.web.api import Room
from services.runtime.web.api.writes import Changed
from services.runtime.web.problems import Refused

_READ, _WRITE = "numbers:read", "numbers:write"
_Note = Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
_Client = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)", description="a client's id")]


class NumbersAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which numbers; all of it must hold."""

    client: _Client = ""
    state: State | None = None
    part: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}$(?!\n)", description="digits in the number")] = ""
    after: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}$(?!\n)", description="of `next`")] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=500, description="1 to 500 numbers in one answer")] = 100


class NumbersPage(msgspec.Struct, frozen=True):
    """Numbers by their digits."""

    numbers: tuple[Held, ...]
    next: str | None


class Reserve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom a number is kept."""

    client: _Client
    note: _Note = ""


class Suspend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a number is stopped."""

    reason: Reason
    note: _Note = ""


class Lift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be noted."""

    note: _Note = ""


def add_numbers(room: Room, store: Store, tell: Callable[[], object]) -> None:
    """Addresses below /api/v1/numbers; `tell` sends what a change left in the outbox."""

    @room.reads("/numbers", NumbersPage, scope=_READ, who=MANAGERS, asked=NumbersAsked)
    def numbers(asked: NumbersAsked) -> NumbersPage:
        """Numbers in stock and of clients, as far as the token's person may know of them."""
        actor = acting()
        wanted = Wanted(client=asked.client, state=asked.state or "", part=asked.part)
        found = desk.listed(store, actor, wanted, asked.limit + 1, asked.after)
        here = tuple(_told(one, actor) for one in found[: asked.limit])
        more = len(found) > asked.limit
        link = f"{request.path}?{urlencode({**request.args, 'after': here[-1].number})}" if more else None
        return NumbersPage(here, link)

    @room.reads("/numbers/<number>", Held, scope=_READ, who=MANAGERS)
    def number(number: str) -> Held:
        """One number as it stands."""
        actor = acting()
        try:
            return _told(desk.one(store, actor, number)[0], actor)
        except Denied as denied:
            raise _refusal(denied) from None

    def changes(verb: str, body: type[msgspec.Struct]) -> Callable[[Callable[..., object]], Callable[..., object]]:
        path = f"/numbers/<number>/{verb}"
        return room.writes("POST", path, Held, scope=_WRITE, who=desk.KEEPERS, body=body, store=store, after=tell)

    @changes("reserve", Reserve)
    def reserve(wanted: Reserve, number: str) -> Callable[[Tx], Changed]:
        """Keep a number for a client."""
        actor = acting()
        return _doing(lambda to: desk.reserve(to, actor, number, wanted.client, wanted.note))

    @changes("release", Lift)
    def release(_wanted: Lift, number: str) -> Callable[[Tx], Changed]:
        """Back into the stock."""
        actor = acting()
        return _doing(lambda to: desk.release(to, actor, number))

    @changes("suspend", Suspend)
    def suspend(wanted: Suspend, number: str) -> Callable[[Tx], Changed]:
        """Stop a number: it takes no calls and is shown on none."""
        actor = acting()
        return _doing(lambda to: desk.suspend(to, actor, number, wanted.reason, wanted.note))

    @changes("resume", Lift)
    def resume(wanted: Lift, number: str) -> Callable[[Tx], Changed]:
        """Let a number work again."""
        actor = acting()
        return _doing(lambda to: desk.resume(to, actor, number, wanted.note))


def _doing(change: Callable[[Runs], Held]) -> Callable[[Tx], Changed]:
    def work(tx: Tx) -> Changed:
        try:
            return Changed(change(Within(tx)))
        except Denied as denied:
            raise _refusal(denied) from None

    return work


def _refusal(denied: Denied) -> Refused:
    if denied.reason in ("unknown", "not_yours"):
        return Refused(404)
    return Refused(409, f"The number cannot be changed so: {denied.reason}.")


def _told(held: Held, actor: Actor) -> Held:
    """Why a number was stopped may be the police's, and is not its client's to read."""
    if actor.role in desk.KEEPERS:
        return held
    return msgspec.structs.replace(held, reason="", note="", carrier="")
