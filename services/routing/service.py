"""The shell of routing: which facts it hears, where it keeps its rows, what it says.

Enters: CallArrived, CallHandedOver, LegEnded, the revisions of clients and platform, suspended numbers. Leaves: one
RouteCall per decision, with the CallRouted that tells why. Every rule belongs to `decide.py` and the modules it calls.
"""

from __future__ import annotations

from sqlalchemy import MetaData

from proto.commands import RouteCall
from proto.envelope import Envelope
from proto.events import (
    CallArrived,
    CallHandedOver,
    CallRouted,
    LegEnded,
    NumbersSuspended,
    PlatformRevised,
    TenantRevised,
)
from proto.message import Event
from services.routing.decide import DECIDE_WITHIN_US, NAME, Decision, decide
from services.routing.model import Routed
from services.runtime import projections
from services.runtime.store import Tx
from services.runtime.worker import Cause, Emit, Handler, Service


def build() -> Service:
    """Routing as the shell runs it."""
    handlers: dict[type[Event], Handler] = {
        CallArrived: handle,
        CallHandedOver: handle,
        LegEnded: handle,
        TenantRevised: projections.keep_tenant,
        NumbersSuspended: projections.keep_suspended,
        PlatformRevised: projections.keep_platform,
    }
    return Service(NAME, handlers, MetaData())


def handle(tx: Tx, event: Envelope, cause: Cause) -> list[Emit]:
    """Load the leg's row, decide, save; the plan and its reasons go out together or not at all."""
    fact = event.body
    assert isinstance(fact, CallArrived | CallHandedOver | LegEnded)
    before = tx.state("leg", fact.leg, Routed)
    tenant, stopped = projections.tenant(tx, event.tenant), projections.suspended(tx, event.tenant)
    decision = decide(before, event, tenant, projections.platform(tx), stopped)
    if decision.plan and not tx.once(f"decision/{event.tenant}/{event.call}", event.key, event.occurred_at_us):
        return []  # the same park told twice, under another id
    if decision.forget:
        tx.save("leg", fact.leg, None)
    elif decision.state != (before or Routed()):
        tx.save("leg", fact.leg, decision.state)
    return _say(fact, decision, event, cause) if decision.plan else []


def _say(
    fact: CallArrived | CallHandedOver | LegEnded, decision: Decision, event: Envelope, cause: Cause
) -> list[Emit]:
    # Payer is the client that owns the number: the forwarded leg is charged to them (R13, B5).
    command = RouteCall(
        switch=fact.switch, leg=fact.leg, payer=event.tenant, caller=decision.caller, plan=decision.plan
    )
    routed = CallRouted(leg=fact.leg, command=cause.id_of(0), plan=decision.plan, why=decision.why)
    return [Emit(command, not_after_us=event.occurred_at_us + DECIDE_WITHIN_US), Emit(routed)]
