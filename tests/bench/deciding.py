"""From a caller's arrival to the leg that is dialled for it: through RabbitMQ, beside the same decision in one process.

Enters: a broker. Leaves: bars: the time itself, and how much more ours takes than the peer, p99. Both are heard by a
plain ESL client at the same simulated switch, under the same number of calls per second. Each service is a process of
its own, as at scale: in one process a decision waits for whatever the other services are at.
"""

from __future__ import annotations

import time

from tests.bench.bar import Bar, percentile, within
from tests.bench.calls import set_up_ms
from tests.bench.house import ROUTED, Played, Processes, lines, run_services_apart, run_switch, write_tenants

PER_SECOND = 50.0
SETTLE_S = 2.0
MOST_MORE_MS = 20.0
FALLBACK_MS = 4000.0
"""A call for which no plan came in time: the switch's own fallback takes it then."""


def bars(processes: Processes, url: str, seconds: float) -> list[Bar]:
    """`url`: an empty virtual host."""
    alone = _in_process(processes, seconds)
    switch = run_switch(processes)
    run_services_apart(processes, url, f"127.0.0.1:{switch.port}", switch.password)
    ours = _heard(processes, switch, seconds)
    name = f"arrival -> leg dialled, {PER_SECOND:.0f} calls/s"
    found = [
        Bar(f"{name}, p{p}", percentile(ours, p), percentile(alone, p), "decided in one process", "ms", len(ours))
        for p in (50, 99)
    ]
    more = percentile(ours, 99) - percentile(alone, 99)
    return [*found, within("what RabbitMQ and the stores add to it, p99", more, MOST_MORE_MS, "ms", len(ours))]


def _in_process(processes: Processes, seconds: float) -> list[float]:
    switch = run_switch(processes)
    tenants = write_tenants(processes.folder / "alone")
    secret = {"BENCH_ESL_PASSWORD": switch.password}
    processes.said(processes.patched("tests.bench.inprocess", str(tenants), str(switch.port), environment=secret))
    return _heard(processes, switch, seconds)


def _heard(processes: Processes, switch: Played, seconds: float) -> list[float]:
    secret = {"BENCH_ESL_PASSWORD": switch.password}
    ear = processes.ear("esl", "127.0.0.1", str(switch.port), environment=secret)
    time.sleep(SETTLE_S)
    switch.let_call(ROUTED, PER_SECOND, seconds)
    called = switch.ended(processes)
    processes.close()
    took = set_up_ms(lines(ear), ROUTED)
    return [*took, *[FALLBACK_MS] * (called - len(took))]
