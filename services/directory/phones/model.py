"""PURE Phones as directory sees them: whose they are, where they register, what the switch is to know them by.

Enters: clients and the platform, a password. Leaves: devices, hashes, the state of a credential. Rows stand in
`rows.py`; a password itself stands nowhere, but sealed in `vouchers.py` for as long as a phone may fetch it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from proto.events import PhoneHash
from proto.tenant import Tenant
from proto.tenant.platform import Platform

SLACK_US = 60_000_000
"""So long after its time the switch still keeps a registration (mod_sofia: sip-expires-late-margin)."""
State = Literal["none", "issued", "elsewhere"]
"""elsewhere: issued, but for other domains than those in which the phone now registers."""


class Device(msgspec.Struct, frozen=True):
    """A phone of a client, or of the platform's pools."""

    owner: str
    id: str
    name: str
    device: Literal["desk", "app"]
    domains: tuple[str, ...]
    """One for each switch at which it may register, first the one that it is set up with."""
    numbers: tuple[str, ...] = ()
    """That ring it alone."""


class Registered(msgspec.Struct, frozen=True):
    """What a switch said last of a phone."""

    switch: str
    until_us: int
    as_of_us: int


class Issued(msgspec.Struct, frozen=True):
    """The credential of a phone, without what is secret of it."""

    serial: int
    at_us: int
    by: str
    domains: tuple[str, ...]
    """Empty: it was revoked."""


def ha1(phone: str, domain: str, password: str) -> str:
    """MD5 of `id:realm:password` (RFC 2617, 3.2.2.2); the switch challenges with the domain as realm."""
    return hashlib.md5(f"{phone}:{domain}:{password}".encode(), usedforsecurity=False).hexdigest()


def hashes(device: Device, password: str) -> tuple[PhoneHash, ...]:
    """For each of its domains."""
    return tuple(PhoneHash(domain=domain, ha1=ha1(device.id, domain, password)) for domain in device.domains)


def domains_of(tenant: Tenant, platform: Platform) -> tuple[str, ...]:
    """The client's own domain, else that of each switch."""
    found = [tenant.domain] if tenant.domain else [switch.domain for switch in platform.switches]
    return tuple(dict.fromkeys(domain.lower() for domain in found))


def devices_of(tenant: Tenant, platform: Platform) -> list[Device]:
    """A client's phones, as its file has them."""
    domains = domains_of(tenant, platform)
    own: dict[str, list[str]] = {}
    for entry in tenant.numbers:
        if entry.id:
            own.setdefault(entry.id, []).append(entry.number)
    return [
        Device(tenant.tenant, one.id, one.name, one.device, domains, tuple(own.get(one.id, ()))) for one in tenant.ids
    ]


def devices_of_pools(platform: Platform, clients: Iterable[Tenant], owner: str) -> list[Device]:
    """The phones of people who answer for several clients, but for those that are some client's own."""
    theirs = {(phone.id, domain) for one in clients for domain in domains_of(one, platform) for phone in one.ids}
    found: dict[str, Device] = {}
    for pool in platform.pools:
        for phone in pool.phones:
            domain = phone.domain.lower()
            if (phone.id, domain) in theirs:
                continue
            known = found.get(phone.id)
            domains = tuple(dict.fromkeys((*(known.domains if known else ()), domain)))
            found[phone.id] = Device(owner, phone.id, pool.pool, "desk", domains)
    return list(found.values())


def state(device: Device, issued: Issued | None) -> State:
    """Whether the phone can register with what was issued."""
    if issued is None or not issued.domains:
        return "none"
    return "issued" if set(device.domains) <= set(issued.domains) else "elsewhere"


def registered_at(
    device: Device, told: Mapping[tuple[str, str], Iterable[Registered]], now_us: int
) -> list[Registered]:
    """The switches at which it is registered now, as far as heard. `told`: by (id, domain)."""
    return [
        one
        for domain in device.domains
        for one in told.get((device.id, domain), ())
        if one.as_of_us < one.until_us and now_us < one.until_us
    ]
