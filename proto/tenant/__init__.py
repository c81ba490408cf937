"""What a client (tenant) is: intent only, as it stands in the client's YAML file.

Enters: nothing. Leaves: frozen structs, one module per subject. Credentials, proofs, identity checks and states of
people are rows in their owner's store, never here. Reading files belongs to `services/directory`.
"""

from __future__ import annotations

import msgspec

from proto.plan import Domain
from proto.tenant.contract import Address, Answering, Contract, Recording, Webhook
from proto.tenant.fields import Name, Text
from proto.tenant.hours import Hours
from proto.tenant.lines import Group, Id, Line
from proto.tenant.numbers import NumberEntry
from proto.tenant.routes import RouteTest, Rule
from proto.values import TenantId


class Tenant(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One client company."""

    tenant: TenantId
    name: Text
    reading: str = ""
    address: Address | None = None
    contract: Contract
    domain: Domain | None = None
    """Where its phones register; None: the switch's own domain."""
    timezone: str = "Asia/Tokyo"
    numbers: tuple[NumberEntry, ...] = ()
    ids: tuple[Id, ...] = ()
    lines: tuple[Line, ...] = ()
    groups: tuple[Group, ...] = ()
    hours: dict[Name, Hours] = {}
    routes: dict[Name, tuple[Rule, ...]] = {}
    recording: Recording = Recording()
    answering: Answering = Answering()
    webhooks: tuple[Webhook, ...] = ()
    tests: tuple[RouteTest, ...] = ()


__all__ = ["Tenant"]
