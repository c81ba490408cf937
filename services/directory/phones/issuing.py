"""Issues and revokes credentials of phones, for pages and commands alike; says how a phone reaches its switch.

Enters: who acts, whose phone. Leaves: a password (once), the secret of the address at which the phone may fetch it, or
Unknown. One credential per phone: a new one ends the old one and all that it had opened, on every switch. Rows stand
in `rows.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from proto.values import PLATFORM_TENANT
from services.directory.people import passwords
from services.directory.people import rows as people
from services.directory.phones import rows, vouchers
from services.directory.phones.model import Device, devices_of, devices_of_pools, hashes
from services.directory.phones.settings_files import Account
from services.directory.service import in_force
from services.runtime import clock
from services.runtime.store import Runs, Store, Tx

PORT, TLS_PORT = 5060, 5061
"""As freeswitch/conf has them (tt_phone_port, tt_phone_tls_port)."""


class Unknown(Exception):
    """There is no such client or phone."""


class New(msgspec.Struct, frozen=True):
    """What is shown once."""

    device: Device
    serial: int
    password: str
    secret: str
    """Of the address with its settings."""

    def __repr__(self) -> str:
        return f"New({self.device.owner}, {self.device.id}, {self.serial})"


class Reach(msgspec.Struct, frozen=True):
    """How phones reach one switch, as the settings of the process say."""

    server: str = ""
    """host or host:port; empty: the domain."""
    secure: bool = False
    """TLS and SRTP."""


def devices(tx: Tx, owner: str) -> list[Device]:
    """Somebody's phones. Raises Unknown."""
    if owner == PLATFORM_TENANT:
        now = in_force(tx)
        if now.platform is None:
            raise Unknown(owner)
        return devices_of_pools(now.platform, [held.body for held in now.tenants.values()], owner)
    now = in_force(tx, owner)
    if now.platform is None or owner not in now.tenants:
        raise Unknown(owner)
    return devices_of(now.tenants[owner].body, now.platform)


def device(tx: Tx, owner: str, phone: str) -> Device:
    """One of them. Raises Unknown."""
    for one in devices(tx, owner):
        if one.id == phone:
            return one
    raise Unknown(phone)


def issue(store: Store, owner: str, phone: str, by: str) -> New:
    """A new password for a phone; the old one is worth nothing from now on. Raises Unknown."""
    password = passwords.new_password()

    def work(tx: Tx) -> New:
        found, now_us = device(tx, owner, phone), clock.now_us()
        serial = rows.change(tx, owner, phone, hashes(found, password), by, now_us)
        return New(found, serial, password, vouchers.make(tx, owner, phone, password, now_us))

    return store.run(work, people.TRIES)


def revoke(store: Runs, owner: str, phone: str, by: str) -> int:
    """No password any more; its serial. Raises Unknown for a phone that has none."""

    def work(tx: Tx) -> int:
        known = rows.issued(tx, owner).get(phone)
        if known is None or not known.domains:
            raise Unknown(phone)
        return rows.change(tx, owner, phone, (), by, clock.now_us())

    return store.run(work, people.TRIES)


def followers(tx: Tx) -> list[str]:
    """The switches of the platform whose agent says what it works with."""
    platform = in_force(tx, PLATFORM_TENANT).platform
    return sorted({one.switch for one in platform.switches} & rows.reporting(tx)) if platform is not None else []


def behind(tx: Tx, owner: str, phone: str, serial: int) -> list[str]:
    """Those that do not work with this credential yet."""
    arrived = rows.applied(tx, owner)
    return [switch for switch in followers(tx) if arrived.get((phone, switch), 0) < serial]


def account(tx: Tx, owner: str, phone: str, password: str, reach: Mapping[str, Reach]) -> Account:
    """How a phone registers at the first switch of the platform. Raises Unknown."""
    found, now = device(tx, owner, phone), in_force(tx, owner)
    assert now.platform is not None
    first = now.platform.switches[0]
    at, domain = reach.get(first.switch, Reach()), found.domains[0]
    host, _, port = (at.server or first.domain).partition(":")
    return Account(
        id=found.id,
        name=found.name,
        domain=domain,
        server=host,
        port=int(port) if port.isdecimal() else (TLS_PORT if at.secure else PORT),
        secure=at.secure,
        password=password,
    )
