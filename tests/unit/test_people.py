"""Who may make and change which people, and what becomes of their sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gevent
import msgspec
import pyotp
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from proto.envelope import decode
from proto.events import PersonChanged
from services.cli import main
from services.directory import service as directory
from services.directory.audit.chain import Whole, check
from services.directory.audit.rows import oldest_first
from services.directory.people import passwords, ranks, second_factor, staff, tries
from services.directory.people import rows as people
from services.directory.people.ranks import Actor, Role
from services.directory.people.staff import Refused
from services.runtime.store import Store
from tests.stores import Database

ROOT = Actor("root", "platform_operator")
ACME = Actor("acme-boss", "tenant_administrator", ("acme",))


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """Directory's store with the first person and three clients."""
    store = Store(database.store("directory"), directory.build().metadata)
    store.start()
    people.ensure_first_person(store)
    for name in ("acme", "beta", "gone"):
        body = msgspec.json.encode({"name": f"株式会社{name}"})
        row = {"tenant": name, "file": "", "revision": "", "since_us": 1, "gone": name == "gone", "body": body}
        store.run(lambda tx, row=row: tx.insert_once(tx.tables["revisions"], row))  # type: ignore[misc]
    yield store
    store.stop()


def wanted(person: str, role: Role, *tenants: str) -> PersonChanged:
    return PersonChanged(person=person, name="山田 太郎", role=role, tenants=tenants, session_version=1)


def refused(store: Store, actor: Actor, person: PersonChanged) -> str:
    with pytest.raises(Refused) as told:
        staff.add(store, actor, person)
    return told.value.reason


def log_in(store: Store, name: str, password: str) -> object:
    return tries.log_in(store, name, password, "192.0.2.1", 1_000_000)


@pytest.mark.requirement("D10")
def test_somebody_new_can_log_in_with_the_password_that_was_shown(store: Store) -> None:
    password = staff.add(store, ROOT, wanted("yamada", "employee", "beta", "acme", "acme"))
    person = wanted("yamada", "employee", "acme", "beta")
    assert log_in(store, "yamada", password) == tries.Welcome(person)
    told = [decode(message.body).body for message in store.run(lambda tx: tx.unposted())]
    assert told[-1] == person
    added = list(oldest_first(store))[-1]
    assert (added.who, added.what, added.about, added.tenant) == ("root", "person.added", "yamada", "_platform")
    assert json.loads(added.after or "")["clients"] == ["acme", "beta"]
    assert password not in repr(list(oldest_first(store)))


@pytest.mark.requirement("D10")
def test_an_administrator_of_one_client_neither_sees_nor_makes_people_of_others(store: Store) -> None:
    for name, tenants in (("of-beta", ("beta",)), ("of-both", ("acme", "beta")), ("of-acme", ("acme",))):
        staff.add(store, ROOT, wanted(name, "employee", *tenants))
    staff.add(store, ROOT, wanted("dealer", "reseller", "acme"))
    assert [one.person for one in store.run(lambda tx: staff.listed(tx, ACME))] == ["of-acme"]
    assert refused(store, ACME, wanted("x", "employee", "beta")) == "client_unknown"
    assert refused(store, ACME, wanted("x", "employee", "acme", "beta")) == "client_unknown"
    assert refused(store, ACME, wanted("x", "reseller", "acme")) == "role_above"
    assert refused(store, ACME, wanted("x", "platform_operator")) == "role_above"
    staff.add(store, ACME, wanted("x", "tenant_administrator", "acme"))
    for name in ("of-beta", "of-both", "dealer", "admin", "nobody"):
        for act in (staff.reset_password, lambda *who: staff.set_active(*who, False)):
            with pytest.raises(Refused, match="not_yours"):
                act(store, ACME, name)  # type: ignore[operator]


def test_whoever_manages_nobody_can_make_nobody(store: Store) -> None:
    for role in ("answering_operator", "employee", "read_only"):
        assert refused(store, Actor("x", role, ("acme",)), wanted("y", "read_only", "acme")) == "role_above"


def test_what_cannot_be_is_refused_and_nothing_is_written(store: Store) -> None:
    for person, reason in (
        (wanted("admin", "employee", "acme"), "taken"),
        (wanted("Ｘ y", "employee", "acme"), "id"),
        (wanted("x", "employee"), "clients_needed"),
        (wanted("x", "employee", "gone"), "client_unknown"),
        (msgspec.structs.replace(wanted("x", "employee", "acme"), name="\u202e"), "name"),
        (msgspec.structs.replace(wanted("x", "employee", "acme"), name="あ" * 81), "name"),
    ):
        assert refused(store, ROOT, person) == reason
    assert [one.person for one in store.run(people.everybody)] == ["admin"]
    assert len(list(oldest_first(store))) == 1


