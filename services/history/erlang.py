"""PURE. How many lines or people so much traffic needs: Erlang B (who finds all busy goes) and C (who does, waits).

Enters: traffic in erlangs (calls an hour × mean length ÷ 3600 s). Leaves: probabilities and whole numbers. Source:
A. K. Erlang 1917; ITU-T E.501, E.520. Where traffic comes from belongs to `capacity.py`.
"""

from __future__ import annotations

import math

MOST = 10_000
"""Beyond so many lines or people nobody plans with these formulas here."""


def blocked(channels: int, erlangs: float) -> float:
    """Erlang B: the share of calls that find all `channels` busy, 0 to 1."""
    share = 1.0
    for count in range(1, channels + 1):
        share = erlangs * share / (count + erlangs * share)
    return share


def channels_for(erlangs: float, blocking: float) -> int:
    """The fewest channels at which at most this share of calls finds all busy. Raises ValueError above MOST."""
    share, count = 1.0, 0
    while share > blocking:
        count += 1
        if count > MOST:
            raise ValueError(f"more than {MOST} channels")
        share = erlangs * share / (count + erlangs * share)
    return count


def carries(channels: int, blocking: float) -> float:
    """The traffic in erlangs at which so many channels turn this share of calls away."""
    low, high = 0.0, channels / (1 - blocking) + 1
    while blocked(channels, high) < blocking:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if blocked(channels, middle) <= blocking else (low, middle)
    return low


def waits(people: int, erlangs: float) -> float:
    """Erlang C: the share of callers who wait at all, 0 to 1; with no more people than erlangs, everybody."""
    if people <= erlangs:
        return 1.0
    share = blocked(people, erlangs)
    return people * share / (people - erlangs * (1 - share))


def answered_within(people: int, erlangs: float, talk_s: float, within_s: float) -> float:
    """The share of callers answered within so many seconds, 0 to 1, if nobody gives up."""
    if people <= erlangs:
        return 0.0
    return 1 - waits(people, erlangs) * math.exp(-(people - erlangs) * within_s / talk_s)


def people_for(erlangs: float, talk_s: float, within_s: float, share: float) -> int:
    """The fewest people who answer this share of callers in time. Raises ValueError above MOST."""
    people = math.floor(erlangs) + 1 if erlangs > 0 else 0
    while erlangs > 0 and answered_within(people, erlangs, talk_s, within_s) < share:
        people += 1
        if people > MOST:
            raise ValueError(f"more than {MOST} people")
    return people
