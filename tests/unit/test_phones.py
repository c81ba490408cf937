"""Credentials of phones: what the switch knows them by, what they fetch, and what never stands anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.envelope import Envelope, decode, encode
from proto.events import PhoneCredentialChanged, PhoneHash
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.topics import matches
from services.directory import service as directory
from services.directory.audit.rows import Wanted, entries
from services.directory.phones import model, rows, settings_files, vouchers
from services.directory.phones.model import Device, Issued, Registered
from services.eventsocket import conf
from services.letters.view import text as letter_text
from services.runtime.bus.definitions import definitions
from services.runtime.store import Store, Tx
from tests.stores import Database

DESK = Device("acme", "1001", "佐藤 花子", "desk", ("pbx.example",))
DAY_US = 24 * 3600 * 1_000_000
SECRET = "sesam-oeffne-dich"  # noqa: S105


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    found = Store(database.store("directory"), directory.build().metadata)
    found.start()
    yield found
    found.stop()


# -- the hash ------------------------------------------------------------------------------------------------------


def test_the_hash_is_the_one_of_the_standard() -> None:
    """RFC 2617, 3.5: the H(A1) of Mufasa."""
    assert model.ha1("Mufasa", "testrealm@host.com", "Circle Of Life") == "939e7578ed9e3c518a452acee763bce9"


def test_a_hash_shows_itself_in_no_log() -> None:
    fact = PhoneCredentialChanged(
        owner="acme", phone="1001", serial=1, hashes=(PhoneHash(domain="pbx.example", ha1="0f" * 16),)
    )
    assert "0f0f" not in repr(fact) and "0f0f" not in f"{fact.hashes}"


def test_whoever_looks_at_a_dead_letter_is_not_shown_a_hash() -> None:
    fact = PhoneCredentialChanged(
        owner="acme", phone="1001", serial=1, hashes=(PhoneHash(domain="pbx.example", ha1="0f" * 16),)
    )
    told = Envelope(body=fact, id="a", source="directory", tenant="_platform", occurred_at_us=1)
    assert "0f0f" in encode(told).decode()
    assert "0f0f" not in letter_text(encode(told)) and "pbx.example" in letter_text(encode(told))


def test_a_phone_is_known_in_its_clients_domain_or_in_that_of_each_switch() -> None:
    platform = msgspec.convert(
        {
            "switches": [{"switch": "fs1", "domain": "One.example"}, {"switch": "fs2", "domain": "two.example"}],
            "carriers": [{"name": "c", "gateway": "c"}],
            "pools": [{"pool": "desk", "phones": [{"id": "op1", "domain": "one.example"}]}],
        },
        Platform,
    )
    raw = {
        "tenant": "acme",
        "name": "アクメ",
        "contract": {"from": "2026-04-01"},
        "ids": [{"id": "1001", "name": "佐藤"}],
    }
    shared, own = msgspec.convert(raw, Tenant), msgspec.convert({**raw, "domain": "acme.example"}, Tenant)
    assert model.domains_of(shared, platform) == ("one.example", "two.example")
    (device,) = model.devices_of(own, platform)
    assert device.domains == ("acme.example",)
    (operator,) = model.devices_of_pools(platform, [own], "_platform")
    assert (operator.id, operator.domains) == ("op1", ("one.example",))


def test_what_was_issued_for_another_domain_has_to_be_issued_anew() -> None:
    assert model.state(DESK, None) == "none"
    assert model.state(DESK, Issued(2, 0, "keiri", ())) == "none"
    assert model.state(DESK, Issued(1, 0, "keiri", ("pbx.example", "other.example"))) == "issued"
    assert model.state(DESK, Issued(1, 0, "keiri", ("other.example",))) == "elsewhere"


def test_a_registration_that_is_not_renewed_runs_out() -> None:
    told = {("1001", "pbx.example"): [Registered("fs1", until_us=100, as_of_us=1)]}
    assert [one.switch for one in model.registered_at(DESK, told, 99)] == ["fs1"]
    assert model.registered_at(DESK, told, 100) == []
    signed_off = {("1001", "pbx.example"): [Registered("fs1", until_us=50, as_of_us=50)]}
    assert model.registered_at(DESK, signed_off, 49) == []


# -- what a phone is given -----------------------------------------------------------------------------------------

ACCOUNTS = st.builds(
    settings_files.Account,
    id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    name=st.text(max_size=200),
    domain=st.just("pbx.example"),
    server=st.just("sip.example"),
    port=st.integers(1, 65535),
    secure=st.booleans(),
    password=st.text(min_size=1, max_size=40),
)


@pytest.mark.requirement("R34")
@given(ACCOUNTS)
def test_no_name_of_a_client_ends_an_element_of_a_grandstream_file(account: settings_files.Account) -> None:
    root = ElementTree.fromstring(settings_files.grandstream(account))
    (config,) = root
    values = {one.tag: one.text or "" for one in config}
    assert not [one for one in config if len(one)]
    assert (values["P35"], values["P36"], values["P48"]) == (account.id, account.id, f"sip.example:{account.port}")
    assert values["P130"] == ("2" if account.secure else "0")
    assert values["P183"] == ("2" if account.secure else "0")


@pytest.mark.requirement("R34")
@given(ACCOUNTS)
def test_no_name_of_a_client_ends_a_line_of_a_panasonic_file(account: settings_files.Account) -> None:
    text = settings_files.panasonic(account)
    first, *lines = text.split("\r\n")
    assert first.startswith("# Panasonic SIP Phone Standard Format File #"), "44 bytes without which nothing is read"
    assert lines[-2:] == ["", ""], "and the last line is empty"
    for line in lines[:-2]:
        assert re.fullmatch(r'[A-Z0-9_]{1,32}="[^"\r\n]{0,500}"', line), line
    assert f'SIP_AUTHID_1="{account.id}"' in lines
    assert ('SRTP_CONNECT_MODE_1="0"' in lines) is account.secure


@pytest.mark.requirement("R34")
@given(ACCOUNTS)
def test_no_name_of_a_client_ends_an_element_of_an_apps_file(account: settings_files.Account) -> None:
    root = ElementTree.fromstring(settings_files.linphone(account))
    name = "{http://www.linphone.org/xsds/lpconfig.xsd}"
    found = {(s.get("name"), e.get("name")): e.text or "" for s in root.iter(f"{name}section") for e in s}
    assert found["auth_info_0", "username"] == account.id
    assert re.fullmatch(r'"[^"]*" <sip:[^>]+@pbx\.example>', found["proxy_0", "reg_identity"])
    assert f"transport={'tls' if account.secure else 'udp'}" in found["proxy_0", "reg_proxy"]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("cfg000b82123456.xml", "grandstream"),
        ("cfg000b82123456", "grandstream"),
        ("cfgGXP1628.xml", "grandstream"),
        ("cfg.xml", "grandstream"),
        ("panasonic.cfg", "panasonic"),
        ("0080F0ABCDEF.cfg", "panasonic"),
        ("linphone.xml", "linphone"),
        ("firmware.bin", None),
        ("../../etc/passwd", None),
        ("cfg000b82123456.xml\n", None),
        ("", None),
    ],
)
def test_the_name_of_a_file_says_which_phone_asks(file: str, kind: str | None) -> None:
    assert settings_files.format_of(file) == kind


def test_a_password_shows_itself_in_no_log_of_an_account() -> None:
    account = settings_files.Account(id="1001", name="x", domain="d", server="s", port=1, secure=False, password=SECRET)
    assert SECRET not in repr(account) and SECRET not in repr(vouchers.Voucher("acme", "1001", SECRET))


# -- rows, on both stores ------------------------------------------------------------------------------------------


def _issue(tx: Tx, now_us: int = 1_000) -> int:
    return rows.change(tx, "acme", "1001", model.hashes(DESK, SECRET), "keiri", now_us)


@pytest.mark.requirement("R34")
def test_nothing_of_a_password_stands_in_the_audit_log_and_what_is_told_goes_to_agents_alone(store: Store) -> None:
    assert store.run(_issue) == 1
    known = model.ha1("1001", "pbx.example", SECRET)
    (entry,) = store.run(lambda tx: entries(tx, Wanted(), 10))
    assert (entry.what, entry.tenant, entry.about, entry.who) == ("phone.credential_issued", "acme", "1001", "keiri")
    assert SECRET not in repr(entry) and known not in repr(entry)
    (message,) = store.run(lambda tx: tx.unposted())
    assert message.routing_key == "_platform.phone.credential_changed"
    fact = decode(message.body).body
    assert isinstance(fact, PhoneCredentialChanged) and fact.hashes[0].ha1 == known
    made = definitions("toritsugi", ["fs1"], ["acme"], 1)
    takers = {
        one["destination"]
        for one in made["bindings"]
        if one["source"] == "toritsugi.events" and one["routing_key"] and "#" not in one["routing_key"]
        if matches(one["routing_key"], message.routing_key)
    }
    assert takers == {"toritsugi.eventsocket.fs1"}
    assert "acme.#" in {one["routing_key"] for one in made["bindings"]}, (
        "a client's consumer hears what is the client's"
    )


@pytest.mark.requirement("R34")
def test_a_revoked_credential_is_told_without_a_hash_and_again_to_an_agent_that_starts(store: Store) -> None:
    store.run(_issue)
    assert store.run(lambda tx: rows.change(tx, "acme", "1001", (), "keiri", 1_000)) == 2
    told = [decode(message.body) for message in store.run(lambda tx: tx.unposted())]
    bodies = [one.body for one in told]
    assert [body.serial for body in bodies if isinstance(body, PhoneCredentialChanged)] == [1, 2]
    assert told[0].occurred_at_us < told[1].occurred_at_us, "which is newer is plain, whatever the machine's clock says"
    (again,) = store.run(rows.told_all)
    assert (again.id, again.body) == (told[1].id, told[1].body)
    assert isinstance(again.body, PhoneCredentialChanged) and again.body.hashes == ()


def test_a_voucher_opens_for_its_secret_alone_and_only_for_a_while(store: Store) -> None:
    secret = store.run(lambda tx: vouchers.make(tx, "acme", "1001", SECRET, 0))
    assert store.run(lambda tx: vouchers.fetch(tx, secret + "x", 1)) is None
    assert store.run(lambda tx: vouchers.fetch(tx, secret, DAY_US)) is None, "a day is over"
    found = store.run(lambda tx: vouchers.fetch(tx, secret, DAY_US - 1))
    assert found == vouchers.Voucher("acme", "1001", SECRET)
    early = store.run(lambda tx: vouchers.make(tx, "acme", "1002", SECRET, 0))
    assert store.run(lambda tx: vouchers.fetch(tx, early, 1)) is not None
    assert store.run(lambda tx: vouchers.fetch(tx, early, vouchers.AGAIN_US)) is not None, "it restarts and asks again"
    assert store.run(lambda tx: vouchers.fetch(tx, early, vouchers.AGAIN_US + 1)) is None


def test_a_copy_of_the_database_opens_nothing(store: Store) -> None:
    secret = store.run(lambda tx: vouchers.make(tx, "acme", "1001", SECRET, 0))
    (row,) = store.run(lambda tx: [tuple(one) for one in tx.sql.execute(tx.tables["phone_vouchers"].select())])
    assert SECRET not in repr(row) and secret not in repr(row)
    store.run(lambda tx: vouchers.make(tx, "acme", "1002", SECRET, DAY_US + 1))
    left = store.run(lambda tx: [one.phone for one in tx.sql.execute(tx.tables["phone_vouchers"].select())])
    assert left == ["1002"], "what is over is erased"


def test_a_new_credential_takes_back_what_could_still_be_fetched_of_the_old_one(store: Store) -> None:
    store.run(_issue)
    secret = store.run(lambda tx: vouchers.make(tx, "acme", "1001", SECRET, 0))
    store.run(_issue)
    assert store.run(lambda tx: vouchers.fetch(tx, secret, 1)) is None


# -- the switch's files --------------------------------------------------------------------------------------------


def _directory_xml(**phones: str) -> str:
    pieces = conf.OfTenant(
        "pbx.example",
        tuple(
            conf._user(
                name.removeprefix("p"), "pbx.example", "acme", "", conf.Credentials({f"{name[1:]}@pbx.example": secret})
            )
            for name, secret in phones.items()
        ),
        {},
        (),
    )
    return conf.directory_xml([pieces])


def test_who_lost_the_password_is_found_in_the_switchs_own_file() -> None:
    before = _directory_xml(p1001="one", p1002="two", p1003="three")
    now = _directory_xml(p1001="one", p1002="another", p1004="four")
    assert conf.phones_that_differ(before, now, {"", "acme"}) == {"1002@pbx.example", "1003@pbx.example"}
    assert conf.phones_that_differ("", now, {"", "acme"}) == frozenset(), "who had none has nothing to end"
    assert conf.phones_that_differ(before, "", {""}) == frozenset(), "nobody has spoken of acme: nothing is known of it"


def test_the_operators_file_holds_over_what_was_issued() -> None:
    issued = PhoneCredentialChanged(
        owner="acme", phone="1001", serial=1, hashes=(PhoneHash(domain="PBX.example", ha1="0f" * 16),)
    )
    assert conf.with_issued(conf.Credentials(), [issued]).phones == {"1001@pbx.example": "a1:" + "0f" * 16}
    own = conf.Credentials({"1001@pbx.example": "mine"})
    assert conf.with_issued(own, [issued]).phones == {"1001@pbx.example": "mine"}
