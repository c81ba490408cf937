"""The agent's own login on the Event Socket: enough for its work, and no more (freeswitch/conf/directory)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from xml.etree import ElementTree

import gevent.event
import pytest

from freeswitch.simulator import Simulator
from freeswitch.simulator.esl.subscription import EslUser
from services.eventsocket.link import Link, LoginRefused
from services.eventsocket.supervisor import Found, Supervisor

USER, PASSWORD, OPERATORS = "toritsugi@agent.invalid", "the agent's", "the operator's"


@pytest.fixture
def switch() -> Iterator[Simulator]:
    """A switch whose directory has the shipped entry of the agent."""
    text = (files("freeswitch") / "conf" / "directory" / "default.xml").read_text(encoding="utf-8")
    entry = {one.get("name"): one.get("value") for one in ElementTree.fromstring(text).iter("param")}
    agent = EslUser(PASSWORD, allowed_api=entry["esl-allowed-api"], allowed_log=False)
    simulator = Simulator(password=OPERATORS, users={USER: agent})
    simulator.start()
    yield simulator
    simulator.stop()


def test_the_agent_finds_the_switch_with_its_own_login(switch: Simulator) -> None:
    found: gevent.event.AsyncResult[Found] = gevent.event.AsyncResult()
    supervisor = Supervisor(
        "127.0.0.1", switch.port, PASSWORD, lambda _frame: None, found.set, lambda _reason: None, user=USER
    )
    supervisor.start()
    try:
        assert found.get(timeout=10).core
    finally:
        supervisor.stop()


@pytest.mark.parametrize("command", ["api fsctl shutdown", "api system id", "bgapi system id", "api expand system id"])
def test_what_it_does_not_need_is_refused(switch: Simulator, command: str) -> None:
    link = Link("127.0.0.1", switch.port, PASSWORD, user=USER)
    link.connect()
    assert link.send(command).text.startswith("-ERR permission denied")
    link.stop()


@pytest.mark.parametrize("password", [OPERATORS, "", "x"])
def test_no_other_password_opens_it(switch: Simulator, password: str) -> None:
    with pytest.raises(LoginRefused):
        Link("127.0.0.1", switch.port, password, user=USER).connect()


def test_a_user_with_a_line_break_never_gets_onto_the_wire(switch: Simulator) -> None:
    with pytest.raises(LoginRefused):
        Link("127.0.0.1", switch.port, PASSWORD, user=f"{USER}\n\napi fsctl").connect()
