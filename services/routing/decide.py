"""PURE. One event in one state -> one decision: a plan, or none, and why.

Enters: the leg's row, a fact with its envelope, the client and the platform as last heard. Leaves: a `Decision`; no
message is built and no clock is read here. Rules for numbers stand in `inbound.py` and `outbound.py`.
"""

from __future__ import annotations

import msgspec

from proto.envelope import Envelope
from proto.events import CallArrived, CallHandedOver, LegEnded
from proto.plan import Plan, Reject
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import UNKNOWN_TENANT, Party
from services.routing.inbound import call_name, call_number, is_name
from services.routing.model import TABLE, CallState, Move, Routed
from services.routing.numbers import domestic
from services.routing.outbound import call_from_phone
from services.routing.plan import NOT_IN_USE, close, closing_cause
from services.routing.scene import Draft, Scene

NAME = "routing"
DECIDE_WITHIN_US = 1_500_000
"""A plan is worthless so long after the park: the fallback fires at 3.5 s (ARCHITECTURE: never without an answer)."""


class Decision(msgspec.Struct, frozen=True):
    """What becomes of the leg's row, and the plan to run; an empty plan means that nothing is sent."""

    state: Routed
    plan: Plan = ()
    why: tuple[str, ...] = ()
    caller: Party = Party()
    forget: bool = False


def decide(
    state: Routed | None,
    event: Envelope,
    tenant: Tenant | None,
    platform: Platform | None,
    suspended: frozenset[str] = frozenset(),
) -> Decision:
    """The decision for `event` (CallArrived, CallHandedOver or LegEnded) about a leg in `state`.

    `suspended`: those of the client's numbers that take no calls and are shown on none.
    """
    row, fact = state or Routed(), event.body
    assert isinstance(fact, CallArrived | CallHandedOver | LegEnded)
    move = TABLE[row.state, type(fact)]
    if isinstance(fact, CallArrived) and move is Move.ROUTE and fact.park > row.park:
        return _route(row, event, fact, tenant, platform, suspended)
    if isinstance(fact, CallHandedOver) and move is Move.CLOSE and fact.to == NAME:
        return _close(fact)
    return Decision(row, forget=isinstance(fact, LegEnded) and move is Move.FORGET)


def _route(
    row: Routed,
    event: Envelope,
    fact: CallArrived,
    tenant: Tenant | None,
    platform: Platform | None,
    suspended: frozenset[str],
) -> Decision:
    after = Routed(CallState.ROUTED, fact.park)
    if platform is None:
        # Directory tells it last: until then nobody can say whose number this is, or that it is nobody's.
        return Decision(row, (), ("契約者の設定がまだ届いていないので予備の経路に任せる",))
    if event.tenant == UNKNOWN_TENANT:
        return Decision(after, NOT_IN_USE, (f"{fact.dialled} はどの契約者の番号でもない",), fact.caller)
    if tenant is None:
        # Not heard of yet, or no longer: the switch's static fallback knows this client better than a guess here.
        return Decision(row, (), (f"契約者 {event.tenant} の設定がまだ届いていないので予備の経路に任せる",))
    scene, draft = _scene(event, fact, tenant, platform, suspended), Draft()
    caller = _fill(scene, draft, fact)
    close(draft)
    return Decision(after, draft.plan, tuple(draft.why), caller)


def _scene(event: Envelope, fact: CallArrived, tenant: Tenant, platform: Platform, suspended: frozenset[str]) -> Scene:
    return Scene(
        tenant=tenant,
        platform=platform,
        switch=fact.switch,
        at_us=event.occurred_at_us,
        caller=fact.caller,
        dialled=domestic(fact.dialled),
        phone="" if fact.transferred else fact.phone,
        diverted_from=domestic(fact.diverted_from),
        suspended=suspended,
    )


def _fill(scene: Scene, draft: Draft, fact: CallArrived) -> Party:
    if fact.origin == "phone" and not fact.transferred:
        return call_from_phone(scene, draft)
    entry = scene.number(scene.dialled)
    if entry is not None:
        call_number(scene, draft, entry)
    elif fact.transferred and is_name(scene, scene.dialled):
        draft.note(f"「{scene.dialled}」へ転送された")
        call_name(scene, draft, scene.dialled, None, last=True)
    else:
        draft.add(f"{scene.dialled} は {scene.tenant.name} の番号ではない", *NOT_IN_USE)
    return fact.caller


def _close(fact: CallHandedOver) -> Decision:
    """The plan ran out: the caller is told as the last dialling ended."""
    cause = closing_cause(fact.disposition)
    why = f"呼び出しは「{fact.disposition or '理由なし'}」で終わった：{cause} として終話する"
    return Decision(Routed(CallState.CLOSING, fact.park), (Reject(cause),), (why,), fact.caller)
