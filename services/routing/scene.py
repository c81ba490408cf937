"""PURE. What is known of one arrival, and the plan as it grows under the rules, with the reason of each step.

Enters: the fact, the client, the platform. Leaves: lookups (number, id, line, group, carrier) and a `Draft` that the
rules of `inbound.py` and `outbound.py` fill. Which rule applies when belongs there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proto.plan import ENDS, AnyStep, Carrier, Phone, Plan, TakeMessage
from proto.tenant import Tenant
from proto.tenant.hours import Hours
from proto.tenant.lines import Group, Id, Line
from proto.tenant.numbers import NumberEntry
from proto.tenant.platform import Platform, Pool
from proto.values import Party
from services.routing.hours import Opening, day_of, is_open

LOCAL_DOMAIN = "127.0.0.1"
"""Where phones register when neither the client nor the switch names a domain (proto.tenant.platform.Switch)."""


@dataclass(frozen=True)
class Scene:
    """One arrival: who calls, what was dialled, when, at which switch, for which client."""

    tenant: Tenant
    platform: Platform
    switch: str
    at_us: int
    caller: Party
    dialled: str
    phone: str = ""
    """The id of our own device that calls; empty for calls from outside."""
    diverted_from: str = ""
    suspended: frozenset[str] = frozenset()
    """Numbers of the client that take no calls and are shown on none."""

    @property
    def domain(self) -> str:
        """Where this client's phones register."""
        for switch in self.platform.switches:
            if switch.switch == self.switch:
                return self.tenant.domain or switch.domain
        return self.tenant.domain or LOCAL_DOMAIN

    @property
    def contract_ended(self) -> str:
        """The contract's last day if that is over, in the client's zone; else empty."""
        until = self.tenant.contract.until
        return until if until is not None and until < day_of(self.tenant.timezone, self.at_us).isoformat() else ""

    def device(self, name: str, after_s: int = 0) -> Phone:
        """The device with this id, as a plan names it."""
        return Phone(name, self.domain, after_s)

    def number(self, digits: str) -> NumberEntry | None:
        """The client's number, or None if it is not theirs."""
        return next((n for n in self.tenant.numbers if n.number == digits), None)

    def id(self, name: str) -> Id | None:
        """The device with this id."""
        return next((i for i in self.tenant.ids if i.id == name), None)

    def line(self, name: str) -> Line | None:
        """The line of this name."""
        return next((line for line in self.tenant.lines if line.line == name), None)

    def line_with(self, phone: str) -> Line | None:
        """The line that this id belongs to."""
        return next((line for line in self.tenant.lines if phone in line.ids), None)

    def group(self, name: str) -> Group | None:
        """The group of this name."""
        return next((g for g in self.tenant.groups if g.group == name), None)

    def pool(self, name: str) -> Pool | None:
        """The pool of people that answers this queue."""
        return next((p for p in self.platform.pools if p.pool == name), None)

    def carrier(self, name: str | None) -> Carrier:
        """The carrier of this name, else the first: a call goes out rather than nowhere."""
        return next((c for c in self.platform.carriers if c.name == name), self.platform.carriers[0])

    def opening(self, name: str) -> Opening:
        """Whether the named hours hold now. Hours that the file lacks never hold."""
        hours: Hours | None = self.tenant.hours.get(name)
        if hours is None:
            return Opening(False, f"営業時間「{name}」は未登録")
        return is_open(hours, self.tenant.timezone, self.at_us)


@dataclass
class Draft:
    """The steps so far, why each was taken or left out, and the names already passed on 無応答転送."""

    steps: list[AnyStep] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    out_of_hours: bool = False
    """Somebody was left out because of the hours: the caller hears that, not just an unanswered line."""

    def add(self, why: str, *steps: AnyStep) -> None:
        """Take these steps, for this reason."""
        self.steps.extend(steps)
        self.why.append(why)

    def note(self, why: str) -> None:
        """A rule was looked at and gave no step."""
        self.why.append(why)

    @property
    def ended(self) -> bool:
        """Whether nothing can follow any more."""
        return bool(self.steps) and isinstance(self.steps[-1], (*ENDS, TakeMessage))

    @property
    def plan(self) -> Plan:
        """The steps as a command carries them."""
        return tuple(self.steps)
