"""Pages of phones: a password is shown once and fetched by the phone itself; nobody else comes by it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from proto.envelope import Envelope
from proto.events import (
    PersonChanged,
    PhoneCredentialApplied,
    PhoneRegistered,
    PhoneUnregistered,
    RevisionApplied,
)
from proto.topics import outgoing
from services.cli import main
from services.directory.audit.chain import Entry
from services.directory.audit.rows import oldest_first
from services.directory.people import staff
from services.directory.people.ranks import Actor
from services.directory.phones import issuing, model, rows
from services.directory.phones.web_provision import SCOPE
from services.directory.tenants.applied import keep_applied
from services.runtime import clock
from services.runtime.store import Tx
from services.runtime.worker import Cause
from tests.settings_house import SettingsHouse
from tests.stores import KINDS, stores_of
from tests.visitor import Answer, Visitor

PAGE = "/phones/acme/1001"


@dataclass
class Place:
    """A house that all tests here share, and where its stores are."""

    house: SettingsHouse
    at: list[str]
    """What a command is told."""
    keiri: Visitor
    """The client's own administrator, logged in."""


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("stores")
    with stores_of(request.param, request, folder) as database:
        house = SettingsHouse(tmp_path_factory.mktemp("house"), database)
        house.start()
        yield Place(house, ["--data", str(folder), "--database", database.url], logged_in(house, "keiri"))
        house.stop()


@pytest.fixture
def house(place: Place) -> SettingsHouse:
    """No phone has a password yet, and nobody has tried anything."""

    def empty(tx: Tx) -> None:
        for name in ("phone_credentials", "phone_vouchers", "phone_registrations", "phone_applied", "applied"):
            tx.sql.execute(tx.tables[name].delete())
        tries = tx.tables["login_failures"]
        tx.sql.execute(tries.delete().where(tries.c.scope == SCOPE))

    place.house.store.run(empty)
    return place.house


@pytest.fixture
def keiri(place: Place, house: SettingsHouse) -> Visitor:
    return place.keiri


@pytest.fixture
def audit(house: SettingsHouse) -> Callable[[], list[Entry]]:
    """What is written about phones from now on."""
    before = len(list(oldest_first(house.store)))
    return lambda: [entry for entry in oldest_first(house.store) if entry.seq > before and "phone." in entry.what]


def logged_in(house: SettingsHouse, name: str) -> Visitor:
    visitor = Visitor(house.server.port)
    assert visitor.log_in(name, house.passwords[name]).status == 303
    return visitor


def secrets_of(answer: Answer) -> tuple[str, str]:
    """The password, and the path at which a phone fetches its settings."""
    shown = [html.unescape(one) for one in re.findall(r'<[^>]*class="secret[^>]*>([^<]+)<', answer.text)]
    path = next(one for one in shown if one.endswith("linphone.xml")).partition("/provision/")[2]
    return shown[0], f"/provision/{path.partition('/')[0]}"


def known(house: SettingsHouse) -> str:
    """The hash by which the switches know the phone."""
    (told,) = house.store.run(rows.told_all)
    return told.body.hashes[0].ha1 if told.body.hashes else ""  # type: ignore[attr-defined]


@pytest.mark.requirement("R34")
def test_a_password_is_shown_once_and_is_the_one_that_the_switch_knows(
    house: SettingsHouse, keiri: Visitor, audit: Callable[[], list[Entry]]
) -> None:
    assert "未発行" in keiri.get(PAGE).text
    answer = keiri.post(f"{PAGE}/issue", {})
    password, path = secrets_of(answer)
    assert answer.status == 200 and len(password) >= 20
    assert known(house) == model.ha1("1001", "127.0.0.1", password)
    assert "<svg" in answer.text and answer.headers["Cache-Control"] == "no-store"
    for page in (keiri.get(PAGE), keiri.get("/phones/acme"), keiri.get("/audit"), keiri.get("/audit.csv")):
        assert page.status == 200
        assert password not in page.text and known(house) not in page.text and path not in page.text
    assert "発行済み" in keiri.get("/phones/acme").text
    (entry,) = audit()
    assert (entry.what, entry.who, entry.tenant, entry.about) == ("phone.credential_issued", "keiri", "acme", "1001")


