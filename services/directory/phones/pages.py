"""PURE What the pages of phones show.

Enters: devices, credentials, what switches said. Leaves: lines in page values, times as people write them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from services.directory.days import minute_of
from services.directory.phones.model import Device, Issued, Registered, State, registered_at, state
from services.runtime.telephone import written as as_dialled


class PhoneLine(msgspec.Struct, frozen=True):
    """One phone."""

    id: str
    name: str
    device: str
    numbers: tuple[str, ...]
    state: State
    issued_at: str
    issued_by: str
    """Who issued it last, or revoked it."""
    revoked: bool
    registered: tuple[str, ...]
    """The switches at which it is."""
    heard_at: str
    """When a switch last said anything of it; empty: never."""
    waiting: tuple[str, ...]
    """Switches that do not work with its credential yet."""


def line(
    device: Device,
    issued: Issued | None,
    told: Mapping[tuple[str, str], Iterable[Registered]],
    applied: Mapping[tuple[str, str], int],
    reporting: Collection[str],
    now_us: int,
) -> PhoneLine:
    """`applied`: (phone, switch) -> serial; `reporting`: the switches that say such things."""
    heard = [one.as_of_us for domain in device.domains for one in told.get((device.id, domain), ())]
    late = [one for one in sorted(reporting) if issued and applied.get((device.id, one), 0) < issued.serial]
    return PhoneLine(
        id=device.id,
        name=device.name,
        device=device.device,
        numbers=tuple(as_dialled(number) for number in device.numbers),
        state=state(device, issued),
        issued_at=minute_of(issued.at_us) if issued else "",
        issued_by=issued.by if issued else "",
        revoked=issued is not None and not issued.domains,
        registered=tuple(one.switch for one in registered_at(device, told, now_us)),
        heard_at=minute_of(max(heard)) if heard else "",
        waiting=tuple(late),
    )
