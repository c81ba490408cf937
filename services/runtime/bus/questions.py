"""Questions to RabbitMQ, each on a channel of its own, which a refusal closes.

Enters: a line to run on, the question (pika's objects, duck-typed: pika itself is imported in `rabbitmq.py` alone).
Leaves: the answer, or Unavailable. What is asked all the time, publishing and reading, stands elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import gevent
import gevent.event

from services.runtime.bus import Unavailable
from services.runtime.bus.reasons import said

T = TypeVar("T")
Question = Callable[[Any, Callable[[T], None]], None]
"""Given a channel, and whom to tell the answer."""


def ask(run: Callable[[Callable[[Any], None]], bool], question: Question[T], timeout_s: float) -> T:
    """The answer; `run` has work done on the line's greenlet. Raises Unavailable."""
    result = gevent.event.AsyncResult()

    def closed(_channel: Any, reason: Exception) -> None:
        if not result.ready():
            result.set_exception(Unavailable(f"bus: {said(reason)}"))

    def opened(channel: Any) -> None:
        def answer(value: T) -> None:
            result.set(value)
            channel.close()

        channel.add_on_close_callback(closed)
        question(channel, answer)

    if not run(lambda connection: connection.channel(on_open_callback=opened)):
        raise Unavailable("bus: not connected")
    try:
        return cast(T, result.get(timeout=timeout_s))
    except gevent.Timeout:
        raise Unavailable("bus: no answer") from None


def count(queue: str) -> Question[int]:
    """How many messages are ready in it."""

    def asked(channel: Any, answer: Callable[[int], None]) -> None:
        channel.queue_declare(queue, passive=True, callback=lambda frame: answer(frame.method.message_count))

    return asked


def first_standing(connection: Any, names: Iterator[str], found: Callable[[str | None], None]) -> None:
    """Tell the first of these queues that stands, or None; on the line's greenlet, no word once that is lost."""
    name = next(names, None)
    if name is None:
        found(None)
        return
    stands = False

    def there(_frame: Any) -> None:
        nonlocal stands
        stands = True
        found(name)

    def closed(_channel: Any, _reason: Exception) -> None:
        if connection.is_open and not stands:  # 404: there is none
            first_standing(connection, names, found)

    def opened(channel: Any) -> None:
        channel.add_on_close_callback(closed)
        channel.queue_declare(name, passive=True, callback=there)

    connection.channel(on_open_callback=opened)
