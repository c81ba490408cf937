"""Charges every answered leg once, whatever is redelivered, reordered or doubled.

Enters: LegEnded, tenants, platform. Leaves: ledger rows and LegCharged. A leg whose payer's terms are not yet heard
waits for them, an hour at most. What a leg costs belongs to `rate.py`, which report counts to `ledger.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import Any

import msgspec
from prometheus_client import Counter
from sqlalchemy import RowMapping, Select, Table, bindparam, select, tuple_

from proto.envelope import Envelope, decode, encode
from proto.events import LegEnded, PlatformRevised, TenantRevised, TimerFired
from proto.tenant.platform import PriceVersion
from proto.values import UNKNOWN_TENANT, TenantId
from services.billing.derive import Derivation, derive
from services.billing.ledger import (
    NO_TERMS,
    TABLE,
    Entry,
    Standing,
    Terms,
    Verdict,
    charged,
    entry_of,
    price,
    report_of,
)
from services.billing.numbers import normalise
from services.billing.rate import may_cost
from services.billing.tables import add_tables
from services.runtime import clock
from services.runtime.log import get_logger
from services.runtime.projections import keep_platform, keep_tenant, platform, tenant
from services.runtime.store import Tx, of_room
from services.runtime.worker import Cause, Emit, Handler, Service

PATIENCE_US = 3600 * 1_000_000
"""How long a leg waits for its payer's terms to be heard before it is entered as nobody's."""
UNHEARD = "unheard_payer"
SOMEBODY_WAITS = "somebody waits"
UNANSWERED = "unanswered"
"""Remembered as long as ids of messages are: a guess about the leg that comes later is none of its charge."""
UNPRICED = Counter("toritsugi_unpriced_legs_total", "Outgoing answered legs for which no price was found", ["why"])
CONTRADICTED = Counter(
    "toritsugi_contradicted_charges_total", "Charged legs whose exact end was later told otherwise", ["switch"]
)

log = get_logger("billing")


class _Charged(msgspec.Struct, frozen=True):
    """What is charged for a leg, or held back: the times it rests on."""

    held: bool
    answered_at_us: int | None
    ended_at_us: int


class _Room:
    """The handlers, and the legs that somebody must look at, until the commit lets them be told."""

    def __init__(self) -> None:
        self.flagged: dict[tuple[str, str], Entry] = {}
        self.contradicted: list[Envelope] = []

    def ahead(self, tx: Tx, envelopes: Sequence[Envelope]) -> None:
        """What stands for all legs of a batch, asked at once."""
        facts = [envelope.body for envelope in envelopes if isinstance(envelope.body, LegEnded)]
        standing = _charged_for(tx, {(fact.switch, fact.leg) for fact in facts})
        for fact in facts:
            tx.learn(("charged", fact.switch, fact.leg), standing.get((fact.switch, fact.leg)))

    def leg_ended(self, tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
        fact = envelope.body
        assert isinstance(fact, LegEnded)
        _keep_arrival(tx, envelope.call, fact)
        verdict = _verdict(tx, envelope)
        if not envelope.estimated:
            _forget_guess(tx, fact.switch, fact.leg)
        if verdict == "ignore":
            if not envelope.estimated and fact.answered_at_us is None:
                tx.once(UNANSWERED, f"{fact.switch}/{fact.leg}", clock.now_us())
            if not envelope.estimated and _contradicts(tx, fact):
                self.contradicted.append(envelope)
            return []
        tx.add(tx.tables["usages"], {"event": envelope.id, "envelope": encode(envelope)})
        terms = _terms_for(tx, fact, fact.payer)
        if terms is None:
            _wait(tx, envelope, fact)
            return []
        return self._enter(tx, envelope, fact.payer, terms, verdict)

    def tenant_revised(self, tx: Tx, envelope: Envelope, cause: Cause) -> list[Emit]:
        fact = envelope.body
        assert isinstance(fact, TenantRevised)
        # The terms of a client that is gone are kept: usage still arrives about two months after a contract's end.
        kept = msgspec.structs.replace(envelope, body=msgspec.structs.replace(fact, gone=False))
        keep_tenant(tx, kept, cause)
        return self._release(tx, fact.body.tenant)

    def platform_revised(self, tx: Tx, envelope: Envelope, cause: Cause) -> list[Emit]:
        keep_platform(tx, envelope, cause)
        return self._release(tx, None)

    def timer_fired(self, tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
        """Nobody told us the payer's terms in time: the leg is entered as nobody's, and flagged."""
        timer = envelope.body
        assert isinstance(timer, TimerFired)
        switch, _, leg = timer.subject.partition("/")
        table = tx.tables["waiting"]
        rows = tx.sql.execute(select(table).where(table.c.switch == switch, table.c.leg == leg)).all()
        return [emit for row in rows for emit in self._leave_waiting(tx, row, UNKNOWN_TENANT)]

    def after_commit(self, _envelopes: Sequence[Envelope]) -> None:
        while self.flagged:
            _, entry = self.flagged.popitem()
            why = "unknown_payer" if entry.payer == UNKNOWN_TENANT else "no_price"
            UNPRICED.labels(why).inc()
            log.warning("leg without a price", leg=entry.leg, tenant=entry.payer, reason=entry.arithmetic)
        while self.contradicted:
            envelope = self.contradicted.pop()
            assert isinstance(envelope.body, LegEnded)
            CONTRADICTED.labels(envelope.body.switch).inc()
            log.error(
                "a charged leg's end is told otherwise than it was charged; the charge stands",
                leg=envelope.body.leg,
                tenant=envelope.tenant,
                source=envelope.source,
            )

    def _release(self, tx: Tx, payer: TenantId | None) -> list[Emit]:
        table = tx.tables["waiting"]
        query = select(table).order_by(table.c.estimated, table.c.event)
        rows = tx.sql.execute(query if payer is None else query.where(table.c.payer == payer)).all()
        emits: list[Emit] = []
        for row in rows:
            if _terms(tx, row.payer) is not None:
                emits += self._leave_waiting(tx, row, row.payer)
        return emits

    def _leave_waiting(self, tx: Tx, row: Any, payer: TenantId) -> list[Emit]:
        _forget_waiting(tx, row.switch, row.leg, estimated=row.estimated)
        tx.cancel_timer(UNHEARD, f"{row.switch}/{row.leg}")
        usage = _usage(tx, row.event)
        assert isinstance(usage.body, LegEnded)
        verdict, terms = _verdict(tx, usage), _terms_for(tx, usage.body, payer) or NO_TERMS
        if verdict == "ignore":
            tx.delete(tx.tables["usages"], event=row.event)
            return []
        return self._enter(tx, usage, payer, terms, verdict)

    def _enter(self, tx: Tx, envelope: Envelope, payer: TenantId, terms: Terms, verdict: Verdict) -> list[Emit]:
        fact = envelope.body
        assert isinstance(fact, LegEnded)
        charge = price(fact, payer, terms)
        entry = entry_of(envelope, payer, terms, charge, _keep_version(tx, terms, charge.version))
        # Nobody else can have entered it since `_charged` was asked: the database says Conflict then.
        table = tx.tables["confirmations" if verdict == "confirm" else "ledger"]
        tx.add(table, msgspec.structs.asdict(entry) | {"amount": str(entry.amount)})
        now_charged = _Charged(verdict == "hold", entry.answered_at_us, entry.ended_at_us)
        tx.learn(("charged", entry.switch, entry.leg), now_charged)
        if entry.unpriced:
            self.flagged[entry.switch, entry.leg] = entry
        if verdict == "hold":
            return []  # told to nobody until the switch's own word confirms it
        at_us = envelope.occurred_at_us
        return [Emit(charged(entry), tenant=envelope.tenant, call=envelope.call, occurred_at_us=at_us)]


def _terms_for(tx: Tx, fact: LegEnded, payer: TenantId) -> Terms | None:
    return _terms(tx, payer) if may_cost(fact) else NO_TERMS


def _terms(tx: Tx, payer: TenantId) -> Terms | None:
    """What was heard of the payer's terms, or None where something is still to come."""
    return NO_TERMS if payer == UNKNOWN_TENANT else tx.known(("terms", payer), lambda: _heard_terms(tx, payer))


