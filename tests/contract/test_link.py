"""Each defect of greenswitch 0.0.19, shown on bare greenswitch, and that our link does not have it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import socket, subprocess

from services.eventsocket import link as link_module
from services.eventsocket.frames import Frame, event_of
from services.eventsocket.link import Link, LinkLost, LoginRefused
from services.eventsocket.spool import Spool
from tests.contract.hostile_esl import HostileSwitch

LIMIT_S = 12.0


def bare(
    scenario: str, during: Callable[[HostileSwitch], None] | None = None, limit_s: float = LIMIT_S
) -> dict[str, str]:
    """What bare greenswitch comes to in a process of its own; `frozen` if it had to be ended after it began."""
    with HostileSwitch(scenario) as switch:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.bare_greenswitch", str(switch.port), scenario],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        with gevent.Timeout(60):
            started = process.stdout.readline()
        assert started.startswith("started")
        if during is not None:
            during(switch)
        try:
            out, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
    seen = dict(line.partition(" ")[::2] for line in out.splitlines())
    return seen | ({} if "over" in seen else {"frozen": "yes"}) | {"received": switch.received.decode()}


class Ours:
    """A link, what it delivered and what it reported, in order."""

    def __init__(self, port: int, timeout: float = 2.0) -> None:
        self.told: list[Any] = []
        self.link = Link("127.0.0.1", port, "pw", timeout, self._event, self._lost)

    def _event(self, frame: Frame) -> None:
        self.told.append(event_of(frame))

    def _lost(self, reason: str) -> None:
        self.told.append(reason)

    def __enter__(self) -> Ours:
        self.link.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop()


def wait_until(holds: Callable[[], bool]) -> None:
    with gevent.Timeout(30):
        while not holds():
            gevent.sleep(0.005)


def test_a_callers_name_forges_no_header() -> None:
    assert bare("forged")["tenant"] == "victim"
    with HostileSwitch("forged") as switch, Ours(switch.port) as ours:
        wait_until(lambda: bool(ours.told))
        assert ours.told[0]["variable_tt_tenant"] == "acme"
        assert ours.told[0]["Caller-Caller-ID-Name"] == "A\nvariable_tt_tenant: victim"


def test_json_events_are_read() -> None:
    seen = bare("json")
    assert (seen["send"], seen["connected"]) == ("hangs", "True")
    with HostileSwitch("json") as switch, Ours(switch.port) as ours:
        assert ours.link.send("api status").text == "true"
        assert ours.told == [{"Event-Name": "HEARTBEAT", "a": "b"}]


def test_the_end_inside_a_body_freezes_nothing() -> None:
    seen = bare("eof_in_body", limit_s=3.0)
    assert seen["frozen"] == "yes"
    with HostileSwitch("eof_in_body") as switch, Ours(switch.port) as ours:
        assert ours.link.lost.wait(30)
        assert "before the end of the body" in ours.told[-1]


def test_a_reply_that_is_no_utf8_is_a_reply() -> None:
    seen = bare("not_utf8")
    assert (seen["send"], seen["connected"]) == ("hangs", "True")
    with HostileSwitch("not_utf8") as switch, Ours(switch.port) as ours:
        assert ours.link.send("api status").text == "\ufffd\ufffd"
        assert ours.link.send("api status").body == b"\xff\xfe"


def test_connecting_has_a_deadline() -> None:
    assert bare("silent")["connect"] == "hangs"
    with HostileSwitch("silent") as switch, gevent.Timeout(30), pytest.raises(LinkLost, match="no auth/request"):
        Ours(switch.port, timeout=0.2).link.connect()


def test_sending_has_a_deadline() -> None:
    assert bare("no_reply")["send"] == "hangs"
    with HostileSwitch("no_reply") as switch, Ours(switch.port, timeout=0.3) as ours, gevent.Timeout(30):
        with pytest.raises(LinkLost, match="no reply in time"):
            ours.link.send("api status")
        assert ours.told == ["no reply in time"]


def test_a_cut_fails_every_waiter_and_is_reported_once() -> None:
    seen = bare("cut_while_waiting")
    assert (seen["send"], seen["disconnects"]) == ("hangs", "0")
    with HostileSwitch("cut_while_waiting") as switch, Ours(switch.port) as ours, gevent.Timeout(30):
        waiting = [ours.link.post(f"api echo {number}") for number in range(20)]
        for one in waiting:
            with pytest.raises(LinkLost):
                one.get()
        assert len(ours.told) == 1
        with pytest.raises(LinkLost):
            ours.link.send("api status")


def test_everything_read_is_delivered_before_the_loss_is_reported() -> None:
    seen = bare("events_then_eof")
    assert int(seen["events"]) < 500
    with HostileSwitch("events_then_eof") as switch, Ours(switch.port) as ours:
        wait_until(lambda: len(ours.told) > 500)
        assert [told["Number"] for told in ours.told[:-1]] == [str(number) for number in range(500)]
        assert ours.told[-1] == "the switch closed the connection"


def test_a_flood_is_read_on_and_memory_is_bounded(tmp_path: Any) -> None:
    """Behind a handler that does not keep up, greenswitch's queue grows without end."""
    assert int(bare("flood", limit_s=60)["queued"]) > 5_000
    spool = Spool(tmp_path / "spool", in_memory=1_000)
    spool.start()
    with HostileSwitch("flood") as switch:
        link = Link("127.0.0.1", switch.port, "pw", 5.0, lambda frame: spool.put(frame.body), None)
        link.connect()
        assert link.send("api status").text == "true"
        wait_until(lambda: spool.in_memory <= 1_000)
        assert len(spool) == 20_000
        numbers = []
        while len(spool):
            items = spool.peek(500)
            assert spool.in_memory <= 1_000
            numbers += [int(item.raw.split(b"Number: ")[1].split(b"\n")[0]) for item in items]
            spool.done(len(items))
        assert numbers == list(range(20_000))
        link.stop()
    spool.stop()


