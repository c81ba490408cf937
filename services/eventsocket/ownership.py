"""Whose number, whose phone: the tenants' files turned into two look-up tables. Pure.

Enters: tenants and the platform as last heard. Leaves: the owner of a number or phone, or `_unknown`; there is no
default client. Keeping the tenants up to date belongs to `service.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from proto.tenant import Tenant
from proto.tenant.platform import Platform, Switch
from proto.values import UNKNOWN_TENANT, TenantId


@dataclass(frozen=True)
class Directory:
    """What a switch's agent must know of all clients."""

    numbers: Mapping[str, TenantId] = field(default_factory=dict)
    phones: Mapping[tuple[str, str], TenantId] = field(default_factory=dict)
    """(id, domain) -> tenant."""
    tenants: frozenset[TenantId] = frozenset()
    phone_profile: str = "internal"
    """The SIP profile where our own phones register; every other leads to carriers."""

    def owner_of_number(self, number: str) -> TenantId:
        """Who has this number; `+81312345678` is looked up as `0312345678` too."""
        found = self.numbers.get(number)
        if found is None and number.startswith("+81"):
            found = self.numbers.get("0" + number.removeprefix("+81"))
        return found or UNKNOWN_TENANT

    def owner_of_phone(self, phone: str, domain: str) -> TenantId:
        """Whose device registers as `phone@domain`."""
        return self.phones.get((phone, domain.lower()), UNKNOWN_TENANT)


def switch_named(platform: Platform | None, name: str) -> Switch:
    """The entry of this switch in platform.yaml, or one with all defaults."""
    found = [switch for switch in platform.switches if switch.switch == name] if platform else []
    return found[0] if found else Switch(switch=name)


def directory_of(tenants: Iterable[Tenant], platform: Platform | None, switch: str) -> Directory:
    """The tables for one switch. What two clients claim was refused before it got here; the first keeps it."""
    here = switch_named(platform, switch)
    numbers: dict[str, TenantId] = {}
    phones: dict[tuple[str, str], TenantId] = {}
    names = []
    for tenant in tenants:
        names.append(tenant.tenant)
        for entry in tenant.numbers:
            numbers.setdefault(entry.number, tenant.tenant)
        domain = (tenant.domain or here.domain).lower()
        for device in tenant.ids:
            phones.setdefault((device.id, domain), tenant.tenant)
    return Directory(numbers, phones, frozenset(names), here.phone_profile)