def _heard_terms(tx: Tx, payer: TenantId) -> Terms | None:
    client, shared = tenant(tx, payer), platform(tx)
    if client is None or shared is None:
        return None
    tables = {table.table: table for table in shared.prices}
    return Terms(tables.get(client.contract.prices), client.timezone)


def _verdict(tx: Tx, envelope: Envelope) -> Verdict:
    fact = envelope.body
    assert isinstance(fact, LegEnded)
    report = report_of(fact, envelope.estimated)
    standing = _standing(tx, fact)
    if standing == "none" and envelope.estimated and tx.was_done(UNANSWERED, f"{fact.switch}/{fact.leg}"):
        standing = "unanswered"  # only a guess is judged otherwise by it
    return TABLE[standing, report]


def _standing(tx: Tx, fact: LegEnded) -> Standing:
    standing = _charged(tx, fact)
    if standing is None:
        return "none"
    return "estimated" if standing.held else "final"


def _contradicts(tx: Tx, fact: LegEnded) -> bool:
    """Whether what is charged rests on other times than these; the switch tells an end by event and by call record."""
    standing = _charged(tx, fact)
    if standing is None:
        return False
    answered = fact.answered_at_us is not None
    return standing.answered_at_us != fact.answered_at_us or (answered and standing.ended_at_us != fact.ended_at_us)


