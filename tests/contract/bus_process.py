"""Another process on the bus, to be killed: `python -m tests.contract.bus_process publish|hold URL FOLDER`.

Enters: an address and a folder for the journal. Leaves: a line on stdout per message that the bus has confirmed
(publish) or handed over (hold, which never acknowledges).
"""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402

from proto.topics import Outgoing, Queue  # noqa: E402
from services.runtime.bus import Bus  # noqa: E402
from services.runtime.bus.choose import connect  # noqa: E402

QUEUES = [Queue("history", "fact", ("*.leg.ended",))]


def main(what: str, url: str, folder: str) -> None:
    """Until killed."""
    bus = connect(url, Path(folder))
    bus.start(QUEUES)
    print("ready", flush=True)
    if what == "publish":
        gevent.joinall([gevent.spawn(_publish, bus, tenant) for tenant in ("acme", "globex", "initech")])
    else:
        _hold(bus)


def _publish(bus: Bus, tenant: str) -> None:
    number = 0
    while True:
        batch = [f"{tenant} {number + n}" for n in range(5)]
        bus.publish([Outgoing(text, "fact", f"{tenant}.leg.ended", tenant, text.encode()) for text in batch])
        print("\n".join(batch), flush=True)
        number += 5


def _hold(bus: Bus) -> None:
    consumer = bus.consume("history.0", prefetch=1000)
    while True:
        for delivery in consumer.get(1000):
            print(delivery.body.decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
