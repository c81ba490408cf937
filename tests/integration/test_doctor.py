"""`toritsugi doctor` over the real Event Socket wire: a switch with FreeSWITCH's own answers, and the simulator."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from click.testing import CliRunner

from freeswitch.simulator import Carrier, Simulator
from freeswitch.simulator.esl.server import EslServer, UnknownCommand
from services.cli import main as toritsugi
from services.eventsocket.doctor import command, conf_files, machine
from services.eventsocket.doctor.command import EXIT_COULD_NOT_LOOK, EXIT_ERRORS, EXIT_FINE, Patient
from services.runtime import clock

PASSWORD = "a long enough secret"  # noqa: S105
HARMLESS = {
    *("version", "status", "expand", "echo", "global_getvar", "strmicroepoch", "show", "module_exists", "user_data"),
    *("sofia", "local_stream", "xml_locate", "originate", "uuid_transfer", "uuid_bridge", "uuid_setvar"),
    *("uuid_record", "uuid_kill", "uuid_getvar", "uuid_exists", "uuid_dump", "hash"),
}


class Answers:
    """A switch in the words of FreeSWITCH 1.11.3, which a test may change; it remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.replies: dict[str, str] = {
            "version": "FreeSWITCH Version 1.11.3-release~64bit ( 64bit)\n",
            "status": "0 session(s) per Sec out of max 30, peak 0, last 5min 0 \n1000 session(s) max\n",
            "expand echo ${strepoch()}": "<API execute Permission Denied>",
            "global_getvar core_uuid": "core-1",
            "global_getvar domain": "pbx.example",
            "show codec as json": '{"row_count":1,"rows":[{"type":"codec","name":"G.711 ulaw","ikey":"CORE_PCM"}]}',
            "local_stream show": "moh,/usr/share/freeswitch/sounds/music/8000\n",
            "module_exists mod_amqp": "false",
            "sofia xmlstatus": _XML + "<profiles><profile><name>external</name><type>profile</type>"
            "<data>sip:mod_sofia@203.0.113.5:5080</data><state>RUNNING (0)</state></profile></profiles>\n",
            "sofia xmlstatus profile external": _XML + "<profile><profile-info><context>public</context>"
            "<rtp-ip>203.0.113.5</rtp-ip><sip-ip>203.0.113.5</sip-ip><inbound-codecs>PCMU,PCMA</inbound-codecs>"
            "</profile-info></profile>\n",
            "sofia xmlstatus gateway": _XML + "<gateways><gateway><name>ntt</name><state>REGED</state>"
            "<status>UP</status></gateway></gateways>\n",
            "xml_locate configuration configuration name event_socket.conf": '<configuration name="event_socket.conf">'
            '<settings><param name="listen-ip" value="127.0.0.1"></param>'
            f'<param name="password" value="{PASSWORD}"></param>'
            '<param name="apply-inbound-acl" value="loopback.auto"></param></settings></configuration>',
        }

    def api(self, command: str, argument: str) -> str:
        text = f"{command} {argument}".strip()
        self.asked.append(text)
        if text in self.replies:
            return self.replies[text]
        if command == "strmicroepoch":
            return f"{clock.now_us()}\n"
        if command == "module_exists":
            return "true"
        if command in ("global_getvar", "user_data"):
            return "-ERR no reply\n"
        if command == "xml_locate":
            return "can't find anything\n"
        if command.startswith("uuid_"):
            return "-ERR No such channel!\n"
        if command in HARMLESS:
            return "-USAGE: something else\n"
        raise UnknownCommand(command)

    def sendmsg(self, leg: str, headers: object) -> str:
        raise AssertionError("the doctor sends no message to a leg")


_XML = '<?xml version="1.0" encoding="ISO-8859-1"?>\n'


@pytest.fixture
def switch() -> Iterator[tuple[Answers, EslServer]]:
    answers = Answers()
    server = EslServer(answers, PASSWORD)
    server.start()
    yield answers, server
    server.stop()


def examined(server: EslServer, **patient: Any) -> tuple[int, dict[str, list[dict[str, str]]], str]:
    """Exit code, findings by check, and what stood on stderr."""
    out, err = io.StringIO(), io.StringIO()
    one = Patient("127.0.0.1", server.port, patient.pop("password", PASSWORD), timeout_s=2.0, **patient)
    code = command.main(one, out, err, True, "en")
    found: dict[str, list[dict[str, str]]] = {}
    for line in out.getvalue().splitlines():
        finding = json.loads(line)
        found.setdefault(finding["check"], []).append(finding)
    return code, found, err.getvalue()