def test_a_long_command_is_written_whole() -> None:
    def let_it_read(switch: HostileSwitch) -> None:
        gevent.spawn_later(1.0, switch.go_on.set)

    assert bare("slow_reader", let_it_read)["send"] != "16000006"
    with HostileSwitch("slow_reader") as switch, Ours(switch.port, timeout=10) as ours:
        gevent.spawn_later(0.3, switch.go_on.set)
        assert ours.link.send("api " + "x" * 16_000_000).text == "16000006"


def test_a_switch_that_takes_nothing_is_given_up() -> None:
    with HostileSwitch("slow_reader") as switch, Ours(switch.port, timeout=0.5) as ours, gevent.Timeout(30):
        waiting = ours.link.post("api " + "x" * 16_000_000)
        with pytest.raises(LinkLost):
            waiting.get()


def test_many_senders_over_a_line_that_stands_still_each_get_their_own_reply() -> None:
    seen = bare("stalled")
    assert "ConcurrentObjectUseError" in {seen[name] for name in "abcdefgh"}, "thrown out"
    with HostileSwitch("stalled") as switch, Ours(switch.port, timeout=10) as ours:
        asked = [f"api echo {number} ".ljust(20, "x") + "x" * 1_000_000 for number in range(16)]
        asking = [gevent.spawn(ours.link.send, text) for text in asked]
        gevent.sleep(0)
        switch.go_on.set()
        gevent.joinall(asking, timeout=30, raise_error=True)
        assert [one.value.text for one in asking] == [text[:20] for text in asked]


def test_many_senders_each_get_their_own_reply() -> None:
    with HostileSwitch("echo") as switch, Ours(switch.port) as ours:
        asked = [f"api echo {number}" for number in range(200)]
        asking = [gevent.spawn(ours.link.send, text) for text in asked]
        gevent.joinall(asking, timeout=30)
        assert [one.value.text for one in asking] == asked


@pytest.mark.parametrize("text", ["api echo a\n\napi evil", "api a\r\n\r\nevil", "", "\napi a", "api a\n"])
def test_one_send_is_one_command(text: str) -> None:
    with HostileSwitch("echo") as switch, Ours(switch.port) as ours:
        with pytest.raises(ValueError, match="not exactly one command"):
            ours.link.send(text)
        assert ours.link.send("api fine").text == "api fine"
        assert switch.received == b"api fine;"


def test_on_bare_greenswitch_an_argument_starts_a_new_command_and_no_instance_comes_back() -> None:
    seen = bare("echo")
    assert "api echo a;api evil;" in seen["received"]
    assert seen["again"] != "done"


def test_a_refusal_is_told_from_a_loss() -> None:
    with HostileSwitch("refusing") as switch, pytest.raises(LoginRefused, match="refuses this address"):
        Ours(switch.port).link.connect()


def test_no_handlers_behind_an_unbounded_queue() -> None:
    with pytest.raises(NotImplementedError):
        Link("127.0.0.1", 1, "pw").register_handle("*", print)


def test_a_link_that_is_stopped_while_it_connects_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    connect, made = socket.create_connection, []

    def connect_late(address: tuple[str, int]) -> Any:
        made.append(connect(address))
        ours.link.stop()
        return made[0]

    monkeypatch.setattr(socket, "create_connection", connect_late)
    with HostileSwitch("silent") as switch:
        ours = Ours(switch.port)
        with gevent.Timeout(30), pytest.raises(LinkLost, match="closed by us"):
            ours.link.connect()
    assert made[0].fileno() == -1


def test_nobody_there() -> None:
    with HostileSwitch("echo") as switch:
        port = switch.port
    with pytest.raises(LinkLost, match="cannot connect"):
        Ours(port).link.connect()


@pytest.mark.parametrize("trouble", ["gone", "stalled"])
def test_a_poke_that_is_not_taken_waits_for_nothing(monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    """It comes from a native thread, under a lock that the hub takes too: a line in the log there stopped the hub."""
    ours, theirs = socket.socketpair()
    link = Link("127.0.0.1", 1, "x")
    link.sock, link.connected = ours, True
    if trouble == "gone":
        theirs.close()
    else:
        with pytest.raises(BlockingIOError):
            while True:
                os.write(ours.fileno(), b"x" * 65536)
    monkeypatch.setattr(link_module, "log", None)
    link.poke()
    link.stop()
    theirs.close()
