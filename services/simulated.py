"""The simulated switch for `toritsugi run`: its phones, carriers and numbers are those of the clients' files.

Enters: the folder of clients' files. Leaves: a simulator, and the numbers people call. It belongs to the composition
root: services never know whether the switch is real.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from freeswitch.simulator import Carrier, Phone, Simulator
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from services.directory.settle import InForce, settle
from services.directory.yaml_files import read_folder


class NothingToSimulate(Exception):
    """The folder holds no usable platform.yaml or no number: there is nobody to call."""


def simulator_for(tenants_dir: Path, recordings: Path) -> tuple[Simulator, str]:
    """A simulator for these clients, and the password of its Event Socket. Raises NothingToSimulate."""
    settled = settle(read_folder(tenants_dir), InForce())
    tenants = [held.body for held in settled.tenants.values()]
    numbers = [entry.number for tenant in tenants for entry in tenant.numbers]
    if settled.platform is None or not numbers:
        raise NothingToSimulate(f"{tenants_dir}: no usable platform.yaml or no number; see `toritsugi tenants check`")
    password = secrets.token_urlsafe(16)
    platform = settled.platform
    simulator = Simulator(
        password=password,
        domain=platform.switches[0].domain,
        carriers=[Carrier(name=c.name, gateway=c.gateway, host=c.host, profile=c.profile) for c in platform.carriers],
        phones=_phones(tenants, platform),
        numbers=numbers,
        recordings=recordings,
    )
    return simulator, password


def _phones(tenants: list[Tenant], platform: Platform) -> list[Phone]:
    default = platform.switches[0].domain
    own = [
        Phone(entry.id, tenant=tenant.tenant, domain=tenant.domain or default)
        for tenant in tenants
        for entry in tenant.ids
    ]
    known = {(phone.id, phone.domain) for phone in own}
    pools = [
        Phone(phone.id, domain=phone.domain)
        for pool in platform.pools
        for phone in pool.phones
        if (phone.id, phone.domain) not in known
    ]
    return own + pools