def test_a_good_switch_over_the_wire(switch: tuple[Answers, EslServer]) -> None:
    answers, server = switch
    code, found, _ = examined(server)
    of_the_wire = ("version", "api-expansion", "modules", "event-socket-password", "rights", "clock-offset", "codecs")
    assert {check: found[check][0]["severity"] for check in of_the_wire} == dict.fromkeys(of_the_wire, "ok")
    assert found["gateways"][0]["severity"] == found["music"][0]["severity"] == "ok"
    assert code == EXIT_FINE
    assert {text.split()[0] for text in answers.asked} <= HARMLESS
    assert not [text for text in answers.asked if text.startswith("uuid_") and "00000000-0000-4000" not in text]


@pytest.mark.parametrize(
    ("question", "reply", "check", "says"),
    [
        ("expand echo ${strepoch()}", "1795304647", "api-expansion", "is on"),
        ("version", "FreeSWITCH Version 1.6.20~64bit ( 64bit)\n", "version", "too old"),
        ("module_exists mod_hash", "false", "modules", "mod_hash"),
        ("local_stream show", "-ERR no reply\n", "music", "moh"),
        (
            "uuid_transfer 00000000-0000-4000-8000-000000000000 park inline",
            "-ERR permission denied",
            "rights",
            "uuid_tr",
        ),
        ("user_data 1007@pbx.example param password", "1234", "stock-passwords", "1007"),
        (
            "sofia xmlstatus gateway",
            "<gateways><gateway><name>ntt</name><state>DOWN</state></gateway></gateways>",
            "gateways",
            "ntt",
        ),
        (
            "xml_locate configuration configuration name event_socket.conf",
            '<configuration><settings><param name="password" value="ClueCon"/></settings></configuration>',
            "event-socket-password",
            "ClueCon",
        ),
    ],
)
def test_an_error_over_the_wire(
    switch: tuple[Answers, EslServer], question: str, reply: str, check: str, says: str
) -> None:
    answers, server = switch
    answers.replies[question] = reply
    code, found, _ = examined(server)
    assert [one["severity"] for one in found[check]] == ["error"]
    assert says in found[check][0]["found"]
    assert found[check][0]["mend"] and found[check][0]["mend_ja"]
    assert code == EXIT_ERRORS


def test_no_password_is_ever_shown(switch: tuple[Answers, EslServer]) -> None:
    answers, server = switch
    answers.replies["user_data 1000@pbx.example param password"] = "the phone's own"
    _, found, err = examined(server)
    shown = json.dumps(found) + err
    assert PASSWORD not in shown
    assert "the phone's own" not in shown


def test_who_cannot_look_says_why_and_what_to_do(switch: tuple[Answers, EslServer]) -> None:
    _, server = switch
    code, found, err = examined(server, password="wrong")  # noqa: S106
    assert (code, found) == (EXIT_COULD_NOT_LOOK, {})
    assert "password" in err
    server.stop()
    code, found, err = examined(server)
    assert (code, found) == (EXIT_COULD_NOT_LOOK, {})
    assert "See that FreeSWITCH runs" in err


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "{}",
        '{"row_count":2,"rows":[1,{}]}',
        "9" * 5000,
        "a=b\n=\n",
        "\x1b[31m\x00\u2028",
        "<profiles><profile><name>x y</name></profile><profile/></profiles>",
        "<a><settings><param/></settings><extension/></a>",
    ],
)
def test_a_switch_that_answers_oddly_is_reported_on_all_the_same(switch: tuple[Answers, EslServer], odd: str) -> None:
    answers, server = switch
    answers.api = lambda command, argument: odd  # type: ignore[method-assign]
    code, found, _ = examined(server)
    assert code == EXIT_ERRORS and "api-expansion" in found


