"""Dead letters in RabbitMQ: read without being taken, given back with a confirm before they are forgotten.

Enters: how to connect (pika's objects, duck-typed: pika itself is imported in `rabbitmq.py` alone). Leaves: letters of
the queue `toritsugi.dead`; whatever is read and not settled goes back there when its channel closes, in its order. It
declares nothing: a user with read on that queue and write on `amq.default` is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from proto.topics import DEAD_QUEUE, Outgoing
from services.runtime.bus import DeadLetter, Unavailable
from services.runtime.bus.letters import Fate, Settled
from services.runtime.bus.reasons import said

UNROUTABLE = "UnroutableError"


class RabbitLetters:
    """See `services.runtime.bus.letters.LetterBox`."""

    def __init__(
        self, connect: Callable[[], Any], properties: Callable[[Outgoing], Any], trouble: type[Exception]
    ) -> None:
        """`connect`: a blocking connection; `properties`: how a message is labelled; `trouble`: what pika raises."""
        self._connect, self._properties, self._trouble = connect, properties, trouble

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        """One that is closed in order: acknowledgements before that are with the broker."""
        try:
            connection = self._connect()
            try:
                channel = connection.channel()
                yield channel
                channel.close()
            finally:
                if connection.is_open:
                    connection.close()
        except self._trouble as error:
            raise Unavailable(f"bus: {said(error)}") from None
        except OSError as error:
            raise Unavailable(f"bus: {said(error)}") from None

    def read(self) -> Iterator[DeadLetter]:
        """See `LetterBox.read`."""
        with self._channel() as channel:
            for letter, _tag in _each(channel):
                yield letter

    def settle(self, fate: Callable[[DeadLetter], Fate]) -> Iterator[tuple[DeadLetter, Settled]]:
        """See `LetterBox.settle`."""
        with self._channel() as channel:
            channel.confirm_delivery()
            for letter, tag in _each(channel):
                wanted = fate(letter)
                if wanted == "keep":
                    continue
                if wanted == "discard":
                    settled: Settled = "discarded"
                else:
                    settled = "replayed" if self._give_back(channel, letter, wanted) else "no queue"
                if settled != "no queue":
                    channel.basic_ack(tag)
                yield letter, settled

    def _give_back(self, channel: Any, letter: DeadLetter, message: Outgoing) -> bool:
        """Returns when the broker has it; False: there is no such queue."""
        try:
            # The default exchange leads to one queue by its name.
            channel.basic_publish("", letter.queue, message.body, self._properties(message), mandatory=True)
        except self._trouble as error:
            if type(error).__name__ == UNROUTABLE:
                return False
            raise
        return True


def _each(channel: Any) -> Iterator[tuple[DeadLetter, int]]:
    """Those that lie there now: one that is replayed and put aside again meanwhile comes after them."""
    left: int | None = None
    while left != 0:
        method, properties, body = channel.basic_get(DEAD_QUEUE)
        if method is None:
            return
        left = method.message_count if left is None else left - 1
        yield dead_letter(properties, body), method.delivery_tag


def dead_letter(properties: Any, body: bytes) -> DeadLetter:
    """One as it lies in the queue: put there by us, or by the broker, which names its reasons otherwise."""
    headers = properties.headers or {}
    queue = headers.get("queue") or headers.get("x-first-death-queue") or ""
    reason = headers.get("reason") or headers.get("x-first-death-reason") or ""
    at_us = headers.get("at_us")
    return DeadLetter(str(queue), str(reason), body, at_us if isinstance(at_us, int) else None)
