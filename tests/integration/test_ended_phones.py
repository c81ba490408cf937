"""What a former password had opened ends on the switch, also after a crash in between; and nothing else ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import gevent
import msgspec
import pytest

from freeswitch.simulator.esl.server import EslServer, UnknownCommand
from proto.envelope import Envelope
from proto.events import PhoneCredentialApplied, PhoneCredentialChanged, PhoneHash, PlatformRevised, TenantRevised
from proto.message import Event
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import PLATFORM_TENANT
from services.eventsocket import conf_files, ended_phones
from services.eventsocket.agent import SwitchSettings
from services.eventsocket.conf_files import ENDED, ConfFiles, ConfSettings

PASSWORD = "secret"  # noqa: S105
LEGS = {
    "dialled": {"sip_local_url": "1001@pbx.example"},
    "dialling": {"user_name": "1001", "domain_name": "pbx.example"},
    "help": {"user_name": "1001", "domain_name": "pbx.example", "tt_stage": "emergency"},
    "help-by-routing": {"user_name": "1001", "domain_name": "pbx.example", "tt_stage": "routed", "tt_did": "184119"},
    "other": {"sip_local_url": "1002@pbx.example"},
    "same-id-elsewhere": {"sip_local_url": "1001@other.example"},
    "carrier": {},
    "capitals": {"user_name": "Sato.App", "domain_name": "pbx.example"},
}


class Switch:
    """Knows the legs above; reads the files that stand in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done, self.breaks_at, self.refuses = folder, list[str](), "", ""
        self.asked: list[str] = []
        self.read = ""
        """The revision of the files as of the last reload."""
        self.server = EslServer(self, PASSWORD)

    def api(self, command: str, argument: str) -> str:
        said = f"{command} {argument}".strip()
        if self.breaks_at and said.startswith(self.breaks_at):
            self.server.vanish()
            raise UnknownCommand(command)
        self.asked.append(said)
        if self.refuses and said.startswith(self.refuses):
            return "Invalid Profile!\n"
        if command == "show":
            return json.dumps({"row_count": len(LEGS), "rows": [{"uuid": leg} for leg in LEGS]})
        if command == "uuid_getvar":
            leg, name = argument.split()
            return LEGS[leg].get(name, "_undef_")
        if command == "global_getvar":
            return self.read
        if command == "reloadxml":
            text = (self.folder / "toritsugi" / "agent" / "vars.xml").read_text(encoding="utf-8")
            self.read = text.partition("tt_revision=")[2].partition('"')[0]
        if command in ("sofia", "uuid_kill"):
            self.done.append(said)
        return {"reloadxml": "+OK [Success]"}.get(command, "+OK")

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str:
        return f"-ERR invalid session id [{leg}]"


class Told:
    """What the part needs of an agent."""

    def __init__(self, switch: SwitchSettings, known: Sequence[Envelope]) -> None:
        self.switch, self._known = switch, known
        self.on_learned: list[Callable[[Sequence[Envelope]], None]] = []
        self.told: list[Event] = []

    def known(self) -> Sequence[Envelope]:
        return self._known

    def tell(self, fact: Event, tenant: str = PLATFORM_TENANT, about: str = "") -> None:
        self.told.append(fact)

    def until_applied(self, serial: int) -> None:
        with gevent.Timeout(15):
            while not any(isinstance(one, PhoneCredentialApplied) and one.serial == serial for one in self.told):
                gevent.sleep(0.01)


def known(*credentials: Envelope) -> list[Envelope]:
    platform = msgspec.convert(
        {"switches": [{"switch": "fs1", "domain": "pbx.example"}], "carriers": [{"name": "c", "gateway": "c"}]},
        Platform,
    )
    client = msgspec.convert(
        {
            "tenant": "acme",
            "name": "アクメ",
            "contract": {"from": "2026-04-01"},
            "ids": [{"id": one, "name": "佐藤"} for one in ("1001", "1002", "Sato.App")],
        },
        Tenant,
    )
    facts: list[tuple[Event, str]] = [
        (TenantRevised(revision="1", body=client), "acme"),
        (PlatformRevised(revision="1", body=platform), PLATFORM_TENANT),
    ]
    told = [Envelope(body=body, id=whose, source="x", tenant=whose, occurred_at_us=1) for body, whose in facts]
    return [*credentials, *told]


