"""A switch that only talks, a process: `python -m tests.bench.feeder COUNT [PER_SECOND]`, COUNT events to each client.

Enters: captured calls. Leaves: on stdout its port; to whoever logs in and subscribes, the same calls again and again
with new ids, in the form that was asked for (plain or json), as fast as they are read or at a rate. Each event carries
the moment of its sending as its Event-Date-Timestamp. Threads and plain sockets.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from services.eventsocket.normalise import SUBSCRIPTION
from tests import traces

CALLS = (1, 2, 6)
"""An answered forward, phones rung together, carriers one after the other: 2 to 5 legs each."""
KINDS = frozenset(word for word in SUBSCRIPTION.split() if word.startswith(("CHANNEL_", "PLAYBACK_", "RECORD_")))
"""What the agent subscribes to, of legs: both readers are sent the same."""
CORE = "5c0ffee0-0000-4000-8000-000000000000"
_STAMP = re.compile(rb'(Event-Date-Timestamp"?: ?"?)[0-9]+')
_SEQUENCE = re.compile(rb'(Event-Sequence"?: ?"?)[0-9]+')
_NAME = re.compile(rb'\{?"?Event-Name"?: ?"?([A-Z_]+)')
_LEG = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ANSWERS = {
    b"api expand": b"<API expand Permission Denied>",
    b"api global_getvar core_uuid": CORE.encode(),
    b"api version": b"FreeSWITCH Version 1.11.3-dev",
    b"api show channels": b'{"row_count":0}',
}


def events(form: str, count: int) -> Iterator[bytes]:
    """Frames without a stamp, `count` of them, each leg and event with ids of its own."""
    if not count:
        return
    calls = [_call(number, form) for number in CALLS]
    made = round_ = 0
    while True:
        for bodies in calls:
            round_ += 1
            for body in bodies:
                made += 1
                yield _SEQUENCE.sub(rb"\g<1>%d" % made, _LEG.sub(lambda leg: _renamed(leg[0], round_), body))  # noqa: B023
                if made == count:
                    return


def _renamed(leg: bytes, round_: int) -> bytes:
    return leg if leg == CORE.encode() else b"%08x" % round_ + leg[8:]


def _call(number: int, form: str) -> list[bytes]:
    trace = traces.load(number)
    if form == "json":
        bodies = trace.json_lines.splitlines()
    else:
        bodies = [part.split(b"\n\n", 1)[1] + b"\n\n" for part in _frames(trace.plain)]
    core = re.compile(rb'Core-UUID"?: ?"?([0-9a-f-]{36})')
    own = core.search(bodies[0])
    assert own is not None
    return [body.replace(own[1], CORE.encode()) for body in bodies if _name_of(body) in KINDS]


def _name_of(body: bytes) -> str:
    found = _NAME.match(body)
    return found[1].decode() if found else ""


def _frames(plain: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(plain):
        head_end = plain.index(b"\n\n", at) + 2
        length = int(re.search(rb"Content-Length: (\d+)", plain[at:head_end])[1])  # type: ignore[index]
        yield plain[at : head_end + length]
        at = head_end + length


def serve(count: int, per_second: float) -> None:
    """One thread per client, until the process is ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready = {}
    if not per_second:  # made before anybody asks, so that we are never what is waited for
        ready = {form: [_stamped(body, form) for body in events(form, count)] for form in ("json", "plain")}
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_talk, args=(client, ready, count, per_second), daemon=True).start()


def _talk(client: socket.socket, ready: Mapping[str, Sequence[bytes]], count: int, per_second: float) -> None:
    lock = threading.Lock()
    client.sendall(b"Content-Type: auth/request\n\n")
    with suppress(OSError):  # until the client goes
        for line in client.makefile("rb"):
            command = line.strip()
            if not command:
                continue
            with lock:
                client.sendall(_answer(command))
            if command.startswith(b"event "):
                form = "json" if b" json" in command else "plain"
                frames = ready.get(form) or events(form, count)
                threading.Thread(target=_send, args=(client, lock, frames, form, per_second), daemon=True).start()


def _answer(command: bytes) -> bytes:
    if not command.startswith(b"api "):
        return b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
    body = next((said for asked, said in ANSWERS.items() if command.startswith(asked)), b"+OK")
    if command.startswith(b"api strmicroepoch"):
        body = b"%d" % (time.time_ns() // 1000)
    return b"Content-Type: api/response\nContent-Length: %d\n\n%s" % (len(body), body)


def _send(client: socket.socket, lock: threading.Lock, frames: Iterable[bytes], form: str, per_second: float) -> None:
    began = time.monotonic()
    with suppress(OSError):
        for number, one in enumerate(frames):
            if per_second and (early := began + number / per_second - time.monotonic()) > 0.001:
                time.sleep(early)
            with lock:
                client.sendall(_stamped(one, form) if per_second else one)


def _stamped(body: bytes, form: str) -> bytes:
    now = _STAMP.sub(rb"\g<1>%d" % (time.time_ns() // 1000), body, count=1)
    return b"Content-Length: %d\nContent-Type: text/event-%s\n\n%s" % (len(now), form.encode(), now)


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
