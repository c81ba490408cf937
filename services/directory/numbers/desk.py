"""What people do to the number stock, by a page or a command: allowed or not, audited, told to everybody.

Enters: a store (or a transaction, by `Within`), who acts, numbers. Leaves: numbers as they stand then, an entry of the
audit log in the same transaction; or Denied with why. What a state means stands in `model.py`, rows in `stock.py`.
Whoever may not know of a number is answered as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Literal

from proto.values import PLATFORM_TENANT
from services.directory.audit.rows import audited
from services.directory.numbers import stock
from services.directory.numbers.model import Happening, Held, Line, Reason, Refusal, State
from services.directory.numbers.stock import Refused, Wanted
from services.directory.people.ranks import Actor
from services.directory.people.rows import TRIES
from services.directory.service import in_force
from services.runtime import clock
from services.runtime.store import Runs, Tx

KEEPERS = ("platform_operator", "reseller")
"""They change the stock; a client's administrator looks at the own numbers."""
MOST_AT_ONCE = 2_000

Denial = Literal["unknown", "not_yours", "client_unknown", "police", "too_many", "none"]


class Denied(Exception):
    """Why nothing was done."""

    def __init__(self, reason: Denial | Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


def sees(actor: Actor, held: Held) -> bool:
    """Whether somebody may know of a number: resellers of the own clients' and of those in stock."""
    if actor.all_clients:
        return True
    return held.client in actor.tenants or (actor.role in KEEPERS and held.state is State.STOCK)


def within(actor: Actor, wanted: Wanted) -> Wanted:
    """The same question, for what this person may know of."""
    if actor.all_clients:
        return wanted
    return Wanted(
        clients=actor.tenants,
        free=actor.role in KEEPERS,
        kind=wanted.kind,
        area=wanted.area,
        state=wanted.state,
        part=wanted.part,
        client=wanted.client if wanted.client in actor.tenants else wanted.client and "?",
    )


def listed(store: Runs, actor: Actor, wanted: Wanted, limit: int | None = None, after: str = "") -> list[Held]:
    """Numbers that somebody may know of, by their digits."""

    def work(tx: Tx) -> list[Held]:
        stock.rest(tx, clock.now_us())
        return stock.found(tx, within(actor, wanted), limit, after)

    return store.run(work, TRIES)


def one(store: Runs, actor: Actor, number: str) -> tuple[Held, list[Line]]:
    """A number and what happened to it, without what concerns others' clients. Raises Denied.

    One that stands in a client's file alone is in use, too, and can be suspended.
    """

    def work(tx: Tx) -> tuple[Held, list[Line]]:
        stock.rest(tx, clock.now_us())
        owner = _owners(tx).get(number, "") if stock.find(tx, number) is None else ""
        if owner and (actor.all_clients or owner in actor.tenants):
            return Held(number=number, state=State.IN_USE, client=owner), []
        held = _known(tx, actor, number)
        lines = stock.history(tx, number)
        if actor.all_clients:
            return held, lines
        # Whoever gives a number back gives back what was kept for the client of the line before.
        concerned = [line.client or (before.client if before else "") for line, before in zip_longest(lines, lines[1:])]
        return held, [line for line, of in zip(lines, concerned, strict=True) if not of or of in actor.tenants]

    return store.run(work, TRIES)


def add(store: Runs, actor: Actor, numbers: Sequence[str], carrier: str) -> list[str]:
    """Into the stock, those that are not in it yet; what stands in a client's file is in use at once. Raises Denied."""
    if not actor.all_clients:
        raise Denied("not_yours")
    if not numbers:
        raise Denied("none")
    if len(numbers) > MOST_AT_ONCE:
        raise Denied("too_many")

    def work(tx: Tx) -> list[str]:
        now_us = clock.now_us()
        made = stock.add(tx, actor.id, numbers, carrier, _owners(tx), now_us)
        if made:
            after = {"count": len(made), "first": made[0], "last": made[-1], "carrier": carrier}
            about = made[0] if len(made) == 1 else f"{made[0]}–{made[-1]}"
            audited(tx, actor.id, "number.added", PLATFORM_TENANT, about, after=after, now_us=now_us)
        return made

    return store.run(work, TRIES)


def reserve(store: Runs, actor: Actor, number: str, client: str, note: str = "") -> Held:
    """Keep a number for a client. Raises Denied."""

    def known(tx: Tx) -> None:
        exists = client in in_force(tx).tenants
        if not exists or not (actor.all_clients or client in actor.tenants):
            raise Denied("client_unknown")

    return _happen(store, actor, number, Happening.RESERVE, known, client=client, note=note)


def release(store: Runs, actor: Actor, number: str) -> Held:
    """Back into the stock. Raises Denied."""
    return _happen(store, actor, number, Happening.RELEASE)


def suspend(store: Runs, actor: Actor, number: str, reason: Reason, note: str = "") -> Held:
    """Stop a number, also one that is in no stock yet but in a client's file. Raises Denied."""

    def known(tx: Tx) -> None:
        owner = _owners(tx).get(number, "") if stock.find(tx, number) is None else ""
        if owner and (actor.all_clients or owner in actor.tenants):
            stock.add(tx, actor.id, [number], "", {number: owner}, clock.now_us())

    return _happen(store, actor, number, Happening.SUSPEND, known, reason=reason, note=note)


def resume(store: Runs, actor: Actor, number: str, note: str = "") -> Held:
    """Let a number work again. Raises Denied; what was stopped for the police, only the platform's operators lift."""

    def known(tx: Tx) -> None:
        held = stock.find(tx, number)
        if held is not None and held.reason == "police" and not actor.all_clients:
            raise Denied("police")

    return _happen(store, actor, number, Happening.RESUME, known, note=note)


def _happen(
    store: Runs,
    actor: Actor,
    number: str,
    happening: Happening,
    before: Callable[[Tx], None] = lambda _tx: None,
    *,
    client: str = "",
    reason: str = "",
    note: str = "",
) -> Held:
    if actor.role not in KEEPERS:
        raise Denied("not_yours")

    def work(tx: Tx) -> Held:
        now_us = clock.now_us()
        stock.rest(tx, now_us)
        before(tx)
        held = _known(tx, actor, number)
        try:
            after = stock.happen(tx, actor.id, held, happening, now_us, client=client, reason=reason, note=note)
        except Refused as error:
            raise Denied(error.reason) from None
        # Why a number was stopped may be the police's, and notes are the operator's: clients read neither in their log.
        stopped = happening in (Happening.SUSPEND, Happening.RESUME)
        concerns = PLATFORM_TENANT if stopped else after.client or held.client or PLATFORM_TENANT
        audited(
            tx,
            actor.id,
            f"number.{happening}",
            concerns,
            number,
            _shown(held, stopped),
            _shown(after, stopped),
            now_us=now_us,
        )
        stock.told_anew(tx, now_us)
        return after

    return store.run(work, TRIES)


def _known(tx: Tx, actor: Actor, number: str) -> Held:
    held = stock.find(tx, number)
    if held is None or not sees(actor, held):
        raise Denied("unknown")
    return held


def _owners(tx: Tx) -> Mapping[str, str]:
    tenants = in_force(tx).tenants.items()
    return {entry.number: name for name, held in tenants for entry in held.body.numbers}


def _shown(held: Held, noted: bool) -> dict[str, Any]:
    shown = {"state": str(held.state), "client": held.client}
    shown |= {"reason": held.reason, "note": held.note} if noted else {}
    return {name: value for name, value in shown.items() if value}
