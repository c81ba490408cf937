"""The agent's files for a switch while the switch does not answer: no caller is sent to yesterday's target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gevent
import msgspec
import pytest
from gevent import socket

from proto.envelope import Envelope
from proto.events import PlatformRevised, TenantRevised
from proto.message import Event
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import PLATFORM_TENANT
from services.eventsocket.agent import SwitchSettings
from services.eventsocket.conf_files import ConfFiles, ConfSettings
from services.eventsocket.fallbacks import fallback_path

NUMBER = "0312345678"


class Told:
    """What the part needs of an agent."""

    def __init__(self, switch: SwitchSettings) -> None:
        self.switch = switch
        self.on_learned: list[Callable[[Sequence[Envelope]], None]] = []
        self.told: list[Event] = []

    def known(self) -> Sequence[Envelope]:
        return [_platform(), _acme("09011112222")]

    def tell(self, fact: Event, tenant: str = PLATFORM_TENANT, about: str = "") -> None:
        self.told.append(fact)


def _platform() -> Envelope:
    raw = {"switches": [{"switch": "fs1"}], "carriers": [{"name": "hikari", "gateway": "hikari"}]}
    fact = PlatformRevised(revision="1", body=msgspec.convert(raw, Platform))
    return Envelope(body=fact, id="platform", source="test", tenant=PLATFORM_TENANT, occurred_at_us=1)


def _acme(target: str) -> Envelope:
    raw = {
        "tenant": "acme",
        "name": "アクメ",
        "contract": {"from": "2026-04-01"},
        "numbers": [{"number": NUMBER, "route": "main"}],
        "routes": {"main": [{"do": [{"forward": target}]}]},
    }
    fact = TenantRevised(revision=f"0000{target}", body=msgspec.convert(raw, Tenant))
    return Envelope(body=fact, id=target, source="test", tenant="acme", occurred_at_us=1)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A switch that takes the connection and says nothing: it reads its files for a long time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.requirement("R23")
def test_a_target_that_changes_while_the_switch_is_asked_is_an_apology_at_once(
    tmp_path: Path, silent: socket.socket
) -> None:
    agent = Told(SwitchSettings("fs1", tmp_path, port=silent.getsockname()[1], password="x", timeout_s=60))  # noqa: S106
    part = ConfFiles(ConfSettings(tmp_path), agent)
    file = tmp_path / "toritsugi" / "agent" / fallback_path(NUMBER)
    part.start()
    connection, _ = silent.accept()
    assert "09011112222" in file.read_text(encoding="utf-8")
    agent.on_learned[0]([_acme("09011112222")])  # said again, unchanged
    agent.on_learned[0]([_acme("08033334444")])
    with gevent.Timeout(10):
        while file.exists():
            gevent.sleep(0.01)
    assert agent.told == [], "nothing is in force yet"
    connection.close()
    silent.accept()
    assert "08033334444" in file.read_text(encoding="utf-8")
    silent.close()
    part.stop()
