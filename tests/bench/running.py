"""The whole house as one process on RabbitMQ, while nobody calls and while many do: CPU and memory.

Enters: a broker; for a real switch its address and pid. Leaves: bars: CPU of an idle house, CPU of all services per
call (beside the switch's own where that is real), memory over many calls. What RabbitMQ itself takes is not ours.
"""

from __future__ import annotations

import time

import psutil

from tests.bench.bar import Bar, within
from tests.bench.house import ROUTED, Processes, RealSwitch, call_itself, run_house, run_switch

SETTLE_S = 5.0
PER_SECOND = 40.0
"""Two cores take some 50 in one process; what gathers beyond that would look like a leak."""
MANY = 30_000
"""Calls over which memory must stay."""
SETTLED = 12_000
"""Calls after which it is taken for settled: until then what is remembered of ended legs fills up."""
MOST_GROWTH = 1.05
IDLE_PERCENT = 2.0


def bars(processes: Processes, url: str, calls: int, idle_s: float) -> list[Bar]:
    """`url`: an empty virtual host. `calls`: how many there are in all."""
    switch = run_switch(processes)
    house = run_house(processes, url, f"127.0.0.1:{switch.port}", switch.password)
    time.sleep(SETTLE_S)
    idle = _percent_of_a_core(house, idle_s)
    first = max(1, calls * SETTLED // MANY)
    switch.let_call(ROUTED, PER_SECOND, first / PER_SECOND)
    switch.ended(processes)
    time.sleep(SETTLE_S)
    settled_mb, began_s = _memory_mb(house), _cpu_s(house)
    switch.let_call(ROUTED, PER_SECOND, (calls - first) / PER_SECOND)
    called = switch.ended(processes)
    time.sleep(SETTLE_S)
    per_call_ms = (_cpu_s(house) - began_s) / called * 1000
    played_ms = sum(psutil.Process(switch.process.pid).cpu_times()[:2]) / (called + first) * 1000
    return [
        within("idle house, all services", idle, IDLE_PERCENT, "% of a core", int(idle_s)),
        Bar("CPU of all services per call", per_call_ms, played_ms, "simulated switch's own", "ms", called),
        Bar(
            f"memory after {called + first:,} calls",
            _memory_mb(house),
            settled_mb,
            f"the same after {first:,}",
            "MB",
            called,
            "lower",
            MOST_GROWTH,
        ),
    ]


def beside_a_real_switch(
    processes: Processes, url: str, real: RealSwitch, pid: int, seconds: float, per_second: float
) -> list[Bar]:
    """The CPU that a call costs our services, and the switch itself, in the same run."""
    house, switch = run_house(processes, url, f"{real.host}:{real.port}", real.password), psutil.Process(pid)
    time.sleep(SETTLE_S)
    resting = {one.pid: _percent_of_a_core(one, SETTLE_S) / 100 for one in (house, switch)}
    before = {one.pid: _cpu_s(one) for one in (house, switch)}
    began = time.monotonic()
    calls = call_itself(real, per_second, seconds, (ROUTED,))
    time.sleep(SETTLE_S)
    took_s = time.monotonic() - began
    cost = {
        one.pid: (_cpu_s(one) - before[one.pid] - resting[one.pid] * took_s) / calls * 1000 for one in (house, switch)
    }
    bar = "CPU of all services per call, idle taken off"
    return [Bar(bar, cost[house.pid], cost[pid], "the real switch's own", "ms", calls, "lower", 0.5)]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _memory_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 2**20)


def _percent_of_a_core(process: psutil.Process, seconds: float) -> float:
    before = _cpu_s(process)
    time.sleep(seconds)
    return (_cpu_s(process) - before) / seconds * 100
