"""Those who read events from a socket until they are normalised, each a process: `ours|greenswitch PORT COUNT`.

Enters: an Event Socket that sends COUNT events. Leaves: one JSON line: seconds of CPU from the subscription to the last
one normalised, and the most memory that the process ever held. Ours is the agent's way: link, spool (in memory, since
the normaliser keeps up: less than 1 µs an event), normaliser, envelopes; nothing is published. greenswitch is used as
its README shows, its reader and queue as they are, with a handler that takes 12 headers into a dict.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gevent
from greenswitch import InboundESL

HEADERS = (
    "Event-Name",
    "Core-UUID",
    "Event-Sequence",
    "Event-Date-Timestamp",
    "Unique-ID",
    "Caller-Channel-Created-Time",
    "Caller-Channel-Answered-Time",
    "Caller-Channel-Hangup-Time",
    "Hangup-Cause",
    "variable_sip_term_status",
    "variable_sip_hangup_disposition",
    "variable_tt_decision",
)
"""`LegEnded` of a leg that is known is made of these."""
PATIENCE_S = 120.0
AT_ONCE = 64
"""As many as the agent takes from its spool."""


def ours(port: int, count: int) -> float:
    """Seconds."""
    from services.eventsocket.frames import Frame
    from services.eventsocket.heard import Heard
    from services.eventsocket.link import Link
    from services.eventsocket.normalise import SUBSCRIPTION, Normaliser
    from services.eventsocket.spool import Spool

    def heard(frame: Frame) -> None:
        spool.put(frame.body)

    def normalise() -> None:
        done = 0
        while done < count:
            items = spool.peek(AT_ONCE)
            for item in items:
                normaliser.facts_of(Heard(item.raw))
            spool.done(len(items))
            done += len(items)

    with tempfile.TemporaryDirectory() as folder:
        normaliser, spool = Normaliser("fs1"), Spool(Path(folder) / "spool")
        spool.start()
        link = Link("127.0.0.1", port, "any", on_event=heard)
        link.connect()
        greenlet = gevent.spawn(normalise)
        began = time.process_time()
        link.send(SUBSCRIPTION)
        greenlet.join(PATIENCE_S)
        took = time.process_time() - began
        link.stop()
        spool.stop()
        return took


def greenswitch(port: int, count: int) -> float:
    """Seconds."""
    done = 0
    over = gevent.event.Event()
    normalised: dict[str, Any] = {}

    def handle(event: Any) -> None:
        nonlocal done, normalised
        normalised = {name: event.headers.get(name) for name in HEADERS}
        done += 1
        if done == count:
            over.set()

    link = InboundESL("127.0.0.1", port, "any")
    link.connect()
    link.register_handle("*", handle)
    began = time.process_time()
    link.send("event plain ALL")
    over.wait(PATIENCE_S)
    return time.process_time() - began


def peak_mb() -> float:
    """Most memory this process ever held. getrusage would tell the parent's if that was more."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    seconds = {"ours": ours, "greenswitch": greenswitch}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb()}), flush=True)
    os._exit(0)  # greenswitch's greenlets never end
