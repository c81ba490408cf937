"""From what was heard to what the bus knows: records become facts and leave in the order of the wire.

Enters: the spool, the rules. Leaves: facts on the bus; then the journal, the spool and whoever gave a record hear that
they are told. An arrival does not wait until what was heard before it is confirmed: several batches are under way at a
time, and are done with in their order. Rules stand in `normalise.py`, what is said about commands in `agent.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import gevent
import gevent.event

from proto.events import CallArrived
from proto.topics import Outgoing, outgoing
from services.eventsocket.arrivals import Arrivals
from services.eventsocket.facts import Facts
from services.eventsocket.frames import Event
from services.eventsocket.heard import Heard
from services.eventsocket.journal import Entry, Journal
from services.eventsocket.normalise import Normaliser
from services.eventsocket.spool import Item, Spool
from services.runtime.bus import Bus, Unavailable
from services.runtime.log import get_logger
from services.runtime.metrics import ENDS_DIFFER, TENANT_MISMATCH, UNKNOWN_NUMBERS

BATCH = 64
UNDER_WAY = 4 * BATCH
"""So many records may be on their way: the broker works on some while the next are made."""
log = get_logger("agent")


@dataclass(slots=True)
class _Batch:
    """Records whose facts are on their way together."""

    records: int
    messages: list[Outgoing]
    learned: list[Event]
    entry: Entry | None
    """What the journal shall hold once they are told."""
    sent: gevent.Greenlet | None
    """Ends with whether the bus has them; None: there was nothing to say."""

    @property
    def ready(self) -> bool:
        return self.sent is None or self.sent.ready()

    @property
    def failed(self) -> bool:
        return self.sent is not None and self.sent.ready() and not self.sent.value

    def wait(self) -> None:
        if self.sent is not None:
            self.sent.join()


class Telling:
    """Of one agent."""

    def __init__(
        self,
        switch: str,
        bus: Bus,
        spool: Spool,
        journal: Journal,
        normaliser: Normaliser,
        arrivals: Arrivals,
        stopping: gevent.event.Event,
        on_told: Sequence[Callable[[Event], None]],
    ) -> None:
        """`on_told`: told each record that did not come from an event (`records.py`) once the bus has what it gave."""
        self._switch, self._bus, self._spool, self._journal = switch, bus, spool, journal
        self._normaliser, self._arrivals = normaliser, arrivals
        self._stopping, self._on_told = stopping, on_told
        self._under_way: deque[_Batch] = deque()
        self._ahead = 0
        """Records in them: the oldest of the spool."""

    def run(self) -> None:
        """Until it shall stop and everything is told, or what is left must wait on disk for the next life."""
        while self._conclude() and (len(self._spool) or not self._stopping.is_set()):
            full = self._ahead >= UNDER_WAY
            items = () if full else self._spool.peek(BATCH, beyond=self._ahead)
            if self._failed:
                continue  # first again what left before
            if items:
                self._send(items)
            elif self._under_way and (full or len(self._spool) > self._ahead):
                self._under_way[0].wait()  # nothing more can leave before
            elif not self._under_way and self._stopping.is_set():
                return  # the disk fails: what is on it comes in the next life

    def say(self, messages: Sequence[Outgoing]) -> bool:
        """Until the bus has them, in place and in order. False: we stop first, and the spool keeps them."""
        pause_s = 0.05
        while messages:
            try:
                self._bus.publish(messages)
                return True
            except Unavailable as error:
                log.warning("bus away, events wait", reason=str(error), waiting=len(self._spool))
            except Exception as error:  # a bug of ours: this is the only way out for everything heard
                log.error("publishing failed, events wait", waiting=len(self._spool), exc_info=error)
            self._spool.keep()
            if self._stopping.wait(pause_s):
                return False
            pause_s = min(pause_s * 2, 2.0)
        return True

    def _send(self, items: Sequence[Item]) -> None:
        learned: list[Event] = []
        messages = [message for item in items for message in self._messages_of(item, learned)]
        sent = gevent.spawn(self._sent, messages) if messages else None
        entry = self._journal.entry_of(self._normaliser.beliefs)
        self._under_way.append(_Batch(len(items), messages, learned, entry, sent))
        self._ahead += len(items)
        if sent is not None:
            sent.link(lambda _: self._spool.wake())
            gevent.sleep(0)  # it leaves now, before anything later

    def _sent(self, messages: Sequence[Outgoing]) -> bool:
        try:
            self._bus.publish(messages)
        except Exception:  # tried again with all others, and told there
            return False
        return True

    @property
    def _failed(self) -> bool:
        return any(one.failed for one in self._under_way)

    def _conclude(self) -> bool:
        """Be done with what the bus has, oldest first, and with what it takes meanwhile: whoever waits after this is
        woken by the next. If a batch failed, it goes again with all that left after it, before anything new.

        False: we stop first.
        """
        while True:
            if self._failed:
                gevent.joinall([one.sent for one in self._under_way if one.sent])
                if not self.say([message for one in self._under_way for message in one.messages]):
                    return False
                told = [*self._under_way]
            else:
                told = list(takewhile(lambda one: one.ready, self._under_way))
            if not told:
                return True
            self._settle(told)

    def _settle(self, told: Sequence[_Batch]) -> None:
        for one in told:
            self._under_way.popleft()
            self._ahead -= one.records
        self._journal.keep([one.entry for one in told if one.entry])
        self._spool.done(sum(one.records for one in told))
        for record in (record for one in told for record in one.learned):
            for hear in self._on_told:
                try:
                    hear(record)
                except Exception as error:  # this greenlet is the only way out for everything heard
                    log.error("a record is told, but whoever gave it failed to hear so", exc_info=error)

    def _messages_of(self, item: Item, learned: list[Event]) -> Sequence[Outgoing]:
        """A record that trips us is logged and left behind: the next ones are other people's calls."""
        try:
            event = Heard(item.raw)
            if event.stamp.source:
                learned.append(event)
            facts = self._normaliser.facts_of(event)
            messages = [outgoing(envelope) for envelope in facts.envelopes]
        except Exception as error:
            log.error("an event could not be read", exc_info=error)
            return ()
        if facts.alarm:
            self._raise_alarm(event, facts)
        if item.received_us:
            for envelope in facts.envelopes:
                if isinstance(envelope.body, CallArrived):
                    self._arrivals.note(envelope.body.leg, item.received_us)
        return messages

    def _raise_alarm(self, event: Event, facts: Facts) -> None:
        if facts.alarm == "tenant_mismatch":
            TENANT_MISMATCH.labels(self._switch).inc()
            log.error("an arrival whose tt_tenant is not the number's owner", call=facts.envelopes[0].call)
        elif facts.alarm == "unknown_number":  # anybody can dial wrong, and robots do: nothing to wake a person for
            UNKNOWN_NUMBERS.labels(self._switch).inc()
            log.warning("an arrival for nobody's number or phone", call=facts.envelopes[0].call)
        elif facts.alarm == "end_differs":
            ENDS_DIFFER.labels(self._switch).inc()
            log.error("event and call record tell different ends of a leg", leg=str(event.get("Unique-ID", ""))[:64])
