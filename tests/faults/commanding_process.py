"""An agent in another process whose bus never hears an acknowledgement: `… MOMENT BUS_URL PORT PASSWORD FOLDER`.

Enters: when it shall die (`mark`: when the switch has its first mark; `answer`: instead of publishing; `cut`: it lives,
but its queue is given to somebody else at the first acknowledgement; else somebody kills it), where bus and switch are,
a folder of its own. Leaves: nothing; `ready` on stdout.
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
import gevent.event  # noqa: E402

from proto.envelope import Envelope  # noqa: E402
from proto.events import CommandFinished, CommandRefused, CommandUnknown  # noqa: E402
from proto.topics import Outgoing, agent_queue, command_queue  # noqa: E402
from services.eventsocket.marks import Marks  # noqa: E402
from services.eventsocket.service import Agent, SwitchSettings, metadata  # noqa: E402
from services.runtime.bus import Unavailable  # noqa: E402
from services.runtime.bus.choose import connect  # noqa: E402
from services.runtime.store import Store  # noqa: E402

QUEUES = (command_queue("fs1"), agent_queue("fs1"), agent_queue("fs1", "b"))
ANSWERS = tuple(f".{kind.NAME}" for kind in (CommandFinished, CommandRefused, CommandUnknown))


class Deaf:
    """The real bus, which no acknowledgement of a command reaches."""

    def __init__(self, bus: Any, moment: str) -> None:
        self._bus, self._moment = bus, moment

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Die instead, if that is the moment."""
        if self._moment == "answer" and any(message.routing_key.endswith(ANSWERS) for message in messages):
            os.kill(os.getpid(), signal.SIGKILL)
        self._bus.publish(messages)

    def _is_away(self, *_anything: Any) -> Any:
        """It reads anew, behind the one that has its queue now."""
        raise Unavailable("cut off")

    def consume(self, queue: str, prefetch: int) -> Any:
        """A reader that hears no acknowledgement of a command, or is cut off at the first."""
        consumer = self._bus.consume(queue, prefetch)

        def acknowledge(_deliveries: Any) -> None:
            if self._moment == "cut":
                consumer.close()
                consumer.get = self._is_away

        if queue == command_queue("fs1").parts()[0]:
            consumer.ack = acknowledge
        return consumer


def die_when_marked() -> None:
    """Marks are written while the message is acknowledged: the switch has one when its reply is here, and then this
    comes before whoever waits for the reply."""
    ask = Marks.ask

    def asked(marks: Marks, envelope: Envelope) -> gevent.event.AsyncResult | None:
        reply = ask(marks, envelope)
        if reply is not None:
            reply.rawlink(lambda _: os.kill(os.getpid(), signal.SIGKILL))
        return reply

    setattr(Marks, "ask", asked)  # noqa: B010


def main(moment: str, url: str, port: str, password: str, folder: str) -> None:
    """Until death."""
    if moment == "mark":
        die_when_marked()
    bus = connect(url, Path(folder))
    bus.start(QUEUES)
    store = Store(f"sqlite:///{folder}/agent.sqlite", metadata())
    store.start()
    settings = SwitchSettings("fs1", Path(folder), port=int(port), password=password, newline_every_ms=0)
    agent = Agent(settings, Deaf(bus, moment), store)  # type: ignore[arg-type]
    agent.start()
    agent.wait_ready(30)
    print("ready", flush=True)
    gevent.sleep(120)


if __name__ == "__main__":
    main(*sys.argv[1:])