def credential(serial: int, mark: str, phone: str = "1001") -> Envelope:
    hashes = (PhoneHash(domain="pbx.example", ha1=mark * 32),) if mark else ()
    fact = PhoneCredentialChanged(owner="acme", phone=phone, serial=serial, hashes=hashes)
    return Envelope(body=fact, id=f"{phone}-{serial}", source="x", tenant=PLATFORM_TENANT, occurred_at_us=serial)


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Switch]:
    made = Switch(tmp_path)
    made.server.start()
    yield made
    made.server.stop()


def agent_of(switch: Switch, *facts: Envelope, credentials: Path | None = None) -> tuple[ConfFiles, Told]:
    settings = SwitchSettings("fs1", switch.folder, port=switch.server.port, password=PASSWORD, timeout_s=2)
    told = Told(settings, facts)
    part = ConfFiles(ConfSettings(switch.folder, credentials), told)
    part.start()
    return part, told


ENDS = [
    "sofia profile internal flush_inbound_reg 1001@pbx.example",
    "uuid_kill dialled MANAGER_REQUEST",
    "uuid_kill dialling MANAGER_REQUEST",
]


@pytest.mark.requirement("R34")
@pytest.mark.parametrize("mark", ["", "b"])
def test_registrations_and_calls_of_the_phone_end_and_no_others(switch: Switch, mark: str) -> None:
    """By a revocation, and by a new password."""
    part, told = agent_of(switch, *known(credential(1, "a"), credential(1, "c", "1002")))
    told.until_applied(1)
    assert [one for one in switch.done if "rescan" not in one] == [], "who had no password before has nothing to end"
    told.on_learned[0]([credential(2, mark)])
    told.until_applied(2)
    assert list(dict.fromkeys(one for one in switch.done if "rescan" not in one)) == ENDS
    assert (switch.folder / "toritsugi" / "agent" / ENDED).read_text(encoding="utf-8") == ""
    part.stop()


@pytest.mark.requirement("R34")
def test_what_was_revoked_while_the_agent_was_away_ends_when_it_is_back(switch: Switch) -> None:
    part, told = agent_of(switch, *known(credential(1, "a")))
    told.until_applied(1)
    part.stop()
    part, told = agent_of(switch, *known(credential(2, "")))
    told.until_applied(2)
    assert set(ENDS) <= set(switch.done)
    part.stop()


@pytest.mark.requirement("R34")
def test_a_crash_after_the_files_were_written_forgets_no_phone(switch: Switch) -> None:
    """The files already show nothing of the old password: only the list of those to end knows it."""
    part, told = agent_of(switch, *known(credential(1, "a")))
    told.until_applied(1)
    switch.breaks_at = "sofia profile internal flush_inbound_reg"
    told.on_learned[0]([credential(2, "")])
    ended = switch.folder / "toritsugi" / "agent" / ENDED
    with gevent.Timeout(15):
        while "1001@pbx.example" not in (ended.read_text(encoding="utf-8") if ended.exists() else ""):
            gevent.sleep(0.01)
    gevent.killall([part._greenlet])  # as a killed process ends
    assert not set(ENDS) & set(switch.done)
    switch.breaks_at = ""
    part, told = agent_of(switch, *known(credential(2, "")))
    told.until_applied(2)
    assert set(ENDS) <= set(switch.done)
    part.stop()


def test_a_phone_whose_password_stays_is_left_alone_whatever_else_changes(switch: Switch) -> None:
    part, told = agent_of(switch, *known(credential(1, "a")))
    told.until_applied(1)
    told.on_learned[0]([credential(2, "a")])
    told.until_applied(2)
    assert not set(ENDS) & set(switch.done)
    part.stop()


@pytest.mark.requirement("R34")
def test_a_phone_whose_id_has_capitals_ends_as_well(switch: Switch) -> None:
    part, told = agent_of(switch, *known(credential(1, "a", "Sato.App")))
    told.until_applied(1)
    told.on_learned[0]([credential(2, "", "Sato.App")])
    told.until_applied(2)
    assert "uuid_kill capitals MANAGER_REQUEST" in switch.done
    part.stop()


@pytest.mark.requirement("R34")
def test_a_crash_before_the_switch_forgets_what_it_remembers_leaves_no_old_password(switch: Switch) -> None:
    """It has read the new files: only its memory of users still lets the old password in."""
    part, told = agent_of(switch, *known(credential(1, "a")))
    told.until_applied(1)
    switch.breaks_at, before = "xml_flush_cache", switch.read
    told.on_learned[0]([credential(2, "")])
    with gevent.Timeout(15):
        while switch.read == before:
            gevent.sleep(0.01)
    gevent.killall([part._greenlet])  # as a killed process ends
    switch.breaks_at = ""
    switch.asked.clear()
    part, told = agent_of(switch, *known(credential(2, "")))
    told.until_applied(2)
    assert "xml_flush_cache" in switch.asked
    part.stop()


