"""How long a changed forwarding target takes to be in force: among 100,000 numbers and phones, against 100 of them.

Enters: a folder. Leaves: a bar: from what directory says until the agent tells that the switch works with it, with the
files on a real disk and a played switch on the real wire. The peer is the same with 10 clients. What a real switch
needs to read so many phones again stands in docs/decisions.md: a changed target asks for no reading at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import msgspec

from freeswitch.simulator import Simulator
from proto.envelope import Envelope
from proto.events import PlatformRevised, TenantRevised
from proto.message import Event
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import PLATFORM_TENANT
from services.eventsocket.agent import SwitchSettings
from services.eventsocket.conf_files import ConfFiles, ConfSettings
from tests.bench.bar import Bar, median

FEW, MANY = 10, 10_000
NUMBERS_EACH = 10
CHANGES = 20
PATIENCE_S = 600.0
PASSWORD = "bench"  # noqa: S105
PLATFORM = {"switches": [{"switch": "fs1"}], "carriers": [{"name": "hikari", "gateway": "hikari"}]}


class Told:
    """What the part needs of an agent: it is told revisions by us, and tells us what is in force."""

    def __init__(self, switch: SwitchSettings, known: Sequence[Envelope]) -> None:
        self.switch = switch
        self.on_learned: list[Callable[[Sequence[Envelope]], None]] = []
        self._known = known
        self.in_force = gevent.event.Event()
        self.waits_for = ""

    def known(self) -> Sequence[Envelope]:
        return self._known

    def tell(self, _fact: Event, tenant: str = PLATFORM_TENANT, about: str = "") -> None:
        if about == self.waits_for:
            self.in_force.set()


def bars(folder: Path, many: int = MANY) -> list[Bar]:
    """`many`: clients with ten numbers each."""
    took = {clients: _changes_ms(folder / str(clients), clients) for clients in (FEW, many)}
    bar = f"changed target in force, {many * NUMBERS_EACH} numbers"
    return [Bar(bar, median(took[many]), median(took[FEW]), f"{FEW * NUMBERS_EACH} numbers", "ms", CHANGES)]


def _changes_ms(folder: Path, clients: int) -> list[float]:
    folder.mkdir()
    simulator = Simulator(password=PASSWORD, conf_dir=folder.resolve())
    settings = SwitchSettings("fs1", folder, port=simulator.start(), password=PASSWORD)
    known = [*(_said(n, "09000000000") for n in range(clients)), _platform()]
    agent = Told(settings, known)
    phones = {f"{100000 + n}@127.0.0.1": f"a1:{n:032x}" for n in range(clients * NUMBERS_EACH)}
    (folder / "credentials.json").write_bytes(msgspec.json.encode({"phones": phones}))
    part = ConfFiles(ConfSettings(folder.resolve(), folder / "credentials.json"), agent)
    try:
        agent.waits_for = known[-1].id
        part.start()
        _await(agent)
        return [_one_ms(agent, _said(n % clients, f"090{n:08d}")) for n in range(1, CHANGES + 1)]
    finally:
        part.stop()
        simulator.stop()


def _one_ms(agent: Told, change: Envelope) -> float:
    agent.in_force.clear()
    agent.waits_for = change.id
    began = time.perf_counter()
    for learned in agent.on_learned:
        learned([change])
    _await(agent)
    return (time.perf_counter() - began) * 1000


def _await(agent: Told) -> None:
    with gevent.Timeout(PATIENCE_S):
        agent.in_force.wait()


def _said(client: int, target: str) -> Envelope:
    body: dict[str, Any] = {
        "tenant": f"t{client}",
        "name": "client",
        "contract": {"from": "2026-04-01"},
        "numbers": [
            {"number": f"03{client * NUMBERS_EACH + n:08d}".replace("030", "031", 1), "route": "main"}
            for n in range(NUMBERS_EACH)
        ],
        "ids": [{"id": f"{100000 + client * NUMBERS_EACH + n}", "name": "phone"} for n in range(NUMBERS_EACH)],
        "routes": {"main": [{"do": [{"forward": target}]}]},
    }
    fact = TenantRevised(revision=f"{client:08d}{target}", body=msgspec.convert(body, Tenant))
    return Envelope(body=fact, id=f"{client}.{target}", source="bench", tenant=f"t{client}", occurred_at_us=1)


def _platform() -> Envelope:
    fact = PlatformRevised(revision="1", body=msgspec.convert(PLATFORM, Platform))
    return Envelope(body=fact, id="platform", source="bench", tenant=PLATFORM_TENANT, occurred_at_us=1)
