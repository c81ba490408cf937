"""`toritsugi doctor`: gathers facts, examines them, prints one line per finding (or JSON lines).

Enters: where the switch is and how to log in. Leaves: lines on `out` and the exit code: 0 no errors, 1 errors, 2 the
switch could not be looked at. Warnings alone leave it 0. What is judged is `checks.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO
from xml.etree.ElementTree import Element

import gevent
import msgspec

from services.eventsocket.doctor import conf_files, machine
from services.eventsocket.doctor.ask import ask, ask_rights
from services.eventsocket.doctor.checks import examine
from services.eventsocket.doctor.facts import Expected, Facts, Machine, Rights, Switch
from services.eventsocket.doctor.finding import Finding, Lang
from services.eventsocket.link import Link, LinkLost, LoginRefused
from services.eventsocket.words import BUILT_IN

STOCK_PASSWORD = "ClueCon"  # noqa: S105  (what FreeSWITCH ships with)
AGENT_USER = "toritsugi@agent.invalid"
"""As freeswitch/conf/directory/default.xml names it."""
WHOLE_S = 60.0
"""For all questions together, so that a switch that answers each at its last moment is no endless wait."""
EXIT_FINE, EXIT_ERRORS, EXIT_COULD_NOT_LOOK = 0, 1, 2
MARKS: dict[str, tuple[str, str]] = {
    "error": ("要対処", "error"),
    "warning": ("注意", "warning"),
    "ok": ("正常", "ok"),
    "unseen": ("未確認", "unseen"),
}


@dataclass(frozen=True)
class Patient:
    """Which switch, and how to log in."""

    host: str
    port: int
    password: str = field(repr=False)
    user: str = ""
    """`id@domain` (userauth); empty: the operator's one password, which may ask everything."""
    agent: tuple[str, str] | None = field(default=None, repr=False)
    """User and password of the agent, to be tried beside the operator's; None: it is the same log-in."""
    prefix: Path | None = None
    """None: where the switch says its configuration is."""
    recordings_dir: str = ""
    sounds_dir: str = ""
    cdr_dir: str | None = None
    """Where the agent's settings look for call records; empty: nowhere; None: there are no settings."""
    timeout_s: float = 5.0


def patient_at(prefix: Path) -> Patient | None:
    """The switch of a folder that `toritsugi freeswitch install` has been at; None where its passwords are not seen."""
    known = conf_files.log_in(prefix)
    if known is None:
        return None
    return Patient("127.0.0.1", known.port, known.operators, agent=(AGENT_USER, known.agents), prefix=prefix)


def main(patient: Patient, out: TextIO, err: TextIO, as_json: bool, lang: Lang) -> int:
    """Look, print, and say how it went."""
    try:
        facts = gather(patient)
    except LinkLost as error:
        err.write(_no_look(patient, error, lang) + "\n")
        return EXIT_COULD_NOT_LOOK
    findings = examine(facts)
    for one in findings:
        out.write(_line(one, as_json, lang) + "\n")
    if not as_json:
        out.write(_summary(findings, lang) + "\n")
    return EXIT_ERRORS if any(one.severity == "error" for one in findings) else EXIT_FINE


def _line(one: Finding, as_json: bool, lang: Lang) -> str:
    if as_json:
        return msgspec.json.encode(one.as_json()).decode()
    return f"{MARKS[one.severity][lang == 'en']:<8} {one.check:<22} {one.text(lang)}"


def _summary(findings: list[Finding], lang: Lang) -> str:
    count = Counter(one.severity for one in findings)
    if lang == "ja":
        return f"要対処 {count['error']}、注意 {count['warning']}、正常 {count['ok']}、未確認 {count['unseen']}"
    return f"{count['error']} errors, {count['warning']} warnings, {count['ok']} ok, {count['unseen']} not seen"


def _no_look(patient: Patient, error: LinkLost, lang: Lang) -> str:
    where = f"{patient.host}:{patient.port}"
    if isinstance(error, LoginRefused):
        if lang == "ja":
            return f"{where}: {error}。パスワードと event_socket.conf.xml のACLを確かめてください。"
        return f"{where}: {error}. Check the password, and the addresses that event_socket.conf.xml lets in."
    if lang == "ja":
        return f"{where}: {error}。FreeSWITCHが動いているか、mod_event_socket があるか確かめてください。"
    return f"{where}: {error}. See that FreeSWITCH runs, with mod_event_socket on this address and port."


def gather(patient: Patient) -> Facts:
    """Everything there is to know. Raises LinkLost."""
    switch, loaded = _asked(patient)
    here = machine.is_here(patient.host) and not switch.simulated
    prefix = patient.prefix or _prefix(switch, here)
    files = None if prefix is None else conf_files.read(prefix)
    facts = Facts(
        switch=switch,
        expected=_expected(patient),
        files=files,
        owners=conf_files.owners(prefix, files) if prefix and files else {},
        prefix=str(prefix or ""),
        loaded=loaded,
        from_files=conf_files.understood(files, switch.variables) if files else {},
    )
    return replace(facts, machine=_machine(patient, facts)) if here else facts


def _asked(patient: Patient) -> tuple[Switch, dict[str, Element]]:
    """What the switch tells, and what it lets the agent do. Raises LinkLost for the operator's log-in only."""
    with _connected(patient, patient.user, patient.password) as link:
        switch, loaded = ask(link)
    if patient.agent is None:
        return switch, loaded
    try:
        with _connected(patient, *patient.agent) as link:
            return replace(switch, rights=ask_rights(link)), loaded
    except LoginRefused as error:
        return replace(switch, rights=Rights(log_in=str(error))), loaded


@contextmanager
def _connected(patient: Patient, user: str, password: str) -> Iterator[Link]:
    link = Link(patient.host, patient.port, password, patient.timeout_s, user=user)
    link.connect()
    try:
        with gevent.Timeout(WHOLE_S, LinkLost(f"not all questions answered within {WHOLE_S:.0f} s")):
            yield link
    finally:
        link.stop()


def _expected(patient: Patient) -> Expected:
    sounds = Path(patient.sounds_dir) if patient.sounds_dir else None
    return Expected(
        host=patient.host,
        port=patient.port,
        stock_password=patient.password == STOCK_PASSWORD,
        cdr_dir=patient.cdr_dir,
        sounds_dir=patient.sounds_dir,
        prompts=() if sounds is None else tuple(name for name in BUILT_IN if (sounds / f"{name}.wav").is_file()),
    )


def _machine(patient: Patient, facts: Facts) -> Machine:
    said = facts.switch.variables
    records = facts.parameter("json_cdr.conf", "log-dir") or (f"{said['log_dir']}/json_cdr" if said["log_dir"] else "")
    folders = {
        "cdr": records,
        "recordings": patient.recordings_dir or said["recordings_dir"],
        "db": said["db_dir"],
    }
    return machine.look(patient.port, said["run_dir"], folders)


def _prefix(switch: Switch, here: bool) -> Path | None:
    said = switch.variables.get("conf_dir", "")
    return Path(said) if here and said.startswith("/") else None