@pytest.mark.requirement("D10")
def test_sessions_end_when_role_clients_password_or_activity_change_and_not_with_a_new_name(store: Store) -> None:
    staff.add(store, ROOT, wanted("yamada", "employee", "acme"))

    def version(**values: object) -> int:
        return staff.change(
            store, ROOT, "yamada", lambda known: msgspec.structs.replace(known, **values)
        ).session_version

    assert version(name="山田 花子") == 1
    assert version(role="read_only") == 2
    assert version(role="read_only") == 2, "nothing changed"
    assert version(tenants=("acme", "beta")) == 3
    assert version(active=False) == 4
    assert isinstance(log_in(store, "yamada", staff.reset_password(store, ROOT, "yamada")), tries.Wrong), "still out"
    assert version(active=True) == 6
    password = staff.reset_password(store, ROOT, "yamada")
    assert log_in(store, "yamada", password).person.session_version == 7  # type: ignore[attr-defined]
    whats = [(one.what, one.before, one.after) for one in oldest_first(store)][2:5]
    assert whats[0] == ("person.changed", '{"name":"山田 太郎"}', '{"name":"山田 花子"}')
    assert isinstance(check(oldest_first(store)), Whole)


@pytest.mark.requirement("D10")
def test_the_last_platform_operator_stays_one(store: Store) -> None:
    staff.add(store, ROOT, wanted("second", "platform_operator"))
    staff.set_active(store, ROOT, "second", False)

    def demote(known: PersonChanged) -> PersonChanged:
        return msgspec.structs.replace(known, role="employee", tenants=("acme",))

    with pytest.raises(Refused, match="last_operator"):
        staff.set_active(store, ROOT, "admin", False)
    with pytest.raises(Refused, match="last_operator"):
        staff.change(store, ROOT, "admin", demote)
    staff.set_active(store, ROOT, "second", True)
    assert staff.change(store, ROOT, "admin", demote).tenants == ("acme",)


def test_of_two_operators_who_put_each_other_out_at_once_one_stays(store: Store, database: Database) -> None:
    staff.add(store, ROOT, wanted("second", "platform_operator"))
    other = Store(database.store("directory"), directory.build().metadata)
    other.start()

    def put_out(at: Store, person: str) -> str:
        try:
            staff.set_active(at, ROOT, person, False)
        except Refused as error:
            return error.reason
        return "done"

    both = [gevent.spawn(put_out, store, "second"), gevent.spawn(put_out, other, "admin")]
    gevent.joinall(both, timeout=20)
    other.stop()
    assert sorted(one.value for one in both) == ["done", "last_operator"]
    assert isinstance(check(oldest_first(store)), Whole)


@given(
    st.sampled_from(ranks.RANK),
    st.sets(st.sampled_from("abc")),
    st.sampled_from(ranks.RANK),
    st.sets(st.sampled_from("abc")),
    st.sampled_from(ranks.RANK),
    st.sets(st.sampled_from("abc")),
)
def test_nobody_reaches_beyond_their_own_role_and_clients(
    mine: Role, own: set[str], was: Role, had: set[str], role: Role, tenants: set[str]
) -> None:
    actor = Actor("x", mine, tuple(own))
    before, after = (
        PersonChanged(person="y", name="y", role=r, tenants=tuple(t), session_version=1)
        for r, t in ((was, had), (role, tenants))
    )
    if mine == "platform_operator" or ranks.refusal(actor, before, after, "abc", 2) is not None:
        return
    assert mine in ranks.MANAGERS
    assert had <= own and tenants <= own
    assert ranks.RANK.index(mine) <= min(ranks.RANK.index(was), ranks.RANK.index(role))


def type_in(database: Database, *arguments: str) -> Result:
    """`toritsugi people …` beside the store."""
    folder = str(getattr(database, "folder", "."))
    return CliRunner().invoke(main, ["people", *arguments, "--database", database.url, "--data", folder])


