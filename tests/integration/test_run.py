"""`toritsugi run` as a person starts it: real processes, the page over HTTP, what is printed, how it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.command import Commands, Running, commands_in, until
from tests.own_users import OwnUsers, own_users
from tests.rabbitmq import Broker
from tests.stores import Database
from tests.visitor import Visitor

KEYS = ["calls_arrived", "calls_routed", "legs_ended", "legs_charged", "lost", "duplicated", "decision_ms"]
CALLING = ("--calls-per-second", "5")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def commands(tmp_path: Path, house_database: Database) -> Iterator[Commands]:
    yield from commands_in(tmp_path, house_database)


def assert_clean(run: Running) -> None:
    result = run.result()
    assert list(result) == KEYS
    assert (result["lost"], result["duplicated"]) == (0, 0), result
    assert 0 < result["calls_routed"] <= result["calls_arrived"]
    assert result["calls_arrived"] <= result["legs_ended"]
    assert 0 < result["legs_charged"] <= result["legs_ended"]
    assert list(result["decision_ms"]) == ["p50", "p99"]
    assert 0 < result["decision_ms"]["p50"] <= result["decision_ms"]["p99"]


def assert_stores_agree(commands: Commands, result: dict[str, int]) -> None:
    """The stores themselves, beside what the process says of them."""
    assert len(commands.rows("history", "SELECT * FROM calls")) == result["calls_arrived"]
    assert len(ended_legs(commands)) == result["legs_ended"]
    assert sorted(charged_legs(commands)) == sorted(answered_legs(commands))


def ended_legs(commands: Commands) -> list[str]:
    return [leg for (leg,) in commands.rows("history", "SELECT leg FROM tallies WHERE what = 'leg.ended'")]


def answered_legs(commands: Commands) -> list[str]:
    query = "SELECT leg FROM legs WHERE answered_at_us IS NOT NULL AND ended_at_us IS NOT NULL"
    return [leg for (leg,) in commands.rows("history", query)]


def charged_legs(commands: Commands) -> list[str]:
    return [leg for (leg,) in commands.rows("billing", "SELECT leg FROM ledger")]


def told_twice(commands: Commands) -> list[tuple[str, str]]:
    return commands.rows("history", "SELECT what, leg FROM tallies WHERE times <> 1")


# -- everything in one process ------------------------------------------------------------------------------------


def test_a_measured_run_ends_by_itself_with_one_line_on_stdout(commands: Commands) -> None:
    run = commands.run("--for", "6s", *CALLING)
    assert run.ended() == 0
    assert_clean(run)
    assert len(run.out) == 1
    assert len(run.calls) == run.result()["calls_arrived"]
    assert_stores_agree(commands, run.result())


def test_quiet_moments_take_no_time_with_fast(commands: Commands) -> None:
    run = commands.run("--for", "90s", "--calls-per-second", "0.2", "--fast")
    assert run.ended() == 0
    result = run.result()
    assert result["calls_arrived"] > 8
    assert (result["lost"], result["duplicated"]) == (0, 0), result
    began_us, ended_us = commands.rows("history", "SELECT min(started_at_us), max(ended_at_us) FROM calls")[0]
    assert ended_us - began_us > 60_000_000
    assert_stores_agree(commands, result)


def test_the_same_over_rabbitmq(commands: Commands, broker: Broker) -> None:
    run = commands.run("--bus", broker.url(), "--for", "6s", *CALLING)
    assert run.ended() == 0
    assert_clean(run)
    assert_stores_agree(commands, run.result())


def test_the_page_shows_calls_to_whoever_logs_in_and_ctrl_c_hangs_up_and_sums_up(commands: Commands) -> None:
    run = commands.run(*CALLING)
    visitor = Visitor(run.port())
    assert visitor.get("/").status == 302
    assert visitor.get("/api/v1/calls").status == 401
    assert visitor.log_in("admin", run.password()).status == 303
    until(lambda: run.calls)
    page = visitor.get("/")
    assert page.status == 200
    assert "/calls/" in page.text
    until(lambda: commands.rows("history", "SELECT leg FROM legs WHERE ended_at_us IS NULL"))
    assert run.end(signal.SIGINT) == 0
    assert_clean(run)
    assert_stores_agree(commands, run.result())
    assert not commands.rows("history", "SELECT leg FROM legs WHERE ended_at_us IS NULL")


def test_what_it_writes_is_nobody_elses_on_this_machine_and_nobody_elsewhere_reaches_it(commands: Commands) -> None:
    run = commands.run("--calls-per-second", "5")
    until(lambda: run.calls)
    listening = [c.laddr.ip for c in psutil.Process(run.process.pid).net_connections() if c.status == "LISTEN"]
    assert listening
    assert set(listening) == {"127.0.0.1"}
    assert run.end() == 0
    written = [commands.data, *commands.data.rglob("*")]
    assert {"bus.sqlite", "eventsocket.fs1.sqlite", "session.key"} <= {path.name for path in written}
    others = {str(path): oct(path.stat().st_mode) for path in written if path.stat().st_mode & 0o077}
    assert not others


def test_a_new_password_ends_old_sessions_and_the_old_password(commands: Commands) -> None:
    first = commands.run("--calls-per-second", "0.01")
    visitor = Visitor(first.port())
    old = first.password()
    assert visitor.log_in("admin", old).status == 303
    assert visitor.get("/").status == 200
    assert first.end() == 0

    second = commands.run("--calls-per-second", "0.01", "--reset-login")
    visitor.port = second.port()
    new = second.password()
    assert new != old
    assert visitor.get("/").status == 302
    assert visitor.log_in("admin", old).status == 422
    assert visitor.log_in("admin", new).status == 303
    assert visitor.get("/").status == 200
    assert second.end() == 0


def test_a_process_killed_in_the_middle_of_calls_is_taken_up_again_without_a_double_charge(commands: Commands) -> None:
    first = commands.run(*CALLING)
    until(lambda: len(first.calls) > 10)
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    known = set(charged_legs(commands))

    second = commands.run("--for", "4s", *CALLING)
    assert second.ended() == 0
    assert_clean(second)
    charged = charged_legs(commands)
    assert known < set(charged)
    assert len(charged) == len(set(charged))
    assert sorted(charged) == sorted(answered_legs(commands))
    assert not told_twice(commands)
    # The password was printed once, by the first life.
    assert not [line for line in second.said if first.password() in line or "log-in: admin" in line]


# -- over a broker that fails ---------------------------------------------------------------------------------------


def test_a_broker_that_dies_in_the_middle_of_calls_loses_and_doubles_nothing(
    commands: Commands, broker: Broker
) -> None:
    run = commands.run("--bus", broker.url(), *CALLING)
    until(lambda: len(run.calls) > 5)
    broker.kill()
    try:
        run.says("bus lost")
    finally:
        broker.start()
    before = len(run.calls)
    until(lambda: len(run.calls) > before + 10)
    assert run.end(signal.SIGINT) == 0
    result = run.result()
    assert (result["lost"], result["duplicated"]) == (0, 0), result
    assert_stores_agree(commands, result)


# -- one process per service ----------------------------------------------------------------------------------------


ROOMS = ("history", "billing", "connectors", "answering", "recording", "routing")


@pytest.fixture
def users(broker: Broker, tmp_path: Path) -> OwnUsers:
    """Each process is a user of its own, by TLS, and may do no more than its work needs."""
    return own_users(broker, tmp_path)


def alone(users: OwnUsers, name: str) -> tuple[str, ...]:
    """Arguments with which one service runs as its own user."""
    return (name, "--settings", str(users.settings("eventsocket.fs1" if name == "eventsocket" else name)))


@pytest.fixture
def house(commands: Commands, users: OwnUsers) -> dict[str, Running]:
    """Every service as a process of its own; the directory, which the callers wait for, comes last."""
    running = {"eventsocket": commands.run(*alone(users, "eventsocket"), *CALLING)}
    running |= {name: commands.run(*alone(users, name)) for name in ROOMS}
    running["eventsocket"].says("Waiting for the clients' files")
    running["directory"] = commands.run(*alone(users, "directory"))
    until(lambda: len(running["connectors"].calls) > 5)
    return running


def assert_ends_in_agreement(commands: Commands, house: dict[str, Running]) -> None:
    """The switch first; then the others, once they have worked off what it told."""
    assert house["eventsocket"].end(signal.SIGTERM) == 0
    seen = house["eventsocket"].result()
    assert seen["calls_arrived"] > 5
    assert seen["lost"] is None  # the books are in other processes
    until(lambda: len(ended_legs(commands)) >= seen["legs_ended"])
    until(lambda: len(charged_legs(commands)) >= len(answered_legs(commands)))
    for name in ("directory", *ROOMS):
        assert house[name].end(signal.SIGTERM) == 0
    assert_stores_agree(commands, seen)
    assert not told_twice(commands)


def test_each_service_in_a_process_of_its_own_and_the_pages_in_two(
    commands: Commands, house: dict[str, Running], users: OwnUsers
) -> None:
    """Some are killed in the middle of calls and started again: nothing is lost, nothing doubled."""
    visitor = Visitor(house["directory"].port())
    assert visitor.log_in("admin", house["directory"].password()).status == 303
    reader = Visitor(house["history"].port(), visitor.cookies)  # both read the same key
    until(lambda: reader.get("/").status == 200)
    assert "/calls/" in reader.get("/").text
    for name in ("routing", "history", "billing"):
        assert house[name].end(signal.SIGKILL) == -signal.SIGKILL
        house[name] = commands.run(*alone(users, name))
    before = len(house["connectors"].calls)
    until(lambda: len(house["connectors"].calls) > before + 10)
    assert_ends_in_agreement(commands, house)
    assert not users.refusals()
