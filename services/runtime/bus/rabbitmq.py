"""The bus over RabbitMQ (AMQP 0-9-1); pika is imported here and nowhere else.

Enters: messages of one process. Leaves: deliveries of many. Two connections, one that publishes and one that consumes,
each with a greenlet of its own that runs pika's loop; everything else asks that greenlet and waits. Both come back by
themselves. What RabbitMQ must hold stands in `topology.py`, the reader of a queue in `subscription.py`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from ssl import SSLContext
from typing import Any

import gevent
import gevent.event
from pika import BasicProperties, BlockingConnection, SelectConnection, SSLOptions, URLParameters
from pika.channel import Channel
from pika.exceptions import AMQPError
from pika.spec import Basic

from proto.envelope import CONTENT_TYPE
from proto.topics import COMMANDS_EXCHANGE, DEAD_QUEUE, Outgoing, Queue, matches
from services.runtime.bus import Unavailable
from services.runtime.bus.confirms import Write
from services.runtime.bus.declaring import advice_on, declare
from services.runtime.bus.loop import Loop
from services.runtime.bus.parcels import Parcel, expiration, labels, letter_of, parcel_of
from services.runtime.bus.questions import ask, count, first_standing
from services.runtime.bus.rabbit_letters import RabbitLetters
from services.runtime.bus.reasons import said
from services.runtime.bus.subscription import RabbitConsumer
from services.runtime.bus.topology import Declaration, declarations, one_too_many
from services.runtime.log import get_logger
from services.runtime.metrics import UNHEARD
from services.runtime.tls import client_context

HEARTBEAT_S = 15
CONNECT_S = 15.0
PUBLISH_S = 5.0
MOST_DELAY_S = 2.0
"""Between two tries to connect, give or take half: a broker that is back is found soon."""
CONFIRM_WINDOW = 512
"""Publishes on their way at once. One by one the broker's sync bounds everything (LIBRARIES: AMQP)."""
SLICE = 500
"""Messages of one caller that stand before those of the others."""

log = get_logger("bus")


class _Line:
    """One connection that comes back by itself. `up` and `down` are called on its greenlet and must not block."""

    def __init__(
        self, parameters: URLParameters, up: Callable[[SelectConnection], None], down: Callable[[], None]
    ) -> None:
        self._parameters, self._up, self._down = parameters, up, down
        self._connection: SelectConnection | None = None
        self._greenlet: gevent.Greenlet | None = None
        self._stopping = gevent.event.Event()
        self._delays = _backoff()
        self._was_up = False
        self.problem = "not connected yet"

    def start(self) -> None:
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._live)

    def stop(self) -> None:
        self._stopping.set()
        self.hang_up()
        if self._greenlet is not None:
            self._greenlet.join(5)
            self._greenlet.kill()

    def run(self, work: Callable[[SelectConnection], None]) -> bool:
        """Have `work` done on the line's greenlet. False: there is no connection."""
        connection = self._connection
        if connection is None or not connection.is_open:
            return False
        connection.ioloop.add_callback(partial(self._guarded, connection, work))
        return True

    def _guarded(self, connection: SelectConnection, work: Callable[[SelectConnection], None]) -> None:
        current = connection is self._connection
        if not current or not connection.is_open:
            return
        try:
            work(connection)
        except AMQPError as error:  # a channel that closed meanwhile: its own callback tells who waits
            log.info("bus line", reason=said(error))

    def hang_up(self) -> None:
        """Close the connection; unless stopping, a new one follows."""
        self.run(lambda connection: connection.close())

    def settled(self) -> None:
        """The connection is of use: the next loss is met with a short delay again."""
        self._delays = _backoff()
        self.problem = ""
        self._was_up = True

    def _live(self) -> None:
        while not self._stopping.is_set():
            try:
                self._connect()
            except Exception as error:  # pika's own trouble must not end the line
                self.problem = said(error)
                log.error("bus line broke", exc_info=error)
            self._connection = None
            self._down()
            if not self._stopping.is_set() and self._was_up:
                log.warning("bus lost, connecting again", reason=self.problem)
            self._stopping.wait(next(self._delays))

    def _connect(self) -> None:
        def lost(connection: SelectConnection, error: Any) -> None:
            self.problem = said(error)
            connection.ioloop.stop()

        connection = _Connection(
            self._parameters,
            on_open_callback=self._up,
            on_open_error_callback=lost,
            on_close_callback=lost,
            custom_ioloop=Loop(),
        )
        self._connection = connection
        try:
            connection.ioloop.start()
        finally:
            connection.ioloop.close()


def _parameters(url: str, tls: SSLContext | None) -> URLParameters:
    parameters = URLParameters(url)
    if parameters.ssl_options is not None:
        parameters.ssl_options = SSLOptions(tls or client_context(), parameters.host)
    if "heartbeat" not in url:
        parameters.heartbeat = HEARTBEAT_S
    parameters.blocked_connection_timeout = 60
    parameters.socket_timeout = 5
    parameters.stack_timeout = 10
    parameters.client_properties = {"product": "Toritsugi"}
    return parameters


