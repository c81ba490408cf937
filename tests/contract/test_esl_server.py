"""The Event Socket of the simulator and of the trace player, byte for byte as the real switch speaks it."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
import pytest
from greenswitch import InboundESL
from hypothesis import given
from hypothesis import strategies as st

from freeswitch.simulator.esl import wire
from freeswitch.simulator.esl.client import MAX_MISSED
from freeswitch.simulator.esl.server import EslServer, EslUser, UnknownCommand
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
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
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
        headers = dict(line.split(": ", 1) for line in head.decode("utf-8", "surrogateescape").split("\n"))
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
    with gevent.Timeout(30):
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


@pytest.mark.parametrize("head", [b"", b"sendevent X\nContent-Length: 8000000\n\n"])
def test_a_command_without_end_costs_no_more_than_its_bytes(head: bytes) -> None:
    """Each piece is looked at once: reading again from the beginning would take a hundred times as long."""
    reader, piece = wire.CommandReader(), b"a" * 4096
    began_s = time.process_time()
    for part in (head, *[piece] * 1900):
        assert not reader.feed(part)
    assert time.process_time() - began_s < 1.5


# --- who may do what -------------------------------------------------------------------------------------------------

_ACME = "acme@pbx.example"
_LIMITED = EslUser("s3", "CHANNEL_PARK HEARTBEAT CUSTOM sofia::register", "status expand echo")


@pytest.fixture
def guarded() -> Iterator[EslServer]:
    one = EslServer(Echo(), PASSWORD, users={_ACME: _LIMITED, "free@pbx.example": EslUser("s4")}, auth_timeout_s=2)
    one.start()
    yield one
    one.stop()


def _as_user(server: EslServer, login: str) -> tuple[Raw, dict[str, str]]:
    client = Raw(server.port, log_in=False)
    client.frame()
    client.write(f"userauth {login}")
    return client, client.frame()[0]


def test_a_user_of_the_directory_has_the_rights_of_its_entry(guarded: EslServer) -> None:
    client, headers = _as_user(guarded, f"{_ACME}:s3")
    assert headers["Reply-Text"] == "+OK accepted"
    assert headers["Allowed-Events"] == "CHANNEL_PARK HEARTBEAT CUSTOM sofia::register"
    assert (headers["Allowed-API"], headers["Allowed-LOG"]) == ("status expand echo", "true")
    assert client.ask("event json CHANNEL_PARK") == "+OK event listener enabled json"
    assert client.ask("event json CHANNEL_HANGUP") == "-ERR permission denied"
    assert client.ask("event json CUSTOM sofia::expire") == "-ERR permission denied"
    assert client.ask("event json CUSTOM sofia::register") == "+OK event listener enabled json"
    assert client.ask("api status") == "+OK status []\n"
    for refused in ("api originate x", "bgapi originate x", "api expand uuid_kill u", "api uuid_kill u"):
        assert client.ask(refused) == "-ERR permission denied", refused
    assert client.ask("api expand echo x") == "+OK expand [echo x]\n"
    guarded.publish({"Event-Name": "CHANNEL_HANGUP"})
    guarded.publish({"Event-Subclass": "sofia::register", "Event-Name": "CUSTOM"})
    assert b"sofia::register" in client.frame()[1]


def test_a_user_without_limits_may_do_everything(guarded: EslServer) -> None:
    client, headers = _as_user(guarded, "free:s4@pbx.example")
    assert (headers["Allowed-Events"], headers["Allowed-API"]) == ("all", "all")
    assert client.ask("api originate x") == "+OK originate [x]\n"


@pytest.mark.parametrize("login", ["acme:s3", f"{_ACME}:wrong", _ACME, "nobody@pbx.example:s3", "@:", "x" * 2000])
def test_who_is_not_in_the_directory_is_refused_and_cut(guarded: EslServer, login: str) -> None:
    client, headers = _as_user(guarded, login)
    assert headers["Reply-Text"] == "-ERR invalid"
    assert client.rest() == wire.DISCONNECT_NOTICE


def test_who_says_nothing_is_cut_and_who_has_said_something_may_stay(guarded: EslServer) -> None:
    """The time to log in covers the first command only, as in the real switch."""
    silent, curious = Raw(guarded.port, log_in=False), Raw(guarded.port, log_in=False)
    assert curious.frame()[0] == silent.frame()[0] == {"Content-Type": "auth/request"}
    assert curious.ask("api status") == "-ERR command not found"
    assert silent.rest() == wire.DISCONNECT_NOTICE
    assert curious.ask(f"auth {PASSWORD}") == "+OK accepted"


def test_an_address_outside_the_list_is_turned_away() -> None:
    one = EslServer(Echo(), PASSWORD, acl=("192.0.2.0/24",))
    one.start()
    try:
        assert Raw(one.port, log_in=False).rest() == wire.RUDE_REJECTION + wire.DISCONNECT_NOTICE
        assert not one.clients
    finally:
        one.stop()


# --- order, and clients that do not read -----------------------------------------------------------------------------


def test_a_reply_goes_before_the_events_that_the_command_caused(server: EslServer) -> None:
    client = Raw(server.port)
    client.ask("event json ALL")
    assert isinstance(server.backend, Echo)
    server.backend.api = lambda _command, _argument: server.publish({"Event-Name": "TRAP"}) or "+OK\n"  # type: ignore[method-assign]
    client.write("api uuid_kill u")
    assert client.frame()[1] == b"+OK\n"
    assert client.frame()[1] == b'{"Event-Name":"TRAP"}'


def test_no_event_comes_while_a_command_is_half_sent(server: EslServer) -> None:
    client, other = Raw(server.port), Raw(server.port)
    client.ask("event json TRAP")
    client.socket.sendall(b"api status")
    while not server.clients[0]._reader.half_sent:
        gevent.sleep(0)
    server.publish({"Event-Name": "TRAP"})
    assert other.ask("api status") == "+OK status []\n"
    client.socket.sendall(b" x\n\n")
    assert client.frame()[1] == b"+OK status [x]\n"
    assert client.frame()[1] == b'{"Event-Name":"TRAP"}'


def test_one_client_that_does_not_read_stops_the_switch_until_its_connection_is_reset(
    server: EslServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100,000 events wait, 501 more are lost, then every listener and every command waits for that one socket."""
    monkeypatch.setattr("freeswitch.simulator.esl.client.MAX_QUEUE", 50)
    stalled, well = Raw(server.port), Raw(server.port)
    for client in (stalled, well):
        assert client.ask("event json HEARTBEAT CHANNEL_PARK").startswith("+OK")
    heavy = {"Event-Name": "HEARTBEAT", "Padding": "x" * 200_000}
    for number in range(50 + MAX_MISSED + 60):
        server.publish(heavy)
        if number % 20 == 0:
            while not server.clients[1].idle.is_set():
                well.frame()
    assert not server._free.is_set()
    server.publish({"Event-Name": "CHANNEL_PARK"})
    well.write("api status")
    stalled.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stalled.socket.close()
    awaited = {b'{"Event-Name":"CHANNEL_PARK"}', b"+OK status []\n"}
    while awaited:
        awaited.discard(well.frame()[1])


