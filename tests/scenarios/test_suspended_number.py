"""A suspended number: callers hear guidance, no call shows it, 110 goes out; once it is resumed calls get through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator import Caller
from freeswitch.simulator.calls.channel import Channel
from proto.envelope import Envelope
from proto.events import ServiceStarted
from proto.topics import outgoing
from proto.values import PLATFORM_TENANT
from services.directory import people
from services.directory.numbers import desk
from services.directory.ranks import Actor
from services.eventsocket.fallbacks import fallback_path
from services.rooms import EVERYTHING
from services.routing import service as routing
from services.runtime import clock, projections
from services.runtime.store import Store
from services.runtime.worker import Worker
from tests.scenarios.house import ACME, Played, the_house
from tests.stores import Database

NUMBER, SECOND = "0312345678", "0312345679"
OPERATOR = Actor("admin", "platform_operator")
TWO_NUMBERS = ACME.replace("numbers:", f"numbers:\n  - {{number: {SECOND}, route: main}}").replace(
    'ids: [{id: "1001", name: 佐藤 花子, device: desk}]',
    'ids: [{id: "1001", name: 佐藤 花子, device: desk}, {id: "1002", name: 鈴木, device: desk}]',
)


def suspend(played: Played, number: str = NUMBER) -> None:
    store = played.house.stores["directory"]
    desk.suspend(store, OPERATOR, number, "police", "照会番号 12")
    people.tell(store, played.house.bus)


def resume(played: Played, number: str = NUMBER) -> None:
    store = played.house.stores["directory"]
    desk.resume(store, OPERATOR, number)
    people.tell(store, played.house.bus)


def known_to_routing(played: Played, store: Store | None = None) -> frozenset[str]:
    kept = store or played.house.stores["routing"]
    return kept.run(lambda tx: projections.suspended(tx, "acme"))


def call(played: Played, number: str = NUMBER) -> Channel:
    leg = played.simulator.call(Caller("0611112222", talks_s=5), number)
    played.until_over(leg)
    return leg


def dialled(played: Played) -> list[dict[str, Any]]:
    return [row for row in played.rows("history", "legs") if row["kind"] != "inbound"]


@pytest.mark.requirement("R17")
def test_callers_of_a_suspended_number_hear_guidance_until_it_is_resumed(
    tmp_path: Path, house_database: Database
) -> None:
    with the_house(tmp_path, house_database) as played:
        assert call(played).hangup_cause == "NORMAL_CLEARING"
        answered = len(dialled(played))
        assert answered > 0
        suspend(played)
        played.until(lambda: known_to_routing(played) == {NUMBER})
        assert call(played).hangup_cause == "UNALLOCATED_NUMBER"
        assert len(dialled(played)) == answered, "nobody was dialled"
        assert "not_in_use" in {row["result"] for row in played.rows("history", "calls")}
        resume(played)
        played.until(lambda: known_to_routing(played) == frozenset())
        assert call(played).hangup_cause == "NORMAL_CLEARING"
        assert len(dialled(played)) > answered


@pytest.mark.requirement("R17")
def test_a_routing_that_starts_with_nothing_hears_of_it_before_it_decides(
    tmp_path: Path, house_database: Database
) -> None:
    with the_house(tmp_path, house_database) as played:
        suspend(played)
        played.until(lambda: known_to_routing(played) == {NUMBER})
        played.stop("routing.0")
        service = routing.build()
        fresh = Store(house_database.store("routing_again"), service.metadata)
        fresh.start()
        worker = Worker(service, fresh, played.house.bus, "routing.0")
        worker.start()
        started = ServiceStarted(service="routing", instance="again")
        fact = Envelope(
            body=started, id="again", source="routing", tenant=PLATFORM_TENANT, occurred_at_us=clock.now_us()
        )
        played.house.bus.publish([outgoing(fact)])
        played.until(lambda: fresh.run(projections.platform) is not None)
        assert known_to_routing(played, fresh) == {NUMBER}
        assert call(played).hangup_cause == "UNALLOCATED_NUMBER"
        worker.stop()
        fresh.stop()


@pytest.mark.requirement("R17")
def test_when_nobody_decides_the_switch_alone_says_that_it_is_not_in_use(
    tmp_path: Path, house_database: Database
) -> None:
    rooms = tuple(room for room in EVERYTHING if room != "routing")
    with the_house(tmp_path, house_database, rooms=rooms, conf_dir=tmp_path / "switch") as played:
        file = tmp_path / "switch" / "toritsugi" / "agent" / fallback_path(NUMBER)
        played.until(lambda: file.exists() and "09012345678" in file.read_text())
        suspend(played)
        played.until(lambda: file.exists() and "UNALLOCATED_NUMBER" in file.read_text())
        assert call(played).hangup_cause == "UNALLOCATED_NUMBER"
        assert dialled(played) == []
        resume(played)
        played.until(lambda: file.exists() and "09012345678" in file.read_text())


@pytest.mark.requirement("R17")
@pytest.mark.requirement("R28")
def test_a_suspended_number_is_shown_on_no_call_but_110_goes_out(tmp_path: Path, house_database: Database) -> None:
    with the_house(tmp_path, house_database, clients={"acme.yaml": TWO_NUMBERS}) as played:
        ended: list[Channel] = []
        played.simulator.switch.on_end = ended.append
        suspend(played)
        played.until(lambda: known_to_routing(played) == {NUMBER})

        def shown(kind: str) -> list[str]:
            legs = [*ended, *played.simulator.switch.channels.values()]
            return [
                str(leg.variables.get("origination_caller_id_number", leg.profile.caller_number))
                for leg in legs
                if leg.variables.get("tt_leg") == kind
            ]

        leg = played.simulator.call_from_phone("1001", "0312340000", Caller(NUMBER, talks_s=2))
        leg.gone.wait()
        assert NUMBER not in shown("outside") and SECOND in str(
            [one.profile.caller_number for one in ended] + [one.variables for one in ended]
        )
        suspend(played, SECOND)
        played.until(lambda: known_to_routing(played) == {NUMBER, SECOND})
        refused = played.simulator.call_from_phone("1001", "0312340000", Caller(NUMBER, talks_s=2))
        refused.gone.wait()
        assert refused.hangup_cause == "CALL_REJECTED"
        emergency = played.simulator.call_from_phone("1001", "110", Caller(NUMBER, talks_s=2))
        played.until(lambda: bool(shown("emergency")))
        emergency.hangup("NORMAL_CLEARING")
        emergency.gone.wait()
