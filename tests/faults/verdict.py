"""What was told about legs, against what really became of them.

Enters: the switch's truth, legs that are up, facts from the bus. Leaves: a `Verdict`: legs that nobody told the end of,
ends or charges told twice, ends that are wrong. Where the facts come from belongs to `house.py` and `site.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from proto.envelope import MESSAGES, Envelope
from proto.events import LegCharged, LegEnded
from proto.message import Event
from proto.topics import Queue
from tests.faults.switch import Truth

TAP = Queue("tap", "fact", tuple(f"*.{name}" for name, kind in MESSAGES.items() if issubclass(kind, Event)))
"""Gets every fact."""


@dataclass(frozen=True)
class Verdict:
    """The books against the truth."""

    legs: int
    lost: frozenset[str]
    """Ended, and nobody told it."""
    doubled: frozenset[str]
    """An exact end, an estimated one, or a charge told twice."""
    wrong: frozenset[str]
    """Told as ended while up; exact, and not as the switch has it; estimated, and later than the truth."""
    estimated: frozenset[str]
    """Legs of which only an estimated end is told."""
    charged: frozenset[str]
    early_s: float
    """By how much the earliest estimate is before the truth."""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled, nothing wrong."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        return (
            f"legs {self.legs} lost {len(self.lost)} doubled {len(self.doubled)} wrong {len(self.wrong)}"
            f" estimated {len(self.estimated)} charged {len(self.charged)} early {self.early_s:.2f} s"
        )


def verdict(truth: Mapping[str, Truth], up: Collection[str], facts: Sequence[Envelope]) -> Verdict:
    """`facts`: each message once."""
    ends = [(fact.body, fact.estimated) for fact in facts if isinstance(fact.body, LegEnded)]
    times = Counter((end.leg, estimated) for end, estimated in ends)
    charges = Counter(fact.body.leg for fact in facts if isinstance(fact.body, LegCharged))
    exact = {end.leg for end, estimated in ends if not estimated}
    early = [truth[end.leg].ended_us - end.ended_at_us for end, estimated in ends if estimated and end.leg in truth]
    told = {leg for leg, _ in times}
    return Verdict(
        legs=len(truth),
        lost=frozenset(truth.keys() - told),
        doubled=frozenset(leg for (leg, _), n in [*times.items(), *(((c, 0), n) for c, n in charges.items())] if n > 1),
        wrong=frozenset(end.leg for end, estimated in ends if end.leg in up or _is_wrong(truth, end, estimated)),
        estimated=frozenset(told - exact),
        charged=frozenset(charges),
        early_s=max(early, default=0) / 1_000_000,
    )


def _is_wrong(truth: Mapping[str, Truth], end: LegEnded, estimated: bool) -> bool:
    one = truth.get(end.leg)
    if one is None or (end.answered_at_us or 0) not in (one.answered_us, 0):
        return True
    if estimated:
        return end.ended_at_us > one.ended_us
    told = (end.started_at_us, end.answered_at_us or 0, end.ended_at_us)
    return told != (one.started_us, one.answered_us, one.ended_us)
