"""freeswitch/VARIABLES.md against the code, both ways; the files for the switch against what a switch makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from proto import commands as c
from proto import plan as p
from proto.envelope import Envelope
from proto.values import Party
from services.eventsocket.normalise import SUBSCRIPTION
from services.eventsocket.plan_text import plan_text
from services.eventsocket.render import render
from services.eventsocket.words import RenderSettings
from tests.unit.test_conf import pieces, tenant

ROOT = Path(__file__).parents[2]
CONF = ROOT / "freeswitch" / "conf"
TABLE = (ROOT / "freeswitch" / "VARIABLES.md").read_text(encoding="utf-8")
XML = sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*.xml"))
AGENT = ROOT / "services" / "eventsocket"
WRITTEN = [*sorted(AGENT.glob("conf*.py")), AGENT / "fallbacks.py"]
ROOMS = {
    "dialplan": sorted((CONF / "dialplan").rglob("*.xml")),
    "conf": [path for path in sorted(CONF.rglob("*.xml")) if "dialplan" not in path.parts],
    "written": WRITTEN,
    "agent": [path for path in sorted(AGENT.rglob("*.py")) if path not in WRITTEN and "doctor" not in path.parts],
}
"""Where a variable of ours may be set and read. `written`: what the agent writes for the switch. (The doctor looks at
whatever it likes, and sets nothing.)"""
ACCOUNT = re.compile(r"<!--.*?-->|^\s*#.*?$|\"\"\"(?:.|\n)*?\"\"\"", re.MULTILINE | re.DOTALL)
"""Words about the code: comments and docstrings."""


def code(room: str) -> str:
    return "\n".join(ACCOUNT.sub("", path.read_text(encoding="utf-8")) for path in ROOMS[room])


def ours(setting: bool) -> dict[str, set[str]]:
    """Variable -> rooms that set it (`x=`, `"x":`, `name="x"`), or that only name it, which is reading."""
    after = r'(?:=|": |" value)' if setting else r'(?!=|": |" value)\b'
    found: dict[str, set[str]] = {}
    for room in ROOMS:
        for name in re.findall(rf"\b(?:variable_)?(tt_[a-z_]+){after}", code(room)):
            found.setdefault(name, set()).add(room)
    return found


def rows() -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """(names of the first cell, the other cells) of every table row."""
    for line in TABLE.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            yield tuple(re.findall(r"`([A-Za-z_-]+)[^`]*`", cells[0])), cells[1:]


def of_us() -> dict[str, tuple[set[str], set[str]]]:
    """Each tt_ variable of the table: the rooms that it says set and read it."""
    return {
        name: (set(re.findall(r"\w+", cells[1])), set(re.findall(r"\w+", cells[2])))
        for names, cells in rows()
        for name in names
        if name.startswith("tt_")
    }


def test_each_variable_of_ours_is_in_the_table_with_whoever_sets_and_reads_it() -> None:
    setters, readers = ours(setting=True), ours(setting=False)
    told = {name: (set_in, read_in - {"people"}) for name, (set_in, read_in) in of_us().items()}
    assert told == {
        name: (setters.get(name, set()), readers.get(name, set())) for name in sorted(setters.keys() | readers.keys())
    }


def test_no_variable_is_set_for_nobody() -> None:
    assert not [name for name, (set_in, read_in) in of_us().items() if not set_in or not read_in]


def freeswitchs_own() -> set[str]:
    """The variables of the switch itself that plans, commands, fallbacks and the dialplan set."""
    caller = Party("0312345678", "佐藤", "shown")
    carrier = p.Carrier("hikari", gateway="hikari")
    steps = (
        p.Ring(phones=(p.Phone("1001", "pbx.example"), p.Phone("1002", "pbx.example", after_s=3))),
        p.Forward(number="09012345678", carrier=carrier, confirm=True),
        p.Forward(number="09012345678", carrier=carrier, present="0312345678", withhold=True),
        p.TakeMessage(mailbox="sales"),
        p.Wait(queue="tokyo-pool"),
    )
    leg = "793bc1f6-ad4b-4e8b-81c8-503ac2db1110"
    route = c.RouteCall(switch="fs1", leg=leg, plan=steps, caller=caller, payer="acme")
    ring = c.OriginateCall(
        switch="fs1",
        phone=p.Phone("1001", "pbx.example"),
        kind="operator",
        caller=Party(presentation="withheld"),
        payer="acme",
    )
    record = c.StartRecording(switch="fs1", leg=leg, recording="r1", max_s=10)
    settings = RenderSettings(srtp="optional")
    texts = [plan_text(_wrapped(route), route, settings)]
    texts += [written.text for body in (ring, record) for written in render(_wrapped(body), settings)]
    texts += [*pieces(tenant()).fallbacks.values(), code("dialplan")]
    told = re.findall(r"(?:[\[{,| \"]|\^\^\|)([A-Za-z_][A-Za-z_-]+)=(?![\"'])", "\n".join(texts))
    asked = re.findall(r"uuid_setvar \S+ (\w+)", "\n".join(texts))
    return {name for name in (*told, *asked) if not name.startswith("tt_")} - {"loops", "param"}


def _wrapped(body: c.RouteCall | c.OriginateCall | c.StartRecording) -> Envelope:
    return Envelope(
        body=body, id="0b2de8cd-1869-42a9-ad7a-cb3fc70e56ae", source="t", tenant="acme", call="c1", occurred_at_us=1
    )


def test_each_variable_of_the_switch_that_we_set_is_in_the_table_and_no_other() -> None:
    told = {name for names, _ in rows() for name in names if not name.startswith("tt_")}
    assert told == freeswitchs_own()


# -- the files for the switch --


@pytest.mark.parametrize("name", XML)
def test_no_comment_of_a_file_is_carried_out(name: str) -> None:
    """The pre-processor looks at every line: an instruction in a comment is done, and the comment's end is lost."""
    text = (CONF / name).read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    for comment in re.findall(r"<!--.*?-->", text, re.DOTALL):
        assert "x-pre-process" not in comment.lower()
        assert not re.search(r"</?include>|<\?|<!--#", comment), "such a line is dropped, comment's end and all"