@pytest.mark.requirement("R34")
def test_no_credential_is_said_to_work_while_its_file_cannot_be_written(switch: Switch) -> None:
    """A disk that is full for a moment: the old password holds until the file is there."""
    part, told = agent_of(switch, *known(credential(1, "a")))
    told.until_applied(1)
    users = switch.folder / "toritsugi" / "agent" / "directory.xml"
    old = users.read_text(encoding="utf-8")
    beside = users.with_name(".directory.xml.new")
    beside.mkdir()
    told.on_learned[0]([credential(2, "")])
    with gevent.Timeout(15):
        while "1001@pbx.example" not in (users.with_name(ENDED)).read_text(encoding="utf-8"):
            gevent.sleep(0.01)
    assert users.read_text(encoding="utf-8") == old
    beside.rmdir()
    told.until_applied(2)
    assert "1001" not in users.read_text(encoding="utf-8")
    part.stop()


@pytest.mark.parametrize("broken", [b'{"phones": ', None])
def test_an_agent_that_starts_with_a_credentials_file_that_cannot_be_used_ends_nobody(
    switch: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bytes | None
) -> None:
    """Half written, or on a disk that is not there yet: what the switch knew holds until there is a file again."""
    monkeypatch.setattr(conf_files, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(ended_phones, "AGAIN_S", 0.01)
    file, facts = tmp_path / "credentials.json", known(credential(1, "a"))
    carrier = {"c": {"proxy": "192.0.2.1", "password": "long"}}
    file.write_text(json.dumps({"phones": {"1002@pbx.example": "one"}, "gateways": carrier}), encoding="utf-8")
    part, told = agent_of(switch, *facts, credentials=file)
    told.until_applied(1)
    part.stop()
    folder = switch.folder / "toritsugi" / "agent"
    before = [(folder / name).read_text(encoding="utf-8") for name in ("directory.xml", "gateways.xml")]
    assert 'id="1002"' in before[0] and "192.0.2.1" in before[1]

    file.unlink()
    if broken is not None:
        file.write_bytes(broken)
    switch.done.clear()
    part, told = agent_of(switch, *facts, credentials=file)
    told.until_applied(1)
    assert [(folder / name).read_text(encoding="utf-8") for name in ("directory.xml", "gateways.xml")] == before
    assert not [one for one in switch.done if "flush" in one or "kill" in one]

    told.on_learned[0]([credential(2, "")])  # what directory says still holds
    told.until_applied(2)
    assert set(ENDS) <= set(switch.done) and "uuid_kill other MANAGER_REQUEST" not in switch.done

    file.write_text(json.dumps({"gateways": carrier}), encoding="utf-8")
    with gevent.Timeout(30):
        while "uuid_kill other MANAGER_REQUEST" not in switch.done:
            gevent.sleep(0.01)
    part.stop()


def test_a_phone_that_cannot_be_ended_yet_keeps_no_carrier_waiting(
    switch: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile of phones stands still for maintenance; a carrier's new log-in is needed now."""
    monkeypatch.setattr(conf_files, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(conf_files, "AGAIN_S", 0.05)
    monkeypatch.setattr(ended_phones, "AGAIN_S", 0.01)
    file, facts = tmp_path / "credentials.json", known(credential(1, "a"))

    def carrier(proxy: str) -> None:
        file.write_text(json.dumps({"gateways": {"c": {"proxy": proxy}}}), encoding="utf-8")

    carrier("192.0.2.1")
    part, told = agent_of(switch, *facts, credentials=file)
    told.until_applied(1)
    switch.refuses = "sofia profile internal flush_inbound_reg"
    told.on_learned[0]([credential(2, "")])
    with gevent.Timeout(30):
        while not any("flush" in one for one in switch.asked):
            gevent.sleep(0.01)
    switch.done.clear()
    carrier("192.0.2.222")
    with gevent.Timeout(30):
        while "sofia profile external rescan" not in switch.done:
            gevent.sleep(0.01)
    assert "sofia profile external killgw c" in switch.done
    assert not any(isinstance(one, PhoneCredentialApplied) and one.serial == 2 for one in told.told)
    switch.refuses = ""
    told.until_applied(2)
    assert set(ENDS) <= set(switch.done) and switch.done.count("sofia profile external rescan") == 1
    part.stop()
