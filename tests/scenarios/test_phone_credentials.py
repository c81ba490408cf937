"""A phone's password from the moment it is issued until it is taken back: what the phone can do, and what ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from freeswitch.simulator import Caller
from freeswitch.simulator.calls.channel import Channel
from services.directory.people import rows as people
from services.directory.phones import issuing, model, rows
from services.directory.phones.issuing import New
from services.runtime.store import Store
from tests.scenarios.house import Played, the_house
from tests.stores import Database

NUMBER, PHONE = "0312345678", "1001@pbx.example"


@contextmanager
def house(folder: Path, database: Database) -> Iterator[Played]:
    """No file of passwords anywhere: the phones know none yet."""
    with the_house(folder, database, conf_dir=folder / "switch") as played:
        store = played.house.stores["directory"]
        played.until(lambda: bool(store.run(rows.reporting)))
        played.simulator.switch.unregister(PHONE)
        yield played


def issue(played: Played) -> New:
    store = played.house.stores["directory"]
    new = issuing.issue(store, "acme", "1001", "keiri")
    _in_force(played, new.serial)
    return new


def revoke(played: Played) -> None:
    _in_force(played, issuing.revoke(played.house.stores["directory"], "acme", "1001", "keiri"))


def _in_force(played: Played, serial: int) -> None:
    store = played.house.stores["directory"]
    people.tell(store, played.house.bus)
    played.until(lambda: not store.run(lambda tx: issuing.behind(tx, "acme", "1001", serial)))


def registered(played: Played) -> bool:
    """As the switch has it."""
    return not played.simulator.switch.registrar.contact(PHONE).startswith("error")


def legs_of_phone(played: Played) -> list[Channel]:
    return [leg for leg in played.simulator.switch.channels.values() if leg.variables.get("sip_local_url") == PHONE]


@pytest.mark.requirement("R34")
def test_a_phone_registers_with_what_was_issued_and_after_its_end_neither_it_nor_its_call_is_there(
    tmp_path: Path, house_database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with house(tmp_path, house_database) as played:
        switch, store = played.simulator.switch, played.house.stores["directory"]
        assert not switch.sign_on(PHONE, "guessed"), "nobody knows it"
        new = issue(played)
        assert not switch.sign_on(PHONE, "guessed")
        assert switch.sign_on(PHONE, new.password)
        played.until(lambda: bool(known_of(store)))
        caller = played.simulator.call(Caller("0611112222", talks_s=600), NUMBER)
        played.until(lambda: any(leg.times.answered for leg in legs_of_phone(played)))
        (leg,) = legs_of_phone(played)
        revoke(played)
        leg.gone.wait()
        assert leg.hangup_cause == "MANAGER_REQUEST"
        assert not registered(played) and not switch.sign_on(PHONE, new.password)
        played.until_over(caller)
        played.until(lambda: _signed_off(played))
    logged = "".join(capfd.readouterr())
    assert "phones ended" in logged
    assert new.password not in logged and model.ha1("1001", "pbx.example", new.password) not in logged


def known_of(store: Store) -> dict[tuple[str, str], list[model.Registered]]:
    """What the switches said of this client's phones."""
    return store.run(lambda tx: rows.registrations(tx, issuing.devices(tx, "acme")))


def _signed_off(played: Played) -> bool:
    (told,) = known_of(played.house.stores["directory"]).values()
    return told[0].until_us == told[0].as_of_us


@pytest.mark.requirement("R34")
def test_a_new_password_ends_what_the_old_one_had_opened(tmp_path: Path, house_database: Database) -> None:
    with house(tmp_path, house_database) as played:
        switch, old = played.simulator.switch, issue(played)
        assert switch.sign_on(PHONE, old.password)
        new = issue(played)
        assert not registered(played), "the old phone is out"
        assert not switch.sign_on(PHONE, old.password) and switch.sign_on(PHONE, new.password)


@pytest.mark.requirement("R2")
def test_a_second_device_takes_the_place_of_the_first_and_never_stands_beside_it(
    tmp_path: Path, house_database: Database
) -> None:
    """As the real switch does with our profile, which says so."""
    profile = ElementTree.parse(Path(__file__).parents[2] / "freeswitch/conf/sip_profiles/internal.xml")
    says = {one.get("name"): one.get("value") for one in profile.iter("param")}
    assert says["multiple-registrations"] == "false" and says["inbound-reg-force-matching-username"] == "true"
    with house(tmp_path, house_database) as played:
        switch, new = played.simulator.switch, issue(played)
        assert switch.sign_on(PHONE, new.password, port=5161) and switch.sign_on(PHONE, new.password, port=5170)
        assert switch.registrar.contact(PHONE) == "sofia/internal/sip:1001@127.0.0.1:5170"
        assert len(list(switch.registrar.listed())) <= 1
        played.simulator.call(Caller("0611112222", talks_s=30), NUMBER)
        played.until(lambda: bool(legs_of_phone(played)))
        assert len(legs_of_phone(played)) == 1, "and one of them alone rings"


@pytest.mark.requirement("R34")
def test_a_call_for_help_is_not_cut(tmp_path: Path, house_database: Database) -> None:
    with house(tmp_path, house_database) as played:
        switch = played.simulator.switch
        assert switch.sign_on(PHONE, issue(played).password)
        leg = played.simulator.call_from_phone(PHONE, "110", Caller("1001", talks_s=60))
        played.until(lambda: bool(leg.times.answered))
        revoke(played)
        assert not registered(played)
        assert leg.uuid in switch.channels, "110 goes on"
        played.until_over(leg)