@pytest.mark.parametrize("name", XML)
def test_no_file_asks_the_switch_to_run_something(name: str) -> None:
    """`${api()}` is refused by a switch with api-expansion off, and anybody's text with it on."""
    text = ACCOUNT.sub("", (CONF / name).read_text(encoding="utf-8"))
    assert not re.search(r"\$\{[^}]*\(", text)
    assert not re.search(r'cmd="(exec|exec-set|stun-set)"', text)


def test_no_password_is_in_the_tree() -> None:
    for name in XML:
        for value in re.findall(r'password[^>]*(?:value|data)="([^"]*)"', (CONF / name).read_text(encoding="utf-8")):
            assert value == "" or value.startswith("$") or value in ("true", "false"), name


def agents_entry() -> dict[str, str]:
    root = ElementTree.fromstring((CONF / "directory" / "default.xml").read_text(encoding="utf-8"))
    return {one.get("name", ""): one.get("value", "") for one in root.iter("param")}


def test_the_agents_own_login_may_do_what_the_agent_asks_and_fits_into_the_answer() -> None:
    """The switch cuts its answer to userauth at 511 bytes; one that is cut has no end, and no login comes of it."""
    allowed = agents_entry()["esl-allowed-api"].split(",")
    asked = set(re.findall(r'"(?:bg)?api (\w+)', code("agent") + code("written"))) | {"echo"}
    assert asked <= set(allowed)
    assert "system" not in allowed
    assert "fsctl" not in allowed
    answer = f"~Reply-Text: +OK accepted\nAllowed-Events: all\nAllowed-API: {','.join(allowed)}\nAllowed-LOG: false\n\n"
    assert len(answer) < 511
    assert "esl-allowed-events" not in agents_entry(), f"the answer would not fit: {len(SUBSCRIPTION)}"


def test_no_phone_can_be_the_agent() -> None:
    entry = agents_entry()
    assert (entry["sip-forbid-register"], entry["allow-empty-password"]) == ("true", "false")
    assert "password" not in entry
