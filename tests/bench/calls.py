"""How quickly a consumer on RabbitMQ hears, and how quickly a call is set up, beside those who do it without us.

Enters: a broker, a switch (simulated, or a real one). Leaves: bars. All parts are processes of their own; what is
measured is the time between the switch's stamp of an event and the moment somebody else has it in hand.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.bar import Bar, median, percentile
from tests.bench.house import (
    ROUTED,
    STATIC,
    Processes,
    RealSwitch,
    call_itself,
    lines,
    run_house,
    run_switch,
)

SETTLE_S = 2.0


def bars(
    processes: Processes, bus: str, seconds: float, per_second: float, real: RealSwitch | None = None
) -> list[Bar]:
    """`bus`: address of an empty virtual host, or of the one that mod_amqp of the real switch publishes to."""
    if real:
        return list(_compared(_real(processes, bus, seconds, per_second, real)))
    return list(_compared(_simulated(processes, bus, seconds, per_second)))


def _simulated(processes: Processes, bus: str, seconds: float, per_second: float) -> dict[str, Path]:
    switch = run_switch(processes)
    run_house(processes, bus, f"127.0.0.1:{switch.port}", switch.password)
    ears = {
        "esl": processes.ear("esl", "127.0.0.1", str(switch.port), environment={"BENCH_ESL_PASSWORD": switch.password}),
        "bus": processes.ear("bus", bus),
    }
    time.sleep(SETTLE_S)
    switch.let_call(f"{ROUTED},{STATIC}", per_second, seconds)
    switch.ended(processes)
    time.sleep(SETTLE_S)
    return ears


def _real(processes: Processes, bus: str, seconds: float, per_second: float, real: RealSwitch) -> dict[str, Path]:
    run_house(processes, bus, f"{real.host}:{real.port}", real.password)
    secret = {"BENCH_ESL_PASSWORD": real.password}
    ears = {
        "esl": processes.ear("esl", real.host, str(real.port), environment=secret),
        "bus": processes.ear("bus", bus),
        "amqp": processes.ear("amqp", bus),
    }
    time.sleep(SETTLE_S)
    call_itself(real, per_second, seconds)
    return ears


def _compared(heard: Mapping[str, Path]) -> Iterator[Bar]:
    events = {one["id"]: one for one in lines(heard["esl"])}
    facts = {one["id"]: one for one in lines(heard["bus"]) if one["id"] in events}
    peers = {"plain ESL client": events}
    if "amqp" in heard:
        peers["mod_amqp"] = {one["id"]: one for one in lines(heard["amqp"])}
    for name, peer in peers.items():
        both = [one for one in facts if one in peer]
        ours = [(facts[one]["heard_us"] - events[one]["stamp_us"]) / 1000 for one in both]
        theirs = [(peer[one]["heard_us"] - events[one]["stamp_us"]) / 1000 for one in both]
        for percent in (50, 99):
            bar = f"event at the switch -> consumer on RabbitMQ, p{percent}"
            yield Bar(bar, percentile(ours, percent), percentile(theirs, percent), name, "ms", len(both))
    routed, static = set_up_ms(list(events.values()), ROUTED), set_up_ms(list(events.values()), STATIC)
    name = "native dialplan" if "amqp" in heard else "static plan in the dialplan"
    yield Bar("set-up, arrival -> leg dialled, p50", median(routed), median(static), name, "ms", len(routed))
    yield Bar("set-up, p99", percentile(routed, 99), percentile(static, 99), name, "ms", len(routed))


def set_up_ms(events: Sequence[Mapping[str, Any]], number: str) -> list[float]:
    """From the caller's CHANNEL_CREATE to that of the first leg dialled for it, as the plain client hears them: a real
    switch stamps in steps of 20 ms (FreeSWITCH's own timer), which would hide a static plan altogether."""
    created = [one for one in events if one["name"] == "CHANNEL_CREATE"]
    arrived = {
        one["leg"]: one["heard_us"] for one in created if one["direction"] == "inbound" and one["number"] == number
    }
    found: dict[str, float] = {}
    for one in created:
        if one["direction"] == "outbound" and one["of"] in arrived and one["of"] not in found:
            found[one["of"]] = (one["heard_us"] - arrived[one["of"]]) / 1000
    return list(found.values())
