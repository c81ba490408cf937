"""What a client (tenant) is: intent only, as it stands in the client's YAML file.

Enters: nothing. Leaves: frozen structs, one module per subject. Credentials, proofs, identity checks and states of
people are rows in their owner's store, never here. Reading files belongs to `services/directory`.
"""

from __future__ import annotations

import msgspec

from proto.plan import Domain
from proto.tenant.contract import Address, Answering, Contract, Recording, Webhook
from proto.tenant.fields import KeepDays, Name, Text
from proto.tenant.hours import Hours
from proto.tenant.lines import Group, Id, Line
from proto.tenant.numbers import NumberEntry
from proto.tenant.routes import RouteTest, Rule
from proto.values import TenantId


class Tenant(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One client company."""

    tenant: TenantId
    """顧客の記号 / the client's id, for good: a-z 0-9 -"""
    name: Text
    """会社名 / the company's name."""
    reading: str = ""
    """フリガナ / how the name is read."""
    address: Address | None = None
    contract: Contract
    domain: Domain | None = None
    """Where its phones register; None: the switch's own domain."""
    timezone: str = "Asia/Tokyo"
    """時間帯 / the zone of all times in this file."""
    numbers: tuple[NumberEntry, ...] = ()
    """電話番号 / the numbers that people call."""
    ids: tuple[Id, ...] = ()
    """端末 / the devices: desk phones and apps."""
    lines: tuple[Line, ...] = ()
    """回線 / the people, each with one or two devices."""
    groups: tuple[Group, ...] = ()
    """グループ / departments: lines that ring for one call."""
    hours: dict[Name, Hours] = {}
    """営業時間 / open times by name, for routes and lines."""
    routes: dict[Name, tuple[Rule, ...]] = {}
    """経路 / where calls go, by name, for numbers: the first rule that holds is taken."""
    keep_calls_days: KeepDays | None = None
    """通話記録の保存日数 / days after which the other side of calls is erased; None: as platform.yaml says."""
    recording: Recording = Recording()
    answering: Answering = Answering()
    webhooks: tuple[Webhook, ...] = ()
    tests: tuple[RouteTest, ...] = ()
    """試験 / calls that never happen, and where they must go: `toritsugi tenants check` asks."""


__all__ = ["Tenant"]
