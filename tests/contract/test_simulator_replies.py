"""The simulated switch words its replies as a real FreeSWITCH 1.11.3 did: both were asked the same, in this order.

replies_idle.jsonl: `api` commands to a switch with phones 1001 to 1005, none registered, gateway trunk1 and no call.
replies_call.jsonl: commands about one call, see the test.
replies_protocol.jsonl: one command on a fresh connection each, and the header lines of its reply.
An id stands as <uuid>.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freeswitch.simulator import Caller, Carrier, Phone, Simulator
from tests.contract.test_esl_server import PASSWORD, Raw

_HERE = Path(__file__).parent
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")


def _captured(name: str) -> list[tuple[str, Any]]:
    return [tuple(json.loads(line)) for line in (_HERE / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    phones = [Phone(str(number), registered=False) for number in range(1001, 1006)]
    trunk = Carrier("trunk1", gateway="trunk1", host="127.0.0.1:5090")
    one = Simulator(password=PASSWORD, domain="127.0.0.1", carriers=[trunk], phones=phones, numbers=["0312345678"])
    one.start()
    yield one
    one.stop()


def test_every_api_command_answers_as_the_real_one_did(simulator: Simulator) -> None:
    client, wrong = Raw(simulator.port), []
    captured = _captured("replies_idle.jsonl")
    for command, reply in captured:
        said = _UUID.sub("<uuid>", client.ask(f"api {command}"))
        if said != reply:
            wrong.append((command, said, reply))
    assert len(captured) > 250
    assert not wrong


def test_every_command_about_a_call_answers_as_the_real_one_did(simulator: Simulator, tmp_path: Path) -> None:
    """In this order, to one inbound call that is parked and rings; {U} is its uuid, REC a folder for recordings."""
    listener, client, wrong = Raw(simulator.port), Raw(simulator.port), []
    listener.ask("event json CHANNEL_PARK")
    leg = simulator.call(Caller("09012345678"), "0312345678", carrier=simulator.switch.carriers[0])
    listener.frame()
    for command, reply in _captured("replies_call.jsonl"):
        said = client.ask("api " + command.replace("{U}", leg.uuid).replace("REC", str(tmp_path)))
        said = said.replace(leg.uuid, "{U}").replace(str(tmp_path), "REC")
        if said != reply:
            wrong.append((command, said, reply))
    assert not wrong


def test_every_protocol_command_answers_as_the_real_one_did(simulator: Simulator) -> None:
    wrong = []
    for command, lines in _captured("replies_protocol.jsonl"):
        client = Raw(simulator.port)
        client.write(command)
        headers, _body = client.frame()
        said = [_UUID.sub("<uuid>", f"{name}: {value}") for name, value in headers.items() if name != "Content-Length"]
        if said != lines:
            wrong.append((command, said, lines))
    assert not wrong


def test_what_is_not_known_here_is_refused_and_remembered(simulator: Simulator) -> None:
    client = Raw(simulator.port)
    assert client.ask("log err") == "+OK log level err [3]"
    assert client.ask("api conference list") == "-ERR conference Command not found!\n"
    headers, body = client.frame()
    assert (headers["Content-Type"], headers["Log-Level"], body) == ("log/data", "3", b"unknown command conference\n")
    assert simulator.server.unknown_commands == ["conference"]


@pytest.mark.parametrize(
    "hostile",
    [
        "x" * 2000,
        "%0d%0aContent-Length: 0%0a%0a",
        "${system(id)}",
        "' \\' \\",
        "{a=b,c=d}[x]|,~^",
        "\udcff\udcfe",
        "山田\u2028",
        "a;b=c;d",
        "-1",
        "9" * 400,
    ],
)
def test_hostile_arguments_get_one_reply_each_and_nothing_breaks(simulator: Simulator, hostile: str) -> None:
    """Every command of the table, with such a text in each place of its arguments; a call is up meanwhile."""
    leg = simulator.call(Caller("09012345678", name=hostile), "0312345678")
    client = Raw(simulator.port)
    names = sorted({command.split(" ")[0].lower() for command, _reply in _captured("replies_idle.jsonl")})
    for name in names:
        if name in ("fsctl", "hupall", "uuid_kill", "load", "reload"):
            continue
        for argument in (
            hostile,
            f"{leg.uuid} {hostile}",
            f"{hostile} {hostile} {hostile}",
            f"{leg.uuid}\x00{hostile}",
        ):
            raw = f"api {name} {argument}".encode("utf-8", "surrogateescape")
            client.socket.sendall(raw + b"\n\n")
            headers, _body = client.frame()
            assert headers["Content-Type"] == "api/response", name
    client.socket.sendall(f"sendmsg {hostile}".encode("utf-8", "surrogateescape") + b"\nX: y\n\n")
    reply = client.frame()[0]["Reply-Text"]
    assert len(reply.encode("utf-8", "surrogateescape")) <= 511
    assert client.ask("api echo still here") == "still here"
    assert simulator.switch.global_variables.keys() >= {"tt_emergency_gateway"}
