"""Five times as many callers as the house is set to take: those who are taken, and those who are not.

Enters: a broker. Leaves: bars: the time from arrival to the dialled leg under overload beside that without, p99; how
soon the rest was refused, and whether all of them were, with SWITCH_CONGESTION (503 in SIP). The bound is the switch's
own (tt_arrivals_per_second), as it stands in the dialplan that is shipped; an emergency call never comes to it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.bar import Bar, percentile, within
from tests.bench.calls import set_up_ms
from tests.bench.house import ROUTED, Played, Processes, lines, run_house, run_switch

MOST_PER_SECOND = 20
TIMES = 5
SETTLE_S = 2.0
CAUSE = "SWITCH_CONGESTION"
AT_ONCE_MS = 100.0


def bars(processes: Processes, url: str, seconds: float) -> list[Bar]:
    """`url`: an empty virtual host."""
    switch = run_switch(processes, most=MOST_PER_SECOND)
    run_house(processes, url, f"127.0.0.1:{switch.port}", switch.password)
    secret = {"BENCH_ESL_PASSWORD": switch.password}
    ear = processes.ear("esl", "127.0.0.1", str(switch.port), environment=secret)
    time.sleep(SETTLE_S)
    calm = _hear(processes, switch, MOST_PER_SECOND * 0.9, seconds)
    before = lines(ear)
    called = _hear(processes, switch, MOST_PER_SECOND * TIMES, seconds)
    heard = lines(ear)[len(before) :]
    taken, refused = set_up_ms(heard, ROUTED), _refused_ms(heard)
    lost = called - len(taken) - len(refused)
    unloaded = percentile(set_up_ms(before, ROUTED), 99)
    name = f"arrival -> leg dialled with {TIMES} times too many callers, p99 of those taken"
    return [
        Bar(
            name, percentile(taken, 99), unloaded, f"p99 of {calm} calls, not too many", "ms", len(taken), "lower", 2.0
        ),
        within(f"arrival -> refused with {CAUSE}, p99", percentile(refused, 99), AT_ONCE_MS, "ms", len(refused)),
        Bar("callers neither dialled for nor refused", float(lost), 1.0, "one", "calls", called, "lower", 0.0),
    ]


def _hear(processes: Processes, switch: Played, per_second: float, seconds: float) -> int:
    switch.let_call(ROUTED, per_second, seconds)
    called = switch.ended(processes)
    time.sleep(SETTLE_S)
    return called


def _refused_ms(events: Sequence[Mapping[str, Any]]) -> list[float]:
    """From CHANNEL_CREATE to CHANNEL_HANGUP_COMPLETE of callers whom the switch refused, as both are heard."""
    created = {one["leg"]: one["heard_us"] for one in events if one["name"] == "CHANNEL_CREATE"}
    ended = [one for one in events if one["name"] == "CHANNEL_HANGUP_COMPLETE" and one["cause"] == CAUSE]
    return [(one["heard_us"] - created[one["leg"]]) / 1000 for one in ended if one["leg"] in created]