@pytest.mark.requirement("R34")
def test_a_phone_fetches_its_settings_in_its_own_language(
    house: SettingsHouse, keiri: Visitor, audit: Callable[[], list[Entry]]
) -> None:
    password, path = secrets_of(keiri.post(f"{PAGE}/issue", {}))
    phone = Visitor(house.server.port)
    config = ElementTree.fromstring(phone.get(f"{path}/cfg000b82123456.xml").text)[0]
    assert {"P35": "1001", "P34": password, "P47": "127.0.0.1", "P48": "sip.example:5061", "P130": "2"}.items() <= {
        one.tag: one.text for one in config
    }.items()
    panasonic = phone.get(f"{path}/panasonic.cfg")
    assert f'SIP_PASS_1="{password}"\r\n' in panasonic.text and 'SIP_TRANSPORT_1="2"' in panasonic.text
    assert panasonic.headers["Content-Type"].startswith("text/plain")
    assert password in phone.get(f"{path}/linphone.xml").text
    fetched = [entry for entry in audit() if entry.what == "phone.settings_fetched"]
    assert [(one.tenant, one.about) for one in fetched] == [("acme", "1001")] * 3
    assert '"address":"127.0.0.1"' in (fetched[0].after or "")
    assert password not in repr(fetched) and path not in repr(fetched)


@pytest.mark.requirement("R34")
def test_without_the_secret_there_is_nothing_and_who_goes_on_trying_waits(house: SettingsHouse, keiri: Visitor) -> None:
    _, path = secrets_of(keiri.post(f"{PAGE}/issue", {}))
    phone = Visitor(house.server.port)
    for wrong in ("/provision/cfg000b82123456.xml/cfg000b82123456.xml", f"{path}x/linphone.xml", f"{path}/../secrets"):
        assert phone.get(wrong).status == 404
    assert phone.get(f"{path}/firmware.bin").status == 404, "not a file that we have"
    for _ in range(60):
        assert phone.get(f"{path}/phonebook.xml").status == 404, "phones ask for much; that guesses nothing"
    assert phone.get(f"{path}/linphone.xml").status == 200
    for _ in range(60):
        last = phone.get("/provision/guessed/linphone.xml")
    assert last.status == 429
    assert phone.get(f"{path}/linphone.xml").status == 429, "for everybody at this address, for a moment"


HOSTILE = (
    "/provision/%0d%0aX-Evil:1/linphone.xml",
    "/provision/a/%0d%0acfg000b82123456.xml",
    f"/provision/{'x' * 2000}/cfg{'0' * 2000}.xml",
    "/provision/%00/linphone.xml",
    "/provision/%ff%fe/%ff.cfg",
    "/provision/../provision/a/cfg$%7Bx%7D.xml",
    "/provision/a/b/c",
)


def test_whatever_a_phone_asks_for_it_is_no_error_of_ours(house: SettingsHouse) -> None:
    phone = Visitor(house.server.port)
    assert {path: phone.get(path).status for path in HOSTILE if phone.get(path).status not in (400, 404)} == {}


@pytest.mark.requirement("R34")
def test_revoking_takes_one_step_and_closes_the_address_too(
    house: SettingsHouse, keiri: Visitor, audit: Callable[[], list[Entry]]
) -> None:
    _, path = secrets_of(keiri.post(f"{PAGE}/issue", {}))
    answer = keiri.post(f"{PAGE}/revoke", {})
    assert answer.status == 303
    assert "無効にしました" in keiri.get(answer.headers["Location"]).text
    assert known(house) == ""
    assert Visitor(house.server.port).get(f"{path}/linphone.xml").status == 404
    assert keiri.post(f"{PAGE}/revoke", {}).status == 404, "there is none any more"
    assert [entry.what for entry in audit()] == ["phone.credential_issued", "phone.credential_revoked"]


def test_who_may_not_know_of_a_phone_is_told_that_there_is_none(house: SettingsHouse, keiri: Visitor) -> None:
    assert keiri.get("/phones").headers["Location"] == "/phones/acme"
    for path in ("/phones/sakura-tax", "/phones/_platform", "/phones/acme/9999", "/phones/nobody/1001"):
        assert keiri.get(path).status == 404, path
    assert keiri.post("/phones/sakura-tax/1001/issue", {}).status == 404
    reader = PersonChanged(person="reader", name="閲覧", role="read_only", tenants=("acme",), session_version=1)
    house.passwords["reader"] = staff.add(house.store, Actor("admin", "platform_operator", ()), reader)
    assert logged_in(house, "reader").get("/phones/acme").status == 403


