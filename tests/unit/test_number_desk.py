"""The number stock over real stores: who may do what, what clients' files do to it, and what it keeps from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent
import pytest
from click.testing import CliRunner

from proto.events import NumbersSuspended
from proto.topics import service_queue
from services.cli import main
from services.directory import service as directory
from services.directory.audit import rows as audit
from services.directory.audit.rows import Wanted as Entries
from services.directory.numbers import desk, stock
from services.directory.numbers.listing import Unreadable, read_numbers
from services.directory.numbers.model import DAY_US, State
from services.directory.numbers.stock import Wanted
from services.directory.people.ranks import Actor
from services.directory.tenants.problems import errors
from services.directory.tenants.settle import Settled
from services.directory.tenants.yaml_files import read_folder
from services.runtime import clock
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from tests.stores import Database

PLATFORM = "switches: [{switch: fs1}]\ncarriers: [{name: trunk, gateway: trunk}]\n"
OPERATOR = Actor("admin", "platform_operator")
RESELLER = Actor("reseller", "reseller", ("acme",))
ACME_ADMIN = Actor("keiri", "tenant_administrator", ("acme",))
A, B, C = "0312345601", "0312345602", "0312345603"


@dataclass
class House:
    folder: Path
    store: Store
    now_us: int

    def client(self, name: str, *numbers: str) -> None:
        listed = ", ".join(f"{{number: {number}, kind: leased, mode: published, route: main}}" for number in numbers)
        text = f"tenant: {name}\nname: {name}\ncontract: {{from: 2026-04-01}}\nnumbers: [{listed}]\n"
        text += "routes: {main: [{do: [{play: closed}]}]}\n"
        (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    def take(self, days: int = 0) -> Settled:
        """The folder takes effect, so many days later."""
        self.now_us += days * DAY_US
        folder = read_folder(self.folder)
        return self.store.run(lambda tx: directory.take(tx, folder, self.now_us))[0]

    def states(self) -> dict[str, tuple[str, str]]:
        found = self.store.run(lambda tx: stock.found(tx, Wanted()))
        return {held.number: (str(held.state), held.client) for held in found}


@pytest.fixture
def house(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    store = Store(database.store("directory"), directory.build().metadata)
    store.start()
    made = House(folder, store, clock.now_us())
    monkeypatch.setattr(clock, "now_us", lambda: made.now_us)
    made.client("acme")
    made.client("sakura")
    made.take()
    desk.add(store, OPERATOR, [A, B, C], "ひかり")
    yield made
    store.stop()


@pytest.mark.requirement("R17")
def test_a_number_follows_the_files_of_clients_and_rests_when_it_is_given_up(house: House) -> None:
    desk.reserve(house.store, OPERATOR, A, "acme")
    assert house.states()[A] == ("reserved", "acme")
    house.client("acme", A)
    assert not errors(house.take().problems)
    assert house.states()[A] == ("in_use", "acme")
    house.client("acme")
    house.take()
    assert house.states()[A] == ("quarantine", "acme")
    house.client("sakura", A)
    (problem,) = errors(house.take(days=179).problems)
    assert (problem.key, problem.value) == ("numbers[0].number", A)
    assert "rests after another client until" in problem.text and "acme" not in str(problem)
    assert not errors(house.take(days=1).problems)
    assert house.states()[A] == ("in_use", "sakura")
    told = [line.what for line in house.store.run(lambda tx: stock.history(tx, A))]
    assert told == ["take", "rested", "leave", "take", "reserve", "added"]


@pytest.mark.requirement("R17")
def test_a_file_does_not_get_a_number_that_is_kept_for_another_client(house: House) -> None:
    desk.reserve(house.store, OPERATOR, A, "acme")
    house.client("sakura", A, B)
    (problem,) = errors(house.take().problems)
    assert "is reserved for another client" in str(problem) and "sakura.yaml:4: numbers[0].number" in str(problem)
    assert "reserved for sakura" in problem.allowed and "acme" not in str(problem)
    assert house.states()[B] == ("stock", "")
    desk.release(house.store, OPERATOR, A)
    assert not errors(house.take().problems)
    assert house.states()[A] == ("in_use", "sakura")


@pytest.mark.requirement("R17")
def test_a_number_does_not_pass_to_another_client_in_one_reading(house: House) -> None:
    house.client("acme", A)
    house.take()
    house.client("acme")
    house.client("sakura", A)
    (problem,) = errors(house.take().problems)
    assert "rests when that gives it up" in problem.text
    assert house.states()[A] == ("quarantine", "acme")
    house.client("sakura")
    house.client("acme", A)
    assert not errors(house.take().problems), "whoever gave it up may have it back"


def test_nobody_reads_who_of_another_client_had_a_number_before(house: House) -> None:
    """What was kept and given back by others names their people, and their client by that."""
    other = Actor("mori@sakura", "reseller", ("sakura",))
    desk.reserve(house.store, other, A, "sakura")
    desk.release(house.store, other, A)
    own = Actor("keiri", "reseller", ("acme",))
    desk.reserve(house.store, own, A, "acme")
    desk.release(house.store, own, A)
    house.client("acme", A)
    assert not errors(house.take().problems)
    for role in ("reseller", "tenant_administrator"):
        _, lines = desk.one(house.store, Actor("keiri", role, ("acme",)), A)
        assert [(line.what, line.who) for line in lines] == [
            ("take", "file"),
            ("release", "keiri"),
            ("reserve", "keiri"),
            ("added", OPERATOR.id),
        ]
    assert "mori@sakura" in [line.who for line in desk.one(house.store, OPERATOR, A)[1]]


def test_the_length_of_the_quarantine_is_the_platforms(house: House) -> None:
    (house.folder / "platform.yaml").write_text(PLATFORM + "quarantine_days: 0\n", encoding="utf-8")
    house.client("acme", A)
    house.take()
    house.client("acme")
    house.client("sakura", A)
    assert not errors(house.take().problems)
    assert house.states()[A] == ("in_use", "sakura")


def test_a_client_that_is_gone_gives_up_its_numbers(house: House) -> None:
    house.client("acme", A)
    house.take()
    (house.folder / "acme.yaml").unlink()
    house.take()
    assert house.states()[A] == ("quarantine", "acme")


def test_numbers_that_are_in_no_stock_go_on_as_without_one(house: House) -> None:
    other = "0312349999"
    house.client("acme", other)
    assert not errors(house.take().problems)
    house.client("acme")
    house.client("sakura", other)
    assert not errors(house.take().problems)
    assert other not in house.states()
    assert desk.add(house.store, OPERATOR, [other], "") == [other]
    assert house.states()[other] == ("in_use", "sakura")


@pytest.mark.requirement("R17")
def test_a_suspension_is_a_row_that_no_file_lifts_and_is_told_of_its_client(house: House) -> None:
    house.client("acme", A, "0312349999")
    house.take()
    house.store.run(lambda tx: tx.posted([one.id for one in tx.unposted()]))
    desk.suspend(house.store, OPERATOR, A, "police", "照会番号 12")
    desk.suspend(house.store, OPERATOR, "0312349999", "arrears")  # in no stock until now
    house.client("acme", "0312349999", A)
    house.take()
    assert house.states()[A] == ("suspended", "acme")
    said = house.store.run(stock.suspended_facts)
    assert [(fact.tenant, fact.body) for fact in said] == [("acme", NumbersSuspended(numbers=(A, "0312349999")))]
    assert "照会番号" not in str(house.store.run(lambda tx: tx.unposted()))
    desk.resume(house.store, OPERATOR, A)
    house.client("acme", A)
    house.take()
    (fact,) = house.store.run(stock.suspended_facts)
    assert fact.body == NumbersSuspended(numbers=())
    told = [one.routing_key for one in house.store.run(lambda tx: tx.unposted())]
    assert told.count("acme.numbers.suspended") == 4


@pytest.mark.requirement("R17")
@pytest.mark.parametrize("days", [180, 0])
def test_a_suspension_outlives_a_file_that_leaves_the_number_out_and_has_it_again(house: House, days: int) -> None:
    """By `undo`, by two edits, by a file that is taken away and put back; also where numbers do not rest."""
    (house.folder / "platform.yaml").write_text(PLATFORM + f"quarantine_days: {days}\n", encoding="utf-8")
    house.client("acme", A)
    house.take()
    desk.suspend(house.store, OPERATOR, A, "police")
    house.client("acme")
    house.take()
    assert house.states()[A] == ("quarantine", "acme")
    house.client("sakura", A)
    assert errors(house.take().problems), "nor has another client it"
    house.client("sakura")
    desk.reserve(house.store, OPERATOR, A, "acme")
    house.client("acme", A)
    assert not errors(house.take().problems)
    assert house.states()[A] == ("suspended", "acme")
    (fact,) = house.store.run(stock.suspended_facts)
    assert fact.body == NumbersSuspended(numbers=(A,))
    with pytest.raises(desk.Denied, match="police"):
        desk.resume(house.store, RESELLER, A)
    told = list(audit.oldest_first(house.store, Entries(tenant="acme")))
    assert told and not [one for one in told if "police" in f"{one.before} {one.after}"]
    desk.resume(house.store, OPERATOR, A)
    assert house.states()[A] == ("in_use", "acme")


@pytest.mark.requirement("R17")
def test_a_reservation_that_is_released_does_not_shorten_a_quarantine(house: House) -> None:
    house.client("acme", A)
    house.take()
    house.client("acme")
    house.take()
    desk.reserve(house.store, RESELLER, A, "acme")
    desk.release(house.store, RESELLER, A)
    assert house.states()[A] == ("quarantine", "acme")
    house.client("sakura", A)
    assert errors(house.take(days=179).problems)
    assert not errors(house.take(days=1).problems)
    assert house.states()[A] == ("in_use", "sakura")


@pytest.mark.requirement("D3")
def test_who_may_know_of_a_number_and_change_it(house: House) -> None:
    house.client("sakura", C)
    house.take()
    desk.reserve(house.store, RESELLER, A, "acme")
    assert [held.number for held in desk.listed(house.store, RESELLER, Wanted())] == [A, B]
    assert [held.number for held in desk.listed(house.store, ACME_ADMIN, Wanted())] == [A]
    assert [held.number for held in desk.listed(house.store, RESELLER, Wanted(client="sakura"))] == []
    for denied, work in (
        ("unknown", lambda: desk.suspend(house.store, RESELLER, C, "other")),
        ("unknown", lambda: desk.one(house.store, ACME_ADMIN, B)),
        ("not_yours", lambda: desk.release(house.store, ACME_ADMIN, A)),
        ("not_yours", lambda: desk.add(house.store, RESELLER, ["0312340000"], "")),
        ("client_unknown", lambda: desk.reserve(house.store, RESELLER, B, "sakura")),
        ("client_unknown", lambda: desk.reserve(house.store, OPERATOR, B, "nobody")),
        ("not_free", lambda: desk.reserve(house.store, RESELLER, A, "acme")),
        ("not_in_use", lambda: desk.suspend(house.store, RESELLER, A, "other")),
    ):
        with pytest.raises(desk.Denied) as error:
            work()
        assert error.value.reason == denied
    assert desk.release(house.store, RESELLER, A).state is State.STOCK
    house.client("acme", B)
    house.take()
    desk.suspend(house.store, OPERATOR, B, "police")
    with pytest.raises(desk.Denied, match="police"):
        desk.resume(house.store, RESELLER, B)


@pytest.mark.requirement("D3")
def test_of_two_who_take_a_number_in_the_same_moment_one_gets_it(house: House, database: Database) -> None:
    second = Store(database.store("directory"), directory.build().metadata)
    second.start()

    def take(store: Store, client: str) -> str:
        try:
            return desk.reserve(store, OPERATOR, A, client).client
        except desk.Denied as denied:
            return str(denied.reason)

    both = [gevent.spawn(take, *pair) for pair in ((house.store, "acme"), (second, "sakura"))]
    gevent.joinall(both, raise_error=True, timeout=30)
    second.stop()
    got = sorted(str(one.value) for one in both)
    assert got in (["acme", "not_free"], ["not_free", "sakura"])
    assert house.states()[A] == ("reserved", next(one for one in got if one != "not_free"))
    told = [line.what for line in house.store.run(lambda tx: stock.history(tx, A))]
    assert told == ["reserve", "added"]


@pytest.mark.requirement("D10")
def test_every_change_is_an_entry_and_the_police_are_not_named_to_the_client(house: House) -> None:
    house.client("acme", B)
    house.take()
    desk.reserve(house.store, RESELLER, A, "acme")
    desk.release(house.store, RESELLER, A)
    desk.suspend(house.store, OPERATOR, B, "police")
    found = house.store.run(lambda tx: audit.entries(tx, Entries(), 10))
    assert [(one.who, one.what, one.about, one.tenant) for one in found if one.what.startswith("number.")] == [
        ("admin", "number.suspend", B, "_platform"),
        ("reseller", "number.release", A, "acme"),
        ("reseller", "number.reserve", A, "acme"),
        ("admin", "number.added", f"{A}–{C}", "_platform"),
    ]


@pytest.mark.requirement("D3")
def test_the_stock_is_searched_by_kind_area_state_part_and_client(house: House) -> None:
    desk.add(house.store, OPERATOR, ["05012345678", "0120123456", "0661234567"], "")

    def found(**wanted: str) -> list[str]:
        return [held.number for held in desk.listed(house.store, OPERATOR, Wanted(**wanted))]

    assert found(kind="ip") == ["05012345678"]
    assert found(area="06") == found(area="大阪") == ["0661234567"]
    assert found(part="345602") == [B]
    assert found(part="%") == []
    desk.reserve(house.store, OPERATOR, B, "acme")
    assert found(client="acme") == found(state="reserved") == [B]


def test_numbers_are_read_as_people_write_them() -> None:
    assert read_numbers("０３−１２３４−５６０１\n03-1234-5602、050-1234-5678", 9) == [A, B, "05012345678"]
    assert read_numbers("03-1234-5601~5603", 9) == read_numbers("03-1234-5601～03-1234-5603", 9) == [A, B, C]
    for wrong in ("hello", "03-1234-5603~5601", "110", "03-1234-5601~", "03-1234-5601~9912345601", "03-1234"):
        with pytest.raises(Unreadable):
            read_numbers(wrong, 9)


def test_of_more_numbers_than_can_be_added_no_more_is_read(house: House) -> None:
    """80,000 characters of ranges are ten million numbers: twelve seconds without a decision, and a gigabyte."""
    ranges = ",".join(f"03{first:04}0000~1999" for first in range(1_000, 6_000))
    numbers = read_numbers(ranges, desk.MOST_AT_ONCE)
    assert desk.MOST_AT_ONCE < len(numbers) <= 2 * desk.MOST_AT_ONCE
    with pytest.raises(desk.Denied, match="too_many"):
        desk.add(house.store, OPERATOR, numbers, "")


def test_the_commands_do_the_same(tmp_path: Path, database: Database) -> None:
    (tmp_path / "tenants").mkdir()
    house = House(tmp_path / "tenants", Store(database.store("directory"), directory.build().metadata), clock.now_us())
    (house.folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    house.client("acme", A)
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.start([service_queue("directory")])
    house.store.start()
    directory.Files(house.store, bus, house.folder).reload()

    def run(*words: str, code: int = 0) -> list[object]:
        asked = ["numbers", *words, "--json", "--data", str(tmp_path), "--database", database.url]
        result = CliRunner().invoke(main, asked)
        assert result.exit_code == code, result.output
        return [json.loads(line) for line in result.stdout.splitlines()] if not code else [result.output]

    assert run("add", "03-1234-5601..5603", "--carrier", "ひかり") == [{"added": [A, B, C], "known": 0}]
    assert [(one["number"], one["state"], one["area"]) for one in run("list")] == [  # type: ignore[index]
        (A, "in_use", "東京"),
        (B, "stock", "東京"),
        (C, "stock", "東京"),
    ]
    run("reserve", "03-1234-5602", "acme", "--note", "来月から")
    assert run("list", "--state", "reserved")[0]["client"] == "acme"  # type: ignore[index]
    assert "reserved already" in str(run("reserve", B, "acme", code=1))
    run("release", B)
    run("suspend", A, "--reason", "police")
    run("resume", A)
    plain = CliRunner().invoke(main, ["numbers", "list", "--data", str(tmp_path), "--database", database.url])
    assert plain.stdout.splitlines()[0] == "03-1234-5601  in_use  acme  東京"
    house.store.stop()
    bus.stop()
