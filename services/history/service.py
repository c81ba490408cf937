"""The service: hears every fact, keeps the call's row, its legs and its story, and says when a call is over.

Enters: everything that `proto.topics` lets history hear. Leaves: rows for the pages, notices for open pages, and one
CallEnded per call. What a fact means for the row stands in `fold.py` and `row.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proto import events as e
from proto.envelope import Envelope
from proto.message import Event
from proto.topics import HEARS, PROJECTIONS
from services.history import tables
from services.history.fold import fold
from services.history.live import FEED
from services.history.model import Call
from services.history.row import ended, row
from services.history.steps import leg_of, step_of
from services.runtime import clock
from services.runtime.projections import HANDLERS
from services.runtime.store import Tx, of_room
from services.runtime.web.live import Feed
from services.runtime.worker import Cause, Emit, Handler, Service

NAME = "history"


def build(feed: Feed = FEED) -> Service:
    """The room as the shell sees it; open pages are told through `feed`."""
    metadata = of_room(__package__)
    tables.add_tables(metadata)
    handlers: dict[type[Event], Handler] = dict.fromkeys(HEARS[NAME], hear)
    handlers |= {e.SwitchConnected: hear_switch, e.SwitchLost: hear_switch}
    handlers |= {kind: HANDLERS[kind] for kind in PROJECTIONS[NAME]}
    return Service(NAME, handlers, metadata, after_commit=_tell(feed), unhurried=True)


def hear(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """One more fact of a call."""
    _keep_aside(tx, envelope)
    where = _call_of(tx, envelope)
    return [] if where is None else _tell_on(tx, envelope, *where)


def hear_switch(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Whether a switch is heard."""
    fact = envelope.body
    assert isinstance(fact, e.SwitchConnected | e.SwitchLost)
    reason = fact.reason if isinstance(fact, e.SwitchLost) else None
    tables.write_switch(tx, fact.switch, envelope.occurred_at_us, reason)
    return []


def _tell_on(tx: Tx, envelope: Envelope, tenant: str, call_id: str) -> list[Emit]:
    name = f"{tenant}/{call_id}"
    known = tx.state("call", name, Call)
    call = fold(known, envelope)
    if call != known:
        tx.save("call", name, call)
        line = row(call, tenant)
        if known is None or row(known, tenant) != line:
            tables.write_call(tx, tenant, call_id, line, new=known is None)
        for leg, heard in call.legs.items():
            before = None if known is None else known.legs.get(leg)
            if before != heard:
                tables.write_leg(tx, tenant, call_id, leg, heard, new=before is None)
    step = step_of(envelope)
    if step is not None:
        tables.write_step(tx, tenant, call_id, step)
    over = ended(call, tenant)
    if over is None:
        return []
    estimated = row(call, tenant).estimated
    # What was told of an estimated end is told again, exactly, once all ends are known; never the other way round.
    if tx.was_done(name, "ended") or not tx.once(name, "ended estimated" if estimated else "ended", clock.now_us()):
        return []
    return [Emit(over, tenant=tenant, call=call_id, occurred_at_us=over.ended_at_us, estimated=estimated)]


def _call_of(tx: Tx, envelope: Envelope) -> tuple[str, str] | None:
    """Which call a fact belongs to: what it says itself, else what is known of its command or its leg."""
    if envelope.call:
        return envelope.tenant, envelope.call
    command, leg = getattr(envelope.body, "command", ""), leg_of(envelope.body)
    return (tables.call_of_command(tx, command) if command else None) or (tables.call_of_leg(tx, leg) if leg else None)


def _keep_aside(tx: Tx, envelope: Envelope) -> None:
    """What is counted and joined later, call or no call."""
    fact = envelope.body
    if isinstance(fact, e.CallArrived):
        tables.tally(tx, fact.NAME, fact.leg, envelope.call, envelope.id, fact.park)
    elif isinstance(fact, e.LegEnded | e.LegAnswered | e.LegCharged):
        tables.tally(tx, fact.NAME, fact.leg, envelope.call, envelope.id)
    elif isinstance(fact, e.CallRouted):
        tables.keep_decision(tx, fact.command, envelope.tenant, envelope.call, fact.leg, envelope.cause)
    elif isinstance(fact, e.CommandFinished | e.CommandRefused | e.CommandUnknown):
        tables.keep_result(tx, fact, envelope.occurred_at_us)


def _tell(feed: Feed) -> Callable[[Sequence[Envelope]], None]:
    def tell(envelopes: Sequence[Envelope]) -> None:
        for tenant in dict.fromkeys(envelope.tenant for envelope in envelopes):
            feed.publish("changed", tenant)

    return tell
