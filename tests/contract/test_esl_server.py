"""The Event Socket of the simulator and of the trace player, byte for byte as the real switch speaks it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
import pytest
from greenswitch import InboundESL
from hypothesis import given
from hypothesis import strategies as st

from freeswitch.simulator import wire
from freeswitch.simulator.esl_server import EslServer, UnknownCommand
from tests import traces

PASSWORD = "not ClueCon"  # noqa: S105


class Echo:
    """A switch that repeats what it is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, str]]] = []

    def api(self, command: str, argument: str) -> str:
        if command == "nosuch":
            raise UnknownCommand
        return f"+OK {command} [{argument}]\n" if command != "silent" else ""

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str:
        self.messages.append((leg, dict(headers)))
        return "+OK" if leg == "leg-1" else f"-ERR invalid session id [{leg}]"


@pytest.fixture
def server() -> Iterator[EslServer]:
    one = EslServer(Echo(), PASSWORD)
    one.start()
    yield one
    one.stop()


_sockets: list[socket.socket] = []


@pytest.fixture(autouse=True)
def clients_leave() -> Iterator[None]:
    """Whatever a test's clients have opened is closed with it."""
    yield
    while _sockets:
        _sockets.pop().close()


class Raw:
    """A client without any library."""

    def __init__(self, port: int, *, log_in: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        _sockets.append(self.socket)
        self.buffer = b""
        if log_in:
            assert self.frame()[0] == {"Content-Type": "auth/request"}
            assert self.ask(f"auth {PASSWORD}") == "+OK accepted"

    def write(self, text: str) -> None:
        self.socket.sendall(text.encode() + b"\n\n")

    def ask(self, text: str) -> str:
        self.write(text)
        headers, body = self.frame()
        return headers.get("Reply-Text", body.decode())

    def frame(self) -> tuple[dict[str, str], bytes]:
        head = self._until(b"\n\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return headers, self._take(int(headers.get("Content-Length", "0")))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def _take(self, length: int) -> bytes:
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return body

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def rest(self) -> bytes:
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                self._more()
        return self.buffer


def _captured(number: int) -> list[list[tuple[str, Any]]]:
    lines = traces.load(number).json_lines.decode("utf-8", "surrogateescape").splitlines()
    return [json.loads(line, object_pairs_hook=list) for line in lines if line.strip()]


def _frames(data: bytes) -> Iterator[bytes]:
    while data:
        head, _, _rest = data.partition(b"\n\n")
        length = int(head.split(b"Content-Length: ")[1].split(b"\n")[0])
        end = len(head) + 2 + length
        yield data[:end]
        data = data[end:]


@pytest.mark.parametrize("number", [n for n in traces.ALL if n != 26])
def test_every_captured_event_is_written_as_the_real_switch_wrote_it(number: int) -> None:
    """From the json of the capture we write the plain bytes of the capture, and the json itself again."""
    plain = list(_frames(traces.load(number).plain))
    events = _captured(number)
    assert len(plain) == len(events)
    for frame, pairs in zip(plain, events, strict=True):
        event = [(name, value) for name, value in pairs if name != "Content-Length"]
        assert wire.event_frame(event, "plain") == frame
        body = wire.event_frame(event, "json").split(b"\n\n", 1)[1]
        assert json.loads(body.decode("utf-8", "surrogateescape"), object_pairs_hook=list) == pairs


def test_greenswitch_as_it_is_logs_in_asks_and_hears_events(server: EslServer) -> None:
    heard: list[dict[str, str]] = []
    client = InboundESL("127.0.0.1", server.port, PASSWORD)
    client.connect()
    client.register_handle("CHANNEL_CREATE", lambda event: heard.append(event.headers))
    assert client.send("event plain ALL").headers["Reply-Text"] == "+OK event listener enabled plain"
    assert client.send("api status now").data == "+OK status [now]\n"
    server.publish({"Event-Name": "CHANNEL_CREATE", "Unique-ID": "u-1", "Caller-Caller-ID-Name": "山田 太郎"})
    with gevent.Timeout(5):
        while not heard:
            gevent.sleep(0.01)
    assert heard[0]["Caller-Caller-ID-Name"] == "山田 太郎"
    client.stop()


def test_wrong_password_is_refused_and_the_line_cut(server: EslServer) -> None:
    client = Raw(server.port, log_in=False)
    client.frame()
    assert client.ask("auth ClueCon") == "-ERR invalid"
    assert b"text/disconnect-notice" in client.rest()


def test_each_client_hears_only_what_it_asked_for(server: EslServer) -> None:
    hangups, gateways, everything = (Raw(server.port) for _ in range(3))
    assert hangups.ask("event json CHANNEL_HANGUP NOSUCH") == "+OK event listener enabled json"
    assert gateways.ask("event plain CUSTOM sofia::gateway_state") == "+OK event listener enabled plain"
    assert everything.ask("event plain ALL") == "+OK event listener enabled plain"
    server.publish({"Event-Name": "CHANNEL_HANGUP", "Hangup-Cause": "USER_BUSY"})
    server.publish({"Event-Subclass": "sofia::register", "Event-Name": "CUSTOM"})
    server.publish({"Event-Subclass": "sofia::gateway_state", "Event-Name": "CUSTOM"})
    assert hangups.frame()[1] == b'{"Event-Name":"CHANNEL_HANGUP","Hangup-Cause":"USER_BUSY"}'
    assert gateways.frame()[1] == b"Event-Subclass: sofia%3A%3Agateway_state\nEvent-Name: CUSTOM\n\n"
    assert [everything.frame()[1].count(b"CUSTOM") for _ in range(3)] == [0, 1, 1]


def test_nixevent_noevents_and_filter(server: EslServer) -> None:
    client = Raw(server.port)
    assert client.ask("event plain NOSUCH") == "-ERR no keywords supplied"
    assert client.ask("noevents") == "-ERR not listening for events"
    client.ask("event json ALL")
    assert client.ask("nixevent HEARTBEAT") == "+OK events nixed"
    assert client.ask("filter Unique-ID u-1") == "+OK filter added. [Unique-ID]=[u-1]"
    server.publish({"Event-Name": "HEARTBEAT", "Unique-ID": "u-1"})
    server.publish({"Event-Name": "CHANNEL_PARK", "Unique-ID": "u-2"})
    server.publish({"Event-Name": "CHANNEL_PARK", "Unique-ID": "u-1"})
    assert json.loads(client.frame()[1]) == {"Event-Name": "CHANNEL_PARK", "Unique-ID": "u-1"}
    assert client.ask("filter delete all") == "+OK filter deleted. [all][]"
    assert client.ask("noevents") == "+OK no longer listening for events"


def test_replies_are_worded_as_the_switch_words_them(server: EslServer) -> None:
    client = Raw(server.port)
    assert client.ask("frobnicate") == "-ERR command not found"
    assert client.ask("api nosuch thing") == "-ERR nosuch Command not found!\n"
    assert client.ask("api silent") == "-ERR no reply\n"
    assert client.ask("linger") == "-ERR not controlling a session"
    assert client.ask("\n\n\napi status") == "+OK status []\n", "blank lines between commands keep a socket awake"


def test_background_job_keeps_our_own_job_id(server: EslServer) -> None:
    client = Raw(server.port)
    client.ask("event plain BACKGROUND_JOB")
    client.write("bgapi originate {a=b}sofia/x &park()\nJob-UUID: job-1")
    assert client.frame()[0]["Reply-Text"] == "+OK Job-UUID: job-1"
    body = client.frame()[1].decode()
    assert "Job-UUID: job-1\nJob-Command: originate\n" in body
    assert body.endswith("\n\n+OK originate [{a=b}sofia/x &park()]\n")
    client.write("bgapi nosuch")
    job = client.frame()[0]["Job-UUID"]
    assert job in (again := client.frame()[1].decode()) and "-ERR nosuch Command not found!" in again


def test_sendmsg_reaches_the_leg_with_its_headers(server: EslServer) -> None:
    client = Raw(server.port)
    assert client.ask("sendmsg leg-1\ncall-command: execute\nexecute-app-name: park") == "+OK"
    assert client.ask("sendmsg gone") == "-ERR invalid session id [gone]"
    assert isinstance(server.backend, Echo)
    assert server.backend.messages[0] == ("leg-1", {"call-command": "execute", "execute-app-name": "park"})


def test_exit_says_goodbye(server: EslServer) -> None:
    client = Raw(server.port)
    assert client.ask("exit") == "+OK bye"
    assert client.rest() == wire.DISCONNECT_NOTICE


def test_a_connection_can_be_cut_inside_a_frame(server: EslServer) -> None:
    client = Raw(server.port)
    frame = wire.event_frame({"Event-Name": "CHANNEL_PARK"}, "json")
    server.clients[0].send(frame + frame[:17])
    server.clients[0].cut()
    assert client.rest() == frame + frame[:17]
    again = Raw(server.port)
    assert again.ask("api status") == "+OK status []\n"


def test_a_client_that_sends_no_length_is_dropped_and_others_stay(server: EslServer) -> None:
    bad, good = Raw(server.port), Raw(server.port)
    bad.write("sendmsg leg-1\ncontent-length: -5")
    assert bad.rest() == wire.DISCONNECT_NOTICE
    assert good.ask("api status") == "+OK status []\n"


_ONE = st.builds(
    lambda name, value, body: f"{name}\nX-A: {value}\nContent-Length: {len(body.encode())}\n\n{body}",
    st.sampled_from(["api status", "sendmsg u", "bgapi x"]),
    st.text("abc ${}%0A", max_size=20),
    st.text(max_size=20),
)


@given(st.lists(_ONE, max_size=5), st.integers(1, 7))
def test_commands_arrive_the_same_however_the_network_cuts_them(commands: list[str], size: int) -> None:
    data = "".join(commands).encode()
    reader = wire.CommandReader()
    cut = [one for at in range(0, len(data), size) for one in reader.feed(data[at : at + size])]
    assert cut == wire.CommandReader().feed(data)
    assert len(cut) == len(commands)
