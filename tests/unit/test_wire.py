"""What leaves for RabbitMQ is, byte for byte, what pika would write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties, frame
from pika.spec import Basic

from proto.envelope import CONTENT_TYPE
from services.runtime.bus.wire import published

SHORT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LABELS = st.dictionaries(SHORT, SHORT | st.integers(1 << 32, 1 << 62), max_size=4)


def by_pika(exchange: str, key: str, properties: BasicProperties, body: bytes, channel: int, most: int) -> bytes:
    method = frame.Method(channel, Basic.Publish(exchange=exchange, routing_key=key, mandatory=bool(key)))
    bodies = [frame.Body(channel, body[at : at + most - 8]) for at in range(0, len(body), most - 8)]
    return b"".join(one.marshal() for one in (method, frame.Header(channel, len(body), properties), *bodies))


@given(SHORT, SHORT, LABELS, st.binary(max_size=300), SHORT, SHORT, st.integers(1, 2000), st.integers(9, 400))
def test_a_message_becomes_the_bytes_that_pika_would_write(
    exchange: str, key: str, labels: dict[str, str | int], body: bytes, name: str, span: str, channel: int, most: int
) -> None:
    properties = BasicProperties(
        CONTENT_TYPE, headers=labels, delivery_mode=2, message_id=name or None, expiration=span or None
    )
    made = published(exchange, key, labels, body, message_id=name, expiration=span, channel=channel, most=most)
    assert made == by_pika(exchange, key, properties, body, channel, most)


@pytest.mark.parametrize(
    "broken", [{"routing_key": "x" * 256}, {"labels": {"あ" * 86: "x"}}, {"message_id": "x" * 300}]
)
def test_what_has_no_room_in_a_frame_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        published(**({"exchange": "e", "routing_key": "k", "labels": {}, "body": b""} | broken))  # type: ignore[arg-type]
