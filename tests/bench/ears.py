"""Those who listen during a bench, each a plain process: `python -m tests.bench.ears esl|bus|amqp … FILE`.

Enters: an Event Socket (the plain ESL client: one socket, `event json`, nothing else) or an AMQP address. Leaves: one
JSON line per event that a fact may come from: its id, what it is, when the switch stamped it, when it was heard. No
gevent and nothing of ours in the ESL client, so that it is a fair peer.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika

EVENTS = "CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_BRIDGE CHANNEL_PARK CHANNEL_HANGUP_COMPLETE"
READY = "ready"


def plain_client(host: str, port: int, password: str, file: Path) -> None:
    """Reads frames by their Content-Length, as the shortest correct ESL client does."""
    link = socket.create_connection((host, port))
    stream = link.makefile("rb")
    _frame(stream)
    for command in (f"auth {password}", f"event json {EVENTS}"):
        link.sendall(f"{command}\n\n".encode())
        _frame(stream)
    with file.open("w", encoding="utf-8") as out:
        print(READY, flush=True)
        while (body := _frame(stream)) is not None:
            heard_us = time.time_ns() // 1000
            if body:
                _note(out, json.loads(body), heard_us)


def _frame(stream: Any) -> bytes | None:
    length = 0
    while (line := stream.readline()) != b"\n":
        if not line:
            return None
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return bytes(stream.read(length)) if length else b""


def facts(url: str, file: Path) -> None:
    """Our facts, on a queue of its own."""

    def note(out: Any, fact: dict[str, Any], heard_us: int) -> None:
        leg = fact["data"].get("leg")
        line = {"id": fact["id"].split(".")[0], "name": fact["type"], "heard_us": heard_us, "leg": leg}
        out.write(json.dumps(line) + "\n")
        out.flush()

    _consume(url, "toritsugi.events", file, note)


def mod_amqp(url: str, file: Path) -> None:
    """The events of mod_amqp's topic exchange TAP.Events."""
    _consume(url, "TAP.Events", file, _note)


def _consume(url: str, exchange: str, file: Path, note: Callable[[Any, dict[str, Any], int], None]) -> None:
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.exchange_declare(exchange, "topic", durable=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, "#")
    with file.open("w", encoding="utf-8") as out:

        def heard(_channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
            heard_us = time.time_ns() // 1000
            note(out, json.loads(body), heard_us)

        channel.basic_consume(queue, heard, auto_ack=True)
        print(READY, flush=True)
        channel.start_consuming()


def _note(out: Any, event: dict[str, Any], heard_us: int) -> None:
    line = {
        "id": f"{event.get('Core-UUID')}-{event.get('Event-Sequence')}",
        "name": event.get("Event-Name"),
        "stamp_us": int(event.get("Event-Date-Timestamp", 0)),
        "heard_us": heard_us,
        "leg": event.get("Unique-ID"),
        "cause": event.get("Hangup-Cause"),
        "direction": event.get("Call-Direction"),
        "number": event.get("Caller-Destination-Number"),
        "of": event.get("variable_originating_leg_uuid") or event.get("Other-Leg-Unique-ID"),
    }
    out.write(json.dumps(line) + "\n")
    out.flush()


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    if kind == "esl":
        plain_client(rest[0], int(rest[1]), os.environ["BENCH_ESL_PASSWORD"], Path(rest[2]))
    else:
        {"bus": facts, "amqp": mod_amqp}[kind](rest[0], Path(rest[1]))
