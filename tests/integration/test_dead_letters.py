"""`toritsugi letters`, over both buses and stores: looked at, mended, replayed, thrown away; nothing is ever lost."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import gevent
import msgspec
import pytest
import structlog
from click.testing import CliRunner, Result
from sqlalchemy.exc import DBAPIError

from proto import commands as c
from proto import events as e
from proto.envelope import Envelope, encode
from proto.events import PersonChanged
from proto.topics import Outgoing, command_queue, outgoing, service_queue
from proto.values import Party
from services.cli import main
from services.letters import kept
from services.letters.desk import Desk
from services.letters.web import blueprint
from services.runtime.bus import Bus, DeadLetter, Unavailable, embedded_letters
from services.runtime.bus import embedded as embedded_module
from services.runtime.bus.choose import letter_box
from services.runtime.bus.rabbitmq import RabbitBus
from services.runtime.store import Store
from services.runtime.threads import in_thread
from services.runtime.web import create_app
from tests.contract.bus_world import World, read, wait_for
from tests.stores import Database, stores_of

BILLING, HISTORY = service_queue("billing"), service_queue("history")
NUMBER = "09012345678"
TERMINAL = "from services.cli import main; main()"
TRIPPED = "KeyError in billing, billing/rate.py:88 (3 attempts):"


def ended(number: int, tenant: str = "acme") -> Envelope:
    """A leg that costs, of a caller with a number."""
    body = e.LegEnded(
        switch="fs1",
        leg=f"leg-{number}",
        kind="forward",
        direction="outbound",
        via="trunk",
        payer=tenant,
        caller=Party(NUMBER),
        started_at_us=1,
        ended_at_us=2,
        cause="NORMAL_CLEARING",
    )
    return Envelope(body=body, id=f"core-{number}", source="switch/fs1", tenant=tenant, occurred_at_us=2)


class Office:
    """A running house of two services that hear the same facts, and a person at a terminal beside it."""

    def __init__(self, world: World, database: Database) -> None:
        self.world, self.database = world, database
        self.environment = {"TORITSUGI_BUS": world.url, "TORITSUGI_DATABASE": database.url}
        self.bus: Bus = world.open(BILLING, HISTORY, command_queue("fs1"))

    def types(self, *words: str, typed: bytes | None = None) -> Result:
        """A command of the terminal."""
        runner = CliRunner(env=self.environment)
        return runner.invoke(main, ["letters", *words, "--data", str(self.world.folder)], input=typed)

    def listed(self, *words: str) -> list[dict[str, object]]:
        said = self.types("list", *words)
        assert said.exit_code == 0, said.output
        return [json.loads(line) for line in said.stdout.splitlines()]

    def logged(self) -> list[tuple[str, str]]:
        return [(one["by"], one["what"]) for one in map(json.loads, self.types("log").stdout.splitlines())]

    def puts_aside(self, *bodies: bytes, queue: str = "billing.0", reason: str = "no reason") -> list[str]:
        """The service `queue` could do nothing with these. Ids of the letters."""
        key = f"acme.{e.LegEnded.NAME}"
        self.bus.publish([Outgoing(f"m{n}", "fact", key, "acme", body) for n, body in enumerate(bodies)])
        for part in ("billing.0", "history.0"):
            consumer = self.bus.consume(part, prefetch=1000)
            for delivery in read(consumer, len(bodies), ack=False):
                if part == queue:
                    consumer.dead_letter([delivery], reason)
                else:
                    consumer.ack([delivery])
            consumer.close()
        wait_for(lambda: self.bus.letters() >= len(bodies))
        return [DeadLetter(queue, reason, body).id for body in bodies]

    @contextmanager
    def book(self) -> Iterator[Store]:
        """Where deeds are kept."""
        store = Store(self.database.store(kept.NAME), kept.metadata())
        store.start()
        yield store
        store.stop()

    def moved(self, queue: str) -> str:
        """The one letter that lies there, as if it had come out of another queue; its id."""
        (letter,) = self.world.letters()
        if self.world.url == "embedded:":
            with closing(sqlite3.connect(self.world.folder / "bus.sqlite")) as journal, journal:
                journal.execute("UPDATE dead SET queue = ?", (queue,))
        else:
            self.types("discard", letter.id, "--by", "nobody", "--reason", "moved")
            self.database.drop(kept.NAME)
            assert isinstance(self.bus, RabbitBus)
            self.bus.put_aside([(queue, letter.reason, letter.body)])
        return DeadLetter(queue, "", letter.body).id

    def heard(self, part: str, count: int) -> list[bytes]:
        """What the service reads next."""
        consumer = self.bus.consume(part, prefetch=1000)
        found = [delivery.body for delivery in read(consumer, count)]
        consumer.close()
        return found


class Page:
    """The letters' pages alone, and a platform operator before them."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        root = PersonChanged(person="root", name="運営", role="platform_operator", tenants=(), session_version=1)
        app = create_app([blueprint(desk)], key_file=folder / "session.key", people=lambda _: root)
        self._browser = app.test_client()
        with self._browser.session_transaction() as session:
            session.update(person="root", role=root.role, version=root.session_version)

    def get(self, path: str) -> str:
        answer = self._browser.get(path)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def post(self, path: str, **form: str) -> str:
        """Where it leads."""
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get("/letters"))
        assert token is not None
        answer = self._browser.post(path, data={**form, "csrf_token": token.group(1)})
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]


