"""What nobody saw the end of is charged once it is confirmed, by the switch or by a person, and only once (B16)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proto.envelope import decode
from proto.events import LegCharged
from services.billing import service as billing
from services.billing.held import Heard, NotHeld, confirm, held
from services.runtime.store import Store
from tests.stores import Database

from .test_billing_ledger import NUMBERS, ROOM, charges, forget_all_but_the_ledger, hear, tell_terms
from .test_billing_rate import NOON, leg

SHORT, LONG = leg(length_us=170_000_000), leg(length_us=500_000_000)
UNANSWERED = leg(answered_at_us=None)


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """A billing store with the terms known."""
    opened = Store(database.store("billing"), ROOM.metadata)
    opened.start()
    tell_terms(opened)
    yield opened
    opened.stop()


def by_hand(store: Store, heard: Heard, leg: str = "leg-1") -> list[LegCharged]:
    """What a person's word comes to, and what the others will be told of it."""
    store.run(lambda tx: confirm(tx, ROOM, leg, "", heard, NOON))
    return charges([decode(message.body) for message in store.run(lambda tx: tx.unposted())])


def standing(store: Store, leg: str = "leg-1") -> list[Decimal]:
    return [entry.amount for entry in store.run(lambda tx: billing.entries(tx, held=False)) if entry.leg == leg]


@pytest.mark.requirement("B16")
def test_a_held_leg_is_listed_and_charged_on_a_persons_word(store: Store) -> None:
    hear(store, LONG, "guess-1", estimated=True)
    ((listed,), charged) = (store.run(held), standing(store))
    assert (listed.leg, listed.amount, listed.estimated, charged) == ("leg-1", Decimal("28.05"), True, [])
    assert [charge.charge.amount for charge in by_hand(store, Heard("Sato"))] == [Decimal("28.05")]
    assert (store.run(held), standing(store)) == ([], [Decimal("28.05")])
    (explained,) = store.run(lambda tx: billing.explained(tx, "leg-1"))
    assert (explained.confirmed_by, explained.derivation.differences) == ("Sato", ())


@pytest.mark.parametrize(
    ("heard", "amount"),
    [
        (Heard("Sato", talk_us=170_000_000), "9.35"),
        (Heard("Sato", answered=False), "0"),
        (Heard("Sato", talk_us=0), "9.35"),
    ],
)
def test_the_person_may_know_better(store: Store, heard: Heard, amount: str) -> None:
    hear(store, LONG, "guess-1", estimated=True)
    assert [charge.charge.amount for charge in by_hand(store, heard)] == [Decimal(amount)]
    assert standing(store) == [Decimal(amount)]


@pytest.mark.parametrize("before", ["nothing", "exact", "confirmed"])
def test_what_is_not_held_cannot_be_confirmed(store: Store, before: str) -> None:
    if before == "exact":
        hear(store, SHORT, "core-1")
    elif before == "confirmed":
        hear(store, LONG, "guess-1", estimated=True)
        by_hand(store, Heard("Sato"))
    amounts = standing(store)
    with pytest.raises(NotHeld):
        by_hand(store, Heard("Suzuki"))
    assert standing(store) == amounts


@pytest.mark.requirement("B16")
def test_a_call_record_after_a_persons_word_changes_nothing_and_is_counted_where_it_differs(store: Store) -> None:
    hear(store, LONG, "guess-1", estimated=True)
    by_hand(store, Heard("Sato"))
    before = contradicted()
    assert hear(store, LONG, "core-1") == []
    assert contradicted() == before
    assert hear(store, SHORT, "cdr-1") == []
    assert contradicted() == before + 1
    assert standing(store) == [Decimal("28.05")]


def test_event_and_call_record_that_differ_are_one_charge_and_an_alarm(store: Store) -> None:
    before = contradicted()
    hear(store, SHORT, "core-1")
    hear(store, SHORT, "cdr-1")
    assert contradicted() == before
    hear(store, msgspec.structs.replace(SHORT, ended_at_us=SHORT.ended_at_us + 1), "cdr-2")
    assert contradicted() == before + 1
    assert standing(store) == [Decimal("9.35")]


def contradicted() -> float:
    return billing.CONTRADICTED.labels("fs1")._value.get()


_TOLD = st.lists(
    st.sampled_from(["guess short", "guess long", "guess unanswered", "event", "record", "person"]), max_size=8
)
_GUESSES = {"guess short": SHORT, "guess long": LONG, "guess unanswered": UNANSWERED}


@pytest.mark.requirement("B16")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_TOLD, st.booleans())
def test_in_whatever_order_ends_are_told_there_is_one_charge_by_the_best_word(
    store: Store, told: list[str], answered: bool
) -> None:
    """The switch's own word, by event or record, else a person's; a guess alone charges nobody."""
    name = f"any-{next(NUMBERS)}"
    store.run(forget_all_but_the_ledger)
    tell_terms(store)
    said: list[LegCharged] = []
    best = ""
    for number, source in enumerate(told):
        if source == "person":
            if any(entry.leg == name for entry in store.run(held)):
                said += by_hand(store, Heard("Sato", talk_us=170_000_000), name)
                best = best or "person"
            continue
        fact = _GUESSES.get(source, SHORT if answered else UNANSWERED)
        guessed = source in _GUESSES
        message = f"{name}-guess-{number}" if guessed else f"{name}-{source}"
        said += charges(hear(store, msgspec.structs.replace(fact, leg=name), message, estimated=guessed))
        best = best or ("" if guessed else "switch")
    assert len(said) <= 1
    assert len(standing(store, name)) == len(said)
    if not best:
        assert said == []
    elif best == "switch" and answered:
        assert [charge.duration_us for charge in said] == [170_000_000]
    elif best == "switch":
        assert [charge.charge.amount for charge in said] in ([], [0])
    assert not (best and any(entry.leg == name for entry in store.run(held)))
