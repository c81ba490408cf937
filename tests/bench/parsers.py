"""How long it takes to decode a captured CHANNEL_HANGUP_COMPLETE and read the 12 headers that a leg's end is made of.

Enters: the captured traces. Leaves: bars beside the parsers of greenswitch and Genesis, each on the form of the event
that its library reads (plain), as its users read it.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

from greenswitch.esl import ESLEvent
from msgspec.structs import fields

from services.eventsocket.frames import FrameReader
from services.eventsocket.heard import Heard
from services.eventsocket.said import Ended
from tests import traces
from tests.bench.bar import Bar, per_second
from tests.bench.readers import HEADERS

NAMES_OF_OURS = [next(f.name for f in fields(Ended) if f.encode_name == header) for header in HEADERS]
TRACE = 2
NAME = b"CHANNEL_HANGUP_COMPLETE"
ROUNDS = 9
PEERS = Path(sys.prefix) / "peers"
"""Where `make bench` puts what is only measured against (peers.lock)."""


def bars(times: int) -> list[Bar]:
    """`times`: decodings in each of some rounds; the best round counts, since others work on the machine too."""
    ours, plain = _captured()
    readers: dict[str, Callable[[], list[str]]] = {
        "ours": lambda: _ours(ours),
        "greenswitch": lambda: _greenswitch(plain),
    }
    sys.path.append(str(PEERS))  # last: what it brings along must not stand before ours
    if importlib.util.find_spec("genesis"):
        readers["Genesis"] = lambda: _genesis(plain)
    said = {name: read() for name, read in readers.items()}
    if any(one != said["ours"] for one in said.values()):
        raise RuntimeError(f"the parsers read different things: {said}")
    rates = dict.fromkeys(readers, 0.0)
    for _ in range(ROUNDS):  # in turn, so that a busy moment hits all of them
        for name, read in readers.items():
            rates[name] = max(rates[name], _rate(read, times))
    bar = f"decode HANGUP_COMPLETE ({len(ours) / 1000:.0f} kB), read {len(HEADERS)} headers"
    goals = {"greenswitch": 12.0, "Genesis": None}
    return [
        per_second(bar, rates["ours"], rates[name], f"{name}'s parser", "events", times * ROUNDS, goals[name])
        for name in readers
        if name != "ours"
    ]


def _captured() -> tuple[bytes, str]:
    """The end of a leg that has all of them, from the json and from the plain connection."""
    trace, reader = traces.load(TRACE), FrameReader()
    reader.feed(trace.plain)
    pairs = zip(trace.json_lines.splitlines(), (frame.body.decode() for frame in reader.frames()), strict=True)
    return next((one, other) for one, other in pairs if NAME in one[:60] and all(name in other for name in HEADERS))


def _rate(read: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        read()
    return times / (time.perf_counter() - began)


def _ours(raw: bytes) -> list[str]:
    said = Heard(raw).stamp
    return [str(getattr(said, name)) for name in NAMES_OF_OURS]


def _greenswitch(plain: str) -> list[str]:
    event = ESLEvent(plain)
    return [event.headers[name] for name in HEADERS]


def _genesis(plain: str) -> list[str]:
    from genesis.protocol.parser import parse_headers

    event = parse_headers(plain)
    values = (event[name] for name in HEADERS)
    return [one if isinstance(one, str) else one[-1] for one in values]  # a header that stands twice becomes a list
