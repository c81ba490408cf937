"""Every answered leg is charged once, whatever is redelivered, reordered or doubled; the ledger is never changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from proto.envelope import Envelope
from proto.events import Event, LegCharged, LegEnded, PlatformRevised, TenantRevised, TimerFired
from proto.plan import Carrier
from proto.tenant import Tenant
from proto.tenant.contract import Contract
from proto.tenant.lines import Id
from proto.tenant.platform import Platform, PriceRule, PriceTable, PriceVersion, Switch
from proto.values import Money, Party
from services.billing import service as billing
from services.runtime.bus import Unavailable
from services.runtime.store import Store
from services.runtime.worker import Cause, address
from tests.stores import Database, Files

from .test_billing_rate import NOON, leg

ROOM = billing.build()
NUMBERS = itertools.count()
WITHOUT_GUARD = {"sqlite": "DROP TRIGGER ledger_no_update", "postgresql": "DROP TRIGGER ledger_no_change ON ledger"}


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    opened = Store(database.store("billing"), ROOM.metadata)
    opened.start()
    yield opened
    opened.stop()


def hear(
    store: Store, body: Event, message_id: str, *, estimated: bool = False, tenant: str = "acme"
) -> list[Envelope]:
    """One message through the room, as the worker does it: what it says to others."""
    envelope = Envelope(
        body=body,
        id=message_id,
        source="switch/fs1",
        tenant=tenant,
        call="call-1",
        occurred_at_us=NOON,
        estimated=estimated,
    )
    cause = Cause(envelope, "billing")

    def work(tx: billing.Tx) -> list[Envelope]:
        if not tx.first_times([envelope.id], NOON):
            return []
        return [address(emit, cause, n) for n, emit in enumerate(ROOM.handlers[type(body)](tx, envelope, cause))]

    said = store.run(work)
    assert ROOM.after_commit is not None
    ROOM.after_commit([envelope])
    return said


def prices(unit: str) -> PlatformRevised:
    rules = (PriceRule(name="fixed", prefixes=("0",), unit_s=180, unit=Decimal(unit)),)
    body = Platform(
        switches=(Switch("fs1"),),
        carriers=(Carrier("ntt", gateway="ntt"),),
        prices=(PriceTable("standard", (PriceVersion("2026-04-01", rules, "incl"),)),),
    )
    return PlatformRevised(revision=unit, body=body)


ACME = TenantRevised(
    revision="1",
    body=Tenant(
        tenant="acme", name="アクメ", contract=Contract("2026-04-01", prices="standard"), ids=(Id("1001", "佐藤 花子"),)
    ),
)


def tell_terms(store: Store) -> list[Envelope]:
    return hear(store, prices("9.35"), "platform-1", tenant="_platform") + hear(store, ACME, "tenant-1")


def charges(said: list[Envelope]) -> list[LegCharged]:
    return [envelope.body for envelope in said if isinstance(envelope.body, LegCharged)]


@pytest.mark.requirement("B16")
def test_one_row_and_one_word_however_often_and_from_whatever_source_the_end_is_told(store: Store) -> None:
    tell_terms(store)
    first = hear(store, leg(length_us=200_000_000), "core-1")
    again = hear(store, leg(length_us=200_000_000), "core-1")
    from_cdr_file = hear(store, leg(length_us=200_000_000), "cdr-1")
    assert charges(first) == [
        LegCharged(
            leg="leg-1",
            payer="acme",
            charge=Money(Decimal("18.70")),
            basis="incl",
            price="standard@2026-04-01:fixed",
            duration_us=200_000_000,
            arithmetic="200 s / 180 s -> 2; 2 x 9.35 = 18.70 JPY (incl. tax)",
        )
    ]
    assert (first[0].call, first[0].tenant, first[0].occurred_at_us) == ("call-1", "acme", NOON)
    assert again == from_cdr_file == []
    assert store.run(lambda tx: tx.count("ledger")) == 1


def test_a_leg_nobody_answered_has_no_row(store: Store) -> None:
    tell_terms(store)
    assert hear(store, leg(answered_at_us=None), "core-1") == []
    assert store.run(lambda tx: tx.count("ledger")) == 0


def test_what_costs_nothing_still_has_its_row(store: Store) -> None:
    said = hear(store, leg("0312345678", direction="inbound"), "core-1")
    assert [(c.charge.amount, c.price) for c in charges(said)] == [(0, "")]


def test_nobodys_leg_is_entered_as_nobodys_and_flagged(store: Store) -> None:
    usage = msgspec.structs.replace(leg(), payer="_unknown")
    before = billing.UNPRICED.labels("unknown_payer")._value.get()
    said = hear(store, usage, "core-1", tenant="_unknown")
    assert [(c.payer, c.charge.amount, c.price) for c in charges(said)] == [("_unknown", 0, "")]
    assert billing.UNPRICED.labels("unknown_payer")._value.get() == before + 1


def test_a_destination_without_a_price_is_flagged(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    tell_terms(store)
    before = billing.UNPRICED.labels("no_price")._value.get()
    (charge,) = charges(hear(store, leg("+4930123456"), "core-1"))
    assert (charge.charge.amount, charge.price) == (0, "")
    assert "no price for +4930…" in charge.arithmetic
    assert billing.UNPRICED.labels("no_price")._value.get() == before + 1
    assert store.run(lambda tx: billing.entries(tx)[0].unpriced)


def test_a_leg_that_ends_before_its_payer_is_known_waits_and_is_then_charged(store: Store) -> None:
    assert hear(store, leg(), "core-1") == []
    assert hear(store, leg(), "cdr-1") == []
    assert store.run(billing.waiting) == 1
    assert hear(store, prices("9.35"), "platform-1", tenant="_platform") == []
    said = hear(store, ACME, "tenant-1")
    assert [c.charge.amount for c in charges(said)] == [Decimal("9.35")]
    assert (said[0].call, said[0].tenant) == ("call-1", "acme")
    assert store.run(lambda tx: (billing.waiting(tx), tx.count("timers"))) == (0, 0)
    assert hear(store, leg(), "snapshot-1") == []


def test_a_payer_nobody_ever_tells_us_of_is_entered_as_unknown(store: Store) -> None:
    assert hear(store, msgspec.structs.replace(leg(), payer="ghost"), "core-1", tenant="ghost") == []
    fired = TimerFired(service="billing", name=billing.UNHEARD, subject="fs1/leg-1", due_at_us=NOON)
    said = hear(store, fired, "timer-1")
    assert [(c.payer, c.charge.amount, c.price) for c in charges(said)] == [("_unknown", 0, "")]
    assert said[0].tenant == "ghost"
    derivation = store.run(lambda tx: billing.rederive(tx, "fs1", "leg-1"))
    assert derivation is not None
    assert derivation.differences == ()


def test_usage_that_arrives_after_the_client_has_gone_is_charged(store: Store) -> None:
    tell_terms(store)
    hear(store, msgspec.structs.replace(ACME, gone=True), "tenant-2")
    assert [c.charge.amount for c in charges(hear(store, leg(), "core-1"))] == [Decimal("9.35")]


@pytest.mark.requirement("B16")
def test_an_estimated_end_is_held_back_until_the_switch_confirms_it(store: Store) -> None:
    tell_terms(store)
    assert hear(store, leg(length_us=500_000_000), "guess-1", estimated=True) == []
    (held,) = store.run(billing.entries)
    assert (held.estimated, held.amount) == (True, Decimal("28.05"))
    assert store.run(lambda tx: billing.entries(tx, held=False)) == []
    said = hear(store, leg(length_us=170_000_000), "cdr-1")
    assert [c.charge.amount for c in charges(said)] == [Decimal("9.35")]
    assert hear(store, leg(length_us=170_000_000), "core-1") == []
    assert hear(store, leg(length_us=900_000_000), "guess-2", estimated=True) == []
    (final,) = store.run(billing.entries)
    assert (final.estimated, final.amount) == (False, Decimal("9.35"))
    assert store.run(lambda tx: tx.count("ledger")) == 1, "what was held stays where it was"


def test_the_switch_may_say_that_a_held_leg_was_never_answered(store: Store) -> None:
    tell_terms(store)
    hear(store, leg(), "guess-1", estimated=True)
    said = hear(store, leg(answered_at_us=None), "cdr-1")
    assert [c.charge.amount for c in charges(said)] == [0]
    assert [e.amount for e in store.run(lambda tx: billing.entries(tx, held=False))] == [0]


def test_the_switchs_word_replaces_an_estimate_that_still_waits(store: Store) -> None:
    hear(store, leg(length_us=500_000_000), "guess-1", estimated=True)
    hear(store, leg(length_us=170_000_000), "cdr-1")
    hear(store, prices("9.35"), "platform-1", tenant="_platform")
    assert [c.charge.amount for c in charges(hear(store, ACME, "tenant-1"))] == [Decimal("9.35")]
    assert [e.estimated for e in store.run(billing.entries)] == [False]


@pytest.mark.requirement("B17")
def test_a_figure_is_derived_again_from_the_stored_fact_and_the_stored_price(store: Store) -> None:
    tell_terms(store)
    hear(store, leg(length_us=421_500_000), "core-1")
    hear(store, prices("99.00"), "platform-2", tenant="_platform")
    derivation = store.run(lambda tx: billing.rederive(tx, "fs1", "leg-1"))
    assert derivation is not None
    assert derivation.differences == ()
    assert derivation.again.amount == derivation.entry.amount == Decimal("28.05")
    assert derivation.again.arithmetic == "421.5 s / 180 s -> 3; 3 x 9.35 = 28.05 JPY (incl. tax)"
    assert derivation.fact == leg(length_us=421_500_000)
    assert derivation.version is not None
    assert derivation.version.rules[0].unit == Decimal("9.35")
    assert store.run(lambda tx: billing.rederive(tx, "fs1", "nobody's")) is None


def test_a_figure_that_was_tampered_with_is_found(store: Store) -> None:
    tell_terms(store)
    hear(store, leg(length_us=421_500_000), "core-1")

    def forge(tx: billing.Tx) -> None:
        tx.sql.execute(text(WITHOUT_GUARD[tx.sql.dialect.name]))
        tx.sql.execute(update(tx.tables["ledger"]).values(amount="9.35"))

    store.run(forge)
    derivation = store.run(lambda tx: billing.rederive(tx, "fs1", "leg-1"))
    assert derivation is not None
    assert derivation.differences == ("amount",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), min_size=1, max_size=14))
@pytest.mark.requirement("B16")
def test_any_order_of_reports_gives_one_row_per_answered_leg_and_each_is_derivable(
    store: Store, told: list[tuple[int, bool, bool]]
) -> None:
    run = f"run{next(NUMBERS)}"
    store.run(forget_all_but_the_ledger)
    said: list[Envelope] = []
    for n, (number, estimated, terms) in enumerate(told):
        if terms:
            said += tell_terms(store)
        usage = msgspec.structs.replace(leg(), leg=f"{run}-{number}")
        said += hear(store, usage, f"{run}-m{n}", estimated=estimated)
    said += hear(store, prices("9.35"), "platform-9", tenant="_platform") + hear(store, ACME, "tenant-9")
    legs = {f"{run}-{number}" for number, _, _ in told}
    confirmed = {f"{run}-{number}" for number, estimated, _ in told if not estimated}
    rows = [e.leg for e in store.run(billing.entries) if e.leg.startswith(f"{run}-")]
    charged = {e.leg for e in store.run(lambda tx: billing.entries(tx, held=False)) if e.leg in legs}
    assert sorted(rows) == sorted(legs)
    assert charged == confirmed
    assert sorted(c.leg for c in charges(said)) == sorted(confirmed)
    for name in legs:
        again = store.run(lambda tx, name=name: billing.rederive(tx, "fs1", name))  # type: ignore[misc]
        assert again is not None
        assert again.differences == ()


def forget_all_but_the_ledger(tx: billing.Tx) -> None:
    for name in ("projections", "waiting", "timers", "seen", "done", "outbox"):
        tx.sql.execute(delete(tx.tables[name]))


@pytest.mark.requirement("B6")
@pytest.mark.parametrize("forward_first", [True, False])
def test_a_forwarded_leg_is_attributed_to_its_dial_in_number_whichever_leg_ends_first(
    store: Store, forward_first: bool
) -> None:
    tell_terms(store)
    arrived = msgspec.structs.replace(leg("0451113333", direction="inbound"), leg="leg-a", kind="inbound")
    messages = [(leg("09012345678"), "core-1"), (arrived, "core-2")]
    for usage, message_id in messages if forward_first else reversed(messages):
        hear(store, usage, message_id)
    (forwarded,) = [e for e in store.run(lambda tx: billing.entries(tx, "acme")) if e.leg == "leg-1"]
    assert (forwarded.tenant, forwarded.payer, forwarded.amount) == ("acme", "acme", Decimal("9.35"))
    assert store.run(lambda tx: billing.attribution(tx, forwarded.call)) == ("0451113333", "")


@pytest.mark.requirement("B3")
def test_a_call_from_an_employees_phone_is_charged_to_the_company_and_shows_who_made_it(store: Store) -> None:
    tell_terms(store)
    begun = msgspec.structs.replace(
        leg("0451113333", direction="inbound", via="phone"), leg="leg-a", caller=Party("1001", "佐藤 花子")
    )
    hear(store, begun, "core-1")
    hear(store, leg("0451113333"), "core-2")
    costing = [e for e in store.run(billing.entries) if e.amount]
    assert [(e.payer, e.amount) for e in costing] == [("acme", Decimal("9.35"))]
    assert store.run(lambda tx: billing.attribution(tx, costing[0].call)) == ("", "1001")


def charged_and_confirmed(store: Store) -> None:
    tell_terms(store)
    hear(store, leg(), "guess-1", estimated=True)
    hear(store, leg(), "core-1")


@pytest.mark.parametrize("table", ["ledger", "confirmations"])
def test_the_database_itself_refuses_to_change_a_row(store: Store, database: Database, table: str) -> None:
    charged_and_confirmed(store)
    rows = ROOM.metadata.tables[table]
    for statement in (update(rows).values(amount="0"), delete(rows)):
        with pytest.raises((DBAPIError, Unavailable), match="append-only"):
            store.run(lambda tx, statement=statement: tx.sql.execute(statement))  # type: ignore[misc]
    if database.kind == "postgresql":
        with pytest.raises(DBAPIError, match="append-only"):
            store.run(lambda tx: tx.sql.execute(text(f"TRUNCATE {table}")))
    assert [entry.estimated for entry in store.run(billing.entries)] == [False]


@pytest.mark.parametrize("table", ["ledger", "confirmations"])
def test_sqlite_replaces_no_row_either(tmp_path: Path, table: str) -> None:
    """INSERT OR REPLACE deletes without firing the trigger that refuses DELETE."""
    store = Store(Files(tmp_path).store("billing"), ROOM.metadata)
    store.start()
    charged_and_confirmed(store)
    rows, before = ROOM.metadata.tables[table], store.run(billing.entries)

    def replace(tx: billing.Tx) -> None:
        row = dict(tx.sql.execute(rows.select()).mappings().one()) | {"amount": "0"}
        names = ", ".join(f'"{name}"' for name in row)
        values = ", ".join(f":{name}" for name in row)
        tx.sql.execute(text(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({values})"), row)

    store.run(replace)
    assert store.run(billing.entries) == before
    store.stop()


def test_a_usage_is_kept_as_it_was_told(store: Store) -> None:
    tell_terms(store)
    hostile = msgspec.structs.replace(leg(), caller=Party("", "%0A${system(x)}", "withheld"))
    hear(store, hostile, "core-1")
    derivation = store.run(lambda tx: billing.rederive(tx, "fs1", "leg-1"))
    assert derivation is not None
    assert isinstance(derivation.fact, LegEnded)
    assert derivation.fact.caller == hostile.caller


@pytest.mark.requirement("D14")
def test_a_fact_on_which_no_charge_rests_is_not_kept(store: Store) -> None:
    """It names whom the call was with, and erasure finds facts by their charges."""
    hear(store, leg(), "guess-1", estimated=True)  # its payer's terms have not been heard
    hear(store, leg(), "word-1")
    hear(store, prices("9.35"), "platform-1", tenant="_platform")
    hear(store, ACME, "tenant-1")
    (entry,) = store.run(billing.entries)
    usages = store.run(lambda tx: [row.event for row in tx.sql.execute(tx.tables["usages"].select())])
    assert usages == [entry.event]
