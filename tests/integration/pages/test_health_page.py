"""What the operator sees of the house itself: who runs, who fell silent, what waits, what was put aside."""

from __future__ import annotations

from typing import Any

import pytest

from proto.envelope import Envelope
from proto.events import AgentState, RevisionApplied, ServiceAlive
from proto.message import Event
from proto.topics import outgoing
from proto.values import PLATFORM_TENANT, command_id
from services.runtime import clock
from services.runtime.bus import Unavailable
from tests.pages_house import PagesHouse
from tests.visitor import Visitor

MINUTE_US = 60_000_000


def tell(house: PagesHouse, body: Event, ago_us: int = 0, tenant: str = PLATFORM_TENANT) -> None:
    at_us = clock.now_us() - ago_us
    about = Envelope(body=body, id=command_id(repr(body), at_us), source="t", tenant=tenant, occurred_at_us=at_us)
    house.tell([about])
    house.until(lambda: house.bus.depth("directory.0") == 0)


def alive(service: str, *agents: AgentState, instance: str = "1", host: str = "tokyo1") -> ServiceAlive:
    return ServiceAlive(
        service=service, host=host, instance=instance, began_at_us=1_795_309_200_000_000, every_s=15, agents=agents
    )


def services(house: PagesHouse) -> list[tuple[str, bool]]:
    page = house.program().get("/api/v1/health").json()
    return [(one["name"], one["silent"]) for one in page["services"]]


def test_who_runs_is_seen_and_who_fell_silent_stands_first(house: PagesHouse, admin: Visitor) -> None:
    tell(house, alive("routing"))
    tell(house, alive("billing"), ago_us=5 * MINUTE_US)
    assert services(house) == [("billing", True), ("routing", False)]
    page = admin.get("/health").text
    assert "確認が必要な項目: 1 件" in page
    assert "連絡なし" in page


def test_a_process_that_died_is_forgotten_once_the_next_one_lives(house: PagesHouse, admin: Visitor) -> None:
    tell(house, alive("billing", instance="1"), ago_us=5 * MINUTE_US)
    tell(house, alive("billing", instance="2"))
    tell(house, alive("billing", instance="3"))  # side by side, both alive
    assert services(house) == [("billing", False), ("billing", False)]


def test_a_sign_of_life_that_comes_late_takes_nothing_back(house: PagesHouse, admin: Visitor) -> None:
    tell(house, alive("billing"))
    tell(house, alive("billing"), ago_us=5 * MINUTE_US)
    assert services(house) == [("billing", False)]


def test_a_switch_that_is_lost_or_behind_or_holds_much_back_is_told(house: PagesHouse, admin: Visitor) -> None:
    tell(house, alive("eventsocket", AgentState(switch="fs1", connected=False, waiting=12_345)))
    problem = "phone 1001 has no password"
    tell(house, RevisionApplied(switch="fs1", revision="an old one", problems=(problem,)), tenant="acme")
    (switch,) = house.program().get("/api/v1/health").json()["switches"]
    assert switch == {
        "name": "fs1",
        "agent": "",
        "connected": False,
        "waiting": 12_345,
        "behind": ["acme"],
        "problems": [f"acme: {problem}"],
    }
    page = admin.get("/health?lang=en").text
    for text in ("not connected", "12345", "not yet:", f"acme: {problem}"):
        assert text in page


def test_what_was_put_aside_is_counted(house: PagesHouse, admin: Visitor) -> None:
    bad = outgoing(Envelope(body=alive("x"), id="b", source="t", tenant=PLATFORM_TENANT, occurred_at_us=1))
    house.bus.publish([type(bad)("bad", "fact", bad.routing_key, "acme", b"{09012345678")])
    house.until(lambda: house.bus.letters())
    assert house.program().get("/api/v1/health").json()["letters"] == 1
    page = admin.get("/health").text
    assert 'href="/letters"' in page.partition("</nav>")[2]
    assert "09012345678" not in page


def test_a_bus_that_is_away_is_said(house: PagesHouse, admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> int:
        raise Unavailable("bus: gone")

    monkeypatch.setattr(house.bus, "depth", away)
    answer = admin.get("/health")
    assert answer.status == 200
    assert "メッセージ基盤に接続できません。" in answer.text


@pytest.mark.requirement("D10")
@pytest.mark.parametrize("role", ["reseller", "tenant_administrator", "answering_operator", "employee", "read_only"])
def test_only_who_runs_the_platform_sees_it(house: PagesHouse, role: str) -> None:
    visitor = house.visitor("sato", role, "acme")
    assert visitor.get("/health").status == 403
    assert house.program("sato").get("/api/v1/health").status == 403
