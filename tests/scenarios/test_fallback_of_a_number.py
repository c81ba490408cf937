"""The fallback of a number: when nobody decides, the switch alone reaches the number's target, or apologises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator import Caller
from freeswitch.simulator.calls.channel import Channel
from services.directory.tenants.applied import applied
from services.eventsocket import conf_files
from services.eventsocket.fallbacks import fallback_path
from services.rooms import EVERYTHING
from tests.scenarios.house import ACME, Played, the_house
from tests.stores import Database

NUMBER = "0312345678"
WITHOUT_ROUTING = tuple(room for room in EVERYTHING if room != "routing")


@contextmanager
def nobody_decides(folder: Path, database: Database) -> Iterator[Played]:
    """Routing is dead; the agent has written the switch's files, and the switch has read them."""
    passwords = folder / "credentials.json"
    passwords.write_text(json.dumps({"phones": {"1001@pbx.example": "secret of the desk phone"}}), encoding="utf-8")
    with the_house(
        folder, database, rooms=WITHOUT_ROUTING, conf_dir=folder / "switch", credentials=passwords
    ) as played:
        played.until(lambda: in_force(played, "acme"))
        yield played


def in_force(played: Played, tenant: str) -> bool:
    """What directory was told by the switch's agent."""
    told = played.house.stores["directory"].run(applied)
    return any(one.tenant == tenant and one.in_force for one in told)


def called(played: Played) -> list[str]:
    """The numbers that the switch dialled, in order."""
    rows = sorted(played.rows("history", "legs"), key=lambda row: row["started_at_us"])
    return [row["destination"] for row in rows if row["kind"] != "inbound"]


def call(played: Played, caller: Caller) -> Channel:
    leg = played.simulator.call(caller, NUMBER)
    played.until_over(leg)
    return leg


@pytest.mark.requirement("R23")
def test_a_changed_target_holds_for_the_next_call_though_nobody_decides(
    tmp_path: Path, house_database: Database
) -> None:
    with nobody_decides(tmp_path, house_database) as played:
        leg = call(played, Caller("0611112222", talks_s=5))
        assert called(played) == ["09012345678"]
        assert leg.variables["tt_decision"] == "fallback"
        (tmp_path / "tenants" / "acme.yaml").write_text(ACME.replace("090-1234-5678", "080-9999-0000"))
        played.until(lambda: in_force(played, "acme") and target(tmp_path) == "08099990000")
        call(played, Caller("0611112222", talks_s=5))
        assert called(played) == ["09012345678", "08099990000"]


def target(folder: Path) -> str:
    text = (folder / "switch" / "toritsugi" / "agent" / fallback_path(NUMBER)).read_text(encoding="utf-8")
    return text.partition("sofia/gateway/hikari/")[2].partition('"')[0]


def test_the_forwarded_leg_is_the_clients_and_shows_the_clients_number(
    tmp_path: Path, house_database: Database
) -> None:
    """Nobody read what the caller sent, so none of it goes on."""
    with nobody_decides(tmp_path, house_database) as played:
        dialled: list[dict[str, Any]] = []
        played.simulator.switch.on_end = lambda leg: dialled.append(
            dict(leg.variables, shown=leg.profile.caller_number)
        )
        call(played, Caller("0611112222", name="A%0D%0AX-Evil%253A 1", talks_s=5))
        (leg,) = [one for one in dialled if one.get("tt_leg") == "forward"]
        assert (leg["tt_tenant"], leg["tt_payer"], leg["origination_caller_id_number"]) == ("acme", "acme", NUMBER)
        assert "Evil" not in leg["origination_caller_id_name"]
        played.until(lambda: bool(played.rows("billing", "ledger")))
        assert {row["payer"] for row in played.rows("billing", "ledger") if row["amount"] != "0"} <= {"acme"}


def test_a_target_that_cannot_be_written_is_an_apology_and_never_the_old_one(
    tmp_path: Path, house_database: Database
) -> None:
    """The disk refuses: the switch keeps nothing of yesterday, and nobody is told that the change is in force."""
    with nobody_decides(tmp_path, house_database) as played:
        (tmp_path / "switch" / "toritsugi" / "agent" / "fallback" / "999").write_text("no folder")
        more = ACME.replace("numbers:", "numbers:\n  - {number: 03-1234-5999, kind: direct, id: '1001'}")
        (tmp_path / "tenants" / "acme.yaml").write_text(more.replace("090-1234-5678", "080-9999-0000"))
        played.until(lambda: not target_file(tmp_path).exists())
        leg = call(played, Caller("0611112222"))
        assert called(played) == []
        assert leg.hangup_cause == "NORMAL_TEMPORARY_FAILURE"
        assert not in_force(played, "acme")


def target_file(folder: Path) -> Path:
    return folder / "switch" / "toritsugi" / "agent" / fallback_path(NUMBER)


def test_a_client_that_is_gone_leaves_no_target_behind(tmp_path: Path, house_database: Database) -> None:
    with nobody_decides(tmp_path, house_database) as played:
        (tmp_path / "tenants" / "acme.yaml").unlink()
        played.until(lambda: not target_file(tmp_path).exists())
        played.simulator.call(Caller("0611112222"), NUMBER).gone.wait()
        assert called(played) == []


@pytest.mark.requirement("R28")
def test_an_emergency_call_shows_the_clients_own_line_whatever_the_phone_says(
    tmp_path: Path, house_database: Database
) -> None:
    with nobody_decides(tmp_path, house_database) as played:
        dialled: list[Channel] = []
        played.simulator.switch.on_end = dialled.append
        hostile = Caller("0399999999", name="x", headers={"tt_emergency_number": "0399999999"})
        leg = played.simulator.call_from_phone("1001", "110", hostile)
        played.until(
            lambda: (
                any(one.variables.get("tt_leg") == "emergency" for one in played.simulator.switch.channels.values())
                or bool(dialled)
            )
        )
        leg.hangup("NORMAL_CLEARING")
        leg.gone.wait()
        played.until(lambda: any(one.variables.get("tt_leg") == "emergency" for one in dialled))
        (emergency,) = [one for one in dialled if one.variables.get("tt_leg") == "emergency"]
        assert emergency.variables["origination_caller_id_number"] == NUMBER
        assert emergency.variables["origination_caller_id_name"] == NUMBER


def test_a_carrier_whose_log_in_changes_is_reached_with_the_new_one(
    tmp_path: Path, house_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rescan alone leaves a gateway that the switch knows as it was (seen on a real one)."""
    monkeypatch.setattr(conf_files, "LOOK_EVERY_S", 0.2)
    passwords = tmp_path / "credentials.json"

    def write(password: str) -> None:
        known = {"hikari": {"proxy": "192.0.2.1", "password": password}}
        passwords.write_text(json.dumps({"gateways": known}), encoding="utf-8")

    write("one")
    with the_house(tmp_path, house_database, conf_dir=tmp_path / "switch", credentials=passwords) as played:
        played.until(lambda: in_force(played, "acme"))
        gateways = played.simulator.switch.gateways
        before = gateways.find("hikari")
        write("two, which is longer")
        played.until(lambda: gateways.find("hikari") is not before)
        assert gateways.find("hikari") is not None