@pytest.mark.requirement("R34")
def test_the_operator_issues_for_the_answering_desk_too(house: SettingsHouse) -> None:
    admin = logged_in(house, "admin")
    assert "電話代行の電話機" in admin.get("/phones").text
    assert "op-tanaka" in admin.get("/phones/_platform").text
    assert admin.post("/phones/_platform/op-tanaka/issue", {}).status == 200
    assert known(house)


@pytest.mark.requirement("R34")
def test_a_page_shows_which_phone_is_connected(house: SettingsHouse, keiri: Visitor) -> None:
    now_us = clock.now_us()

    def hear(fact: PhoneRegistered | PhoneUnregistered, at_us: int) -> None:
        about = Envelope(body=fact, id=str(at_us), source="switch/fs1", tenant="acme", occurred_at_us=at_us)
        house.store.run(lambda tx: rows.keep_registration(tx, about, Cause(about, "directory")))
        assert outgoing(about).routing_key.startswith("acme.phone.")

    assert "まだ一度もつながっていません" in keiri.get(PAGE).text
    hear(PhoneRegistered(switch="fs1", phone="1001", domain="127.0.0.1", expires_s=300), now_us)
    assert re.search(r"つながっています\s*<span[^>]*>\(fs1\)", keiri.get(PAGE).text)
    hear(PhoneUnregistered(switch="fs1", phone="1001", domain="127.0.0.1", reason="expired"), now_us - 5)
    assert "つながっています" in keiri.get(PAGE).text, "an older fact changes nothing"
    hear(PhoneUnregistered(switch="fs1", phone="1001", domain="127.0.0.1", reason="expired"), now_us + 5)
    assert "つながっていません" in keiri.get(PAGE).text
    hear(PhoneRegistered(switch="fs1", phone="2001", domain="127.0.0.1", expires_s=300), now_us)
    own = house.store.run(lambda tx: rows.registrations(tx, issuing.devices(tx, "acme")))
    assert list(own) == [("1001", "127.0.0.1")], "of a hundred thousand in one domain those that are asked for"


@pytest.mark.requirement("R34")
def test_the_command_prints_the_password_once_and_says_who_has_not_followed(house: SettingsHouse, place: Place) -> None:
    at, run = place.at, CliRunner()
    issued = run.invoke(main, ["phones", "issue", "acme", "1001", "--pages", "https://pbx.example", *at])
    assert issued.exit_code == 0, issued.output
    password, *addresses = issued.stdout.split()
    assert known(house) == model.ha1("1001", "127.0.0.1", password)
    assert [one.rpartition("/")[2] for one in addresses] == ["linphone.xml", "panasonic.cfg", ""]
    listed = run.invoke(main, ["phones", "list", "acme", *at])
    assert '"state":"issued"' in listed.stdout and password not in listed.stdout
    applied = Envelope(
        body=RevisionApplied(switch="fs1", revision="x"), id="r", source="fs1", tenant="acme", occurred_at_us=1
    )
    house.store.run(lambda tx: keep_applied(tx, applied, Cause(applied, "directory")))  # so fs1 is one that reports
    revoked = run.invoke(main, ["phones", "revoke", "acme", "1001", "--within", "1s", *at])
    assert revoked.exit_code == 1 and "switch fs1" in revoked.stderr
    assert "fs1" in re.findall(r"まだ反映していない交換機.*?</dd>", place.keiri.get(PAGE).text, re.DOTALL)[0]
    followed = Envelope(
        body=PhoneCredentialApplied(switch="fs1", phone="1001", serial=4),
        id="a",
        source="fs1",
        tenant="acme",
        occurred_at_us=2,
    )
    house.store.run(lambda tx: rows.keep_applied_credential(tx, followed, Cause(followed, "directory")))
    assert run.invoke(main, ["phones", "issue", "acme", "1001", *at]).exit_code == 0
    again = run.invoke(main, ["phones", "revoke", "acme", "1001", *at])
    assert again.exit_code == 0 and "ended on fs1" in again.stdout
    assert run.invoke(main, ["phones", "issue", "acme", "9999", *at]).exit_code == 1
    assert run.invoke(main, ["phones", "revoke", "acme", "1001", *at]).exit_code == 1
