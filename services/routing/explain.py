"""PURE. What would happen if somebody called now or then: the same `decide`, without a call (R33).

Enters: a client, the platform, a dialled number, a caller, a moment. Leaves: the plan and why. The config check and the
command line are handed this function by their entry points.
"""

from __future__ import annotations

from typing import Literal

from proto.envelope import Envelope
from proto.events import CallArrived
from proto.plan import Plan
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import UNKNOWN_TENANT, Party
from services.routing.decide import decide


def explain(
    tenant: Tenant | None,
    platform: Platform,
    dialled: str,
    caller: Party,
    at_us: int,
    phone: str = "",
    suspended: frozenset[str] = frozenset(),
) -> tuple[Plan, tuple[str, ...]]:
    """The plan for a call to `dialled` at `at_us`, from outside or from our own device `phone`, and why.

    `tenant` None stands for a number that belongs to nobody; `suspended`: numbers of the client that take no calls.
    """
    origin: Literal["trunk", "phone"] = "phone" if phone else "trunk"
    fact = CallArrived(
        switch=platform.switches[0].switch,
        leg="explained",
        origin=origin,
        dialled=dialled,
        caller=caller,
        phone=phone,
        received_at_us=at_us,
    )
    name = UNKNOWN_TENANT if tenant is None else tenant.tenant
    event = Envelope(body=fact, id="explained", source="explain", tenant=name, call="explained", occurred_at_us=at_us)
    decision = decide(None, event, tenant, platform, suspended)
    return decision.plan, decision.why
