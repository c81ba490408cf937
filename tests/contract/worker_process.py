"""A worker in another process that dies at a chosen moment: `… before_publish|before_ack URL FOLDER STORE`.

Enters: the bus's address, a folder with its journal, the store's address. Leaves: nothing; it is killed by its own
signal while it works on the first batch, as by a power cut.
"""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from proto.topics import Outgoing  # noqa: E402
from services.runtime.bus.choose import connect  # noqa: E402
from services.runtime.store import Store  # noqa: E402
from services.runtime.worker import Worker  # noqa: E402
from tests.contract import tally  # noqa: E402
from tests.contract.bus_world import FS1  # noqa: E402


def _die(*_anything: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Doomed:
    """The real bus, up to the moment of death."""

    def __init__(self, bus: Any, moment: str) -> None:
        self._bus, self._moment = bus, moment

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Die instead, if that is the moment."""
        if self._moment == "before_publish":
            _die()
        self._bus.publish(messages)

    def consume(self, queue: str, prefetch: int) -> Any:
        """A reader that dies at its first acknowledgement, if that is the moment."""
        consumer = self._bus.consume(queue, prefetch)
        if self._moment == "before_ack":
            consumer.ack = _die
        return consumer


def main(moment: str, url: str, folder: str, address: str) -> None:
    """Work until death."""
    bus = connect(url, Path(folder))
    bus.start([tally.queue(), FS1])
    service = tally.build()
    store = Store(address, service.metadata)
    store.start()
    Worker(service, store, Doomed(bus, moment), "tally.0").start()  # type: ignore[arg-type]
    gevent.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
