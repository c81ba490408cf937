"""通信の秘密: a whole day's troubles in one real run, and no telephone number and no secret in anything it has logged.

The house is its own process at level DEBUG, on a real RabbitMQ, beside a switch that it takes for a real one. People
call with numbers hidden in their names, the broker and the switch are lost, the database is locked, files and messages
are broken, visitors try passwords. Then every line is searched for every number in every notation.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import unicodedata
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pika
import psutil
import pytest
from click.testing import CliRunner

from freeswitch.simulator import Behaviour, Caller, Simulator
from proto.commands import HangUp
from proto.envelope import encode
from proto.topics import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, agent_queue, outgoing
from services.cli import main as toritsugi
from services.runtime.log import mask
from services.simulated import simulator_for
from tests.command import Commands, Running, commands_in, until
from tests.contract import golden
from tests.rabbitmq import Broker
from tests.scenarios.house import PLATFORM
from tests.stores import Database
from tests.visitor import Visitor

OURS, TARGET, CALLER, WITHHELD = "0314142135", "08016180339", "09027182845", "07060221409"
UNKNOWN, CALLED, NAMED, ACCOUNT = "0357721566", "0646692016", "08066260701", "05017320508"
TYPED, ASKED, FILED, POISON, HOOK = "09014159265", "08035897932", "0584626433", "09083279502", "08088419716"
NUMBERS = (OURS, TARGET, CALLER, WITHHELD, UNKNOWN, CALLED, NAMED, ACCOUNT, TYPED, ASKED, FILED, POISON, HOOK)
LOG_IN, PHONE, TRUNK = "pages-K3r8vT", "phone-s3cret-x7", "trunk-s3cret-y9"

ACME = """
tenant: acme
name: 株式会社アクメ
reading: アクメ
address: {{prefecture: 東京都, municipality: 千代田区}}
contract: {{from: 2026-04-01, closing_day: 20, plan: cloud-pbx, prices: standard}}
numbers: [{{number: "{ours}", kind: representative, channels: 9, route: main}}]
ids: [{ids}]
lines: [{{line: sato, ids: ["1001"], present: "{ours}"}}]
groups: [{{group: sales, lines: [sato], strategy: all}}]
routes:
  main:
    - do: [{{ring: sales, for_s: 1}}, {{forward: "{target}", for_s: 9}}, {{voicemail: sales}}]