@pytest.fixture(autouse=True)
def _log_of_the_house() -> Iterator[None]:
    """Not on the terminal of the person beside it."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.__stderr__))
    yield
    structlog.configure(**before)


@pytest.fixture(params=["embedded, sqlite", "rabbitmq, postgresql"])
def office(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """In pairs: what carries the letters and what keeps the book have nothing to do with each other."""
    monkeypatch.setattr(embedded_module, "REPLAYS_EVERY_S", 0.1)
    bus, kind = request.param.split(", ")
    world = World("embedded:" if bus == "embedded" else request.getfixturevalue("broker").url(), tmp_path)
    with stores_of(kind, request, tmp_path) as database:
        yield Office(world, database)
        world.close()


def test_a_list_names_no_caller_and_a_look_into_a_letter_is_kept(office: Office) -> None:
    body = encode(ended(1))
    (letter,) = office.puts_aside(body, reason=f"{TRIPPED} {NUMBER}\x1b[2J\x9b2J")
    (line,) = office.listed()
    assert (line["letter"], line["queue"], line["type"]) == (letter, "billing.0", "leg.ended")
    assert (line["tenant"], line["message"], line["bytes"]) == ("acme", "core-1", len(body))
    assert str(line["reason"]).startswith(f"{TRIPPED} 09*******78")
    assert str(line["at"]).startswith("20")
    listed = office.types("list").output
    assert NUMBER not in listed
    assert not any(control in listed for control in "\x1b\x9b")
    assert office.logged() == []
    assert office.types("show", letter).exit_code == 2, "nobody looks without a name"
    shown = office.types("show", letter, "--by", "佐藤")
    assert json.loads(shown.stdout) == json.loads(body)
    assert office.types("show", letter, "--by", "佐藤", "--raw").stdout_bytes == body
    assert office.logged() == [("佐藤", "look")] * 2
    assert len(office.listed("--queue", "billing")) == len(office.listed()) == 1, "looking takes nothing away"
    assert office.listed("--queue", "history") == []


def test_a_letter_goes_back_to_the_queue_that_failed_and_to_no_other(office: Office) -> None:
    """billing and history hear the same fact; history has handled it."""
    bodies = [encode(ended(number)) for number in range(3)]
    first, *others = office.puts_aside(*bodies)
    said = office.types("replay", first, "--by", "佐藤")
    assert (said.exit_code, said.stdout) == (0, f"{first} replayed\n"), said.output
    assert office.heard("billing.0", 1) == bodies[:1]
    said = office.types("replay", "--queue", "billing", "--by", "鈴木")
    assert said.stdout.split() == [word for letter in others for word in (letter, "replayed")]
    assert office.heard("billing.0", 2) == bodies[1:], "in their order"
    assert office.bus.depth("history.0") == 0
    assert office.listed() == []
    done = [("佐藤", "replay"), ("佐藤", "done"), *[("鈴木", "replay"), ("鈴木", "done")] * 2]
    assert sorted(office.logged()) == sorted(done)
    again = office.types("replay", first, "--by", "佐藤")
    assert (again.exit_code, again.stdout) == (1, ""), "it is gone"


def test_what_is_put_aside_again_is_there_again(office: Office) -> None:
    """The service still cannot handle it: in the middle of the replay it comes back."""
    body = encode(ended(1))
    (letter,) = office.puts_aside(body)
    for _ in range(2):
        assert office.types("replay", letter, "--by", "佐藤").exit_code == 0
        consumer = office.bus.consume("billing.0")
        consumer.dead_letter(read(consumer, 1, ack=False), "still")
        consumer.close()
        wait_for(lambda: [one["reason"] for one in office.listed()] == ["still"])
    assert [one["letter"] for one in office.listed()] == [letter]


def test_a_letter_that_lies_there_twice_is_replayed_once(office: Office) -> None:
    body = encode(ended(1))
    (letter,) = set(office.puts_aside(body, body))
    assert len(office.listed()) == 2
    assert office.types("replay", letter, "--by", "佐藤").exit_code == 0
    assert office.heard("billing.0", 1) == [body]
    assert (office.bus.depth("billing.0"), office.listed()) == (0, [])


def test_a_mended_letter_goes_in_place_of_the_original_which_is_kept(office: Office) -> None:
    right = encode(ended(1))
    wrong = right.replace(b'"started_at_us":1,', b"")
    (letter,) = office.puts_aside(wrong)
    refused = office.types("replay", letter, "--by", "佐藤")
    assert refused.exit_code == 1
    assert "it would be put aside again: leg.ended" in refused.stderr
    other_client = encode(msgspec.structs.replace(ended(1), tenant="globex"))
    for body, why in (
        (b"{}", "it would be put aside again"),
        (other_client, "its client must stay as it was"),
        (encode(ended(2)), "its id must stay as it was"),
        (encode(msgspec.structs.replace(ended(1), body=e.SwitchLost(switch="fs1", reason=""))), "does not hear"),
    ):
        said = office.types("mend", letter, "--by", "佐藤", "--body", "-", typed=body)
        assert (said.exit_code, why in said.stderr) == (1, True), said.output
    assert office.types("show", letter, "--by", "佐藤", "--mended").exit_code == 1
    assert office.types("mend", letter, "--by", "佐藤", "--body", "-", typed=right).exit_code == 0
    assert [one["mended"] for one in office.listed()] == [True]
    assert office.types("show", letter, "--by", "佐藤", "--raw").stdout_bytes == wrong, "the original lies where it lay"
    assert office.types("replay", letter, "--by", "佐藤").exit_code == 0
    assert office.heard("billing.0", 1) == [right]
    with office.book() as store:
        row = store.run(lambda tx: tx.first(tx.tables["mended"], letter=letter))
    assert row is not None
    assert row.original == wrong


def test_a_request_to_a_switch_is_never_replayed(office: Office) -> None:
    """It was worth something once, for seconds."""
    order = Envelope(
        body=c.HangUp(switch="nowhere", leg="leg"), id="1", source="test", tenant="acme", call="leg", occurred_at_us=1
    )
    office.bus.publish([outgoing(order)])
    wait_for(lambda: office.bus.letters() == 1)
    (line,) = office.listed()
    said = office.types("replay", str(line["letter"]), "--by", "佐藤")
    assert (said.exit_code, "at most once" in said.stderr) == (1, True)
    assert len(office.listed()) == 1


def test_a_letter_whose_queue_is_gone_stays(office: Office) -> None:
    """answering hears such facts, but this house has none (any more)."""
    office.puts_aside(encode(ended(1)))
    letter = office.moved("answering.0")
    said = office.types("replay", letter, "--by", "佐藤")
    assert (said.exit_code, said.stdout) == (1, f"{letter} no queue\n"), said.output
    assert [one["letter"] for one in office.listed()] == [letter]
    assert office.logged() == [("佐藤", "replay"), ("佐藤", "not done")]


def test_what_nobody_needs_is_thrown_away_with_a_reason(office: Office) -> None:
    letter, other = office.puts_aside(b"\xff\xfe poison", encode(ended(1)))
    assert office.types("discard", letter, "--by", "佐藤").exit_code == 2, "without a reason nothing is thrown away"
    said = office.types("discard", letter, "--by", "佐藤", "--reason", "a test of the carrier")
    assert (said.exit_code, said.stdout) == (0, f"{letter} discarded\n")
    assert [one["letter"] for one in office.listed()] == [other]
    deeds = [json.loads(line) for line in office.types("log").stdout.splitlines()]
    assert [(deed["what"], deed.get("why")) for deed in deeds] == [
        ("discard", "a test of the carrier"),
        ("done", "discarded"),
    ]


def test_nobody_takes_back_what_the_book_says(office: Office) -> None:
    (letter,) = office.puts_aside(encode(ended(1)))
    office.types("show", letter, "--by", "佐藤")
    with office.book() as store:
        for act in ("delete", "update"):
            with pytest.raises((DBAPIError, Unavailable)):
                store.run(lambda tx: tx.sql.execute(getattr(tx.tables["deeds"], act)()))  # noqa: B023
    assert office.logged() == [("佐藤", "look")]


def test_a_terminal_that_is_killed_in_the_middle_loses_nothing(office: Office) -> None:
    """Some are replayed, the rest lies there; a second time does the rest. A few may come twice, under their ids."""
    bodies = [encode(ended(number)) for number in range(100)]
    office.puts_aside(*bodies)
    command = [sys.executable, "-c", TERMINAL, "letters", "replay", "--queue", "billing", "--by", "佐藤"]
    environment = {**os.environ, **office.environment}
    data = ["--data", str(office.world.folder)]
    process = subprocess.Popen([*command, *data], env=environment, stdout=subprocess.DEVNULL)
    wait_for(lambda: office.bus.depth("billing.0") > 20)
    process.send_signal(signal.SIGKILL)
    with gevent.Timeout(30):
        while process.poll() is None:
            gevent.sleep(0.01)
    wait_for(
        lambda: office.types("replay", "--queue", "billing", "--by", "佐藤").exit_code == 0 and not office.listed()
    )
    heard = office.heard("billing.0", office.bus.depth("billing.0"))
    assert set(heard) == set(bodies)
    assert len(heard) <= len(bodies) + 1


def test_a_house_that_does_not_run_takes_a_replay_up_when_it_starts(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded bus: one process alone writes into its queues."""
    monkeypatch.setattr(embedded_letters, "PATIENCE_S", 0.3)
    world = World("embedded:", tmp_path)
    office = Office(world, database)
    body = encode(ended(1))
    (letter,) = office.puts_aside(body)
    office.bus.stop()
    said = office.types("replay", letter, "--by", "佐藤")
    assert (said.exit_code, said.stdout) == (0, f"{letter} waits\n")
    assert len(office.listed()) == 1
    office.bus = world.open(BILLING, HISTORY)
    assert office.heard("billing.0", 1) == [body]
    assert office.listed() == []
    world.close()


