"""After a client's history period nobody can read any more whom its calls were with; the calls and the figures stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.envelope import Envelope
from proto.events import CallArrived, LegAnswered, LegEnded
from proto.topics import outgoing
from proto.values import Party
from services.billing import service as billing
from services.billing.erasing import erased as erased_leg
from services.billing.erasing import shortened
from services.billing.rate import rate
from services.compose import House, compose
from services.directory.audit import chain
from services.directory.audit.rows import audited, oldest_first
from services.history.erasing import erased, erased_step
from services.history.model import Call
from services.history.row import row
from services.history.sentences import sentence
from services.history.steps import step_of
from services.rooms import BUILDS, ERASES
from services.runtime import clock
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.erasure import DAY_US, Erasure
from services.runtime.settings_values import Settings, Web
from services.runtime.store import Store, Tx
from tests import stories
from tests.stores import Database
from tests.unit.test_billing_rate import STANDARD, TOKYO, leg
from tests.unit.test_history_fold import WHOLE, told

CALLER, NAME, TARGET, OWN = "09011112222", "山田", "09012345678", "0312345678"
OTHERS = (CALLER, NAME, TARGET, CALLER[1:], TARGET[1:])
PLATFORM = """
switches: [{switch: fs1}]
carriers: [{name: trunk, gateway: trunk}]
prices:
  - table: standard
    versions: [{from: 2020-01-01, rules: [{name: all, prefixes: ["0"], unit_s: 60, unit: 10}]}]
keep_calls_days: 400
"""
CLIENT = """
tenant: {name}
name: 株式会社{name}
contract: {{from: 2020-04-01, prices: standard}}
webhooks: [{{url: "https://192.0.2.1/hook"}}]
{more}
"""


# -- what stays of a call and of a figure --


@pytest.mark.requirement("D14")
@pytest.mark.parametrize("name", WHOLE)
def test_the_line_of_a_call_stays_but_for_the_other_side(name: str) -> None:
    facts = WHOLE[name]
    call, tenant = told(facts), facts[0].tenant
    before, after = row(call, tenant), row(erased(call), tenant)
    changed = {field for field in before.__struct_fields__ if getattr(before, field) != getattr(after, field)}
    assert changed <= {"caller_number", "caller_name", "caller_presentation", "other_number", "answered_by", "dialled"}
    steps = [erased_step(step) for fact in facts if (step := step_of(fact)) is not None]
    text = repr((erased(call), after, steps))
    if name == "emergency":  # the client's own phone called 110: nobody else is in it
        assert erased(call) == call
    else:
        assert not [other for other in OTHERS if other in text]
    assert erased(erased(call)) == erased(call)
    assert [erased_step(step) for step in steps] == steps
    for lang in ("ja", "en"):  # every sentence can still be said
        assert all(sentence(step, {}, lang) for step in steps)


@pytest.mark.requirement("D14")
def test_of_a_call_that_a_phone_made_the_number_goes_from_its_own_leg_too() -> None:
    story = stories.Story("c1", caller=Party(number="1001", name="佐藤"), dialled=TARGET)
    story.ring("c1-b", 0.1, TARGET, "forward", "trunk")
    ours = LegAnswered(
        switch="fs1", leg=story.leg, kind="inbound", direction="inbound", via="phone", destination=TARGET
    )
    story.say(5.0, ours)
    story.end("c1-b", 60.0, kind="forward", via="trunk", destination=TARGET, started=0.1, answered=5.0)
    story.end(story.leg, 60.1, kind="inbound", destination=TARGET, answered=5.0)
    call = told(story.facts)
    steps = [erased_step(step) for fact in story.facts if (step := step_of(fact)) is not None]
    assert row(call, "acme").other_number == TARGET
    assert TARGET not in repr((erased(call), row(erased(call), "acme"), steps))
    assert [erased_step(step) for step in steps] == steps


@pytest.mark.requirement("D14")
@pytest.mark.parametrize(
    ("dialled", "stays"),
    [(TARGET, False), (f"184{TARGET}", False), ("+12125550100", False), ("12345678", False), ("1002", True)],
)
def test_a_number_outside_that_was_dialled_in_vain_goes_too(dialled: str, stays: bool) -> None:
    """Refused, or no carrier took it: there is no leg to the outside, and the call looks like one within the house."""
    story = stories.Story("c1", caller=Party(number="1001", name="佐藤"), dialled=dialled)
    arrived = CallArrived(
        switch="fs1",
        leg=story.leg,
        origin="phone",
        dialled=dialled,
        caller=story.caller,
        phone="1001",
        received_at_us=story.us(0),
    )
    story.say(0.0, arrived)
    story.end(story.leg, 3.0, "CALL_REJECTED", kind="inbound", destination=dialled)
    call = told(story.facts)
    after = erased(call)
    steps = [erased_step(step) for fact in story.facts if (step := step_of(fact)) is not None]
    assert (dialled in repr((after, row(after, "acme"), steps))) == stays
    assert (after == call) == stays


@pytest.mark.requirement("B17")
@given(st.from_regex(r"(184|0033)?(0[1-9][0-9]{8,9}|\+1[0-9]{10}|010[0-9]{6,12}|110|[0-9*#]{1,20})", fullmatch=True))
def test_a_figure_is_derived_again_from_what_is_left_of_the_number(dialled: str) -> None:
    usage = leg(dialled, 61_000_000)
    bare = erased_leg(usage, STANDARD.versions[0])
    assert rate(bare, STANDARD, TOKYO) == rate(usage, STANDARD, TOKYO)
    assert bare.caller == Party(presentation="erased")
    assert erased_leg(bare, STANDARD.versions[0]) == bare


@pytest.mark.parametrize(
    ("dialled", "left"),
    [(TARGET, "09012*"), ("184 03-1234-5678", "03123*"), ("+12125550100", "+1212*"), ("119", "119"), ("0120", "0120")],
)
def test_of_a_number_its_area_is_left(dialled: str, left: str) -> None:
    assert shortened(dialled, STANDARD.versions[0]) == left


# -- everything that the services keep --


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[House]:
    """All services but the agents, with two clients: of acme the platform's period holds, beta has one of its own."""
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    for name, more in (("acme", ""), ("beta", "keep_calls_days: 3000")):
        (folder / f"{name}.yaml").write_text(CLIENT.format(name=name, more=more), encoding="utf-8")
    settings = Settings(data_dir=tmp_path, tenants_dir=folder, database=database.url, web=Web(port=0))
    house = compose(settings, EmbeddedBus(tmp_path / "bus.sqlite"), tuple(BUILDS))
    for _, part in house.parts:
        part.start()
    settled(house)
    yield house
    for _, part in reversed(house.parts):
        part.stop()