def test_a_frozen_process_reads_and_writes_nothing_and_then_goes_on(server: EslServer) -> None:
    client = Raw(server.port)
    client.ask("event json TRAP")
    server.freeze()
    server.publish({"Event-Name": "TRAP"})
    client.write("api status")
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.frame()
    client.socket.settimeout(5)
    server.thaw()
    assert {client.frame()[1], client.frame()[1]} == {b'{"Event-Name":"TRAP"}', b"+OK status []\n"}


def test_half_open_connections_stay_silent_and_new_ones_are_served(server: EslServer) -> None:
    old = Raw(server.port)
    old.ask("event json TRAP")
    server.vanish()
    server.publish({"Event-Name": "TRAP"})
    old.write("api status")
    old.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        old.frame()
    assert Raw(server.port).ask("api status") == "+OK status []\n"


# --- the rest of the protocol ----------------------------------------------------------------------------------------


def test_an_event_of_our_own_goes_to_whoever_listens(server: EslServer) -> None:
    client = Raw(server.port)
    client.ask("event plain CUSTOM tt::x")
    client.write("sendevent CUSTOM\nEvent-Subclass: tt::x\nA: b <c>\nContent-Length: 5\n\nhello")
    assert client.frame()[0]["Reply-Text"].startswith("+OK ")
    body = client.frame()[1].decode()
    assert body.startswith("Event-Subclass: tt%3A%3Ax\nCommand: sendevent%20CUSTOM\nA: b%20%3Cc%3E\n")
    assert body.endswith("Event-Name: CUSTOM\nContent-Length: 5\n\nhello")


def test_events_in_xml(server: EslServer) -> None:
    client = Raw(server.port)
    assert client.ask("event xml ALL") == "+OK event listener enabled xml"
    server.publish({"Event-Name": "TRAP", "Name": "山 <&>", "List": ["a", "b"], "_body": "<&>"})
    headers, body = client.frame()
    assert headers["Content-Type"] == "text/event-xml"
    assert body.decode() == (
        "<event>\n  <headers>\n    <Event-Name>TRAP</Event-Name>\n    <Name>%E5%B1%B1%20%3C%26%3E</Name>\n"
        "    <List>a</List>\n    <List>b</List>\n  </headers>\n  <Content-Length>3</Content-Length>\n"
        "  <body>&lt;&amp;&gt;</body>\n</event>\n"
    )


def test_filters_by_value_by_pattern_and_by_refusal(server: EslServer) -> None:
    client = Raw(server.port)
    client.ask("event json TRAP")
    client.ask("filter Unique-ID /^a/")
    client.ask("filter Hangup-Cause -NORMAL_CLEARING")
    for leg, cause in (("a1", "USER_BUSY"), ("b1", "USER_BUSY"), ("a2", "normal_clearing"), ("a3", "NO_ANSWER")):
        server.publish({"Event-Name": "TRAP", "Unique-ID": leg, "Hangup-Cause": cause})
    assert [json.loads(client.frame()[1])["Unique-ID"] for _ in range(2)] == ["a1", "a3"]
    assert client.ask("filter delete Unique-ID") == "+OK filter deleted. [Unique-ID][]"