def test_the_page_does_the_same_on_the_same_letters(office: Office, tmp_path: Path) -> None:
    """Mended there, seen at the terminal, replayed; another one thrown away; each deed in the book."""
    right = encode(ended(1))
    wrong, other = office.puts_aside(right.replace(b'"started_at_us":1,', b""), b"poison")
    with office.book() as book:
        page = Page(Desk(letter_box(office.world.url, office.world.folder, aside=in_thread), book), tmp_path)
        listed = page.get("/letters")
        assert re.findall(r'href="/letters/([0-9a-f]{16})"', listed) == [wrong, other]
        assert NUMBER not in listed
        assert NUMBER in page.get(f"/letters/{wrong}")
        assert page.post(f"/letters/{wrong}/mend", body=right.decode()) == f"/letters/{wrong}?done=mended"
        assert [one["mended"] for one in office.listed() if one["letter"] == wrong] == [True]
        assert page.post(f"/letters/{wrong}/replay") in ("/letters?done=replayed", "/letters?done=waits")
        assert office.heard("billing.0", 1) == [right]
        assert page.post(f"/letters/{other}/discard", reason="a test", sure="y") == "/letters?done=discarded"
        wait_for(lambda: office.bus.letters() == 0)
    assert office.listed() == []
    deeds = ["done" if what == "waits" else what for _, what in office.logged()]
    assert deeds == ["look", "mend", "replay", "done", "discard", "done"]


def test_without_a_bus_or_letters_it_says_so(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["letters", "list", "--data", str(tmp_path)])
    assert (said.exit_code, "no process has run with this data folder" in said.output) == (1, True)
    nobody = {"TORITSUGI_BUS": "amqp://127.0.0.1:1/"}
    said = CliRunner(env=nobody).invoke(main, ["letters", "list", "--data", str(tmp_path)])
    assert (said.exit_code, said.output.startswith("Error: bus: ")) == (1, True), said.output
