"""A persistent message as the bytes that publish it: AMQP 0-9-1, methods and frames. Pure.

Enters: an address, labels, a body. Leaves: its method, header and body frames in one piece, the same that pika would
make of some ten objects and write one by one (that took longer than all else on the way to the bus). Who sends them,
and counts their confirms, is `rabbitmq.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from proto.envelope import CONTENT_TYPE

_FRAME = Struct(">BHI").pack
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_PUBLISH = b"\x00\x3c\x00\x28\x00\x00"
"""Class basic, method publish, a reserved number."""
_HEADER_BEGINS = Struct(">HHQH").pack
_CLASS_BASIC = 60
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _EXPIRATION, _MESSAGE_ID = 1 << 15, 1 << 13, 1 << 12, 1 << 8, 1 << 7
_PERSISTENT = b"\x02"
_LONG, _NUMBER = Struct(">cI").pack, Struct(">cq").pack
_LENGTH = Struct(">I").pack


def published(
    exchange: str,
    routing_key: str,
    labels: Mapping[str, str | int],
    body: bytes,
    *,
    message_id: str = "",
    expiration: str = "",
    channel: int = 1,
    most: int = 1 << 17,
) -> bytes:
    """`labels`: the message's headers. `most`: bytes of a frame, as agreed with the broker (frame_max).

    Without a routing key it goes to a fan-out; else the broker gives back what no queue takes (mandatory). Raises
    ValueError for an address, a label's name or an id of more than 255 bytes.
    """
    method = b"".join((_PUBLISH, _short(exchange), _short(routing_key), b"\x01" if routing_key else b"\x00"))
    flags = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE
    values = [_short(CONTENT_TYPE), _table(labels), _PERSISTENT]
    if expiration:
        flags |= _EXPIRATION
        values.append(_short(expiration))
    if message_id:
        flags |= _MESSAGE_ID
        values.append(_short(message_id))
    header = _HEADER_BEGINS(_CLASS_BASIC, 0, len(body), flags) + b"".join(values)
    room = most - 8  # of a frame, its head and its end
    pieces = [_frame(_METHOD, channel, method), _frame(_HEADER, channel, header)]
    pieces += [_frame(_BODY, channel, body[at : at + room]) for at in range(0, len(body), room)]
    return b"".join(pieces)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return b"".join((_FRAME(kind, channel, len(payload)), payload, _END))


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw


def _table(labels: Mapping[str, str | int]) -> bytes:
    made = b"".join([_short(name) + _value(value) for name, value in labels.items()])
    return _LENGTH(len(made)) + made


def _value(value: str | int) -> bytes:
    if isinstance(value, int):
        return _NUMBER(b"l", value)
    raw = value.encode()
    return _LONG(b"S", len(raw)) + raw
