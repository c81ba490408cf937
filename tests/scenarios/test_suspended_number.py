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
from services.directory.numbers import desk
from services.directory.people import rows as people
from services.directory.people.ranks import Actor
from services.eventsocket.fallbacks import fallback_path
from services.rooms import EVERYTHING
from services.routing import service as routing
from services.runtime import clock, projections
from services.runtime.store import Store
from services.runtime.worker import Worker
from tests.scenarios.house import Played, the_house
from tests.stores import Database

NUMBER = "0312345678"
OPERATOR = Actor("admin", "platform_operator")


def suspend(played: Played) -> None:
    store = played.house.stores["directory"]
    desk.suspend(store, OPERATOR, NUMBER, "police", "照会番号 12")
    people.tell(store, played.house.bus)


def resume(played: Played) -> None:
    store = played.house.stores["directory"]
    desk.resume(store, OPERATOR, NUMBER)
    people.tell(store, played.house.bus)


def known_to_routing(played: Played, store: Store | None = None) -> frozenset[str]:
    kept = store or played.house.stores["routing"]
    return kept.run(lambda tx: projections.suspended(tx, "acme"))


def call(played: Played) -> Channel:
    leg = played.simulator.call(Caller("0611112222", talks_s=5), NUMBER)
    played.until_over(leg)
    return leg


def legs(played: Played) -> list[Channel]:
    return list(played.simulator.switch.channels.values())


def dialled(played: Played) -> list[dict[str, Any]]:
    """Legs that the switch began; a caller's own is of the kind inbound, a phone's own of none."""
    return [row for row in played.rows("history", "legs") if row["kind"] not in ("inbound", "")]


@pytest.mark.requirement("R17")
@pytest.mark.requirement("R28")
def test_a_suspended_number_takes_and_shows_no_calls_until_it_is_resumed_but_110_goes_out(
    tmp_path: Path, house_database: Database
) -> None:
    with the_house(tmp_path, house_database) as played:
        assert call(played).hangup_cause == "NORMAL_CLEARING"
        answered = len(dialled(played))
        assert answered > 0
        suspend(played)
        played.until(lambda: known_to_routing(played) == {NUMBER})
        assert call(played).hangup_cause == "UNALLOCATED_NUMBER"
        assert "not_in_use" in {row["result"] for row in played.rows("history", "calls")}
        refused = played.simulator.call_from_phone("1001", "0312340000", Caller(NUMBER))
        refused.gone.wait()
        assert refused.hangup_cause == "CALL_REJECTED", "there is no other number to show"
        assert len(dialled(played)) == answered, "nobody was dialled"
        emergency = played.simulator.call_from_phone("1001", "110", Caller(NUMBER))
        played.until(lambda: any(leg.variables.get("tt_leg") == "emergency" for leg in legs(played)))
        emergency.hangup("NORMAL_CLEARING")
        played.until_over(emergency)
        resume(played)
        played.until(lambda: known_to_routing(played) == frozenset())
        reached = len(dialled(played))
        assert call(played).hangup_cause == "NORMAL_CLEARING"
        assert len(dialled(played)) > reached


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