def _charged(tx: Tx, fact: LegEnded) -> _Charged | None:
    here = (fact.switch, fact.leg)
    return tx.known(("charged", *here), lambda: _charged_for(tx, {here}).get(here))


def _charged_for(tx: Tx, legs: Set[tuple[str, str]]) -> dict[tuple[str, str], _Charged]:
    """What stands for these (switch, leg), by one statement: a confirmed figure in place of a held one."""
    rows = tx.sql.execute(_select_charged(tx.tables["ledger"], tx.tables["confirmations"]), {"legs": list(legs)})
    return {
        (row.switch, row.leg): _Charged(False, row.confirmed_answered_at_us, row.confirmed_ended_at_us)
        if row.confirmed is not None
        else _Charged(row.estimated, row.answered_at_us, row.ended_at_us)
        for row in rows
    }


@lru_cache(maxsize=8)
def _select_charged(ledger: Table, confirmations: Table) -> Select[Any]:
    one, other = ledger.c, confirmations.c
    return (
        select(
            *(one[name] for name in ("switch", "leg", "estimated", "answered_at_us", "ended_at_us")),
            *(other[name].label(f"confirmed_{name}") for name in ("answered_at_us", "ended_at_us")),
            other.seq.label("confirmed"),
        )
        .select_from(ledger.outerjoin(confirmations, (one.switch == other.switch) & (one.leg == other.leg)))
        .where(tuple_(one.switch, one.leg).in_(bindparam("legs", expanding=True)))
    )


def _wait(tx: Tx, envelope: Envelope, fact: LegEnded) -> None:
    here = {"switch": fact.switch, "leg": fact.leg, "estimated": envelope.estimated}
    if tx.insert_once(tx.tables["waiting"], here | {"event": envelope.id, "payer": fact.payer}):
        tx.learn(SOMEBODY_WAITS, True)
        due_at_us = clock.now_us() + PATIENCE_US
        tx.set_timer(UNHEARD, f"{fact.switch}/{fact.leg}", due_at_us, envelope.tenant, envelope.call)


def _forget_waiting(tx: Tx, switch: str, leg: str, *, estimated: bool) -> None:
    table = tx.tables["waiting"]
    if tx.known(SOMEBODY_WAITS, lambda: tx.first(table, ("leg",)) is not None):
        tx.delete(table, switch=switch, leg=leg, estimated=estimated)


def _forget_guess(tx: Tx, switch: str, leg: str) -> None:
    """The switch's own word is here before the guess was charged: nothing rests on that fact, so it is not kept."""
    table = tx.tables["waiting"]
    if tx.known(SOMEBODY_WAITS, lambda: tx.first(table, ("leg",)) is not None):
        guess = tx.first(table, ("event",), switch=switch, leg=leg, estimated=True)
        if guess is not None:
            tx.delete(tx.tables["usages"], event=guess.event)
            _forget_waiting(tx, switch, leg, estimated=True)


def _keep_arrival(tx: Tx, call: str, fact: LegEnded) -> None:
    """By which of our numbers a call came in, or which phone began it: its other legs are attributed by this (B6)."""
    if fact.direction == "inbound" and call:
        phone = fact.caller.number if fact.via == "phone" else ""
        number = "" if fact.via == "phone" else normalise(fact.destination)
        tx.add(tx.tables["arrivals"], {"call": call, "number": number, "phone": phone})


def _keep_version(tx: Tx, terms: Terms, version: PriceVersion | None) -> str:
    """Store the dated rules once, under an id made of their content."""
    if version is None or terms.table is None:
        return ""
    table = terms.table.table
    return tx.known(("price version", table, version.from_), lambda: _store_version(tx, table, version))