webhooks: [{{url: "http://127.0.0.1:1/crm/{hook}?token=s3cret-hook"}}]
"""

IDS = ", ".join(f'{{id: "{1001 + n}", name: 佐藤 花子, device: desk}}' for n in range(9))

NAMES = (
    f"田中 {NAMED}",
    f"Tanaka +81-{NAMED[1:3]}-{NAMED[3:7]}-{NAMED[7:]}",
    f"x%0ACaller-Caller-ID-Number: {NAMED}",
    "".join(chr(ord(digit) + 0xFEE0) for digit in NAMED),
    f"${{uuid_dump {NAMED}}}",
    "\u200b".join(NAMED),
    f"<sip:{NAMED}@evil>;tag=1\r\nX: {NAMED}",
)


@dataclass
class Site:
    """The process, and everything around it."""

    run: Running
    commands: Commands
    simulator: Simulator
    broker: Broker
    database: Database
    folder: Path
    bus: str
    secrets: dict[str, str]


@pytest.fixture
def site(tmp_path: Path, broker: Broker, house_database: Database) -> Iterator[Site]:
    """A house that takes the simulator for a real switch: whoever calls is a person."""
    tenants, switch, cdrs = tmp_path / "tenants", tmp_path / "switch", tmp_path / "cdrs"
    for folder in (tenants, switch, cdrs):
        folder.mkdir()
    (tenants / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (tenants / "acme.yaml").write_text(ACME.format(ours=OURS, target=TARGET, hook=HOOK, ids=IDS), encoding="utf-8")
    simulator, password = simulator_for(tenants, tmp_path / "recordings", switch)
    bus = broker.url()
    secrets = {"esl": password, "bus": bus, "phone": PHONE, "trunk": TRUNK}
    (tmp_path / "esl").write_text(password, encoding="utf-8")
    (tmp_path / "bus").write_text(bus, encoding="utf-8")
    phones = {"phones": {"1001@pbx.example": PHONE}}
    trunks = {"gateways": {"hikari": {"proxy": "127.0.0.1", "username": ACCOUNT, "password": TRUNK}}}
    (tmp_path / "credentials.json").write_text(json.dumps(phones | trunks), encoding="utf-8")
    for name in ("esl", "bus", "credentials.json"):
        (tmp_path / name).chmod(0o600)
    (tmp_path / "own.yaml").write_text(
        f"tenants_dir: {tenants}\nbus_file: {tmp_path}/bus\nlog_level: DEBUG\ndrain_s: 9\n"
        "allow_private_webhooks: yes\nswitches:\n"
        f"  - {{name: fs1, port: {simulator.start()}, password_file: {tmp_path}/esl, conf_dir: {switch},\n"
        f"     credentials_file: {tmp_path}/credentials.json, recordings_dir: {tmp_path}/recordings,\n"
        f"     cdr_dir: {cdrs}, cdr_every_ms: 100, newline_every_ms: 0}}\n",
        encoding="utf-8",
    )
    for commands in commands_in(tmp_path, house_database):
        run = commands.run("--settings", str(tmp_path / "own.yaml"))
        yield Site(run, commands, simulator, broker, house_database, tmp_path, bus, secrets)
    simulator.stop()


# -- a day's troubles: each ends when the log has told of it --------------------------------------------------------


def people_call(site: Site) -> None:
    """Answered, forwarded, left a message; nobody's number; withheld; from a phone; with numbers in the name."""
    phone, carrier = site.simulator.switch.phones["1001@pbx.example"], site.simulator.switch.carriers[0]
    phone.behaviour = Behaviour(answers=False)
    carrier.numbers[CALLED] = Behaviour(refuses=486, after_s=0.1)
    short = {"talks_s": 0.3, "waits_s": 3.0}
    calls = [site.simulator.call(Caller(CALLER, name, **short), OURS) for name in NAMES]  # type: ignore[arg-type]
    calls.append(site.simulator.call(Caller(WITHHELD, withheld=True, **short), OURS))  # type: ignore[arg-type]
    calls.append(site.simulator.call(Caller(CALLER, patience_s=3), UNKNOWN))
    calls.append(site.simulator.call_from_phone("1001", CALLED, Caller("1001", **short)))  # type: ignore[arg-type]
    calls.append(site.simulator.call_from_phone("1001", TARGET, Caller("1001", **short)))  # type: ignore[arg-type]
    for call in calls:
        call.gone.wait(30)
    site.run.says("an arrival for nobody's number or phone")
    until(lambda: len(site.run.calls) >= len(NAMES) + 2)


def messages_are_broken(site: Site) -> None:
    """No JSON, the wrong shape, a command that nobody can carry out, a command that is none."""
    wrong = json.loads(encode(golden.sample(HangUp)))
    hang_up = outgoing(golden.sample(HangUp))
    wrong["data"]["leg"] = {"number": POISON}
    with closing(pika.BlockingConnection(pika.URLParameters(site.bus))) as connection:
        channel = connection.channel()
        channel.basic_publish(EVENTS_EXCHANGE, "acme.call.arrived", f"not JSON, sip:{POISON}@x".encode())
        channel.basic_publish(EVENTS_EXCHANGE, "acme.call.ended", json.dumps({"data": POISON, POISON: 1}).encode())
        channel.basic_publish(COMMANDS_EXCHANGE, "fs1", json.dumps(wrong).encode())
        channel.basic_publish(COMMANDS_EXCHANGE, "fs1", hang_up.body)
        channel.basic_publish("", agent_queue("fs1").parts()[0], POISON.encode())
    site.run.says("message put aside")
    site.run.says("command put aside")
    site.run.says("command refused")


def files_are_broken(site: Site) -> None:
    """A client's file, and a call record whose name and content hold numbers."""
    file = site.folder / "tenants" / "acme.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(f'"{TARGET}"', f'"{FILED}x"'), encoding="utf-8")
    record = site.folder / "cdrs" / f"{FILED}.cdr.json"
    record.write_text(f'{{"variables": {{"uuid": "{FILED}", "sip_from_user": "{FILED}"', encoding="utf-8")
    site.run.says('"event": "tenant file"')


