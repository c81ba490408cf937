"""The player of captured traces, seen by a client that speaks the Event Socket by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from freeswitch.simulator.replay.player import Faults, NothingCame, Player
from freeswitch.simulator.replay.score import Cue, Line, arrange
from tests import traces
from tests.contract.test_esl_server import PASSWORD, Raw, clients_leave

__all__ = ["clients_leave"]

PLAN = "'m:~:sched_cancel~multiset:^^|tt_decision=ours|tt_call=call-1|tt_payer=acme|tt_next=~hangup:NO_ANSWER'"
CALLER = "793bc1f6-ad4b-4e8b-81c8-503ac2db1110"


def captured(number: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in traces.load(number).json_lines.decode("utf-8", "replace").splitlines()]


class Listener:
    """One connection for events and one for commands, as an agent has them; comes back when it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.commands = Raw(port)
        self.events: list[dict[str, Any]] = []
        self.connections = 0
        self._greenlet = gevent.spawn(self._listen)

    def _listen(self) -> None:
        while True:
            try:
                raw = Raw(self._port)
                raw.write("event json ALL")
                self.connections += 1
                while True:
                    headers, body = raw.frame()
                    if headers["Content-Type"] == "text/event-json":
                        self.events.append(json.loads(body.decode("utf-8", "replace")))
            except (OSError, EOFError, AssertionError, json.JSONDecodeError):
                gevent.sleep(0.001)

    def stop(self) -> None:
        self._greenlet.kill()


@pytest.fixture
def playing() -> Iterator[Any]:
    stages: list[tuple[Player, Listener]] = []

    def play(number: int, awaited: tuple[int, ...] = (), faults: Faults | None = None) -> tuple[Player, Listener]:
        player = Player(traces.load(number), awaited, PASSWORD, faults=faults, patience_s=5)
        stages.append((player, Listener(player.start())))
        return stages[-1]

    yield play
    for player, listener in stages:
        listener.stop()
        player.stop()


def heard_all(listener: Listener, count: int) -> list[dict[str, Any]]:
    with gevent.Timeout(30):
        while len(listener.events) < count:
            gevent.sleep(0.005)
    return listener.events


@pytest.mark.parametrize("number", traces.ALL)
def test_without_awaited_commands_a_trace_plays_as_it_was_captured(playing: Any, number: int) -> None:
    player, listener = playing(number)
    player.play()
    wanted = [{k: v for k, v in event.items() if k != "Content-Length"} for event in captured(number)]
    got = heard_all(listener, len(wanted))
    assert [{k: v for k, v in event.items() if k != "Content-Length"} for event in got] == wanted


@pytest.mark.parametrize("number", (1, 15, 25, 34))
def test_a_plain_client_gets_the_very_bytes_that_were_captured(playing: Any, number: int) -> None:
    player, _ = playing(number)
    client = Raw(player.server.port)
    client.write("event plain ALL")
    client.frame()
    player.play()
    wanted, got = traces.load(number).plain, client.buffer
    while len(got) < len(wanted):
        got += client.socket.recv(1 << 20)
    assert got == wanted


@pytest.mark.parametrize("number", traces.ALL)
def test_a_command_stands_before_what_it_caused_and_behind_the_park_that_it_answers(number: int) -> None:
    score = arrange(traces.load(number))
    for at, cue in enumerate(score):
        if not isinstance(cue, Cue) or cue.request.kind != "transfer":
            continue
        leg = cue.request.legs[0]
        before = [one for one in score[:at] if isinstance(one, Line) and one.get("Unique-ID") == leg]
        decided = [one.get("variable_tt_decision") for one in before]
        assert {n: v for n, v, _ in cue.request.variables}["tt_decision"] not in decided
        assert any(one.get("Event-Name") == "CHANNEL_PARK" for one in before)


