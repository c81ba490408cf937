"""PURE. Calls of the past under other rules: which would go elsewhere, and what they would have cost (R33).

Enters: a call as it arrived, the clients in force and those of a folder, routing's `explain`, a price. Leaves: a
`Moved` for each call whose plan differs. Which calls there were belongs to history, what they cost to billing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from proto.plan import AnyStep, Forward, Ring
from proto.tenant import Tenant
from proto.values import Party
from services.directory.tenants.route_tests import Explain
from services.directory.tenants.settle import InForce
from services.directory.tenants.words import Lang, in_words


class Call(Protocol):
    """A call as history tells it."""

    @property
    def tenant(self) -> str: ...
    @property
    def call(self) -> str: ...
    @property
    def at_us(self) -> int: ...
    @property
    def dialled(self) -> str: ...
    @property
    def caller(self) -> Party: ...
    @property
    def phone(self) -> str: ...
    @property
    def answered_via(self) -> str: ...
    @property
    def talk_us(self) -> int: ...


class Rules:
    """Clients and platform, and whose each number is."""

    def __init__(self, stands: InForce) -> None:
        self.stands = stands
        self._owners = {entry.number: held.body for held in stands.tenants.values() for entry in held.body.numbers}

    def tenant(self, call: Call) -> Tenant | None:
        """Whose call it is: of the phone that called, else of the number that was called."""
        if not call.phone:
            return self._owners.get(call.dialled)
        held = self.stands.tenants.get(call.tenant)
        return held.body if held is not None else None


Price = Callable[[Rules, Tenant, str, int, int], Decimal | None]
"""(rules, who pays, number, when, microseconds talked) -> yen; None: there is no price for it."""


class Fate(msgspec.Struct, frozen=True):
    """Where a call goes under some rules."""

    words: str
    cost: Decimal | None
    """What its forwarded leg costs if it talks as long as it did; None: there is no price."""


class Moved(msgspec.Struct, frozen=True):
    """A call that would go elsewhere."""

    tenant: str
    call: str
    at_us: int
    caller: str
    dialled: str
    before: Fate
    after: Fate


def moved(call: Call, now: Rules, then: Rules, explain: Explain, price: Price, lang: Lang) -> Moved | None:
    """None: it would go the same way. Both rules are asked as at the moment of the call."""
    plans = [_plan(call, rules, explain) for rules in (now, then)]
    if plans[0] == plans[1]:
        return None
    before, after = (_fate(call, rules, plan, price, lang) for rules, plan in zip((now, then), plans, strict=True))
    who = call.phone or call.caller.number or call.caller.presentation
    return Moved(call.tenant, call.call, call.at_us, who, call.dialled, before, after)


def _plan(call: Call, rules: Rules, explain: Explain) -> tuple[AnyStep, ...]:
    tenant, platform = rules.tenant(call), rules.stands.platform
    if platform is None:
        return ()
    plan, _ = explain(tenant, platform, call.dialled, call.caller, call.at_us, call.phone, rules.stands.suspended)
    return tuple(plan)


def _fate(call: Call, rules: Rules, plan: Sequence[AnyStep], price: Price, lang: Lang) -> Fate:
    tenant, number = rules.tenant(call), _answering(call, plan)
    cost: Decimal | None = Decimal(0)
    if number and tenant is not None:
        cost = price(rules, tenant, number, call.at_us, call.talk_us)
    return Fate(in_words(plan, tenant, lang), cost)


def _answering(call: Call, plan: Sequence[AnyStep]) -> str:
    """The outside number that would have talked: whoever answered then, a phone or somebody outside, does so again if
    the plan has such a step, else the first who is dialled at all. Empty: nobody talked, or one of our phones."""
    if not call.answered_via:
        return ""
    dialled = [step for step in plan if isinstance(step, Ring | Forward)]
    wanted: type = Forward if call.answered_via == "trunk" else Ring
    chosen = next((step for step in dialled if isinstance(step, wanted)), dialled[0] if dialled else None)
    return chosen.number if isinstance(chosen, Forward) else ""
