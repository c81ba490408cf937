"""Message <-> bytes: CloudEvents 1.0, structured JSON mode (cloudevents/spec v1.0.2, json-format).

Enters: a message with who, when and for whom. Leaves: bytes for the bus, and back. Whatever cannot be understood is a
BadMessage that says why; nothing is guessed. Transport headers (the tenant for partitions) belong to the bus.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache

import msgspec

from proto import commands, events
from proto.message import Command, Event, Message, registry
from proto.values import TenantId, to_datetime, to_epoch_us

MESSAGES: dict[str, type[Message]] = registry(events, commands)
TYPE_PREFIX = "jp.toritsugi."
CONTENT_TYPE = "application/cloudevents+json"
MAX_BYTES = 1 << 20
"""A larger message is refused unread."""
MAX_ID = 200
"""Characters. Every service remembers the ids it has seen; a database cannot index what has no end, nor keep NUL."""


class BadMessage(Exception):
    """Bytes that are no message of ours; the text says what is wrong and what was expected."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A message with its circumstances. `id` is derived, never random: a repeated cause gives the same id."""

    body: Message
    id: str
    source: str
    """`switch/fs1` or a service's name."""
    tenant: TenantId
    occurred_at_us: int
    call: str = ""
    cause: str = ""
    """Id of the message that this one answers."""
    not_after_us: int | None = None
    """For commands: worthless, and not to be carried out, after this time."""
    estimated: bool = False
    """The fact was concluded, not seen."""

    @property
    def key(self) -> str:
        """What must happen once per tenant and call: the body's key, or the id where the body has none."""
        return f"{type(self.body).NAME}:{self.body.key() or self.id}"


class _Wire(msgspec.Struct, omit_defaults=True):
    id: str
    source: str
    type: str
    time: datetime
    tenant: TenantId
    data: msgspec.Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    dataversion: int = 1
    call: str = ""
    cause: str = ""
    key: str = ""
    notafter: datetime | None = None
    estimated: bool = False


_encoder = msgspec.json.Encoder()
_wire = msgspec.json.Decoder(_Wire)


@cache
def _body_decoder(kind: type[Message]) -> msgspec.json.Decoder[Message]:
    return msgspec.json.Decoder(kind)


def encode(envelope: Envelope) -> bytes:
    """CloudEvents JSON, UTF-8. The same envelope always gives the same bytes."""
    body = envelope.body
    head = {
        "specversion": "1.0",
        "id": envelope.id,
        "source": envelope.source,
        "type": TYPE_PREFIX + body.NAME,
        "time": to_datetime(envelope.occurred_at_us),
        "datacontenttype": "application/json",
        "dataversion": body.VERSION,
        "tenant": envelope.tenant,
    }
    if envelope.call:
        head["call"] = envelope.call
    if envelope.cause:
        head["cause"] = envelope.cause
    head["key"] = envelope.key
    if envelope.not_after_us is not None:
        head["notafter"] = to_datetime(envelope.not_after_us)
    if envelope.estimated:
        head["estimated"] = True
    head["data"] = body
    return _encoder.encode(head)


def decode(raw: bytes) -> Envelope:
    """The envelope in `raw`. Raises BadMessage for anything that is not exactly a known message and version."""
    if len(raw) > MAX_BYTES:
        raise BadMessage(f"{len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        wire = _wire.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage(f"not a CloudEvents message: {error}") from None
    if not 0 < len(wire.id) <= MAX_ID or not wire.id.isprintable():
        raise BadMessage(f"id: {wire.id[:80]!r}: 1 to {MAX_ID} printable characters are allowed")
    name = wire.type.removeprefix(TYPE_PREFIX)
    kind = MESSAGES.get(name)
    if wire.specversion != "1.0" or kind is None:
        raise BadMessage(f"unknown type {wire.type[:80]!r} (specversion {wire.specversion[:8]!r})")
    if wire.dataversion != kind.VERSION:
        raise BadMessage(f"{name}: version {wire.dataversion} came, {kind.VERSION} is known")
    try:
        body = _body_decoder(kind).decode(wire.data)
        return Envelope(
            body=body,
            id=wire.id,
            source=wire.source,
            tenant=wire.tenant,
            occurred_at_us=to_epoch_us(wire.time),
            call=wire.call,
            cause=wire.cause,
            not_after_us=None if wire.notafter is None else to_epoch_us(wire.notafter),
            estimated=wire.estimated,
        )
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BadMessage(f"{name}: {error}") from None


def is_command(name: str) -> bool:
    """Whether a wire name is a request to a switch (at most once) rather than a fact (at least once)."""
    return issubclass(MESSAGES[name], Command)


def is_event(name: str) -> bool:
    """Whether a wire name is a fact."""
    return issubclass(MESSAGES[name], Event)
