"""From a caller's arrival to the leg that is dialled for it: through RabbitMQ, beside the same decision in one process.

Enters: a broker. Leaves: bars: the time itself, and how much more ours takes than the peer, p99; and the time with all
services beside it on the same cores. All are heard by a plain ESL client at the same simulated switch, under the same
number of calls per second. Each service is a process of its own, as at scale: in one process a decision waits for
whatever the other services are at.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from services.rooms import EVERYTHING
from tests.bench.bar import Bar, percentile, within
from tests.bench.calls import set_up_ms
from tests.bench.house import ROUTED, Played, Processes, lines, run_services_apart, run_switch, write_tenants

PER_SECOND = 50.0
SETTLE_S = 2.0
MOST_MORE_MS = 20.0
FALLBACK_MS = 4000.0
"""A call for which no plan came in time: the switch's own fallback takes it then."""


IN_THE_WAY = ("directory", "eventsocket", "routing")
"""What a decision takes; the others hear of the call, too, but nobody waits for them."""


def bars(processes: Processes, urls: Sequence[str], seconds: float) -> list[Bar]:
    """`urls`: two empty virtual hosts."""
    alone = _in_process(processes, seconds)
    ours, with_all = (
        _decided(processes, url, which, seconds) for url, which in zip(urls, (IN_THE_WAY, EVERYTHING), strict=True)
    )
    name, peer = f"arrival -> leg dialled, {PER_SECOND:.0f} calls/s", "decided in one process"
    more = percentile(ours, 99) - percentile(alone, 99)
    return [
        *(Bar(f"{name}, p{p}", percentile(ours, p), percentile(alone, p), peer, "ms", len(ours)) for p in (50, 99)),
        within("what RabbitMQ and the stores add to it, p99", more, MOST_MORE_MS, "ms", len(ours)),
        *(
            Bar(
                f"{name}, all services beside it, p{p}",
                percentile(with_all, p),
                percentile(alone, p),
                peer,
                "ms",
                len(ours),
            )
            for p in (50, 99)
        ),
    ]


def _decided(processes: Processes, url: str, which: Sequence[str], seconds: float) -> list[float]:
    switch = run_switch(processes)
    run_services_apart(processes, url, f"127.0.0.1:{switch.port}", switch.password, which)
    return _heard(processes, switch, seconds)


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
