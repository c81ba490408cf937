"""`toritsugi simulate record` at a switch: what passes through its port is noted, both tellings of the events agree."""

from __future__ import annotations

import io
import json
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import msgspec

from freeswitch.simulator import Caller, Simulator
from freeswitch.simulator.record import command
from freeswitch.simulator.record.folder import Wanted, write
from freeswitch.simulator.record.recording import WIDTHS, Recorder
from services.eventsocket.frames import FrameReader, decode_json, event_of
from tests.scenarios.ears import PASSWORD, ask, connect, switch

DEADLINE_S = 30.0


@contextmanager
def recording(simulator: Simulator) -> Iterator[tuple[Recorder, int]]:
    """A recorder at work; stopped at the end."""
    recorder = Recorder(("127.0.0.1", simulator.port), PASSWORD, WIDTHS["more"], sip=False)
    port = recorder.start()
    going: list[bool] = [True]
    greenlet = gevent.spawn(recorder.run, lambda: bool(going))
    try:
        yield recorder, port
    finally:
        going.clear()
        greenlet.join(DEADLINE_S)
        recorder.stop()


def until(recorder: Recorder, name: str) -> None:
    """Waits until the recorder has heard of it."""
    with gevent.Timeout(DEADLINE_S):
        while not any(event["Event-Name"] == name for event in recorder.gathered.events):
            gevent.sleep(0.01)


def test_a_call_is_recorded_with_the_commands_that_passed_through(tmp_path: Path) -> None:
    with switch() as simulator, recording(simulator) as (recorder, port):
        agent = connect(port)
        leg = simulator.call(Caller("09012345678", name="山田 太郎"), "0312345678").uuid
        until(recorder, "CHANNEL_PARK")
        ask(agent, "event plain HEARTBEAT")
        plan = f"api uuid_transfer {leg} 'm:~:sched_cancel~multiset:^^|tt_call=c-1~answer~hangup' inline"
        assert ask(agent, f"sendmsg {leg}\ncall-command: nosuch")[0]["Reply-Text"] == "+OK"
        assert ask(agent, plan)[1] == "+OK\n"
        assert ask(agent, "bgapi status\nJob-UUID: job-1")[0]["Job-UUID"] == "job-1"
        until(recorder, "CHANNEL_HANGUP_COMPLETE")
        agent.close()
    folder = tmp_path / "01-call"
    assert write(folder, recorder.gathered, Wanted(anonymise=True, rewrite=(("tt_call", "tt_conversation"),))) == []

    said = [json.loads(line) for line in (folder / "commands.jsonl").read_text().splitlines()]
    assert [one["command"].split(" ")[0] for one in said] == ["sendmsg", "api", "bgapi"]
    assert said[1]["reply"] == "+OK" and said[0]["command"].endswith("\ncall-command: nosuch")
    assert said[2]["command"] == "bgapi status\nJob-UUID: job-1" and said[2]["reply"] == "+OK Job-UUID: job-1"
    assert told(folder / "events.plain") == [decode_json(line) for line in lines(folder / "events.jsonl")]
    scenario = json.loads((folder / "scenario.json").read_text())
    assert scenario["legs"] == {"caller": leg}
    assert [step["kind"] for step in scenario["steps"]] == ["esl"] * 3
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    for private in (PASSWORD, "09012345678", "山田", "%E5%B1%B1", "tt_call="):
        assert private.encode() not in everything, private
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def told(path: Path) -> list[dict[str, Any]]:
    reader = FrameReader()
    reader.feed(path.read_bytes())
    found = [event_of(frame) for frame in reader.frames()]
    reader.finish()
    return [dict(event) for event in found]


def test_a_client_that_leaves_or_talks_nonsense_disturbs_nobody() -> None:
    with switch() as simulator, recording(simulator) as (recorder, port):
        with socket.create_connection(("127.0.0.1", port)) as nonsense:
            nonsense.sendall(b"\xff nonsense\n\napi half a comm")
        agent = connect(port)
        assert ask(agent, "api global_getvar core_uuid")[1]
        agent.close()
    assert [noted.command for noted in recorder.gathered.commands] == ["api global_getvar core_uuid"]


def test_a_switch_that_goes_ends_the_recording_with_what_there_is(tmp_path: Path) -> None:
    with switch() as simulator, recording(simulator) as (recorder, _):
        simulator.call(Caller("09012345678"), "0312345678")
        until(recorder, "CHANNEL_PARK")
        simulator.stop()
        with gevent.Timeout(DEADLINE_S):
            while not recorder.gathered.early_end:
                gevent.sleep(0.01)
    remarks = write(tmp_path / "gone", recorder.gathered, Wanted())
    assert any("closed the connection" in remark for remark in remarks)
    assert lines(tmp_path / "gone" / "events.jsonl")


def run(folder: Path, port: int, password: str) -> tuple[int, str]:
    err = io.StringIO()
    return command.main(folder, f"127.0.0.1:{port}", password, err, duration="100ms"), err.getvalue()


def test_what_does_not_work_is_said_in_a_sentence(tmp_path: Path) -> None:
    with switch() as simulator:
        code, said = run(tmp_path / "a", simulator.port, "wrong")
        assert code == 1 and "password" in said and "wrong" not in said
        code, said = run(tmp_path / "a", simulator.port, PASSWORD)
        assert code == 1 and "does not trace SIP" in said
    code, said = run(tmp_path / "a", simulator.port, PASSWORD)
    assert code == 1 and re.search("refused", said, re.IGNORECASE)
    assert not (tmp_path / "a").exists()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "scenario.json").write_bytes(msgspec.json.encode({}))
    assert run(tmp_path / "b", simulator.port, PASSWORD) == (1, f"{tmp_path / 'b'} holds a recording already\n")