def test_a_switch_that_is_slow_with_every_answer_is_given_up(
    switch: tuple[Answers, EslServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, server = switch
    quick = answers.api

    def slow(command: str, argument: str) -> str:
        gevent.sleep(0.02)
        return quick(command, argument)

    answers.api = slow  # type: ignore[method-assign]
    monkeypatch.setattr(command, "WHOLE_S", 0.1)
    code, found, err = examined(server)
    assert (code, found) == (EXIT_COULD_NOT_LOOK, {})
    assert "not all questions answered" in err


def test_the_simulator_is_called_by_its_name() -> None:
    simulator = Simulator(password=PASSWORD, carriers=[Carrier("ntt", gateway="ntt")])
    simulator.start()
    try:
        code, found, _ = examined(simulator.server)
    finally:
        simulator.stop()
    assert found["simulator"][0]["severity"] == "unseen"
    assert "simulator" in found["simulator"][0]["found"]
    assert found["api-expansion"][0]["severity"] == "ok"
    assert code == EXIT_FINE


def test_the_command_reads_its_password_from_a_file(switch: tuple[Answers, EslServer], tmp_path: Path) -> None:
    _, server = switch
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    typed = ["doctor", "--esl", f"127.0.0.1:{server.port}", "--password-file", str(file), "--lang", "ja"]
    said = CliRunner().invoke(toritsugi, typed)
    assert said.exit_code == EXIT_FINE, said.output
    assert "正常" in said.output.splitlines()[0]
    assert said.output.splitlines()[-1].startswith("要対処 0、")


def test_without_a_switch_it_says_what_to_name() -> None:
    said = CliRunner().invoke(toritsugi, ["doctor"], env={"TORITSUGI_ESL": ""})
    assert said.exit_code == EXIT_COULD_NOT_LOOK
    assert "name a switch" in said.output


# -- this machine --


def test_the_machine_is_seen_as_the_kernel_shows_it(switch: tuple[Answers, EslServer], tmp_path: Path) -> None:
    _, server = switch
    (tmp_path / "one.cdr.json").write_text("{}", encoding="utf-8")
    seen = machine.look(server.port, "", {"cdr": str(tmp_path), "db": str(tmp_path / "nowhere")})
    assert machine.Listening("tcp", "127.0.0.1", server.port) in seen.listening
    assert seen.folders["cdr"].files == 1
    assert seen.folders["cdr"].exists and seen.folders["cdr"].free_bytes > 0 and seen.folders["cdr"].file_system
    assert not seen.folders["db"].exists
    assert seen.local_ports is not None and seen.local_ports[0] < seen.local_ports[1]
    assert seen.stalled == ()


def test_a_client_that_does_not_read_is_found(switch: tuple[Answers, EslServer]) -> None:
    """What the switch wrote lies with the kernel: nobody takes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            near, _ = listener.accept()
            with near:
                near.setblocking(False)
                with pytest.raises(BlockingIOError):
                    while True:
                        near.send(b"x" * 65536)
                far = "{}:{}".format(*client.getsockname())
                assert machine.look(port, "", {}).stalled == (far,)


def test_limits_are_read_as_the_kernel_writes_them() -> None:
    text = (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max stack size            245760               8388608              bytes     \n"
        "Max core file size        unlimited            unlimited            bytes     \n"
    )
    assert machine.limits(text) == {"Max stack size": 245760, "Max core file size": None}


def test_an_address_of_this_machine_is_known() -> None:
    assert machine.is_here("127.0.0.1") and machine.is_here("localhost")
    assert not machine.is_here("203.0.113.77")


def test_a_folder_that_is_none_of_freeswitch_is_not_read(tmp_path: Path) -> None:
    assert conf_files.read(tmp_path) is None
    (tmp_path / "freeswitch.xml").write_text("<document/>", encoding="utf-8")
    (tmp_path / "stray.xml").write_text("<a/>", encoding="utf-8")
    assert conf_files.read(tmp_path) == {"freeswitch.xml": "<document/>"}


def test_what_no_switch_could_read_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A pipe, patterns that are none, a port that is none."""
    lines = [f'<X-PRE-PROCESS cmd="include" data="{data}"/>\n' for data in ("*.xml", "**x", ".", "", "[", "a\0b")]
    text = "".join(lines)
    (tmp_path / "freeswitch.xml").write_text(text, encoding="utf-8")
    os.mkfifo(tmp_path / "pipe.xml")
    assert conf_files.read(tmp_path) == {"freeswitch.xml": text}
    secrets = "".join(
        f'<X-PRE-PROCESS cmd="set" data="{name}=1"/>\n' for name in ("tt_event_socket_password", "tt_agent_password")
    )
    (tmp_path / "toritsugi").mkdir()
    (tmp_path / conf_files.SECRETS).write_text(secrets, encoding="utf-8")
    port = '<X-PRE-PROCESS cmd="set" data="tt_event_socket_port=%s"/>\n<X-PRE-PROCESS cmd="include" data="%s"/>\n'
    (tmp_path / "freeswitch.xml").write_text(port % ("8021", conf_files.SECRETS), encoding="utf-8")
    assert conf_files.log_in(tmp_path) is not None
    (tmp_path / "freeswitch.xml").write_text(port % ("99999", conf_files.SECRETS), encoding="utf-8")
    assert conf_files.log_in(tmp_path) is None