def settled(house: House) -> None:
    with gevent.Timeout(60):
        while any(house.bus.depth(queue) for queue in house.queues):
            gevent.sleep(0.02)


def tell(house: House, facts: list[Envelope]) -> None:
    house.bus.publish([outgoing(fact) for fact in facts])
    settled(house)


def everything(house: House) -> dict[str, str]:
    """Each row of each table of each service, as text."""

    def dump(tx: Tx) -> list[str]:
        rows = []
        for name, table in tx.tables.items():
            for found in tx.sql.execute(table.select()):
                values = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in found]
                rows.append(f"{name}: {' '.join(values)}")
        return rows

    return {name: "\n".join(store.run(dump)) for name, store in house.stores.items()}


def named(house: House, tenant: str) -> list[str]:
    """The rows that name somebody outside, of calls of this client."""
    lines = [f"{service} {line}" for service, text in everything(house).items() for line in text.split("\n")]
    return [line for line in lines if f"old-{tenant}" in line and any(other in line for other in OTHERS)]


def erase(house: House) -> int:
    return sum(Erasure(name, house.stores[name], erasable).run() for name, erasable in ERASES.items())


@pytest.mark.requirement("D14")
def test_after_its_period_no_service_knows_whom_a_call_was_with(house: House) -> None:
    long_ago, young = clock.now_us() - 401 * DAY_US, clock.now_us() - 399 * DAY_US
    for tenant in ("acme", "beta"):
        for make in (stories.forwarded, stories.abandoned):
            tell(house, make(f"old-{tenant}-{make.__name__}", tenant=tenant, start_us=long_ago).facts)
    tell(house, stories.not_in_use("old-_unknown", start_us=long_ago).facts)
    endless = stories.forwarded("old-acme-endless", start_us=long_ago).facts
    tell(house, [fact for fact in endless if not isinstance(fact.body, LegEnded)])  # the switch went, nobody told
    tell(house, stories.forwarded("young-acme", start_us=young).facts)
    entries = house.stores["billing"].run(billing.entries)
    settle_deliveries(house.stores["connectors"])
    directory = house.stores["directory"]
    for mark, at_us in (("old-acme", long_ago), ("young-acme", young)):
        directory.run(lambda tx, mark=mark, at=at_us: phone_book_entry(tx, mark, at))  # type: ignore[misc]
    assert named(house, "acme") and named(house, "_unknown")
    known = named(house, "beta")

    assert erase(house) > 0
    assert [line[:60] for line in named(house, "acme")] == [] and named(house, "_unknown") == []
    assert named(house, "beta") == known, "another period"
    assert CALLER in repr(house.stores["history"].run(lambda tx: tx.state("call", "acme/young-acme", Call)))
    assert house.stores["billing"].run(billing.entries) == entries, "the ledger names nobody"
    for entry in entries:
        derived = house.stores["billing"].run(lambda tx, of=entry: billing.rederive(tx, of.switch, of.leg))  # type: ignore[misc]
        assert derived is not None and derived.differences == ()
    assert erase(house) == 0, "once"
    assert [(one.what, NAME in (one.after or "")) for one in list(oldest_first(directory))[-3:]] == [
        ("phone_book.added", False),
        ("phone_book.added", True),
        ("audit.erased", False),
    ]
    assert isinstance(chain.check(oldest_first(directory)), chain.Whole)
    call = house.stores["history"].run(lambda tx: tx.state("call", "acme/old-acme-forwarded", Call))
    assert call is not None and row(call, "acme").own_number == OWN


def phone_book_entry(tx: Tx, mark: str, at_us: int) -> int:
    return audited(tx, "keiri", "phone_book.added", "acme", mark, after={"name": NAME}, now_us=at_us)


def settle_deliveries(store: Store) -> None:
    """What was to be posted has been posted, long ago."""
    long_ago = clock.now_us() - 401 * DAY_US

    def post(tx: Tx) -> None:
        table = tx.tables["deliveries"]
        old = table.c.call.startswith("old-", autoescape=True)
        tx.sql.execute(table.update().where(old).values(state="done", due_at_us=long_ago))

    store.run(post)
