"""What all clients share: switches, carriers, pools of operators, price tables (platform.yaml).

Enters: nothing. Leaves: frozen structs. How a call is priced belongs to `services/billing/rate.py`, how a trunk is
dialled to `services/eventsocket/render.py`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from proto.plan import Carrier, Domain, Phone
from proto.tenant.fields import Date, KeepDays, Name, Price, Text


class Switch(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One FreeSWITCH. `domain` is where phones register unless a client has its own."""

    switch: Name
    domain: Domain = "127.0.0.1"
    phone_profile: Name = "internal"


class Pool(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """People who answer for several clients. Their phones ring one at a time, longest idle first."""

    pool: Name
    phones: Annotated[tuple[Phone, ...], msgspec.Meta(min_length=1)]
    music: Name = "moh"
    ring_s: Annotated[int, msgspec.Meta(ge=1, le=120)] = 20


class PriceRule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Numbers that begin so cost `unit` per started `unit_s` seconds, and `set_up` once when answered."""

    name: Text
    prefixes: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9]{0,15}$(?!\n)")], ...], msgspec.Meta(min_length=1)
    ]
    unit_s: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 1
    unit: Price
    set_up: Price = Decimal(0)

    def __post_init__(self) -> None:
        for price in (self.unit, self.set_up):
            if not (price.is_finite() and price >= 0):
                raise ValueError(f"a price of {price} is not allowed; allowed: 0 or more")


class PriceVersion(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename={"from_": "from"}
):
    """The rules that hold for calls answered from this day (tenant's zone) on."""

    from_: Date
    rules: Annotated[tuple[PriceRule, ...], msgspec.Meta(min_length=1)]
    basis: Literal["incl", "excl"] = "excl"
    """税込 or 税抜."""


class PriceTable(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Dated versions of one tariff."""

    table: Name
    versions: Annotated[tuple[PriceVersion, ...], msgspec.Meta(min_length=1)]


class Platform(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """platform.yaml."""

    switches: Annotated[tuple[Switch, ...], msgspec.Meta(min_length=1)]
    carriers: Annotated[tuple[Carrier, ...], msgspec.Meta(min_length=1)]
    """The first is used where a route names none."""
    pools: tuple[Pool, ...] = ()
    prices: tuple[PriceTable, ...] = ()
    identity: Literal["optional", "required"] = "optional"
    """本人確認 / required: a new client's file takes effect only when its identity check is confirmed."""
    quarantine_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 180
    """休止期間 / days for which a number that a client gave up is lent to nobody else."""
    keep_calls_days: KeepDays = 1095
    """通話記録の保存日数 / so long calls say whom they were with, where a client's file says nothing else."""
    timezone: str = "Asia/Tokyo"
