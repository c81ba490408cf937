"""The simulated switch and a real FreeSWITCH 1.11.3 say the same, frame by frame, to clients of the Event Socket.

conversations.jsonl was captured from the real one: subscriptions and what gets through them, filters, nixevent,
noevents, exit, linger, myevents, log-ins and their rights. A line is one conversation, `said` its steps: which client
(those named u… do not log in by themselves), what it sends (`call`: a call comes in, {U} is its leg; {P} is the
password), and what each client then hears. Values of the core itself stand as (core) or *, ids as <uuid>; of other
events only the type.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator import Caller, Carrier, Phone, Simulator
from freeswitch.simulator.esl.subscription import EslUser
from tests.contract.test_esl_server import PASSWORD

CONVERSATIONS = [
    json.loads(line)
    for line in (Path(__file__).parent / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
]
USERS = {
    "narrow@127.0.0.1": EslUser("esl-narrow", "CHANNEL_PARK CUSTOM toritsugi::one", "echo bgapi expand", False),
    "wide@127.0.0.1": EslUser("esl-wide", "all", "all"),
    "none@127.0.0.1": EslUser("esl-none", "", "", False),
    "bare@127.0.0.1": EslUser("esl-bare"),
    "some@127.0.0.1": EslUser("esl-some", "ALL,CUSTOM,toritsugi::one", "show,uuid_exists,eval"),
}
"""As they stood in the directory of the real one."""
_CORE = [
    *("Core-UUID", "FreeSWITCH-Hostname", "FreeSWITCH-Switchname", "FreeSWITCH-IPv4", "FreeSWITCH-IPv6"),
    *("Event-Date-Local", "Event-Date-GMT", "Event-Date-Timestamp"),
    *("Event-Calling-File", "Event-Calling-Function", "Event-Calling-Line-Number", "Event-Sequence"),
]
_CORE_BLOCKS = (
    re.compile("".join(rf"{name}: [^\n]*\n" for name in _CORE)),
    re.compile(",".join(rf'"{name}":"[^"]*"' for name in _CORE)),
    re.compile("".join(rf" *<{name}>[^<]*</{name}>\n" for name in _CORE)),
)
_EVENT_ID = re.compile(r'(Event-UUID(?:: |":"|>))[0-9a-f-]{36}')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")
_TYPE = re.compile(r'Event-Name(?:: |":"|>)(\w+)')
_WHOLE = ("CUSTOM", "CLONE", "BACKGROUND_JOB", "API", "RELOADXML", "MESSAGE", "TRAP")


class Client:
    """One connection, and what it hears."""

    def __init__(self, port: int, *, logs_in: bool) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._buffer = b""
        if logs_in:
            assert self.hear("") == "Content-Type: auth/request\n\n"
            self.say(f"auth {PASSWORD}")
            self.hear("")

    def say(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\n\n")

    def hear(self, leg: str) -> str:
        """The next frame, as conversations.jsonl writes it; EOF at the end."""
        while b"\n\n" not in self._buffer:
            if not self._more():
                assert not self._buffer
                return "EOF"
        head, _, rest = self._buffer.partition(b"\n\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        length = int(found[1]) if found else 0
        while len(rest) < length:
            assert self._more(), "ends within a frame"
            rest = self._buffer[len(head) + 2 :]
        self._buffer = rest[length:]
        return _written(head.decode(), rest[:length].decode(), leg)

    def _more(self) -> bool:
        data = self._socket.recv(65_536)
        self._buffer += data
        return bool(data)

    def close(self) -> None:
        self._socket.close()


def _written(head: str, body: str, leg: str) -> str:
    if leg:
        head, body = head.replace(leg, "{U}"), body.replace(leg, "{U}")
    kind = head.partition("Content-Type: ")[2].split("\n")[0]
    if not kind.startswith("text/event-"):
        return _ID.sub("<uuid>", f"{head}\n\n{body}")
    found = _TYPE.search(body)
    if found and found[1] not in _WHOLE and "X-Made" not in body:
        return f"{kind} {found[1]}" + (" {U}" if "{U}" in body else "")
    for block in _CORE_BLOCKS:
        body = block.sub("(core)", body)
    head = re.sub(r"Content-Length: \d+", "Content-Length: *", head, count=1)
    return f"{head}\n\n" + _ID.sub("<uuid>", _EVENT_ID.sub(r"\1*", body))


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    trunk = Carrier("trunk1", gateway="trunk1", host="127.0.0.1:5090")
    one = Simulator(
        password=PASSWORD,
        domain="127.0.0.1",
        carriers=[trunk],
        phones=[Phone("1001")],
        numbers=["0312345678"],
        users=USERS,
    )
    one.start()
    yield one
    one.stop()


def _parked(simulator: Simulator) -> str:
    """A call that has come in and waits for a plan, without its safety net."""
    listener = Client(simulator.port, logs_in=True)
    listener.say("event json CHANNEL_PARK")
    listener.hear("")
    leg = simulator.call(Caller("09012345678"), "0312345678", carrier=simulator.switch.carriers[0])
    listener.hear("")
    listener.say(f"api sched_del {leg.uuid}")
    listener.hear("")
    listener.close()
    return leg.uuid


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda one: one["title"])
def test_both_say_the_same(simulator: Simulator, conversation: dict[str, Any]) -> None:
    clients: dict[str, Client] = {}
    leg, ended = "", set()
    for step in conversation["said"]:
        who, *text, heard = step
        if who == "call":
            leg = _parked(simulator)
        elif who != "wait":
            if who not in clients:
                clients[who] = Client(simulator.port, logs_in=not who.startswith("u"))
            if text[0] is not None:
                clients[who].say(text[0].replace("{U}", leg).replace("{P}", PASSWORD))
        # The reply first: what others hear of it has been sent by then.
        for one in sorted(heard, key=lambda name: name != who):
            assert [clients[one].hear(leg) for _ in heard[one]] == heard[one], step
            ended |= {one} if "EOF" in heard[one] else set()
    for name, client in clients.items():
        if name not in ended:
            client.say("exit")
            assert client.hear(leg) == "Content-Type: command/reply\nReply-Text: +OK bye\n\n", "something more was said"
        client.close()