def _backoff() -> Iterator[float]:
    delay = 0.1
    while True:
        yield delay * random.uniform(0.5, 1.5)
        delay = min(delay * 2, MOST_DELAY_S)


class _Connection(SelectConnection):  # type: ignore[misc]
    def write(self, frames: bytes) -> None:
        """Frames that were made elsewhere, as one piece."""
        self._output_marshaled_frames([frames])


class _Publisher:
    """Publishes in order with a window of unconfirmed messages; declares everything on every new connection.

    Without the right to declare it looks, as often, whether everything stands.
    """

    def __init__(self, parameters: URLParameters, declares: bool) -> None:
        self._declares = declares
        self.line = _Line(parameters, self._connected, self._lost)
        self.ready = gevent.event.Event()
        self._declarations: tuple[Declaration, ...] = ()
        self._queues: Sequence[Queue] = ()
        self._channel: Channel | None = None
        self._todo: deque[Parcel] = deque()
        self._unconfirmed: dict[int, Parcel] = {}
        self._last_tag = 0
        self._blocked = False
        self.confirmed = 0
        """Publishes that the broker has answered."""
        self.refusal = ""
        """Why this broker cannot be used as it is."""
        self.decided = gevent.event.Event()
        """Set when the first connection is of use, or refused."""
        self.command_queues: frozenset[str] = frozenset()

    def start(self, queues: Sequence[Queue]) -> None:
        self._queues = tuple(queues)
        self.command_queues = frozenset(p for q in queues if q.delivery == "command" for p in q.parts())
        self._declarations = tuple(declarations(queues))
        self.line.start()

    def submit(self, parcels: Sequence[Parcel]) -> None:
        """Take parcels of one write. Raises Unavailable if they cannot leave now."""
        if not self.ready.is_set() or self._blocked:
            raise Unavailable(f"bus: {'blocked by the broker' if self._blocked else self.line.problem}")
        self._todo.extend(parcels)
        self.line.run(lambda _connection: self._pump())

    # From here on everything runs on the line's greenlet.

    def _connected(self, connection: SelectConnection) -> None:
        connection.add_on_connection_blocked_callback(lambda *_: self._block(True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._block(False))
        if self.decided.is_set():
            connection.channel(on_open_callback=self._declare)
        else:
            first_standing(connection, map(one_too_many, self._queues), partial(self._looked, connection))

    def _looked(self, connection: SelectConnection, surplus: str | None) -> None:
        """Partitions that nobody would read any more: what is in them would be lost without a word."""
        if surplus is None:
            connection.channel(on_open_callback=self._declare)
            return
        self.refusal = (
            f"queue {surplus} stands in RabbitMQ since there were more partitions, and nobody would read it: "
            "set partitions back until it is empty, then stop every process, delete it and start with fewer"
        )
        self.decided.set()

    def _block(self, blocked: bool) -> None:
        log.warning("broker blocks publishing" if blocked else "broker takes messages again")
        self._blocked = blocked

    def _declare(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        declare(channel, self._declarations, only_look=not self._declares)
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._open(channel))

    def _open(self, channel: Channel) -> None:
        self._channel, self._last_tag = channel, 0
        self.line.settled()
        self.ready.set()
        self.decided.set()

    def _channel_closed(self, channel: Channel, reason: Exception) -> None:
        self.line.problem = said(reason)
        advice = advice_on(reason)
        if advice and not self.decided.is_set():
            self.refusal = advice
            self.decided.set()
        if channel.connection.is_open:
            log.error("bus channel closed", reason=said(reason))
            channel.connection.close(320, said(reason)[:120])

    def _lost(self) -> None:
        self.ready.clear()
        self._channel, self._blocked = None, False
        parcels = [*self._unconfirmed.values(), *self._todo]
        self._unconfirmed.clear()
        self._todo.clear()
        for parcel in parcels:
            parcel.write.settle(f"connection lost: {self.line.problem}")

    def _pump(self) -> None:
        channel, leaving = self._channel, []
        while channel is not None and channel.is_open and self._todo and len(self._unconfirmed) < CONFIRM_WINDOW:
            parcel = self._todo.popleft()
            parcel.write.unsent -= 1
            if parcel.write.error:  # its caller has given up
                continue
            try:
                frames = parcel.frames(channel)
            except ValueError as error:  # no address or id for AMQP: the others' connection does not end by it
                parcel.write.settle(f"cannot be sent: {error}")
                continue
            self._last_tag += 1
            self._unconfirmed[self._last_tag] = parcel
            leaving.append(frames)
        if channel is not None and leaving:
            channel.connection.write(b"".join(leaving))

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        refused = "refused by the broker" if isinstance(method, Basic.Nack) else ""
        tag = method.delivery_tag
        tags = list(takewhile(lambda t: t <= tag, self._unconfirmed)) if method.multiple else [tag]
        self.confirmed += len(tags)
        for one in tags:
            parcel = self._unconfirmed.pop(one, None)
            if parcel is not None:
                parcel.write.settle(refused)
        self._pump()

    def _returned(self, _channel: Channel, method: Any, properties: BasicProperties, body: bytes) -> None:
        """Nobody listens. By design for some facts; a queue that should listen and is gone is declared again."""
        key = method.routing_key
        if method.exchange == COMMANDS_EXCHANGE:
            UNHEARD.labels("command").inc()
            self._todo.appendleft(letter_of(Write(1, 1), key, "no queue for this switch", body))
        elif any(q.delivery == "fact" and matches(b, key) for q in self._queues for b in q.bindings):
            for parcel in self._unconfirmed.values():
                if parcel.id == properties.message_id:
                    parcel.write.settle("a queue is gone")
            self.line.hang_up()
        else:
            UNHEARD.labels("fact").inc()


def _properties(message: Outgoing) -> BasicProperties:
    return BasicProperties(
        CONTENT_TYPE,
        headers=labels(message),
        delivery_mode=2,
        message_id=message.id,
        expiration=expiration(message) or None,
    )


def letters_at(url: str, tls: SSLContext | None = None) -> RabbitLetters:
    """The dead letters, for a process that does nothing else and has no greenlets."""
    return RabbitLetters(lambda: BlockingConnection(_parameters(url, tls)), _properties, AMQPError)


class RabbitBus:
    """The connection of one process to RabbitMQ."""

    def __init__(
        self,
        url: str,
        connect_s: float = CONNECT_S,
        publish_s: float = PUBLISH_S,
        *,
        tls: SSLContext | None = None,
        declares: bool = True,
    ) -> None:
        """`url` is `amqp[s]://user:password@host:port/vhost`, with pika's query parameters if need be.

        `connect_s`: how long `start` tries. `publish_s`: how long a publish may wait without progress. `tls`: what an
        `amqps:` trusts and shows; None: the system's certificates. `declares`: whether `start` makes what is missing,
        or only looks that all of it stands.
        """
        self._connect_s, self._publish_s = connect_s, publish_s
        parameters = _parameters(url, tls)
        self._publisher = _Publisher(parameters, declares)
        self._consumers: list[RabbitConsumer] = []
        self._consuming = _Line(parameters, self._consume_all, self._lose_all)

    def start(self, queues: Sequence[Queue]) -> None:
        """See `services.runtime.bus.Bus.start`."""
        self._publisher.start(queues)
        if not self._publisher.decided.wait(self._connect_s):
            problem = self._publisher.line.problem
            self.stop()
            raise Unavailable(f"RabbitMQ was not reached within {self._connect_s:g} s: {problem}")
        if self._publisher.refusal:
            self.stop()
            raise Unavailable(self._publisher.refusal)

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """See `services.runtime.bus.Bus.publish`."""
        for first in range(0, len(messages), SLICE):
            some = messages[first : first + SLICE]
            write = Write(len(some), len(some))
            self._submit(write, [parcel_of(write, message) for message in some])

    def put_aside(self, letters: Sequence[tuple[str, str, bytes]]) -> None:
        """Publish dead letters: (queue, reason, body). Raises Unavailable."""
        write = Write(len(letters), len(letters))
        self._submit(write, [letter_of(write, *one) for one in letters])

    def _submit(self, write: Write, parcels: Sequence[Parcel]) -> None:
        if not parcels:
            return
        before = self._progress(write)
        self._publisher.submit(parcels)
        while not write.done.wait(self._publish_s):
            now = self._progress(write)
            if now == before:
                write.error = f"nothing confirmed for {self._publish_s:g} s"
                break
            before = now
        if write.error:
            raise Unavailable(f"bus: {write.error}")

    def _progress(self, write: Write) -> tuple[int, int]:
        """As long as parts of it stand behind what others publish, the confirmations of those are its progress."""
        return write.left, self._publisher.confirmed if write.unsent else 0

    def consume(self, queue: str, prefetch: int = 64) -> RabbitConsumer:
        """See `services.runtime.bus.Bus.consume`."""
        consumer = RabbitConsumer(self, queue, prefetch, at_once=queue in self._publisher.command_queues)
        self._consumers.append(consumer)
        self._consuming.start()
        self._consuming.run(consumer.open_on)
        return consumer

    def ask_consuming(self, work: Callable[[SelectConnection], None]) -> bool:
        """Have `work` done on the greenlet of the consuming connection. False: there is none."""
        return self._consuming.run(work)

    def leave(self, consumer: RabbitConsumer) -> None:
        """The consumer is closed and must not be subscribed again."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)

    def _consume_all(self, connection: SelectConnection) -> None:
        self._consuming.settled()
        for consumer in self._consumers:
            consumer.open_on(connection)

    def _lose_all(self) -> None:
        for consumer in self._consumers:
            consumer.lost()

    def depth(self, queue: str) -> int:
        """Messages ready in the partition queue. Raises Unavailable."""
        return ask(self._publisher.line.run, count(queue), self._publish_s)

    def letters(self) -> int:
        """See `services.runtime.bus.Bus.letters`; without those that somebody reads at this moment."""
        return ask(self._publisher.line.run, count(DEAD_QUEUE), self._publish_s)

    def stop(self) -> None:
        """See `services.runtime.bus.Bus.stop`."""
        for consumer in list(self._consumers):
            consumer.close()
        self._consuming.stop()
        self._publisher.line.stop()
