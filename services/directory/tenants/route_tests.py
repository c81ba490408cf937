"""The `tests:` of a client's file: calls that never happen, and where they would go.

Enters: a tenant, the platform, and routing's `explain`, handed in by the entry point. Leaves: one problem per test that
comes out otherwise, with routing's reasons. Pure. How a call is decided belongs to `services/routing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from proto.plan import AnyStep, Forward, HandOver, Play, Reject, Ring, TakeMessage, Wait
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.tenant.routes import ACTIONS, Action, RouteTest
from proto.values import Party, to_epoch_us
from services.directory.tenants.problems import Problem
from services.directory.tenants.words import cause_of, step_in_words


class Explain(Protocol):
    """routing's `explain`: the plan of a call and, in words, each rule that was looked at."""

    def __call__(
        self,
        tenant: Tenant | None,
        platform: Platform,
        dialled: str,
        caller: Party,
        at_us: int,
        phone: str = "",
        suspended: frozenset[str] = frozenset(),
        /,
    ) -> tuple[Sequence[AnyStep], Sequence[str]]:
        """`phone`: the own device that calls; empty: the call comes from outside. `suspended`: own numbers."""


class Failed(msgspec.Struct, frozen=True):
    """A test that does not come out as expected, and what the call would meet instead."""

    index: int
    test: RouteTest
    plan: tuple[AnyStep, ...]
    why: tuple[str, ...]


def run_tests(tenant: Tenant, platform: Platform, explain: Explain) -> list[Problem]:
    """One problem for each test that does not come out as expected."""
    found = [*_unanswerable(tenant)]
    for failed in failing(tenant, platform, explain):
        text = f"expected {in_words(failed.test.expect)}, but the call would {described(failed.plan)}"
        value, hint = _name(failed.test), "; ".join(failed.why)
        found.append(Problem(text=text, path=("tests", failed.index), value=value, hint=hint))
    return sorted(found, key=lambda problem: problem.path[1])


def _unanswerable(tenant: Tenant) -> Iterator[Problem]:
    own = {entry.number for entry in tenant.numbers}
    for i, test in enumerate(tenant.tests):
        if test.call not in own:
            yield Problem(text="is no number of this client", path=("tests", i, "call"), value=test.call)
        elif _at_us(test, tenant) is None:
            yield Problem(text="is no day of the calendar", path=("tests", i, "at"), value=test.at)


def failing(tenant: Tenant, platform: Platform, explain: Explain) -> list[Failed]:
    """The tests whose calls would go elsewhere; those about no call that could be made are left out."""
    found: list[Failed] = []
    own = {entry.number for entry in tenant.numbers}
    for i, test in enumerate(tenant.tests):
        at_us = _at_us(test, tenant)
        if test.call not in own or at_us is None:
            continue
        caller = Party(test.from_) if test.from_ else Party(presentation="unavailable")
        plan, why = explain(tenant, platform, test.call, caller, at_us)
        if not comes_out(test.expect, plan, tenant):
            found.append(Failed(i, test, tuple(plan), tuple(why)))
    return found


def _at_us(test: RouteTest, tenant: Tenant) -> int | None:
    try:
        return moment_us(test.at, tenant.timezone)
    except ValueError:
        return None


def moment_us(at: str, timezone: str) -> int:
    """`2026-11-22 10:00` in the client's zone -> microseconds since 1970. Raises ValueError for 2026-02-30."""
    day, _, clock = at.partition(" ")
    return to_epoch_us(datetime.fromisoformat(f"{day}T{clock.zfill(5)}").replace(tzinfo=ZoneInfo(timezone)))


def comes_out(expect: Action, plan: Sequence[AnyStep], tenant: Tenant) -> bool:
    """Whether the plan's first step is the one expected; `for_s` and `confirm` count only where the test names them."""
    if expect.reject is not None:  # an announcement may come before
        rest = [step for step in plan if not isinstance(step, Play)]
        return bool(rest) and isinstance(rest[0], Reject) and rest[0].cause == cause_of(expect)
    return bool(plan) and _is(plan[0], expect, tenant)


def _is(step: AnyStep, expect: Action, tenant: Tenant) -> bool:
    if expect.for_s is not None and getattr(step, "for_s", expect.for_s) != expect.for_s:
        return False
    match step:
        case Ring():
            rung = {phone.id for phone in step.phones}
            return bool(rung) and rung <= ids_behind(expect.ring, tenant)
        case Forward():
            return (
                step.number == expect.forward
                and (expect.confirm is None or step.confirm)
                and (expect.carrier is None or step.carrier.name == expect.carrier)
                and (expect.present is None or step.present == expect.present)
            )
        case Play():
            return step.prompt == expect.play
        case TakeMessage():
            return step.mailbox == expect.voicemail
        case Wait() | HandOver():
            return expect.queue is not None and step.queue == expect.queue
        case _:
            return False


def ids_behind(name: str | None, tenant: Tenant) -> set[str]:
    """The devices behind the name of a line, a group or an id."""
    lines = {line.line: set(line.ids) for line in tenant.lines}
    for group in tenant.groups:
        if group.group == name:
            return set().union(*(lines.get(line, set()) for line in group.lines))
    return lines.get(name, {name}) if name is not None else set()


def in_words(action: Action) -> str:
    """`forward 09012345678`: the action of a file in two words."""
    return next(f"{name} {value}" for name in ACTIONS if (value := getattr(action, name)) is not None)


def described(plan: Sequence[AnyStep]) -> str:
    """The first step of a plan, for a person."""
    if not plan:
        return "go nowhere"
    return step_in_words(plan[0], "en", {})


def _name(test: RouteTest) -> str:
    return f"{test.call} at {test.at}"
