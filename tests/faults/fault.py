"""One fault: what befalls the site, how large, and what came of it as one JSON line.

Enters: a site, a size. Leaves: an `Outcome`. What each fault does stands in a file of its own; all are listed in
`catalogue.py`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec

from services.runtime import clock
from tests.faults.site import Site
from tests.faults.verdict import Verdict

SETTLE_S = 180.0
SQLITE, POSTGRESQL = "sqlite", "postgresql"
STORES = (SQLITE, POSTGRESQL)


@dataclass(frozen=True)
class Size:
    """How large a fault is; what a number means to a fault stands in its file."""

    calls: int = 10
    for_s: float = 2.0
    times: int = 1
    per_s: float = 5.0
    within_s: float = float("inf")
    """What is done again and again ends then, and is judged by what was done."""
    sure: bool = True
    """Whether nothing else befalls the site: then what was done is looked at, too, not only what came of it."""


@dataclass(frozen=True)
class Fault:
    """`inflict` lets it happen and heals it; calls that it leaves up are hung up for it."""

    name: str
    what: str
    """One sentence for whoever reads the table."""
    inflict: Callable[[Site, Size, random.Random], None]
    small: Size
    full: Size
    judged_after: int = sys.maxsize
    """Of `times`: then everybody hangs up, the books are looked at, and the rest follows."""
    in_chaos: bool = True
    """Whether it may strike while other people call."""
    of_store: bool = False
    """Whether the store has a part in it, so that `make test` inflicts it on each."""
    stores: tuple[str, ...] = STORES
    """On which it can happen."""
    needs: Callable[[Site], str] = lambda _site: ""
    """What is missing on this machine, or nothing."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `make faults`. All but the first three, calls, deaths and times must be 0."""

    fault: str
    store: str
    size: str
    lost: int
    """Legs whose end nobody told, or that were answered and of whose charge nobody heard."""
    doubled: int
    wrong: int
    """Ends that are not as the switch saw them, and charges that are not what it saw."""
    executed_twice: int
    executions: int
    tenant_changes: int
    estimated: int
    """Of legs that the switch did not die with."""
    calls: int
    deaths: int
    """Processes that were killed in the middle of a message."""
    doubts: int = 0
    """Deaths that did not come, or not in the moment that was meant."""
    recovered_s: float
    """From the end of the fault until every leg that had ended was told and charged."""
    took_s: float
    """All of it, from its first caller."""

    @property
    def clean(self) -> bool:
        """Whether the invariant holds."""
        return (
            not any((self.lost, self.doubled, self.wrong, self.executed_twice, self.executions, self.tenant_changes))
            and not self.estimated
            and not self.doubts
        )


def strike(fault: Fault, site: Site, size: Size, dice: random.Random, name: str = "") -> Outcome:
    """The fault, then the time until all is told; what came of it. `name`: of the size."""
    begun_us, parts = clock.monotonic_us(), list[Outcome]()
    for first in range(0, size.times, fault.judged_after):
        within_s = size.within_s - (clock.monotonic_us() - begun_us) / 1_000_000
        part = replace(size, times=min(fault.judged_after, size.times - first), within_s=within_s)
        if within_s > 0:
            parts.append(outcome_of(fault.name, name, site, partial(fault.inflict, site, part, dice)))
            print(f"  {parts[-1]}", file=sys.stderr)
    return _sum(parts)


def _sum(parts: Sequence[Outcome]) -> Outcome:
    """Of one fault at one site. It recovered as fast as in the slowest part."""
    found = {name: sum(getattr(part, name) for part in parts) for name in Outcome.__struct_fields__[3:]}
    found["recovered_s"] = max(part.recovered_s for part in parts)
    return msgspec.structs.replace(parts[0], **found)


def outcome_of(fault: str, size: str, site: Site, inflict: Callable[[], None]) -> Outcome:
    """What comes of it, once nobody is up any more and everything is told."""
    site.put_away()
    before, given_up = _count(site), site.open() | site.mischarged()
    begun_us = clock.monotonic_us()
    inflict()
    healed_us = clock.monotonic_us()
    site.all_hang_up()
    site.settle(SETTLE_S, given_up)
    recovered_s, took_s = ((clock.monotonic_us() - since_us) / 1_000_000 for since_us in (healed_us, begun_us))
    now = _count(site)
    new = {what: now[what] - before[what] for what in now}
    numbers = {what: len(found) for what, found in new.items()}
    outcome = Outcome(
        fault=fault, store=site.store, size=size, recovered_s=round(recovered_s, 2), took_s=round(took_s, 1), **numbers
    )
    if not outcome.clean:
        _explain(site, new)
    return outcome


def _explain(site: Site, new: dict[str, set[Any]]) -> None:
    """On stderr, for whoever has to find out why: of each kind of trouble a few, with all that was told."""
    for what, found in new.items():
        for one in list(found)[:3] if what not in ("calls", "deaths") else ():
            leg = str(one).removeprefix("charge of ")
            print(
                f"{what}: {str(one)[:1000]}: {site.switch.truth.get(leg)}, ledger {site.ledger().get(leg)}",
                file=sys.stderr,
            )
            for fact in site.facts:
                if leg in (getattr(fact.body, "leg", ""), getattr(fact.body, "command", "")):
                    print(f"  {fact.id} {'estimated ' * fact.estimated}{fact.body}", file=sys.stderr)


def _count(site: Site) -> dict[str, set[Any]]:
    """What is amiss so far, as sets, so that one fault's trouble is not counted against the next."""
    verdict: Verdict = site.verdict()
    truth, switch = site.switch.truth, site.switch
    exact = {leg for leg, one in truth.items() if not one.untold}
    return {
        "lost": set(verdict.lost) | site.uncharged(),
        "doubled": set(verdict.doubled),
        "wrong": set(verdict.wrong) | {f"charge of {leg}" for leg in site.mischarged() - _up(site)},
        "executed_twice": {plan for plan, times in switch.plans.items() if times > 1},
        "executions": set(enumerate(switch.executions)),
        "tenant_changes": set(range(site.tenant_changes)),
        "estimated": set(verdict.estimated) & exact,
        "calls": set(switch.callers),
        "deaths": set(range(site.deaths)),
        "doubts": set(site.doubts),
    }


def _up(site: Site) -> set[str]:
    return {leg.uuid for leg in site.switch.up()}
