"""What history can tell a run that counts itself: calls known, legs ended, legs charged, decisions carried out.

Enters: a transaction on history's store. Leaves: raw counts per key, so that a surplus is seen, not hidden. Comparing
them with the switch's own count belongs to the run command.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from sqlalchemy import select

from services.runtime.store import Tx


class Summary(msgspec.Struct, frozen=True):
    """Counts of everything in the store."""

    calls: dict[str, int]
    """Call id -> rows (more than one: the call stands under several tenants)."""
    decided: dict[str, int]
    """`<leg>:park:<n>` -> plans of ours that the switch took for this arrival (fallback not included)."""
    legs_ended: dict[str, int]
    """Leg -> LegEnded facts with different ids."""
    legs_charged: dict[str, int]
    """Leg -> LegCharged facts with different ids."""
    decision_us: tuple[int, ...]
    """From the agent's reading an arrival to its writing the plan."""
    legs: frozenset[str]
    """Every leg known, ended or not."""

    @property
    def calls_routed(self) -> int:
        """Arrivals with exactly one executed decision."""
        return sum(1 for times in self.decided.values() if times == 1)


def summary(tx: Tx) -> Summary:
    """Everything the store has; for runs of minutes, not for a year's history."""
    return Summary(
        calls=_count(tx, "calls", "call"),
        decided=_decided(tx),
        legs_ended=_tallied(tx, "leg.ended"),
        legs_charged=_tallied(tx, "leg.charged"),
        decision_us=_decision_us(tx),
        legs=frozenset(_count(tx, "legs", "leg")),
    )


def _count(tx: Tx, name: str, column: str) -> dict[str, int]:
    return dict(Counter(tx.sql.execute(select(tx.tables[name].c[column])).scalars()))


def _tallied(tx: Tx, what: str) -> dict[str, int]:
    table = tx.tables["tallies"]
    rows = tx.sql.execute(select(table.c.leg, table.c.park, table.c.times).where(table.c.what == what))
    return {_key(row): row.times for row in rows}


def _key(row: Any) -> str:
    return f"{row.leg}:park:{row.park}" if row.park else str(row.leg)


def _decided(tx: Tx) -> dict[str, int]:
    """Finished plans joined to the arrival that caused them, by the decision's cause."""
    tallies, decisions, results = tx.tables["tallies"], tx.tables["decisions"], tx.tables["command_results"]
    rows = tx.sql.execute(
        select(tallies.c.leg, tallies.c.park)
        .join(decisions, (decisions.c.cause == tallies.c.id) & (decisions.c.leg == tallies.c.leg))
        .join(results, results.c.command == decisions.c.command)
        .where(tallies.c.what == "call.arrived", results.c.result == "finished", results.c.name == "command.route_call")
    )
    return dict(Counter(_key(row) for row in rows))


def _decision_us(tx: Tx) -> tuple[int, ...]:
    table = tx.tables["command_results"]
    rows = tx.sql.execute(
        select(table.c.decision_us).where(table.c.decision_us.is_not(None), table.c.result == "finished")
    )
    return tuple(rows.scalars())
