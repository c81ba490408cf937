"""PURE The life of a number in stock: its states, what happens to it, and what each means in each state (R17).

Enters: a number's row, a happening. Leaves: the row as it is then, or a refusal. Rows, audit and facts belong to
`stock.py`; how a number is read, and of which area it is, to `plan.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, get_args

import msgspec

from proto.table import total

DAY_US = 24 * 3600 * 1_000_000
LONGEST_NOTE = 200
SUSPENDED_RESTS_US = 180 * DAY_US
"""At least so long a suspended number rests that leaves its client's file, whatever the platform says."""

Reason = Literal["police", "arrears", "other"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""警察の要請, 料金未納, その他."""


ADDED, RESTED = "added", "rested"
"""What happens to it besides a Happening."""


class State(StrEnum):
    """Where a number stands."""

    STOCK = "stock"
    """在庫: nobody's."""
    RESERVED = "reserved"
    """Kept for a client, in whose file it does not stand yet."""
    IN_USE = "in_use"
    """Stands in its client's file."""
    SUSPENDED = "suspended"
    """Stands in its client's file, takes no calls and is shown on none."""
    QUARANTINE = "quarantine"
    """休止: a client gave it up; nobody else gets it before the end."""


class Happening(StrEnum):
    """What somebody does to a number, or what a client's file does. Time ends a quarantine: `rested`."""

    RESERVE = "reserve"
    RELEASE = "release"
    TAKE = "take"
    """A file with it took effect."""
    LEAVE = "leave"
    """No file in force has it any more."""
    SUSPEND = "suspend"
    RESUME = "resume"


Refusal = Literal[
    "unknown", "not_free", "of_another", "in_use", "not_reserved", "not_in_use", "suspended", "not_suspended", "resting"
]
"""Why something cannot be done with a number."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One number as it stands."""

    number: str
    state: State = State.STOCK
    client: str = ""
    """For whom it is reserved, who uses it, or who used it last."""
    carrier: str = ""
    since_us: int = 0
    """Of this state."""
    reason: str = ""
    """Why it is suspended, or was when it left its client's file: one of REASONS."""
    note: str = ""
    until_us: int | None = None
    """The end of its quarantine, also while it is reserved before that."""


class Line(msgspec.Struct, frozen=True):
    """One line of a number's history."""

    at_us: int
    who: str
    what: str
    """ADDED, RESTED, or a Happening."""
    state: str
    """As it was after that."""
    client: str
    reason: str
    note: str


_R = Happening
TABLE: dict[tuple[State, Happening], State | Refusal | None] = total(
    State,
    Happening,
    {
        (State.STOCK, _R.RESERVE): State.RESERVED,
        (State.STOCK, _R.RELEASE): "not_reserved",
        (State.STOCK, _R.TAKE): State.IN_USE,
        (State.STOCK, _R.LEAVE): None,
        (State.STOCK, _R.SUSPEND): "not_in_use",
        (State.STOCK, _R.RESUME): "not_suspended",
        (State.RESERVED, _R.RESERVE): "not_free",
        (State.RESERVED, _R.RELEASE): State.STOCK,  # in quarantine again before that has ended
        (State.RESERVED, _R.TAKE): State.IN_USE,  # suspended again if it was when it left
        (State.RESERVED, _R.LEAVE): None,
        (State.RESERVED, _R.SUSPEND): "not_in_use",
        (State.RESERVED, _R.RESUME): "not_suspended",
        (State.IN_USE, _R.RESERVE): "in_use",
        (State.IN_USE, _R.RELEASE): "in_use",  # it leaves by leaving its client's file
        (State.IN_USE, _R.TAKE): None,
        (State.IN_USE, _R.LEAVE): State.QUARANTINE,
        (State.IN_USE, _R.SUSPEND): State.SUSPENDED,
        (State.IN_USE, _R.RESUME): "not_suspended",
        (State.SUSPENDED, _R.RESERVE): "suspended",
        (State.SUSPENDED, _R.RELEASE): "suspended",
        (State.SUSPENDED, _R.TAKE): None,  # its file changed otherwise: who suspended it lifts it
        (State.SUSPENDED, _R.LEAVE): State.QUARANTINE,
        (State.SUSPENDED, _R.SUSPEND): "suspended",
        (State.SUSPENDED, _R.RESUME): State.IN_USE,
        (State.QUARANTINE, _R.RESERVE): State.RESERVED,  # for the client that gave it up, and nobody else
        (State.QUARANTINE, _R.RELEASE): "resting",
        (State.QUARANTINE, _R.TAKE): State.IN_USE,  # likewise
        (State.QUARANTINE, _R.LEAVE): None,
        (State.QUARANTINE, _R.SUSPEND): "not_in_use",
        (State.QUARANTINE, _R.RESUME): "not_suspended",
    },
)
"""Another state, a refusal, or None: nothing changes."""


def after(
    held: Held,
    happening: Happening,
    now_us: int,
    *,
    client: str = "",
    reason: str = "",
    note: str = "",
    rests_us: int = 0,
) -> Held | Refusal:
    """The number after something happened to it; the same where nothing changes.

    `client`: who reserves or takes it. `rests_us`: the length of a quarantine. A number that waits for one client is
    refused to every other; a quarantine that is over is no obstacle.
    """
    held = rested(held, now_us)
    move = TABLE[held.state, happening]
    if isinstance(move, State):
        if happening in (Happening.RESERVE, Happening.TAKE) and not is_free_for(held, client, now_us):
            return "resting" if held.state is State.QUARANTINE else "of_another"
        return _moved(held, move, now_us, client=client, reason=reason, note=note, rests_us=rests_us)
    return held if move is None else move


def _moved(held: Held, to: State, now_us: int, *, client: str, reason: str, note: str, rests_us: int) -> Held:
    until_us = None
    if to is State.QUARANTINE:
        rests_us = max(rests_us, SUSPENDED_RESTS_US) if held.state is State.SUSPENDED else rests_us
        to, until_us = (to, now_us + rests_us) if rests_us > 0 else (State.STOCK, None)
    elif held.until_us is not None and held.until_us > now_us and to in (State.RESERVED, State.STOCK):
        to, until_us = State.QUARANTINE if to is State.STOCK else to, held.until_us
    elif to is State.IN_USE and held.state is not State.SUSPENDED and held.reason:
        to = State.SUSPENDED  # as it left: a file that is taken back lifts nothing
    begins = to is State.SUSPENDED and held.state is State.IN_USE
    stays = to in (State.SUSPENDED, State.QUARANTINE) or held.state is State.SUSPENDED
    return msgspec.structs.replace(
        held,
        state=to,
        client="" if to is State.STOCK else held.client if stays else client,
        since_us=max(now_us, held.since_us),
        reason="" if to in (State.IN_USE, State.STOCK) else reason if begins else held.reason,
        note=note,
        until_us=until_us,
    )


def rested(held: Held, now_us: int) -> Held:
    """The same, back in stock if its quarantine is over."""
    if held.state is State.QUARANTINE and held.until_us is not None and held.until_us <= now_us:
        return msgspec.structs.replace(
            held, state=State.STOCK, client="", since_us=held.until_us, reason="", note="", until_us=None
        )
    return held


def is_free_for(held: Held, client: str, now_us: int) -> bool:
    """Whether this client's file may have the number."""
    held = rested(held, now_us)
    return held.state is State.STOCK or held.client == client
