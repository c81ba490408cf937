"""The room of the agent as the composition root sees it: settings, store, `Agent`.

Enters: which switch, the bus, a store. Leaves: a part with start and stop. It keeps a projection of tenants and
platform, and the commands it has taken.
"""

from __future__ import annotations

from sqlalchemy import MetaData

from proto.events import NumbersSuspended, PhoneCredentialChanged, PlatformRevised, TenantRevised
from proto.message import Event
from services.eventsocket import agent
from services.eventsocket.agent import SwitchSettings
from services.eventsocket.cdr.reader import CallRecords, CdrSettings, NoCallRecords
from services.eventsocket.conf_files import ConfFiles, ConfSettings
from services.eventsocket.taken import add_commands_table
from services.eventsocket.words import RenderSettings
from services.runtime.bus import Bus
from services.runtime.projections import keep_phone, keep_platform, keep_suspended, keep_tenant
from services.runtime.store import Store, of_room
from services.runtime.worker import Handler, Service

NAME = "eventsocket"


def metadata() -> MetaData:
    """The tables of one agent's store."""
    tables = of_room(__package__)
    add_commands_table(tables)
    return tables


def build() -> Service:
    """What the agent hears of directory."""
    handlers: dict[type[Event], Handler] = {
        TenantRevised: keep_tenant,
        NumbersSuspended: keep_suspended,
        PlatformRevised: keep_platform,
        PhoneCredentialChanged: keep_phone,
    }
    return Service(NAME, handlers, metadata())


class Agent(agent.Agent):
    """The agent of one switch, ready to start; `store` was made with `metadata()`."""

    def __init__(self, switch: SwitchSettings, bus: Bus, store: Store) -> None:
        super().__init__(switch, bus, store, build())


__all__ = [
    "NAME",
    "Agent",
    "CallRecords",
    "CdrSettings",
    "ConfFiles",
    "ConfSettings",
    "NoCallRecords",
    "RenderSettings",
    "SwitchSettings",
    "build",
    "metadata",
]
