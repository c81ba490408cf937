"""What leaves for RabbitMQ: one message, or one dead letter, with its address and labels.

Enters: `Outgoing` messages and letters. Leaves: parcels, which their publisher turns into bytes (`wire.py`) and counts
the confirms of (`confirms.py`). Sending is `rabbitmq.py`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from proto.topics import COMMANDS_EXCHANGE, DEAD_EXCHANGE, EVENTS_EXCHANGE, Outgoing
from services.runtime import clock
from services.runtime.bus import reason_text
from services.runtime.bus.confirms import Write
from services.runtime.bus.wire import published


class _TypeOf(msgspec.Struct):
    type: str = ""


_type_of = msgspec.json.Decoder(_TypeOf)


class Parcel(NamedTuple):
    """A message of one write."""

    write: Write
    exchange: str
    routing_key: str
    labels: dict[str, str | int]
    body: bytes
    id: str = ""
    expiration: str = ""

    def frames(self, channel: Any) -> bytes:
        """The bytes that publish it on this channel (pika's)."""
        return published(
            self.exchange,
            self.routing_key,
            self.labels,
            self.body,
            message_id=self.id,
            expiration=self.expiration,
            channel=channel.channel_number,
            most=channel.connection.params.frame_max,
        )


def parcel_of(write: Write, message: Outgoing) -> Parcel:
    """A fact or command."""
    exchange = EVENTS_EXCHANGE if message.delivery == "fact" else COMMANDS_EXCHANGE
    return Parcel(write, exchange, message.routing_key, labels(message), message.body, message.id, expiration(message))


def letter_of(write: Write, queue: str, reason: str, body: bytes) -> Parcel:
    """A dead letter: from which queue, and why."""
    about: dict[str, str | int] = {"queue": queue, "reason": reason_text(reason), "at_us": clock.now_us()}
    return Parcel(write, DEAD_EXCHANGE, "", about, body)


def labels(message: Outgoing) -> dict[str, str | int]:
    """A message's headers: whose it is, for the partitions, and what it is, for people."""
    found: dict[str, str | int] = {"tenant": message.tenant, "id": message.id}
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):  # bytes that are no message travel as they are
        found["type"] = _type_of.decode(message.body).type
    return found


def expiration(message: Outgoing) -> str:
    """A span, measured by the broker's clock alone: the clocks of two machines are never compared. Empty: for ever."""
    return "" if message.lives_us is None else str(message.lives_us // 1000 + 1)
