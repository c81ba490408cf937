"""A reader of one RabbitMQ queue, which outlives connections.

Enters: what a channel delivers (pika's objects, duck-typed: pika itself is imported in `rabbitmq.py` alone). Leaves:
deliveries, and acknowledgements for the channel they came on; those of an earlier channel are ignored, since RabbitMQ
gives their messages again. What is past its time the broker drops: its clock alone measures that span.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import gevent
import gevent.event

from services.runtime.bus import Delivery
from services.runtime.log import get_logger

SETTLE_S = 5.0
CLOSE_S = 5.0
AGAIN_S = 0.5

log = get_logger("bus")


class Lines(Protocol):
    """What a reader needs of its bus."""

    def ask_consuming(self, work: Callable[[Any], None]) -> bool:
        """Have `work` done on the greenlet of the consuming connection. False: there is none."""

    def put_aside(self, letters: Sequence[tuple[str, str, bytes]]) -> None:
        """Publish dead letters: (queue, reason, body). Raises Unavailable."""

    def leave(self, consumer: RabbitConsumer) -> None:
        """The reader is closed and must not be subscribed again."""


class _Tag(NamedTuple):
    channel: Any
    number: int


class RabbitConsumer:
    """A reader of one partition queue; RabbitMQ gives the messages to one of them at a time."""

    def __init__(self, bus: Lines, queue: str, prefetch: int, at_once: bool = False) -> None:
        """`at_once`: for commands. Each `ack` returns when the broker has it; their order after a cut is of no matter,
        since each is carried out once, by its id."""
        self._bus, self.queue, self._prefetch, self._at_once = bus, queue, prefetch, at_once
        self._channel: Any = None
        self._arrived: deque[Delivery] = deque()
        self._unsettled: set[int] = set()
        self._last = self._acked = 0
        self._closed = False
        self._wake = gevent.event.Event()
        self._gone = gevent.event.Event()
        self._settling: set[gevent.event.Event] = set()

    def get(self, limit: int, timeout_s: float | None = None) -> list[Delivery]:
        """See `services.runtime.bus.Consumer.get`."""
        with gevent.Timeout(timeout_s, False):
            while not self._closed:
                self._wake.clear()
                taken = self._take(limit)
                if taken:
                    return taken
                self._wake.wait()
        return []

    def _take(self, limit: int) -> list[Delivery]:
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `services.runtime.bus.Consumer.ack`.

        Facts: RabbitMQ hears of it when everything delivered is settled. Otherwise a connection lost just after could
        bring newer messages before older ones: a quorum queue that gave new ones for the acknowledged gets those back
        first (measured on 3.10.8).
        """
        channel = self._channel
        tags = [d.tag.number for d in deliveries if d.tag.channel is channel and d.tag.number in self._unsettled]
        self._unsettled.difference_update(tags)
        if channel is None:
            return
        if self._at_once:
            self._ack_now(channel, tags)
        elif not self._unsettled and self._last != self._acked:
            self._acked = last = self._last
            self._on(channel, lambda: channel.basic_ack(last, multiple=True))

    def _ack_now(self, channel: Any, tags: Sequence[int]) -> None:
        """Returns when the broker has it, or the channel is lost; then they come again."""
        if not tags:
            return
        settled = gevent.event.Event()
        self._settling.add(settled)

        def settle() -> None:
            for tag in tags:
                channel.basic_ack(tag)
            # Acknowledgements have no answer, but a channel is worked off in order: the answer to this follows them.
            channel.basic_qos(prefetch_count=self._prefetch, callback=lambda _: settled.set())

        if self._on(channel, settle):
            settled.wait(SETTLE_S)
        self._settling.discard(settled)

    def _on(self, channel: Any, work: Callable[[], None]) -> bool:
        return self._bus.ask_consuming(lambda _: work() if channel is self._channel and channel.is_open else None)

    def dead_letter(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """See `services.runtime.bus.Consumer.dead_letter`."""
        self._bus.put_aside([(self.queue, reason, d.body) for d in deliveries])
        self.ack(deliveries)

    def close(self) -> None:
        """See `services.runtime.bus.Consumer.close`."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self._bus.leave(self)
        channel = self._channel
        if channel is not None and self._bus.ask_consuming(lambda _: channel.close() if channel.is_open else None):
            self._gone.wait(CLOSE_S)

    # From here on everything runs on the line's greenlet.

    def open_on(self, connection: Any) -> None:
        """Subscribe on this connection."""
        if not self._closed and connection.is_open:
            connection.channel(on_open_callback=self._opened)

    def _opened(self, channel: Any) -> None:
        if self._closed:
            channel.close()
            return
        self.lost()
        self._gone.clear()
        self._channel = channel
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_cancel_callback(lambda _frame: channel.close() if channel.is_open else None)
        channel.basic_qos(
            prefetch_count=self._prefetch, callback=lambda _: channel.basic_consume(self.queue, self._deliver)
        )

    def _deliver(self, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        if channel is not self._channel:
            return
        self._unsettled.add(method.delivery_tag)
        self._last = method.delivery_tag
        tag = _Tag(channel, method.delivery_tag)
        self._arrived.append(Delivery(body, bool(method.redelivered), tag))
        self._wake.set()

    def _channel_closed(self, channel: Any, reason: Exception) -> None:
        if channel is not self._channel:
            return
        self.lost()
        if not self._closed and channel.connection.is_open:
            log.warning("subscribing again", queue=self.queue, reason=str(reason)[:300])
            channel.connection.ioloop.call_later(AGAIN_S, lambda: self.open_on(channel.connection))

    def lost(self) -> None:
        """What was delivered and not settled comes again on the next channel."""
        self._channel = None
        self._arrived.clear()
        self._unsettled.clear()
        self._last = self._acked = 0
        self._gone.set()
        for settled in self._settling:
            settled.set()