def test_it_waits_for_our_plan_and_then_tells_it_as_ours(playing: Any) -> None:
    player, listener = playing(1, (0,))
    play = gevent.spawn(player.play)
    parked = next(e for e in heard_all(listener, 14) if e["Event-Name"] == "CHANNEL_PARK")
    assert listener.commands.ask("api strmicroepoch") == parked["Event-Date-Timestamp"]
    assert listener.commands.ask(f"api uuid_getvar {CALLER} tt_decision") == "_undef_"
    assert len(listener.events) == 14
    assert listener.commands.ask(f"api uuid_transfer {CALLER} {PLAN} inline") == "+OK\n"
    play.get(timeout=30)
    last = next(e for e in reversed(heard_all(listener, 60)) if e["Event-Name"] == "CHANNEL_HANGUP_COMPLETE")
    assert (last["variable_tt_decision"], last["variable_tt_call"], last["variable_tt_payer"]) == (
        "ours",
        "call-1",
        "acme",
    )
    assert listener.commands.ask(f"api uuid_transfer {CALLER} {PLAN} inline") == "-ERR No such channel!\n"


def test_it_says_what_did_not_come(playing: Any) -> None:
    player, _ = playing(1, (0,))
    player._patience_s = 0.2
    with pytest.raises(NothingCame, match=f"transfer {CALLER}"):
        player.play()


def test_an_operator_has_the_id_that_we_gave_and_a_surplus_one_is_not_registered(playing: Any) -> None:
    player, listener = playing(18, (1,))
    with gevent.Timeout(30):
        while not any(client.subscribed.is_set() for client in player.server.clients):
            gevent.sleep(0.001)
    for name in ("first", "second"):
        text = f"originate {{origination_uuid={name},tt_leg=operator,tt_call=call-1}}sofia/internal/1001%a &park()"
        assert listener.commands.ask(f"bgapi {text}\nJob-UUID: {name}") == f"+OK Job-UUID: {name}"
    player.play()
    events = heard_all(listener, 26)
    operator = [e for e in events if e.get("Unique-ID") == "first"]
    assert {e["variable_tt_call"] for e in operator if "variable_tt_call" in e} == {"call-1"}
    assert operator[-1]["Event-Name"] == "CHANNEL_HANGUP_COMPLETE"
    jobs = {e["Job-UUID"]: e["_body"] for e in events if e["Event-Name"] == "BACKGROUND_JOB"}
    assert jobs == {"first": "-ERR LOSE_RACE\n", "second": "-ERR USER_NOT_REGISTERED\n"}


def test_cut_everywhere_each_event_still_comes_whole_and_once(playing: Any) -> None:
    faults = Faults(cut_after_each=True, cut_inside={3: (1, 400), 7: (90,)})
    player, listener = playing(9, (), faults)
    player.play()
    wanted = [e["Event-Sequence"] for e in captured(9)]
    assert [e["Event-Sequence"] for e in heard_all(listener, len(wanted))] == wanted
    assert listener.connections == len(wanted) + 1 + 3


def test_byte_by_byte(playing: Any) -> None:
    player, listener = playing(5, (), Faults(byte_by_byte=True))
    player.play()
    assert len(heard_all(listener, len(captured(5)))) == len(captured(5))


def test_a_snapshot_shows_the_legs_that_are_up_in_trace_time(playing: Any) -> None:
    player, listener = playing(31, (1,))
    play = gevent.spawn(player.play)
    heard_all(listener, 25)
    shown = json.loads(listener.commands.ask("api show channels as json"))
    legs = traces.load(31).scenario["legs"]
    assert [row["uuid"] for row in shown["rows"]] == [legs["caller"], legs["ext1001"], legs["caller2"]]
    dump = json.loads(listener.commands.ask(f"api uuid_dump {shown['rows'][0]['uuid']} json"))
    assert dump["variable_tt_call"] == "c-0031a"
    listener.commands.ask(f"api uuid_transfer {shown['rows'][2]['uuid']} {PLAN} inline")
    play.get(timeout=30)
    assert json.loads(listener.commands.ask("api show channels as json")) == {"row_count": 0}
