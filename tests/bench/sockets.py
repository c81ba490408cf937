"""From the socket to a normalised event: our agent's way beside greenswitch, over the same events.

Enters: nothing. Leaves: bars of events per second of CPU time (the machine is shared, so wall time would measure the
others too), and of the most memory each process ever held.
"""

from __future__ import annotations

import json

from tests.bench.bar import Bar, median, per_second
from tests.bench.house import Processes

COUNT = 12_000
ROUNDS = 3


def bars(processes: Processes, count: int) -> list[Bar]:
    """`count`: events that each reader is sent, once per round, in turn."""
    feeder = processes.start("tests.bench.feeder", str(count))
    port = processes.said(feeder).strip()
    found: dict[str, list[dict[str, float]]] = {"ours": [], "greenswitch": []}
    for _ in range(ROUNDS):
        for name, runs in found.items():
            runs.append(json.loads(processes.said(processes.patched("tests.bench.readers", name, port, str(count)))))
    rates = {name: count / median([run["seconds"] for run in runs]) for name, runs in found.items()}
    peaks = {name: median([run["peak_mb"] for run in runs]) for name, runs in found.items()}
    samples = count * ROUNDS
    return [
        per_second(
            "socket -> normalised event, per CPU second",
            rates["ours"],
            rates["greenswitch"],
            "greenswitch",
            "events",
            samples,
            8.0,
        ),
        Bar(
            f"most memory over {count} events",
            peaks["ours"],
            peaks["greenswitch"],
            "greenswitch",
            "MB",
            samples,
            "lower",
            0.2,
        ),
    ]