def test_the_commands_do_what_the_pages_do(store: Store, database: Database) -> None:
    added = type_in(database, "add", "yamada", "--name", "山田", "--role", "employee", "--client", "acme")
    assert isinstance(log_in(store, "yamada", added.stdout.strip()), tries.Welcome)
    again = type_in(database, "add", "yamada", "--role", "employee", "--client", "acme")
    assert (again.exit_code, "somebody has that user name" in again.output) == (1, True)
    changed = json.loads(type_in(database, "change", "yamada", "--role", "read_only", "--client", "beta").stdout)
    assert (changed["role"], changed["tenants"], changed["name"]) == ("read_only", ["beta"], "山田")
    password = type_in(database, "reset", "yamada").stdout.strip()
    assert isinstance(log_in(store, "yamada", password), tries.Welcome)
    assert type_in(database, "deactivate", "yamada").exit_code == 0
    assert isinstance(log_in(store, "yamada", password), tries.Wrong)
    assert type_in(database, "activate", "yamada").exit_code == 0
    assert isinstance(log_in(store, "yamada", password), tries.Welcome)
    store.run(lambda tx: second_factor.begin(tx, "yamada"))
    secret = store.run(lambda tx: second_factor.begun(tx, "yamada")) or ""
    assert store.run(lambda tx: second_factor.confirm(tx, "yamada", pyotp.TOTP(secret).at(600), 600_000_000))
    assert type_in(database, "reset", "yamada").exit_code == 0
    assert store.run(second_factor.in_effect) == {"yamada"}, "the phone still counts"
    assert type_in(database, "reset", "yamada", "--second-factor").exit_code == 0
    assert store.run(second_factor.in_effect) == frozenset()
    assert "last active platform operator" in type_in(database, "deactivate", "admin").output
    listed = [json.loads(line) for line in type_in(database, "list").stdout.splitlines()]
    assert [one["person"] for one in listed] == ["admin", "yamada"]
    assert {one.who.partition(":")[0] for one in oldest_first(store)} == {"console", "yamada"}


def test_an_office_that_never_sleeps_is_not_locked_out_by_its_own_mistakes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every half hour for two days somebody mistypes once and is then let in; all come from one address."""
    monkeypatch.setattr(passwords, "SCRYPT_N", 2**8)
    names = [f"clerk{n}" for n in range(8)]
    given_out = {name: staff.add(store, ROOT, wanted(name, "employee", "acme")) for name in names}
    minute_us, at_us = 60_000_000, 1_000_000
    for n in range(96):
        name, at_us = names[n % len(names)], at_us + 29 * minute_us
        assert tries.log_in(store, name, "slip", "192.0.2.1", at_us) == tries.Wrong(), f"at the {n}th half hour"
        at_us += minute_us
        right = tries.log_in(store, name, given_out[name], "192.0.2.1", at_us)
        assert isinstance(right, tries.Welcome), f"at the {n}th half hour: {right}"


def test_many_good_log_ins_at_once_make_nobody_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight in the morning, after some have mistyped."""
    monkeypatch.setattr(passwords, "SCRYPT_N", 2**8)
    password = staff.add(store, ROOT, wanted("clerk", "employee", "acme"))
    for n in range(tries.FREE_TRIES["address"] + 2):
        tries.log_in(store, f"slip{n}", "slip", "192.0.2.1", 1_000_000 + n * 4_000_000)
    at_us = 100_000_000
    for n in range(20):
        found = tries.log_in(store, "clerk", password, "192.0.2.1", at_us + n)
        assert isinstance(found, tries.Welcome), f"the {n}th: {found}"
    rows = store.run(lambda tx: tx.count("login_failures"))
    assert rows == tries.FREE_TRIES["address"] * 2 + 5, "a good log-in leaves no row"


def test_guesses_from_one_address_stay_slow_however_long_they_go_on(store: Store) -> None:
    """Whoever knows when the next is taken gets some 6 an hour, and a good log-in among them changes nothing."""
    tried, now_us = 0, 1_000_000_000_000
    keys = [("address", "192.0.2.1")]
    end_us = now_us + 24 * 3600 * 1_000_000
    while now_us < end_us:
        one = store.run(lambda tx, at_us=now_us: tries.count_try(tx, keys, at_us))  # type: ignore[misc]
        if one.wait_us:
            now_us += one.wait_us
            continue
        tried += 1
        now_us += 1
        good = store.run(lambda tx, at_us=now_us: tries.count_try(tx, keys, at_us))  # type: ignore[misc]
        if not good.wait_us:
            store.run(lambda tx, good=good: tries.take_back(tx, good))  # type: ignore[misc]
    assert tried < 200
