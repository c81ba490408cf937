"""Charges held back, and a person's word in the place of the switch's.

Enters: the ledger, a leg, who confirms it and what they know. Leaves: the held legs; the confirmed figure through the
same handler as an end that the switch tells, with who said so kept beside it. What is held at all belongs to
`ledger.py`; an end that the switch tells later changes no confirmed figure, and is counted where it differs (B16).
"""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from proto.envelope import decode
from proto.events import LegEnded
from proto.topics import outgoing
from services.billing.ledger import Entry
from services.billing.service import entries
from services.runtime.store import Tx
from services.runtime.worker import Cause, Service, address


class NotHeld(Exception):
    """Nothing is held back for this leg, or for more than one leg of that name."""


class Heard(msgspec.Struct, frozen=True):
    """What a person knows of a held leg: nothing more, another length (of the carrier's list), or no answer at all."""

    by: str
    talk_us: int | None = None
    answered: bool = True


def held(tx: Tx) -> list[Entry]:
    """Legs whose end nobody saw, oldest first: not charged, shown to nobody but the operator."""
    return [entry for entry in entries(tx) if entry.estimated]


def confirm(tx: Tx, room: Service, leg: str, switch: str, heard: Heard, now_us: int) -> Entry:
    """Charge a held leg on a person's word. Raises NotHeld. What others are told leaves with the running process."""
    found = [entry for entry in held(tx) if entry.leg == leg and switch in ("", entry.switch)]
    if len(found) != 1:
        raise NotHeld(f"{leg}: held on {len(found)} switches")
    (entry,) = found
    table = tx.tables["usages"]
    guess = decode(bytes(tx.sql.execute(select(table.c.envelope).where(table.c.event == entry.event)).scalar_one()))
    said = msgspec.structs.replace(
        guess, id=f"{guess.id}.confirmed", estimated=False, body=_as_heard(guess.body, heard)
    )
    cause = Cause(said, room.name)
    emits = room.handlers[LegEnded](tx, said, cause)
    tx.post([outgoing(address(emit, cause, position)) for position, emit in enumerate(emits)], said.id)
    row = {"event": said.id, "by": heard.by, "at_us": now_us}
    tx.insert_once(tx.tables["hand_confirmations"], row)
    return next(one for one in entries(tx) if (one.switch, one.leg) == (entry.switch, entry.leg))


def _as_heard(body: object, heard: Heard) -> LegEnded:
    assert isinstance(body, LegEnded)
    if not heard.answered:
        return msgspec.structs.replace(body, answered_at_us=None)
    if heard.talk_us is None or body.answered_at_us is None:
        return body
    return msgspec.structs.replace(body, ended_at_us=body.answered_at_us + heard.talk_us)
