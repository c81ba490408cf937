"""What a run with simulated callers comes to: the switch's own count against the services' books.

Enters: the simulator's counts, history's summary, the ledger's rows per leg. Leaves: the last line of `toritsugi run
--for …`. Pure; a surplus is counted, not hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec


class Books(msgspec.Struct, frozen=True):
    """What the services' stores say, as times per key: more than one is a surplus."""

    calls: Mapping[str, int]
    legs_ended: Mapping[str, int]
    legs_charged: Mapping[str, int]
    routed: Mapping[str, int]
    """Executed decisions per arrival (`<leg>:park:<n>`)."""
    decision_us: Sequence[int]
    legs: Collection[str] = frozenset()
    """Every leg that is known, ended or not."""
    earlier: Collection[str] = frozenset()
    """Legs known before the run: they may end in it unseen, since the switch that they were on may be gone."""


class SwitchCount(msgspec.Struct, frozen=True):
    """What the switch itself saw: first legs of calls, legs ended, ended legs that had been answered."""

    arrived: Collection[str]
    ended: Collection[str]
    answered: Collection[str]


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds; None where nothing was decided."""

    p50: float | None
    p99: float | None


class Result(msgspec.Struct, frozen=True):
    """The last line of a run; None where the books are in other processes."""

    calls_arrived: int
    calls_routed: int | None
    legs_ended: int
    legs_charged: int | None
    lost: int | None
    duplicated: int | None
    decision_ms: Percentiles | None

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled, as far as this process can tell."""
        return not self.lost and not self.duplicated


def compare(switch: SwitchCount, books: Books) -> Result:
    """The result of a run. What the books hold besides what the switch saw counts as doubled."""
    pairs = (
        (switch.arrived, books.calls),
        (switch.ended, books.legs_ended),
        (switch.answered, books.legs_charged),
    )
    return Result(
        calls_arrived=len(switch.arrived),
        calls_routed=sum(1 for times in books.routed.values() if times == 1),
        legs_ended=len(switch.ended),
        legs_charged=sum(1 for leg in switch.answered if books.legs_charged.get(leg)),
        lost=sum(_lost(seen, booked) for seen, booked in pairs),
        duplicated=sum(_surplus(seen, booked, books.earlier) for seen, booked in pairs),
        decision_ms=Percentiles(p50=percentile_ms(books.decision_us, 50), p99=percentile_ms(books.decision_us, 99)),
    )


def not_compared(switch: SwitchCount) -> Result:
    """The switch's own count, in a process that has no books."""
    return Result(len(switch.arrived), None, len(switch.ended), None, None, None, None)


def _lost(seen: Collection[str], booked: Mapping[str, int]) -> int:
    return sum(1 for one in seen if not booked.get(one))


def _surplus(seen: Collection[str], booked: Mapping[str, int], earlier: Collection[str]) -> int:
    allowed = frozenset(seen) | frozenset(earlier)
    return sum(times - (one in allowed) for one, times in booked.items() if times > (one in allowed))


def percentile_ms(values_us: Sequence[int], percent: int) -> float | None:
    """Nearest-rank percentile in milliseconds, to a tenth."""
    if not values_us:
        return None
    ordered = sorted(values_us)
    rank = max(1, -(-len(ordered) * percent // 100))
    return round(ordered[rank - 1] / 1000, 1)


def since(before: Books, after: Books) -> Books:
    """What came into the books between two readings; keys known before are left out."""
    old_us = list(before.decision_us)
    return Books(
        calls=_new(before.calls, after.calls),
        legs_ended=_new(before.legs_ended, after.legs_ended),
        legs_charged=_new(before.legs_charged, after.legs_charged),
        routed=_new(before.routed, after.routed),
        decision_us=after.decision_us[len(old_us) :],
        legs=frozenset(after.legs) - frozenset(before.legs),
        earlier=frozenset(before.legs),
    )


def _new(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {key: times for key, times in after.items() if key not in before}