def _store_version(tx: Tx, table: str, version: PriceVersion) -> str:
    body = msgspec.json.encode(version)
    name = f"{table}@{version.from_}#{hashlib.sha256(body).hexdigest()[:32]}"
    tx.add(tx.tables["price_versions"], {"id": name, "body": body})
    return name


def _usage(tx: Tx, event: str) -> Envelope:
    table = tx.tables["usages"]
    return decode(bytes(tx.sql.execute(select(table.c.envelope).where(table.c.event == event)).scalar_one()))


# -- what pages, invoices and the command line ask ------------------------------------------------------------------


def entries(tx: Tx, payer: TenantId | None = None, *, held: bool = True) -> list[Entry]:
    """The ledger as it stands, oldest first: confirmed figures in place of held ones; `held=False` leaves those out."""
    ledger, confirmations = tx.tables["ledger"], tx.tables["confirmations"]
    query = select(ledger).order_by(ledger.c.seq)
    rows = tx.sql.execute(query if payer is None else query.where(ledger.c.payer == payer)).mappings().all()
    final = {(r["switch"], r["leg"]): r for r in tx.sql.execute(select(confirmations)).mappings()}
    found = (_entry(final.get((row["switch"], row["leg"]), row)) for row in rows)
    return [entry for entry in found if held or not entry.estimated]


def rederive(tx: Tx, switch: str, leg: str) -> Derivation | None:
    """A leg's standing entry, computed again from the stored fact and price version; None if it has no entry."""
    for name in ("confirmations", "ledger"):
        table = tx.tables[name]
        row = tx.sql.execute(select(table).where(table.c.switch == switch, table.c.leg == leg)).mappings().first()
        if row is not None:
            entry = _entry(row)
            return derive(entry, _usage(tx, entry.event), version_of(tx, entry.price_version))
    return None


class Explained(msgspec.Struct, frozen=True):
    """A figure, what it came from, and by what the call came in."""

    derivation: Derivation
    dial_in_number: str
    phone: str
    confirmed_by: str
    """The person on whose word it stands; empty for the switch's."""


def explained(tx: Tx, leg: str) -> list[Explained]:
    """The standing entries of a leg, each computed again; more than one only if two switches had the same leg id."""
    table = tx.tables["ledger"]
    switches = tx.sql.execute(select(table.c.switch).where(table.c.leg == leg)).scalars().all()
    found = [derivation for switch in switches if (derivation := rederive(tx, switch, leg)) is not None]
    return [Explained(one, *attribution(tx, one.entry.call), _confirmed_by(tx, one.entry)) for one in found]


def _confirmed_by(tx: Tx, entry: Entry) -> str:
    table = tx.tables["hand_confirmations"]
    return str(tx.sql.execute(select(table.c.by).where(table.c.event == entry.event)).scalar() or "")


def attribution(tx: Tx, call: str) -> tuple[str, str]:
    """The dial-in number of a call, and the phone that began it where it began inside; empty where not known."""
    table = tx.tables["arrivals"]
    row = tx.sql.execute(select(table.c.number, table.c.phone).where(table.c.call == call)).first()
    return (row.number, row.phone) if row else ("", "")


def waiting(tx: Tx) -> int:
    """Legs whose payer's terms have not been heard yet."""
    return tx.count("waiting")


def version_of(tx: Tx, name: str) -> PriceVersion | None:
    """The dated rules kept under this id; None for none."""
    if not name:
        return None
    table = tx.tables["price_versions"]
    body = tx.sql.execute(select(table.c.body).where(table.c.id == name)).scalar_one()
    return msgspec.json.decode(bytes(body), type=PriceVersion)


def _entry(row: RowMapping) -> Entry:
    return msgspec.convert({name: row[name] for name in Entry.__struct_fields__}, Entry)


def build() -> Service:
    """Billing as the shell sees it."""
    metadata = of_room(__package__)
    add_tables(metadata)
    room = _Room()
    handlers: dict[Any, Handler] = {
        LegEnded: room.leg_ended,
        TenantRevised: room.tenant_revised,
        PlatformRevised: room.platform_revised,
        TimerFired: room.timer_fired,
    }
    return Service("billing", handlers, metadata, room.after_commit, unhurried=True, ahead=room.ahead)
