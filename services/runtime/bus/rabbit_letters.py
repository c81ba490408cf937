"""Dead letters in RabbitMQ: read without being taken, given back with a confirm before they are forgotten.

Enters: how to connect (pika's objects, duck-typed: pika itself is imported in `rabbitmq.py` alone). Leaves: letters of
the queue `toritsugi.dead`; whatever is read and not settled goes back there at the end, in its order. It
declares nothing: a user with read on that queue and write on `toritsugi.again` is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from proto.topics import AGAIN_EXCHANGE, DEAD_QUEUE, Outgoing
from services.runtime.bus import DeadLetter, Unavailable
from services.runtime.bus.letters import Fate, Settled
from services.runtime.bus.reasons import said

UNROUTABLE = "UnroutableError"
BACK_S = 5.0
"""So long it is waited until letters that were only read can be read again; usually some milliseconds."""
LOOK_S = 0.01


class RabbitLetters:
    """See `services.runtime.bus.letters.LetterBox`."""

    def __init__(
        self, connect: Callable[[], Any], properties: Callable[[Outgoing], Any], trouble: type[Exception]
    ) -> None:
        """`connect`: a blocking connection; `properties`: how a message is labelled; `trouble`: what pika raises."""
        self._connect, self._properties, self._trouble = connect, properties, trouble

    @contextmanager
    def _letters(self) -> Iterator[_Taken]:
        """Left in order: acknowledgements before that are with the broker, and the other letters are there again."""
        try:
            connection = self._connect()
            try:
                taken = _Taken(connection.channel())
                try:
                    yield taken
                finally:
                    if taken.channel.is_open:
                        taken.give_back(connection.sleep)
                        taken.channel.close()
            finally:
                if connection.is_open:
                    connection.close()
        except self._trouble as error:
            raise Unavailable(f"bus: {said(error)}") from None
        except OSError as error:
            raise Unavailable(f"bus: {said(error)}") from None

    def read(self) -> Iterator[DeadLetter]:
        """See `LetterBox.read`."""
        with self._letters() as taken:
            for letter, _tag in taken:
                yield letter

    def settle(self, fate: Callable[[DeadLetter], Fate]) -> Iterator[tuple[DeadLetter, Settled]]:
        """See `LetterBox.settle`."""
        with self._letters() as taken:
            taken.channel.confirm_delivery()
            for letter, tag in taken:
                wanted = fate(letter)
                if wanted == "keep":
                    continue
                if wanted == "discard":
                    settled: Settled = "discarded"
                else:
                    settled = "replayed" if self._replayed(taken.channel, letter, wanted) else "no queue"
                if settled != "no queue":
                    taken.forget(tag)
                yield letter, settled

    def _replayed(self, channel: Any, letter: DeadLetter, message: Outgoing) -> bool:
        """Returns when the broker has it; False: there is no such queue."""
        try:
            channel.basic_publish(AGAIN_EXCHANGE, letter.queue, message.body, self._properties(message), mandatory=True)
        except self._trouble as error:
            if type(error).__name__ == UNROUTABLE:
                return False
            raise
        return True


class _Taken:
    """The letters that lie there now, with their tags: one that is put aside again meanwhile comes after them."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self._held = 0

    def __iter__(self) -> Iterator[tuple[DeadLetter, int]]:
        left: int | None = None
        while left != 0:
            method, properties, body = self.channel.basic_get(DEAD_QUEUE)
            if method is None:
                return
            self._held += 1
            left = method.message_count if left is None else left - 1
            yield dead_letter(properties, body), method.delivery_tag

    def forget(self, tag: int) -> None:
        """This letter is settled."""
        self.channel.basic_ack(tag)
        self._held -= 1

    def give_back(self, sleep: Callable[[float], None]) -> None:
        """All others: whoever looks next sees them, unless somebody else is reading."""
        if not self._held:
            return
        there = self._count()
        self.channel.basic_nack(0, multiple=True, requeue=True)
        for _ in range(int(BACK_S / LOOK_S)):
            if self._count() >= there + self._held:
                return
            sleep(LOOK_S)

    def _count(self) -> int:
        return int(self.channel.queue_declare(DEAD_QUEUE, passive=True).method.message_count)


def dead_letter(properties: Any, body: bytes) -> DeadLetter:
    """One as it lies in the queue: put there by us, or by the broker, which names its reasons otherwise."""
    headers = properties.headers or {}
    queue = headers.get("queue") or headers.get("x-first-death-queue") or ""
    reason = headers.get("reason") or headers.get("x-first-death-reason") or ""
    at_us = headers.get("at_us")
    return DeadLetter(str(queue), str(reason), body, at_us if isinstance(at_us, int) else None)
