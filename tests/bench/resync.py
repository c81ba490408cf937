"""How long the agent needs to know what is up on a switch that it finds: 1,000 channels against 10.

Enters: a broker. Leaves: a bar: from the word that the switch is found to the first fact about the last channel, as
heard on RabbitMQ. The peer is the same with 10 channels: a ratio beyond 100 would not scale.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.bar import Bar, median
from tests.bench.house import Processes, lines, run_house, run_switch

FEW, MANY = 10, 1_000
TIMES = 3
PATIENCE_S = 120.0


def bars(folder: Path, buses: list[str], many: int = MANY) -> list[Bar]:
    """`buses`: addresses of empty virtual hosts, two for each round: `many` channels up, and a few."""
    took: dict[int, list[float]] = {FEW: [], many: []}
    for number, bus in enumerate(buses):
        channels = (FEW, many)[number % 2]
        took[channels].append(_found_ms(_made(folder / str(number)), bus, channels))
    bar = f"resync after a reconnect, {many} channels"
    return [Bar(bar, median(took[many]), median(took[FEW]), f"{FEW} channels", "ms", TIMES, "lower", many / FEW)]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _found_ms(folder: Path, bus: str, channels: int) -> float:
    processes = Processes(folder)
    try:
        switch = run_switch(processes, channels)
        ear = processes.ear("bus", bus)
        run_house(processes, bus, f"127.0.0.1:{switch.port}", switch.password)
        deadline = time.monotonic() + PATIENCE_S
        while len(legs := _first_heard_us(ear)) < channels:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(legs)} of {channels} channels were told within {PATIENCE_S:.0f} s")
            time.sleep(0.2)
        found_us = next(one["heard_us"] for one in lines(ear) if one["name"].endswith("switch.connected"))
        return (max(legs.values()) - found_us) / 1000
    finally:
        processes.close()


def _first_heard_us(ear: Path) -> dict[str, int]:
    heard: dict[str, int] = {}
    for one in lines(ear):
        if one["leg"]:
            heard.setdefault(one["leg"], one["heard_us"])
    return heard