def visitors_try(site: Site) -> None:
    """Wrong passwords until they must wait, numbers in addresses, requests that are none, a form without its token."""
    port = site.run.port()
    visitor = Visitor(port)
    for name in ("admin", f"+81 {TYPED[1:]}", *[TYPED] * 5):
        visitor.log_in(name, f"{TYPED}{LOG_IN}")
    visitor.get(f"/calls/{ASKED}?q={quote('+81 ' + ASKED[1:])}")
    visitor.post("/login", {"name": TYPED}, token=False)
    for words in (
        f"GET {ASKED}\r\n\r\n",
        f"{ASKED} / HTTP/1.1\r\nX: {ASKED}\r\n\r\n",
        f"GET /\x00{ASKED} HTTP/9\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), 5) as raw:
            raw.sendall(words.encode())
            raw.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while raw.recv(1000):
                    continue
    with suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/{ASKED}", timeout=30)
    site.run.says('"waits": true')


def what_it_needs_is_lost(site: Site) -> None:
    """The database is locked, the switch dies in mid-call, the broker throws everybody out."""
    with site.database.locked("history", "seen"):
        call = site.simulator.call(Caller(CALLER, NAMES[0], talks_s=30), OURS)
        site.run.says("database away")
    call.bridged.wait(20)
    site.simulator.kill()
    site.run.says("switch not reached|switch lost")
    site.simulator.restart()
    site.broker.control("close_all_connections", "--vhost", urlsplit(site.bus).path[1:], "a test's wish")
    site.run.says("bus lost")
    site.run.says("webhook not taken")
    before = len(site.run.calls)
    site.simulator.call(Caller(CALLER, NAMES[0], patience_s=9, talks_s=0.2), OURS)
    until(lambda: len(site.run.calls) > before)


# -- the search -----------------------------------------------------------------------------------------------------


def notations(number: str) -> Iterator[str]:
    """What is left of a number, in whatever notation, once everything between digits is gone."""
    yield number
    yield "81" + number[1:]
    yield number[1:]


def bare(line: str) -> str:
    """Digits of one alphabet without what stands between them; escapes undone, ids and stamps gone."""
    text = line
    for _ in range(3):
        text = unquote(text)
        with suppress(UnicodeDecodeError, UnicodeEncodeError):
            text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "id", text)
    return re.sub(r"(?<=\d)[^0-9A-Za-z*\"\u3040-\u9fff]{1,6}(?=\d)", "", text)


def leaks(lines: list[str]) -> list[str]:
    """Lines that name a number that took part, whole or but for its ends, or anything of a number's length."""
    parts = [part for number in NUMBERS for part in notations(number)]
    anybody = re.compile("|".join([*parts, r"(?<!\d)(?:0[5789]0\d{8}|0[1-9]\d{8}|81[1-9]\d{8,9})(?!\d)"]))
    return [line for line in lines if anybody.search(bare(line))]


@pytest.mark.parametrize(
    "written",
    [
        CALLER,
        f"+81{CALLER[1:]}",
        f"+81 90-2718-2845 {NAMES[1]}",
        "090%2D2718%2d2845",
        "sip:0%39027182845@x",
        "０９０２７１８２８４５",
        "090\\u20102718\\u20102845",
        "09-02-71-82-84-5",
        "\u200b".join(CALLER),
        f'{{"call": "{CALLER}"}}',
        "0120444444",
    ],
)
def test_the_search_finds_what_it_is_there_to_find(written: str) -> None:
    assert leaks([f'{{"event": "x", "who": "{written}"}}'])
    assert not leaks([mask(f'{{"event": "x", "who": "{CALLER}"}}')])


@pytest.mark.timeout(240)
def test_a_day_full_of_trouble_names_nobody(site: Site) -> None:
    password = site.run.password()
    site.run.says("Running everything")
    until(lambda: '"event": "switch found"' in "\n".join(site.run.err))
    people_call(site)
    messages_are_broken(site)
    visitors_try(site)
    files_are_broken(site)
    what_it_needs_is_lost(site)
    doctor = CliRunner().invoke(toritsugi, ["doctor", "--settings", str(site.folder / "own.yaml"), "--json"])
    command_line = " ".join(psutil.Process(site.run.process.pid).cmdline())
    assert site.run.end(signal.SIGTERM) in (0, 3)

    lines = [*site.run.err, *site.run.out, *site.broker.log().splitlines(), *doctor.output.splitlines()]
    lines.append(command_line)
    assert len(lines) > 30
    assert len(doctor.output.splitlines()) > 5
    assert not leaks(lines)
    everything = "\n".join(lines)
    secrets = site.secrets | {"bus password": urlsplit(site.bus).password or "", "typed": LOG_IN, "hook": "s3cret-hook"}
    secrets["session key"] = (site.commands.data / "session.key").read_text(encoding="utf-8").strip()
    assert not [name for name, secret in secrets.items() if secret in everything]
    assert everything.count(password) == 1, "told to the person who started it, once"
    logged = [line for line in site.run.err if line.startswith("{")]
    assert all(isinstance(json.loads(line), dict) for line in logged), "each line is one event"
    assert "Traceback" not in "\n".join(line for line in site.run.err if not line.startswith("{"))
